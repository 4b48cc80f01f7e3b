"""Saving a policy, and who takes it up; the same of the desk's other files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import audit, kept_policies, kit_files, own_recipes, policies, rereading, settings_file
from pipeline.desk import Desk
from pipeline.errors import Conflict, Forbidden, NotFound, PictureError, PolicyError, RecipeError, UsageError
from pipeline.people import Person, local_person
from pipeline.recipes import builtin_folder
from pipeline.routing import DEFAULT_FILE, parse_policy
from pipeline.states import Role
from pipeline.store import reading
from tests.desks import drawn_picture

ROOT = local_person("root")
APPROVER = Person("eve@example.com", Role.APPROVER)
STRICTER = DEFAULT_FILE.replace("approvals = 1", "approvals = 2")


@pytest.fixture
def elsewhere(desk: Desk) -> Iterator[Desk]:
    """The same desk, as another process has it open."""
    opened = Desk.open(desk.root)
    yield opened
    opened.close()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was just written counts at once."""
    monkeypatch.setattr(rereading, "SETTLED_S", 0)
    monkeypatch.setattr(rereading, "EVERY_S", 0)


def is_always_reviewed(desk: Desk, recipe: str) -> bool:
    return desk.recipes[recipe].always_reviewed


def kinds(desk: Desk) -> list[str]:
    return [event.kind for event in reading.latest_events(desk.db, limit=50)][::-1]


@pytest.mark.usefixtures("settled")
def test_a_saved_policy_is_in_force_kept_by_its_hash_and_in_the_history(desk: Desk, elsewhere: Desk) -> None:
    first = elsewhere.policy
    saved = policies.save(desk, STRICTER, seen=policies.in_force(desk).stamp, by=ROOT)
    assert (desk.policy, elsewhere.policy.approvals) == (saved, 2)
    (event,) = reading.latest_events(desk.db, limit=5)
    assert (event.kind, event.actor) == ("policy.changed", "root")
    assert (event.data["from"], event.data["to"]) == (first.hash, saved.hash)
    assert [each.hash for each in kept_policies.kept_policies(desk.root)] == [saved.hash, first.hash]
    assert kept_policies.kept_policy_text(desk.root, first.hash) == DEFAULT_FILE
    assert kept_policies.kept_policy_text(desk.root, saved.hash) == STRICTER
    assert audit.verify(desk).is_whole
    for name in ("0" * 16, "../policy", "", "a" * 300):
        with pytest.raises(NotFound):
            kept_policies.kept_policy_text(desk.root, name)


def test_what_must_not_be_saved_changes_nothing(desk: Desk, elsewhere: Desk) -> None:
    stamp = policies.in_force(desk).stamp
    with pytest.raises(Forbidden, match="may not change the policy"):
        policies.save(desk, STRICTER, seen=stamp, by=APPROVER)
    with pytest.raises(PolicyError, match="line 4, sample_share: found 5; expected a number from 0 to 1"):
        policies.save(desk, "# mine\n\n\nsample_share = 5\n", seen=stamp, by=ROOT)
    assert ((desk.root / "policy.toml").read_text(), kinds(desk)) == (DEFAULT_FILE, [])
    policies.save(elsewhere, "approvals = 3", seen=stamp, by=ROOT)
    with pytest.raises(Conflict, match="somebody changed it meanwhile"):
        policies.save(desk, STRICTER, seen=stamp, by=ROOT)
    assert ((desk.root / "policy.toml").read_text(), kinds(desk)) == ("approvals = 3", ["policy.changed"])


def test_a_file_that_is_just_being_written_is_not_read_yet(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty policy would be the default one."""
    monkeypatch.setattr(rereading, "EVERY_S", 0)
    monkeypatch.setattr(rereading, "SETTLED_S", 60)
    path = desk.root / "policy.toml"
    path.write_text(STRICTER)
    os.utime(path, (1, 1))
    assert desk.policy.approvals == 2
    path.write_text("")
    assert desk.policy.approvals == 2
    os.utime(path, (2, 2))
    assert desk.policy == parse_policy({})
    path.write_text("approvals = ")
    os.utime(path, (3, 3))
    with pytest.raises(PolicyError, match=r"policy\.toml: Invalid value"):
        _ = desk.policy


@pytest.mark.parametrize(
    ("text", "key", "value", "expected"),
    [
        ("sample_share = 0.05 # why\n", "sample_share", 0.1, "sample_share = 0.1 # why\n"),
        ('a = [\n  "x", # one\n]\n', "a", ["y"], 'a = ["y"]\n'),
        ("# top\nmost_bad = 0.1\napprovals = 1\n", "most_bad", None, "# top\napprovals = 1\n"),
        ("approvals = 1\n", "most_bad", 0.5, "approvals = 1\nmost_bad = 0.5\n"),
        ('[[rule]]\nname = "x"\n', "approvals", 2, 'approvals = 2\n[[rule]]\nname = "x"\n'),
    ],
)
def test_one_key_is_changed_and_the_rest_stays(text: str, key: str, value: object, expected: str) -> None:
    assert policies.with_key(text, key, value) == expected


def test_who_reads_the_policy_cannot_draw_its_sample() -> None:
    shown = policies.without_seed('sample_seed = "tulip"\napprovals = 2')
    assert "tulip" not in shown
    assert "approvals = 2" in shown


@pytest.mark.usefixtures("settled")
def test_recipes_are_added_changed_and_removed_and_taken_up(desk: Desk, elsewhere: Desk) -> None:
    assert "sale-badge" not in elsewhere.recipes
    own_recipes.save(desk, own_recipes.EXAMPLE, file=None, seen="", by=ROOT)
    assert is_always_reviewed(elsewhere, "sale-badge")
    first = own_recipes.recipe_texts(desk)[0]
    with pytest.raises(Conflict, match="already"):
        own_recipes.save(desk, own_recipes.EXAMPLE, file=None, seen="", by=ROOT)
    text = own_recipes.EXAMPLE.replace("always = true", "always = false")
    own_recipes.save(desk, text, file=first.file, seen=first.stamp, by=ROOT)
    assert not is_always_reviewed(elsewhere, "sale-badge")
    with pytest.raises(Conflict, match="meanwhile"):
        own_recipes.remove(desk, first.file, seen=first.stamp, by=ROOT)
    for file in ("../policy.toml", "outpaint.toml"):
        with pytest.raises(RecipeError, match="no such recipe of its own"):
            own_recipes.remove(desk, file, seen="", by=ROOT)
    with pytest.raises(Forbidden):
        own_recipes.remove(desk, first.file, seen=own_recipes.recipe_texts(desk)[0].stamp, by=APPROVER)
    own_recipes.remove(desk, first.file, seen=own_recipes.recipe_texts(desk)[0].stamp, by=ROOT)
    assert "sale-badge" not in elsewhere.recipes
    assert kinds(desk) == ["recipe.added", "recipe.changed", "recipe.removed"]


def test_a_broken_recipe_is_listed_so_that_it_can_be_mended(desk: Desk) -> None:
    (desk.root / "recipes" / "mine.toml").write_text("name = ")
    mine = own_recipes.recipe_texts(desk)[0]
    assert (mine.name, mine.recipe) == ("mine", None)
    assert "Invalid value" in mine.problem
    text = (builtin_folder() / "outpaint.toml").read_text("utf-8").replace("More room", "Less room")
    own_recipes.save(desk, text, file="mine.toml", seen=mine.stamp, by=ROOT)
    assert desk.recipes["outpaint"].title.startswith("Less room")
    assert [each.is_own for each in own_recipes.recipe_texts(desk) if each.name == "outpaint"] == [True]


def test_logos_are_added_under_safe_names_and_removed(desk: Desk) -> None:
    data = drawn_picture("teal")
    added = [kit_files.add(desk, label, data, by=ROOT) for label in ("Acme", "Acme", " ../../evil<b> ", "air-2", "con")]
    assert [each.name for each in added] == ["Acme.png", "Acme-2.png", "_.._evil_b_.png", "air-2_.png", "_con.png"]
    assert {each.label for each in kit_files.pictures(desk)} == {each.label for each in added}
    assert kit_files.small(desk, added[0])[8:12] == b"WEBP"
    assert (kit_files.kit_folder(desk) / "Acme.png").read_bytes() == data
    kit_files.remove(desk, added[1], by=ROOT)
    with pytest.raises(NotFound, match="no such reference any more"):
        kit_files.remove(desk, added[1], by=ROOT)
    assert len(kit_files.pictures(desk)) == 4
    assert kinds(desk) == ["kit.added"] * 5 + ["kit.removed"]


def test_what_is_no_picture_is_not_added(desk: Desk) -> None:
    good = drawn_picture("teal")
    for data, said in ((b"", "empty"), (b"<svg onload=alert(1)>", "SVG"), (good[:900], "breaks off")):
        with pytest.raises(PictureError, match=said):
            kit_files.add(desk, "acme", data, by=ROOT)
    with pytest.raises(UsageError, match="no name"):
        kit_files.add(desk, " ", good, by=ROOT)
    with pytest.raises(Forbidden):
        kit_files.add(desk, "acme", good, by=APPROVER)
    assert (kit_files.pictures(desk), kinds(desk)) == ([], [])


def test_names_are_checked_line_by_line(desk: Desk) -> None:
    kit_files.save_words(desk, "# ours\nTarnquill\nOsk  exact\n", seen=kit_files.words(desk).stamp, by=ROOT)
    words = kit_files.words(desk)
    assert words.text == "# ours\nTarnquill\nOsk\texact\n"
    for text, said in (("Acme\n漢字", "line 2"), ("Acme\tloud", "loud")):
        with pytest.raises(UsageError, match=said):
            kit_files.save_words(desk, text, seen=words.stamp, by=ROOT)
    with pytest.raises(Conflict):
        kit_files.save_words(desk, "Acme", seen="", by=ROOT)
    assert kit_files.words(desk) == words


@pytest.mark.usefixtures("settled")
def test_reasons_are_changed_in_place(desk: Desk, elsewhere: Desk) -> None:
    before = elsewhere.reject_reasons
    settings_file.save_reject_reasons(desk, ["blurred", "", " other "], seen=before, by=ROOT)
    assert elsewhere.reject_reasons == ("blurred", "other")
    text = (desk.root / "picturedesk.toml").read_text()
    assert 'brand_kit = "brand-kit"       # folder with reference logos and words.txt' in text
    for reasons, said in (([], "1 to 50"), (["a", "a"], "twice"), (["x" * 81], "80 printable")):
        with pytest.raises(UsageError, match=said):
            settings_file.save_reject_reasons(desk, reasons, seen=desk.reject_reasons, by=ROOT)
    with pytest.raises(Conflict):
        settings_file.save_reject_reasons(desk, ["late"], seen=before, by=ROOT)
    with pytest.raises(Forbidden):
        settings_file.save_reject_reasons(desk, ["mine"], seen=desk.reject_reasons, by=APPROVER)
    assert kinds(desk) == ["settings.reject_reasons"]


def test_no_secret_is_among_the_settings_that_are_shown(tmp_path: Path) -> None:
    Desk.open(tmp_path / "desk", create=True).close()
    options = {"openai": {"api_key": "sk-1", "base_url": "https://me:sk-1@example.com/v1", "images_per_minute": 5}}
    desk = Desk.open(tmp_path / "desk", providers=options, budget_usd=2.5)
    shown = {each.name: each for each in settings_file.settings_in_use(desk)}
    assert "sk-1" not in str(shown)
    assert shown["providers.openai.api_key"].value == "not shown"
    assert shown["providers.openai.base_url"].value == "https://example.com/v1"
    assert (shown["budget_usd"].value, shown["budget_usd"].is_default) == ("2.5", False)
    assert shown["provider"].is_default
    desk.close()
