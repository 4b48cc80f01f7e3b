"""What the runner writes."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import Conflict
from pipeline.states import EditState
from pipeline.store import Database, reading, running
from pipeline.store.reading import EditFilter
from pipeline.values import Route
from tests.store.conftest import PICTURE, load, produce, row

APPROVE = Route(to_review=False, is_sample=False, reasons=("nothing to look at",), policy_hash="p")


def test_an_edit_is_claimed_by_one_runner_only(db: Database) -> None:
    load(db, row("mug"), row("hat"))
    assert running.claim_queued(db, owner="one", limit=5, batch_id=None) == [1, 2]
    assert running.claim_queued(db, owner="two", limit=5, batch_id=None) == []


def test_what_was_claimed_and_not_started_is_given_back(db: Database) -> None:
    load(db, row("mug"))
    running.claim_queued(db, owner="one", limit=1, batch_id=None)
    running.release(db, [1], owner="one")
    assert running.claim_queued(db, owner="two", limit=1, batch_id=None) == [1]


def test_the_attempt_is_written_before_anything_is_sent(db: Database) -> None:
    """A runner that dies right after leaves an open attempt for the next one to find."""
    load(db, row("mug"))
    attempt = running.begin_attempt(db, 1, owner="dead", key="k", reserved_microusd=5)
    running.save_task_id(db, attempt, "task-7")
    attempts, produced = running.take_over(db, owner="next")
    assert [(a.id, a.edit_id, a.provider, a.task_id) for a in attempts] == [(attempt, 1, "local", "task-7")]
    assert produced == []


def test_an_edit_cannot_be_sent_twice_at_once(db: Database) -> None:
    load(db, row("mug"))
    running.begin_attempt(db, 1, owner="one", key="k", reserved_microusd=0)
    with pytest.raises(Conflict, match="sending"):
        running.begin_attempt(db, 1, owner="two", key="k", reserved_microusd=0)
    attempts, _ = running.take_over(db, owner="x")
    assert len(attempts) == 1, "the refused attempt left no row"


def test_an_answer_is_booked_with_its_charge_and_picture(db: Database) -> None:
    load(db, row("mug"))
    produce(db, 1, cost_microusd=40_000)
    edit = reading.edit(db, 1)
    assert (edit.state, edit.cost_microusd) == (EditState.PRODUCED, 40_000)
    assert [output.picture for output in edit.outputs] == [PICTURE]
    assert running.spent_microusd(db, batch_id=1) == 40_000


def test_a_lost_answer_keeps_its_price_reserved(db: Database) -> None:
    load(db, row("mug"))
    attempt = running.begin_attempt(db, 1, owner="one", key="k", reserved_microusd=70_000)
    running.give_up_attempt(db, attempt, EditState.IN_DOUBT, owner="one", code="answer_lost", message="gone")
    assert reading.edit(db, 1).state is EditState.IN_DOUBT
    assert running.spent_microusd(db, batch_id=None) == 70_000


def test_an_edit_told_to_wait_is_not_claimed_before_its_time(db: Database) -> None:
    load(db, row("mug"))
    attempt = running.begin_attempt(db, 1, owner="one", key="k", reserved_microusd=0)
    later = datetime.now(UTC) + timedelta(hours=1)
    running.give_up_attempt(
        db, attempt, EditState.QUEUED, owner="one", code="rate_limit", message="wait", not_before=later
    )
    assert running.claim_queued(db, owner="one", limit=1, batch_id=None) == []
    assert running.next_due(db, batch_id=None) == later


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
    produce(db, 1)
    assert running.reusable_outputs(db, "key-1") == 1
    running.reuse(db, 2, source_edit_id=1, key="key-1", owner="runner")
    twin = reading.edit(db, 2)
    assert (twin.state, twin.cost_microusd) == (EditState.PRODUCED, 0)
    assert [output.picture for output in twin.outputs] == [PICTURE]


def test_what_a_dead_runner_produced_is_routed_by_the_next(db: Database) -> None:
    load(db, row("mug"))
    produce(db, 1)
    assert running.take_over(db, owner="next") == ([], [1])


def test_failed_edits_can_be_queued_again(db: Database) -> None:
    load(db, row("mug"))
    running.give_up_unsent(db, 1, EditState.FAILED, owner="r", code="truncated", message="breaks off")
    assert running.requeue_failed(db, batch_id=1, actor="ada") == 1
    edit = reading.edit(db, 1)
    assert (edit.state, edit.error) == (EditState.QUEUED, None)
