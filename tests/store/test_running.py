"""What the runner writes."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import Conflict
from pipeline.states import EditState
from pipeline.store import Database, ledger, reading, running, workers
from pipeline.store.ledger import Caps, Sending
from pipeline.store.reading import EditFilter
from pipeline.store.workers import Left
from pipeline.values import Route
from tests.attempts import begin, give_up
from tests.store.conftest import PICTURE, load, produce, row

APPROVE = Route(to_review=False, is_sample=False, reasons=("nothing to look at",), policy_hash="p")


def claim(db: Database, owner: str, limit: int) -> list[int]:
    return running.claim_queued(db, owner=owner, provider="local", limit=limit, batch_id=None)


def test_an_edit_is_claimed_by_one_runner_only(db: Database) -> None:
    load(db, row("mug"), row("hat"))
    assert claim(db, "one", 5) == [1, 2]
    assert claim(db, "two", 5) == []


def test_what_was_claimed_and_not_started_is_given_back(db: Database) -> None:
    load(db, row("mug"))
    claim(db, "one", 1)
    running.release(db, [1], owner="one")
    assert claim(db, "two", 1) == [1]


def test_the_attempt_is_written_before_anything_is_sent(db: Database) -> None:
    """A runner that dies right after leaves an open attempt for the next one to find."""
    load(db, row("mug"))
    attempt = begin(db, 1, owner="dead", reserved_microusd=5)
    ledger.save_task_id(db, attempt, "task-7")
    left = workers.take_over(db, owner="next")
    assert [(a.id, a.edit_id, a.provider, a.task_id) for a in left.attempts] == [(attempt, 1, "local", "task-7")]
    assert left.produced == ()


def test_an_edit_cannot_be_sent_twice_at_once(db: Database) -> None:
    load(db, row("mug"))
    begin(db, 1, owner="one")
    with pytest.raises(Conflict, match="sending"):
        begin(db, 1, owner="two")
    attempts = workers.take_over(db, owner="x").attempts
    assert len(attempts) == 1, "the refused attempt left no row"


def test_an_answer_is_booked_with_its_charge_and_picture(db: Database) -> None:
    load(db, row("mug"))
    produce(db, 1, cost_microusd=40_000)
    edit = reading.edit(db, 1)
    assert (edit.state, edit.cost_microusd) == (EditState.PRODUCED, 40_000)
    assert [output.picture for output in edit.outputs] == [PICTURE]
    assert ledger.purse(db, "batch:1") == (40_000, 0)


def test_a_lost_answer_keeps_its_price_reserved(db: Database) -> None:
    load(db, row("mug"))
    attempt = begin(db, 1, reserved_microusd=70_000)
    give_up(db, attempt, EditState.IN_DOUBT, is_lost=True)
    assert reading.edit(db, 1).state is EditState.IN_DOUBT
    assert ledger.purse(db, "batch:1") == (0, 70_000)


def test_an_edit_told_to_wait_is_not_claimed_before_its_time(db: Database) -> None:
    load(db, row("mug"))
    attempt = begin(db, 1, owner="one")
    later = datetime.now(UTC) + timedelta(hours=1)
    ledger.give_up(db, attempt, EditState.QUEUED, owner="one", code="wait", message="wait", not_before=later)
    assert claim(db, "one", 1) == []


def test_the_policy_approves_one_output(db: Database) -> None:
    load(db, row("mug"))
    produce(db, 1)
    output = reading.edit(db, 1).outputs[0]
    running.route_edit(db, 1, APPROVE, {output.id: []}, owner="runner", best_output_id=output.id)
    edit = reading.edit(db, 1)
    assert (edit.state, edit.accepted_output_id) == (EditState.APPROVED, output.id)
    assert [event.actor for event in reading.events(db, [1])][-1] == "policy"


def test_a_chained_step_starts_from_the_output_before(db: Database) -> None:
    load(db, row("mug", "make it square", "make it vintage"))
    produce(db, 1)
    running.chain(db, 1, output_sha256=PICTURE.sha256, owner="runner")
    first, second = reading.each_edit(db, EditFilter())
    assert first.state is EditState.SUPERSEDED
    assert (second.instruction.prompt, second.input_sha256) == ("make it vintage", PICTURE.sha256)
    assert second.next_steps == ()


def test_an_equal_request_uses_the_picture_again(db: Database) -> None:
    load(db, row("mug"), row("twin"))
    produce(db, 1, cost_microusd=40_000)
    assert ledger.begin(db, 2, Sending(1, "key-1", "pd-2", {}, 40_000), owner="runner", caps=Caps()) is None
    twin = reading.edit(db, 2)
    assert (twin.state, twin.cost_microusd, twin.saved_microusd) == (EditState.PRODUCED, 0, 40_000)
    assert [output.picture for output in twin.outputs] == [PICTURE]


def test_what_a_dead_runner_produced_is_routed_by_the_next(db: Database) -> None:
    load(db, row("mug"))
    produce(db, 1)
    assert workers.take_over(db, owner="next") == Left((), (1,))


def test_failed_edits_can_be_queued_again(db: Database) -> None:
    load(db, row("mug"))
    ledger.give_up_unsent(db, 1, EditState.FAILED, owner="r", code="truncated", message="breaks off")
    assert running.requeue_failed(db, batch_id=1, actor="ada") == 1
    edit = reading.edit(db, 1)
    assert (edit.state, edit.error) == (EditState.QUEUED, None)
