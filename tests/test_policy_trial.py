"""A policy tried on past edits: what is counted, what is listed, and what stays unsaid."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import policy_trial, review
from pipeline.cli import app
from pipeline.desk import Desk
from pipeline.errors import Forbidden, PolicyError
from pipeline.looking import case_of
from pipeline.people import Person, local_person
from pipeline.policy_trial import Load, Moved, Part, Trial, sentence, time_sentence, try_policy, try_text
from pipeline.review import Screen
from pipeline.routing import DEFAULT_FILE, parse_policy, route
from pipeline.states import Role
from pipeline.store import reading, routed
from tests.desks import build_desk

ADA = local_person("ada")
HAT, MUG, BAG, CAP, SOCK = range(1, 6)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Decided: ``hat`` (a face was kept) and ``cap`` (a sample) are rejected, ``mug`` (text introduced) is accepted,
    ``bag`` (a logo lost, two outputs) is asked for again, ``sock`` is approved by the policy.
    """
    opened = build_desk(tmp_path_factory.mktemp("tried") / "desk")
    review.reject(opened, HAT, by=ADA, reason="face", screen=Screen(shown_ms=1_000))
    review.accept(opened, MUG, by=ADA, screen=Screen(shown_ms=2_000))
    review.reprompt(opened, BAG, by=ADA, prompt="keep the logo", screen=Screen(shown_ms=9_000))
    review.reject(opened, CAP, by=ADA, reason="other")
    yield opened
    opened.close()


@pytest.fixture
def own_desk(desk: Desk, tmp_path: Path) -> Iterator[Desk]:
    """A copy that a test may change."""
    opened = Desk.open(Path(shutil.copytree(desk.root, tmp_path / "desk")))
    yield opened
    opened.close()


def picturedesk(desk: Desk, *arguments: str) -> str:
    """The command, in this process; gives its standard output."""
    done = CliRunner().invoke(app, ["--desk", str(desk.root), *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_fewer_come_and_those_that_people_did_not_accept_are_listed(desk: Desk) -> None:
    """Without kept faces, the hat would have passed; nobody may know that the cap was a sample."""
    found = try_policy(desk, parse_policy({"always_review": ["text"], "sample_share": 0.5}), by=ADA)
    assert (found.edits, found.before, found.after) == (5, Load(3, 0.1, 3.1), Load(2, 1.5, 3.5))
    assert (found.fewer, found.more) == (Moved(edits=1, decided=1, rejected=1), Moved())
    assert found.missed == (HAT,)
    assert found.look_ms == 2_000
    assert found.saved_s == pytest.approx(-0.8)
    assert found.parts["batch"] == (Part("autumn", 5, coming_before=3, coming_after=2, fewer=1, fewer_bad=1, more=0),)
    assert sentence(found) == (
        "Of the last 5 edits that were decided, 1 fewer would have come to people; of them, 1 was rejected."
    )


def test_more_come_and_a_sample_counts_as_approved_by_the_policy_but_is_not_named(desk: Desk) -> None:
    found = try_policy(desk, parse_policy({"review_everything": True, "approvals": 2}), by=ADA)
    assert (found.fewer, found.more) == (Moved(), Moved(edits=2, decided=1, rejected=1))
    assert (found.after, found.missed) == (Load(5, 0, 10), ())


def test_what_was_asked_for_again_counts_as_not_accepted(own_desk: Desk) -> None:
    """With a single output, the bag would have passed, too."""
    second = "(SELECT max(id) FROM output WHERE edit_id = 3)"
    with own_desk.db.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM flag WHERE output_id = {second}")
        connection.exec_driver_sql(f"DELETE FROM output WHERE id = {second}")
    found = try_policy(own_desk, parse_policy({"always_review": [], "may_be_lost": ["logo"]}), by=ADA)
    assert found.fewer == Moved(edits=2, decided=2, rejected=1, asked_again=1)
    assert found.missed == (BAG, HAT)


def test_what_is_not_decided_is_not_tried(own_desk: Desk) -> None:
    review.undo(own_desk, HAT, by=ADA)
    assert try_policy(own_desk, own_desk.policy, by=ADA).edits == 4


def test_the_newest_are_tried_page_by_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routed, "_PAGE", 2)
    done: list[int] = []
    assert try_policy(desk, desk.policy, by=ADA, last=3, on_progress=done.append).edits == 3
    assert done == [2, 3]
    assert [edit.id for page in routed.decided_edits(desk.db, last=9) for edit in page] == [5, 4, 3, 2, 1]


def test_an_edit_is_routed_as_the_runner_routes_it(desk: Desk) -> None:
    """The lean rows say of an edit what the full record says."""
    strict = parse_policy({"sample_share": 0, "rule": [{"name": "x", "when": {"cost_usd": {"above": 0.03}}}]})
    read = {edit.id: edit for page in routed.decided_edits(desk.db, last=9) for edit in page}
    for record in reading.edits(desk.db, list(read)):
        flags = [flag for output in record.outputs for flag in output.flags]
        full, lean = case_of(record, flags, desk.recipes), policy_trial._case(read[record.id], desk.recipes)
        assert replace(full, flags=()) == replace(lean, flags=())
        for policy in (desk.policy, strict):
            assert route(full, policy).to_review == route(lean, policy).to_review


def test_a_long_trial_in_another_process_comes_to_the_same(desk: Desk) -> None:
    done: list[int] = []
    text = 'always_review = ["text"]'
    here, apart = (try_text(desk, text, by=ADA, last=last, on_progress=done.append) for last in (10_000, 10_001))
    assert here == apart
    assert (here.missed, done) == ((HAT,), [5, 5])
    with pytest.raises(Forbidden):
        try_text(desk, text, by=Person("eve@example.com", Role.APPROVER), last=10_001)


def test_only_an_admin_tries_policies(desk: Desk) -> None:
    with pytest.raises(Forbidden, match="may not try a policy"):
        try_policy(desk, desk.policy, by=Person("eve@example.com", Role.APPROVER))


def trial(fewer: Moved, more: Moved, *, edits: int = 10_000, saved_s: float = 0) -> Trial:
    load = Load(500, 0, 500 + saved_s / 2)
    return Trial(edits, load, Load(500, 0, 500), fewer, more, (), 2_000, {"batch": (), "recipe": ()})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (trial(Moved(), Moved(), edits=0), "Nothing was decided yet, so there is nothing to try a policy on."),
        (
            trial(Moved(), Moved()),
            "Of the last 10,000 edits that were decided, the same 500 would have come to people.",
        ),
        (trial(Moved(41, 41, 2), Moved()), "41 fewer would have come to people; of them, 2 were rejected."),
        (
            trial(Moved(41, 30, 2, 1), Moved(7)),
            "41 fewer and 7 more would have come to people; of the 30 of them that people decided on, 2 were rejected "
            "and 1 was asked for again.",
        ),
        (
            trial(Moved(41, 30), Moved()),
            "none of the 30 of them that people decided on was rejected or asked for again.",
        ),
        (trial(Moved(41), Moved()), "41 fewer would have come to people; people decided on none of the fewer."),
        (trial(Moved(), Moved(7, 3, 1)), "7 more would have come to people."),
    ],
)
def test_the_trial_in_a_sentence(found: Trial, said: str) -> None:
    assert sentence(found).endswith(said)


@pytest.mark.parametrize(
    ("saved_s", "said"),
    [
        (0, ""),
        (30, "That saves about 30 s, at 2.0 s a look."),
        (-600, "That takes about 10 min, at 2.0 s a look."),
        (7200, "That saves about 2.0 h, at 2.0 s a look."),
    ],
)
def test_the_time_in_a_sentence(saved_s: float, said: str) -> None:
    assert time_sentence(trial(Moved(), Moved(), saved_s=saved_s)) == said


def test_the_command_shows_tries_and_sets(own_desk: Desk, tmp_path: Path) -> None:
    file, first = tmp_path / "new.toml", own_desk.policy.hash
    file.write_text(picturedesk(own_desk, "policy", "show").replace('["logo", "text", "face"]', '["text"]'))
    found = json.loads(picturedesk(own_desk, "policy", "try", str(file), "--last", "50", "--json"))
    assert (found["edits"], found["fewer"]["rejected"], found["missed"]) == (5, 1, [HAT])
    said = picturedesk(own_desk, "policy", "try", str(file))
    assert "1 fewer would have come to people" in said
    assert "picturedesk show 1" in said
    assert "is in force" in picturedesk(own_desk, "policy", "set", str(file), "--actor", "root")
    assert picturedesk(own_desk, "policy", "show") == file.read_text()
    assert picturedesk(own_desk, "policy", "show", first) == DEFAULT_FILE
    file.write_text("approvals = 0")
    for command in ("set", "try"):
        with pytest.raises(PolicyError, match="line 1, approvals: found 0; expected a whole number from 1 to 100"):
            picturedesk(own_desk, "policy", command, str(file))
