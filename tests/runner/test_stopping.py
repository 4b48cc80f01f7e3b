"""What ends a run early, and what it leaves: nothing is lost, and the next run goes on."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import booking
from pipeline.desk import Desk
from pipeline.errors import AccountStopped, BlobsFailed, RetryLater, StoreError, UsageError
from pipeline.providers import Tools
from pipeline.runner import Runner
from pipeline.states import EditState
from pipeline.store import ledger, running
from pipeline.store.moves import EDIT
from pipeline.values import EditRequest, EditResult
from tests.fakes import ScriptedProvider, inverted
from tests.runner.desks import edits, make_desk, run, states

DONE = {EditState.APPROVED, EditState.IN_REVIEW}


def test_a_full_disk_books_what_the_answer_cost_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make_desk(tmp_path, "one", "two", "three", concurrency=1)

    def answer_and_fill(request: EditRequest) -> EditResult:
        _refuse_writing(monkeypatch)
        return inverted(request)

    for prompt in ("one", "two", "three"):  # whichever goes first
        ScriptedProvider.script[prompt] = [answer_and_fill]
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, StoreError)
    assert "free some space" in str(outcome.stopped_by)
    paid = len(ScriptedProvider.sent)
    assert paid < 3, "who was about to leave may have left"
    assert Counter(edit.error_code for edit in edits(desk)) == {"not_kept": paid, None: 3 - paid}
    assert ledger.purse(desk.db, "batch:1") == (40_000 * paid, 0)


def _refuse_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any) -> None:
        raise BlobsFailed("the disk is full; free some space and run again")

    monkeypatch.setattr("pipeline.pool.WorkPool.run", full)


def test_on_a_disk_that_is_nearly_full_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(booking, "_LEAST_FREE_MB", 10**12)
    desk = make_desk(tmp_path, "one")
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, StoreError)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.QUEUED], [])


def test_a_database_that_cannot_be_written_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreError("the desk's disk cannot be written (database or disk is full); free some space and run again")

    desk = make_desk(tmp_path, "one", "two")
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "begin", full)
        outcome = run(desk)
    assert isinstance(outcome.stopped_by, StoreError)
    assert ScriptedProvider.sent == []
    run(desk)
    assert set(states(desk)) <= DONE


def test_a_database_that_cannot_be_read_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any, **__: Any) -> list[int]:
        raise StoreError("the desk's database is busy in another process; try again in a moment")

    desk = make_desk(tmp_path, "one")
    with monkeypatch.context() as patch:
        patch.setattr(running, "claim_queued", busy)
        assert isinstance(run(desk).stopped_by, StoreError)
    run(desk)
    assert set(states(desk)) <= DONE


class Unusable(ScriptedProvider):
    """One whose settings are missing."""

    def __init__(self, options: dict[str, Any], tools: Tools) -> None:
        raise UsageError("providers.unusable.base_url is missing")


def test_a_provider_without_settings_keeps_its_edits_and_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(tmp_path, "one", "two")
    _give_to(desk, 1, "unusable")
    monkeypatch.setitem(__import__("pipeline.providers").providers.BUILT_IN, "unusable", f"{__name__}:Unusable")
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, UsageError)
    first, second = states(desk)
    assert first is EditState.QUEUED
    assert second in DONE


def _give_to(desk: Desk, edit_id: int, provider: str) -> None:
    with desk.db.write() as connection:
        connection.execute(sa.update(EDIT).where(EDIT.c.id == edit_id).values(provider=provider))


def test_one_interrupt_finishes_what_is_in_flight_and_begins_nothing(tmp_path: Path) -> None:
    def interrupt(request: EditRequest) -> EditResult:
        if len(ScriptedProvider.sent) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return inverted(request)

    names = ("one", "two", "three")  # any of them may be first
    ScriptedProvider.script = {name: [interrupt] for name in names}
    desk = make_desk(tmp_path, *names, concurrency=1)
    outcome = run(desk)
    assert outcome.was_interrupted
    made = len(ScriptedProvider.sent)
    assert made < 3, "who was about to leave may have left"
    assert sorted(state in DONE for state in states(desk)) == [False] * (3 - made) + [True] * made
    assert states(desk).count(EditState.QUEUED) == 3 - made


def test_an_interrupt_does_not_wait_for_the_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is told to come back in an hour is not waited for."""

    def later(request: EditRequest) -> EditResult:
        if len(ScriptedProvider.sent) == 1:
            asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGINT)
        raise RetryLater("rate_limited", "wait", retry_after_s=3600)

    names = ("one", "two", "three")  # any of them may be first
    ScriptedProvider.script = {name: [later] for name in names}
    desk = make_desk(tmp_path, *names, concurrency=1)
    outcome = asyncio.run(asyncio.wait_for(Runner(desk).run(), 60))
    assert outcome.was_interrupted
    assert set(states(desk)) == {EditState.QUEUED}


def test_an_account_that_stops_lets_two_hundred_in_flight_come_home(tmp_path: Path) -> None:
    prompts = [f"edit {number}" for number in range(200)]
    ScriptedProvider.script["edit 150"] = [AccountStopped("account_exhausted", "add credit")]
    desk = make_desk(tmp_path, *prompts, concurrency=200)
    assert isinstance(run(desk).stopped_by, AccountStopped)
    assert EditState.SENDING not in states(desk)
    run(desk)
    assert set(states(desk)) <= DONE
    assert sorted(ScriptedProvider.sent) == sorted([*prompts, "edit 150"])
    assert ledger.purse(desk.db, "batch:1") == (200 * 40_000, 0)


def test_other_errors_do_not_count_towards_an_edits_last_attempt(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [
        *[RetryLater("rate_limited", "wait", retry_after_s=0)] * 4,
        *[RetryLater("not_reached", "no network", retry_after_s=0)] * 4,
    ]
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert states(desk)[0] in DONE


def test_a_person_who_retries_begins_a_new_count(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [RetryLater("not_reached", "no network", retry_after_s=0)] * 6
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert states(desk) == [EditState.FAILED]
    running.requeue_failed(desk.db, batch_id=None, actor="ada")
    run(desk)
    assert states(desk)[0] in DONE
