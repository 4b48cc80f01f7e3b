"""A runner that is at work goes by policy, recipes and brand kit as they are now."""

from pathlib import Path

import pytest

from pipeline import kit_files, own_recipes, policies, rereading
from pipeline.desk import Desk
from pipeline.intake import take_in
from pipeline.looking import Looker
from pipeline.people import local_person
from pipeline.routing import DEFAULT_FILE
from pipeline.states import EditState
from pipeline.store.journal import Journal
from tests.commands import shared_pool
from tests.runner.desks import edits, make_desk, run

ROOT = local_person("root")
RECIPE = 'name = "watched"\ntitle = "Watched"\nprompt = "one"\n[review]\nalways = true\n'


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereading, "SETTLED_S", 0)
    monkeypatch.setattr(rereading, "EVERY_S", 0)


def save_policy(root: Path, text: str) -> str:
    """From another process, as it were; gives the policy's hash."""
    other = Desk.open(root)
    saved = policies.save(other, text, seen=policies.in_force(other).stamp, by=ROOT)
    other.close()
    return saved.hash


def test_what_is_routed_after_a_change_goes_by_the_new_policy(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    lenient = save_policy(desk.root, DEFAULT_FILE.replace("sample_share = 0.05", "sample_share = 0"))
    run(desk)
    strict = save_policy(desk.root, "review_everything = true")
    take_in(desk, manifest(tmp_path, "two"), actor="ada")
    run(desk)
    first, second = edits(desk)
    assert (first.state, first.route["policy_hash"]) == (EditState.APPROVED, lenient)
    assert (second.state, second.route["policy_hash"]) == (EditState.IN_REVIEW, strict)


def test_the_rule_of_a_new_recipe_holds_in_a_desk_that_was_open_before(tmp_path: Path) -> None:
    desk, other = make_desk(tmp_path, "one"), Desk.open(tmp_path / "desk", provider="scripted")
    assert "watched" not in desk.recipes
    own_recipes.save(other, RECIPE, file=None, seen="", by=ROOT)
    take_in(other, manifest(tmp_path, "", recipe="watched"), actor="ada")
    run(desk)
    edit = edits(desk)[-1]
    assert edit.route["reasons"] == ["recipe watched is always reviewed"]
    other.close()


def test_a_looker_takes_a_changed_brand_kit_up(tmp_path: Path) -> None:
    """The text detector's findings stay good; the logo detector looks again, and every process loads the kit anew."""
    desk = make_desk(tmp_path, "one", detectors=("text", "logos"))
    journal = Journal(desk.db)
    looker = Looker(desk, shared_pool(), journal, owner="runner")
    before = looker._eyes.now()
    kit_files.save_words(desk, "Tarnquill\n", seen="", by=ROOT)
    after = looker._eyes.now()
    assert before.suite != after.suite
    assert before.fingerprints["text"] == after.fingerprints["text"]
    assert before.fingerprints["logos"] != after.fingerprints["logos"]
    journal.close()


def manifest(tmp_path: Path, prompt: str, *, recipe: str = "") -> Path:
    path = tmp_path / "shop" / "more.csv"
    path.write_text(f"asset_id,source,prompt,recipe\nmore,0.png,{prompt},{recipe}\n")
    return path
