"""A history that nobody can change unseen."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import audit, review
from pipeline.cli import app
from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.people import local_person
from tests.desks import build_desk

ADA = local_person("ada")
HAT, MUG = 1, 2


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """With three decisions."""
    opened = build_desk(tmp_path / "desk")
    review.reject(opened, HAT, by=ADA, reason="other", note="too dark")
    review.undo(opened, HAT, by=ADA)
    review.accept(opened, MUG, by=ADA)
    yield opened
    opened.close()


def tamper(desk: Desk, statement: str) -> None:
    with desk.db.write() as connection:
        if not desk.db.is_shared:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        assert connection.exec_driver_sql(statement).rowcount


def test_what_nobody_touched_is_whole(desk: Desk) -> None:
    found = audit.verify(desk)
    assert (found.is_whole, found.decisions, found.breaks) == (True, 3, ())
    assert found.events > 12


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE event SET actor = 'eve' WHERE id = 5", "event 5 "),
        ("UPDATE event SET data = '{}' WHERE id = (SELECT max(id) FROM event)", "does not follow"),
        ("UPDATE event SET at = '2020-01-01 00:00:00.000000' WHERE id = 5", "event 5 "),
        ("DELETE FROM event WHERE id = 5", "event 6 "),
        ("DELETE FROM event WHERE id = (SELECT max(id) FROM event)", "the last ones were removed"),
        ("UPDATE event SET id = CASE id WHEN 5 THEN -6 ELSE -5 END WHERE id IN (5, 6)", "event 7 "),
        ("UPDATE decision SET actor = 'eve' WHERE id = 1", "decision 1 "),
        ("UPDATE decision SET note = '' WHERE id = 1", "decision 1 "),
        ("UPDATE decision SET flags = '[]' WHERE id = 3", "decision 3 "),
        ("DELETE FROM decision WHERE id = 3", "was removed"),
        ("DELETE FROM decision WHERE id = 1", "decision 2 "),
        (
            "INSERT INTO decision (edit_id, kind, actor, revision, state_before, state_after, approvals_before, reason,"
            " note, flags, policy_hash, created_at) SELECT edit_id, kind, 'eve', revision, state_before, state_after, "
            "approvals_before, reason, note, flags, policy_hash, created_at FROM decision WHERE id = 3",
            "recorded by no event",
        ),
        (
            "INSERT INTO decision (id, edit_id, kind, actor, revision, state_before, state_after, approvals_before, "
            "reason, note, flags, policy_hash, created_at) SELECT -1, edit_id, 'accept', 'eve', revision, state_before,"
            " state_after, approvals_before, reason, note, flags, policy_hash, created_at FROM decision WHERE id = 1",
            "decision -1 ",
        ),
        (
            "INSERT INTO event (id, at, kind, actor, edit_id, data, hash) "
            "SELECT -1, at, kind, 'eve', edit_id, data, hash FROM event WHERE id = 5",
            "event -1 ",
        ),
    ],
)
def test_any_change_is_found(desk: Desk, statement: str, says: str) -> None:
    tamper(desk, statement)
    found = audit.verify(desk)
    assert not found.is_whole
    assert any(says in place for place in found.breaks)


def test_a_head_that_was_noted_vouches_for_what_led_to_it(desk: Desk) -> None:
    noted = audit.verify(desk).head
    review.accept(desk, HAT, by=ADA)
    assert audit.verify(desk, expected=noted).is_whole
    assert not audit.verify(desk, expected="0" * 63 + "1").is_whole


def test_the_command_says_where_and_exits_with_1(desk: Desk) -> None:
    call = ["--desk", str(desk.root), "audit", "verify"]
    assert CliRunner().invoke(app, call).exit_code == 0
    tamper(desk, "UPDATE decision SET reason = 'logo' WHERE id = 1")
    done = CliRunner().invoke(app, [*call, "--json"])
    assert done.exit_code == 1
    assert "decision 1 " in json.loads(done.stdout)["breaks"][0]


def test_the_log_does_not_tell_a_sampled_edit_from_another(desk: Desk) -> None:
    """``cap`` (4) is in review as a sample, ``bag`` (3) for its flag."""
    told = [audit.latest(desk, kind="edit.in_review", edit_id=edit_id)[0].data for edit_id in (3, 4)]
    assert told[0] == told[1]
    assert told[0]["policy_hash"] == desk.policy.hash


def test_the_log_begins_with_the_latest(desk: Desk) -> None:
    events = audit.latest(desk, actor="ada", limit=2)
    assert [(event.kind, event.edit_id) for event in events] == [("edit.approved", MUG), ("edit.in_review", HAT)]


def test_a_process_of_its_own_finds_the_same(desk: Desk) -> None:
    assert audit.verify_apart(desk, expected="0" * 64) == audit.verify(desk, expected="0" * 64)
    tamper(desk, "UPDATE decision SET note = 'fine' WHERE id = 1")
    assert audit.verify_apart(desk) == audit.verify(desk)
    with pytest.raises(UsageError, match="expected a hash"):
        audit.verify_apart(desk, expected="--help\0")
