"""A worker that was taken for dead and was only asleep: what it brings is booked once, and nothing of it is dropped."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import audit
from pipeline.errors import Conflict
from pipeline.states import EditState
from pipeline.store import Database, chain, ledger, reading, running, workers
from pipeline.store.ledger import Caps, Sending, StoredOutput
from pipeline.store.moves import EDIT
from pipeline.tables import now
from tests.attempts import begin
from tests.store.conftest import PICTURE, SOURCE, load, row

COST = 40_000
ANSWER = StoredOutput(PICTURE, "", {}, ())


@pytest.fixture
def attempt(db: Database) -> int:
    """A request of a worker that lives."""
    load(db, row("mug"), row("hat"))
    running.save_source(db, 1, original_sha256="0" * 64, source=SOURCE, facts={})
    workers.beat(db, "asleep", host="elsewhere", pid=1)
    workers.beat(db, "awake", host="elsewhere", pid=2)
    return begin(db, 1, owner="asleep", reserved_microusd=COST)


def finish(db: Database, attempt: int, *, owner: str = "asleep", cost: int | None = COST) -> list[int]:
    return ledger.finish(
        db, attempt, owner=owner, outputs=[ANSWER], request_id="r", usage={}, cost_microusd=cost, ai_model=""
    )


def give_up(db: Database, attempt: int, new: EditState, *, owner: str, **more: Any) -> None:
    ledger.give_up(db, attempt, new, owner=owner, code="answer_lost", message="why", **more)


def dismiss(db: Database, name: str = "asleep") -> workers.Left:
    silent = [each for each in workers.all_workers(db) if each.name == name]
    return workers.take_over(db, owner="awake", silent=silent)


def stands(db: Database) -> tuple[EditState, int, int]:
    """State, cost, and how many pictures."""
    edit = reading.edit(db, 1)
    return edit.state, edit.cost_microusd, len(edit.outputs)


def test_who_has_beaten_again_is_not_dismissed(db: Database, attempt: int) -> None:
    (seen,) = [each for each in workers.all_workers(db) if each.name == "asleep"]
    assert workers.beat(db, "asleep", host="elsewhere", pid=1)
    assert workers.take_over(db, owner="awake", silent=[seen]) == workers.Left((), ())
    assert {each.name for each in workers.all_workers(db)} == {"asleep", "awake"}


def test_what_the_dead_had_is_taken_over_by_one(db: Database, attempt: int) -> None:
    assert running.claim_queued(db, owner="asleep", provider="local", limit=5, batch_id=None) == [2]
    assert [each.id for each in dismiss(db).attempts] == [attempt]
    assert dismiss(db) == workers.Left((), ())
    assert running.claim_queued(db, owner="awake", provider="local", limit=5, batch_id=None) == [2]
    assert not workers.beat(db, "asleep", host="elsewhere", pid=1), "it hears that it had been taken for dead"


def test_an_answer_to_what_was_written_off_ends_the_doubt(db: Database, attempt: int) -> None:
    dismiss(db)
    give_up(db, attempt, EditState.IN_DOUBT, owner="awake", is_lost=True)
    assert ledger.purse(db, "batch:1") == (0, COST)
    assert len(finish(db, attempt)) == 1
    assert stands(db) == (EditState.PRODUCED, COST, 1)
    assert ledger.purse(db, "batch:1") == (COST, 0)
    assert ledger.doubtful(db) == {}
    assert reading.edit(db, 1).error is None


def test_it_keeps_an_edit_from_being_sent_once_more(db: Database, attempt: int) -> None:
    dismiss(db)
    give_up(db, attempt, EditState.QUEUED, owner="awake", is_lost=True)
    assert running.claim_queued(db, owner="awake", provider="local", limit=1, batch_id=None) == [1]
    assert len(finish(db, attempt)) == 1
    with pytest.raises(Conflict):
        begin(db, 1, owner="awake", client_id="pd-again")
    assert stands(db) == (EditState.PRODUCED, COST, 1)


def test_if_it_was_sent_once_more_both_answers_are_paid_and_kept(db: Database, attempt: int) -> None:
    dismiss(db)
    give_up(db, attempt, EditState.QUEUED, owner="awake", is_lost=True)
    second = begin(db, 1, owner="awake", client_id="pd-again", reserved_microusd=COST)
    assert finish(db, attempt) == []
    assert stands(db) == (EditState.SENDING, COST, 1)
    assert len(finish(db, second, owner="awake")) == 1
    assert stands(db) == (EditState.PRODUCED, 2 * COST, 2)
    assert ledger.purse(db, "batch:1") == (2 * COST, 0)


def test_what_was_given_back_as_never_sent_is_charged_after_all(db: Database, attempt: int) -> None:
    dismiss(db)
    give_up(db, attempt, EditState.QUEUED, owner="awake")
    assert ledger.purse(db, "batch:1") == (0, 0)
    assert len(finish(db, attempt)) == 1
    assert ledger.purse(db, "batch:1") == (COST, 0)


def test_what_a_bill_has_told_is_not_charged_twice(db: Database, attempt: int) -> None:
    give_up(db, attempt, EditState.IN_DOUBT, owner="asleep", is_lost=True)
    assert ledger.settle(db, {"pd-1-asleep": 30_000}, actor="ada") == (1, 0)
    assert len(finish(db, attempt)) == 1
    assert stands(db) == (EditState.PRODUCED, 30_000, 1)
    assert ledger.purse(db, "batch:1") == (30_000, 0)


def test_one_answer_that_two_bring_is_booked_once(db: Database, attempt: int) -> None:
    dismiss(db)
    assert len(finish(db, attempt, owner="awake")) == 1
    assert finish(db, attempt) == []
    assert stands(db) == (EditState.PRODUCED, COST, 1)


def test_an_answer_that_was_committed_unheard_is_found_again(db: Database, attempt: int) -> None:
    """The database's server was restarted between the commit and the word of it."""
    assert finish(db, attempt) == finish(db, attempt)
    assert stands(db) == (EditState.PRODUCED, COST, 1)
    sending = Sending(1, "key-2", "pd-2", {}, COST)
    begun = [ledger.begin(db, 2, sending, owner="asleep", caps=Caps()) for _ in range(2)]
    assert begun[0] == begun[1]
    assert ledger.purse(db, "batch:1") == (COST, COST)


def test_not_knowing_is_no_news_from_one_who_was_taken_over(db: Database, attempt: int) -> None:
    dismiss(db)
    with pytest.raises(Conflict, match="awake has it"):
        give_up(db, attempt, EditState.IN_DOUBT, owner="asleep", is_lost=True)
    assert not ledger.is_to_be_sent(db, attempt, owner="asleep")
    assert ledger.is_to_be_sent(db, attempt, owner="awake")


def test_a_failure_that_was_billed_is_charged_however_late(db: Database, attempt: int) -> None:
    dismiss(db)
    give_up(db, attempt, EditState.IN_DOUBT, owner="awake", is_lost=True)
    give_up(db, attempt, EditState.FAILED, owner="asleep", charge=(COST, {}, "r"))
    assert stands(db) == (EditState.IN_DOUBT, COST, 0)
    assert ledger.purse(db, "batch:1") == (COST, 0)
    assert ledger.doubtful(db) == {}


def test_an_edit_that_was_decided_on_meanwhile_stays_so_and_the_picture_is_named(db: Database, attempt: int) -> None:
    give_up(db, attempt, EditState.IN_DOUBT, owner="asleep", is_lost=True)
    with db.write() as connection:
        connection.execute(sa.update(EDIT).where(EDIT.c.id == 1).values(state=EditState.REJECTED))
    assert finish(db, attempt) == []
    assert stands(db) == (EditState.REJECTED, COST, 0)
    (late,) = [event for event in reading.events(db, [1]) if event.kind == "attempt.late"]
    assert late.data["pictures"] == [PICTURE.sha256]
    assert reading.picture(db, PICTURE.sha256) == PICTURE


def test_an_equal_request_of_another_worker_is_waited_for(db: Database, attempt: int) -> None:
    sending = Sending(1, "key-1", "pd-2", {}, COST)
    assert ledger.begin(db, 2, sending, owner="awake", caps=Caps()) is None
    assert running.claim_queued(db, owner="awake", provider="local", limit=1, batch_id=None) == [], "not at once"
    finish(db, attempt)
    with db.write() as connection:
        past = now() - timedelta(seconds=1)
        connection.execute(sa.update(EDIT).where(EDIT.c.id == 2).values(not_before=past))
    assert running.claim_queued(db, owner="awake", provider="local", limit=1, batch_id=None) == [2]
    assert ledger.begin(db, 2, sending, owner="awake", caps=Caps()) is None
    assert reading.edit(db, 2).state is EditState.PRODUCED
    assert ledger.purse(db, "batch:1") == (COST, 0)


def test_the_history_of_all_this_verifies(db: Database, attempt: int) -> None:
    dismiss(db)
    give_up(db, attempt, EditState.IN_DOUBT, owner="awake", is_lost=True)
    finish(db, attempt)
    with chain.history(db) as history:
        assert audit.verify_history(history).breaks == ()
