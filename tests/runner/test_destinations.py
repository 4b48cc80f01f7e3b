"""Where pictures go is said of a batch, a row or a recipe, and what a destination does not take comes to a person."""

from pathlib import Path

import pytest
from PIL import Image

from pipeline.desk import Desk
from pipeline.errors import ManifestError, PackError
from pipeline.intake import take_in
from pipeline.people import local_person
from pipeline.records import EditRecord
from pipeline.reflagging import reflag
from pipeline.states import EditState
from pipeline.store import batching, reading
from pipeline.values import Kind
from tests.commands import run_command, shared_pool
from tests.desks import new_desk
from tests.runner.desks import edits, run

OPEN_POLICY = "review_everything = false\nalways_review = []\nsample_share = 0.0\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """No detector looks and nothing is sampled: a route to a person has another reason."""
    desk = new_desk(tmp_path / "desk", provider="scripted", detectors=(), workers=1)
    (desk.root / "policy.toml").write_text(OPEN_POLICY)
    desk.read_again()
    folder = tmp_path / "shop"
    folder.mkdir()
    Image.new("RGB", (64, 48), "olive").save(folder / "small.png")
    Image.new("RGB", (600, 500), "olive").save(folder / "large.png")
    return desk


def manifest(tmp_path: Path, text: str, name: str = "shop.csv") -> Path:
    path = tmp_path / "shop" / name
    path.write_text(text)
    return path


def broken(edit: EditRecord) -> list[str]:
    """What of its destinations' rules the edit's output breaks."""
    flags = edit.outputs[0].flags
    assert all((flag.detection.kind, flag.detection.detector) == (Kind.QUALITY, "destinations") for flag in flags)
    return [flag.detection.label.partition(":")[0] for flag in flags]


def test_a_batch_and_its_rows_say_where_pictures_go(desk: Desk, tmp_path: Path) -> None:
    """64 x 48 is too small for eBay and Shopify refuses nothing; 600 x 500 is enough for eBay, not for Walmart."""
    rows = "asset_id,source,prompt,destinations\na,small.png,x,\nb,large.png,x,\n"
    rows += "c,large.png,y,walmart | ebay\nd,small.png,y,shopify\n"
    take_in(desk, manifest(tmp_path, rows), actor="ada", destinations=["ebay"])
    assert [edit.asset.destinations for edit in edits(desk)] == [
        ("ebay",),
        ("ebay",),
        ("walmart", "ebay"),
        ("shopify",),
    ]
    run(desk)
    a, b, c, d = edits(desk)
    assert [broken(edit) for edit in (a, b, d)] == [["ebay smallest"], [], []]
    assert broken(c) == ["walmart square", "walmart zoom", "walmart white-ground"]
    assert [edit.state for edit in (a, b, c, d)] == [
        *(EditState.IN_REVIEW, EditState.APPROVED, EditState.IN_REVIEW, EditState.APPROVED)
    ]
    said = a.route["reasons"][0]
    assert "ebay smallest: 64x48 px" in said
    assert 'official rule: "Photos must be at least 500 pixels on the longest side."' in said


def test_a_batchs_destinations_stay_until_others_are_named_and_each_change_is_an_event(
    desk: Desk, tmp_path: Path
) -> None:
    rows = manifest(tmp_path, "asset_id,source,prompt\na,small.png,x\n")
    take_in(desk, rows, actor="ada", destinations=["shopify"])
    take_in(desk, rows, actor="ada", destinations=["shopify"])
    assert take_in(desk, rows, actor="ada").loaded.unchanged == 1
    assert reading.batch_named(desk.db, "shop").destinations == ("shopify",)
    with pytest.raises(PackError, match="no destination is called 'esbay'"):
        take_in(desk, rows, actor="ada", destinations=["esbay"])
    run(desk)
    (edit,) = edits(desk)
    assert edit.state is EditState.APPROVED
    batching.set_destinations(desk.db, edit.asset.batch_id, ["ebay", "shopify"], actor="bob")
    told = [(event.actor, event.data) for event in reading.latest_events(desk.db, kind="batch.destinations", limit=9)]
    assert told == [
        ("bob", {"batch": "shop", "from": ["shopify"], "to": ["ebay", "shopify"]}),
        ("ada", {"batch": "shop", "from": [], "to": ["shopify"]}),
    ]


def test_rows_and_recipes_of_destinations_that_nobody_knows_are_refused(desk: Desk, tmp_path: Path) -> None:
    (desk.root / "recipes" / "ours.toml").write_text(
        'name = "ours"\ntitle = "Ours"\nprompt = "x"\ndestinations = ["nowhere"]\n'
    )
    desk.read_again()
    rows = "asset_id,source,prompt,recipe,destinations\na,small.png,x,,ebay|esbay\nb,small.png,,ours,\n"
    with pytest.raises(ManifestError) as failed:
        take_in(desk, manifest(tmp_path, rows), actor="ada")
    assert [(each.line, each.column, each.found) for each in failed.value.problems] == [
        (2, "destinations", "esbay"),
        (3, "recipe", "ours, which goes to nowhere"),
    ]
    assert "one of the destinations: amazon-main, ebay" in failed.value.problems[0].expected


def test_a_recipes_own_destinations_come_first_and_fill_it(desk: Desk, tmp_path: Path) -> None:
    """The desk's own pack counts; once its file is gone, nobody can say what it asks for, and a person looks."""
    pack = (Path(__file__).parents[2] / "pipeline/destinations/builtin/generic.toml").read_text("utf-8")
    (desk.root / "destinations").mkdir()
    own = desk.root / "destinations" / "ours.toml"
    own.write_text(pack.replace('name = "generic"', 'name = "ours"').replace("2000x2000", "1200x1000"))
    (desk.root / "recipes" / "fit.toml").write_text(
        'name = "fit"\ntitle = "Fit"\nprompt = "to {size}"\ndestinations = ["ours"]\n'
        '[parameters.size]\ntype = "size"\ndefault = "64"\nfrom_destination = "size"\n'
    )
    desk.read_again()
    rows = "asset_id,source,recipe,destinations\na,large.png,fit,\nb,large.png,fit,ebay\n"
    take_in(desk, manifest(tmp_path, rows), actor="ada", destinations=["zalando"])
    assert [edit.asset.destinations for edit in edits(desk)] == [("ours", "zalando"), ("ours", "ebay")]
    assert [edit.instruction.prompt for edit in edits(desk)] == ["to 1000x834 to 1200x1000"] * 2
    own.unlink()
    desk.read_again()
    run(desk)
    a, b = edits(desk)
    assert a.outputs[0].flags[0].detection.label.startswith("ours: this desk knows no such destination")
    assert len(a.outputs[0].flags) == 3, "Zalando has two things to say"
    assert len(b.outputs[0].flags) == 1, "eBay has none"


def test_the_archive_is_held_against_destinations_that_were_named_since(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.reflagging.WorkPool", lambda _: shared_pool())
    take_in(desk, manifest(tmp_path, "asset_id,source,prompt\na,small.png,x\n"), actor="ada", destinations=["shopify"])
    run(desk)
    (before,) = edits(desk)
    me = local_person("ada")
    assert reflag(desk, by=me).reasoned == 0
    batching.set_destinations(desk.db, before.asset.batch_id, ["ebay"], actor="ada")
    found = reflag(desk, by=me, reopen=True)
    assert (found.looked, found.reasoned, found.reopened) == (1, 1, 1)
    (after,) = edits(desk)
    assert (after.state, broken(after)) == (EditState.IN_REVIEW, ["ebay smallest"])
    assert reflag(desk, by=me).looked == 0, "what was found is kept for the pack as it is"


def test_the_command_names_destinations_for_a_manifest_or_a_batch(desk: Desk, tmp_path: Path) -> None:
    rows, at = manifest(tmp_path, "asset_id,source,prompt\na,small.png,x\n"), ("--desk", str(desk.root))
    bare = run_command(*at, "run", "--destination", "ebay")
    assert (bare.exit_code, "name one" in bare.stderr) == (2, True)
    planned = run_command(*at, "run", str(rows), "--destination", "esbay", "--dry-run")
    assert (planned.exit_code, "no destination is called 'esbay'" in planned.stderr) == (2, True)
    take_in(desk, rows, actor="ada")
    done = run_command(*at, "run", "--batch", "shop", "--destination", "ebay", "--destination", "walmart", "--dry-run")
    assert done.exit_code == 0
    assert reading.batch_named(desk.db, "shop").destinations == (), "a plan changes nothing"
