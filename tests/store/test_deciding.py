"""Decisions: one move, one record, or nothing."""

import threading

import pytest

from pipeline.errors import Conflict
from pipeline.records import EditRecord
from pipeline.states import DecisionKind, EditState
from pipeline.store import Database, deciding, reading, running
from pipeline.store.deciding import Choice, NextRound
from pipeline.store.reading import EditFilter
from pipeline.values import Instruction, Route
from tests.store.conftest import load, produce, row

REVIEW = Route(to_review=True, is_sample=False, reasons=("text introduced",), policy_hash="p")


@pytest.fixture
def edit(db: Database) -> EditRecord:
    """An edit in review."""
    load(db, row("mug"))
    produce(db, 1)
    output = reading.edit(db, 1).outputs[0]
    running.route_edit(db, 1, REVIEW, {output.id: []}, owner="runner", best_output_id=output.id)
    return reading.edit(db, 1)


def accept(db: Database, edit: EditRecord, *, actor: str = "ada", key: str | None = None) -> int:
    output = edit.outputs[0]
    choice = Choice(
        kind=DecisionKind.ACCEPT,
        actor=actor,
        old=EditState.IN_REVIEW,
        new=EditState.APPROVED,
        revision=edit.revision,
        output_id=output.id,
        output_sha256=output.picture.sha256,
        idempotency_key=key,
    )
    return deciding.decide(db, edit.id, choice)


def reprompt(db: Database, edit: EditRecord) -> None:
    choice = Choice(
        kind=DecisionKind.REPROMPT,
        actor="ada",
        old=EditState.IN_REVIEW,
        new=EditState.SUPERSEDED,
        revision=edit.revision,
        output_id=edit.outputs[0].id,
        output_sha256=edit.outputs[0].picture.sha256,
        following=NextRound(instruction=Instruction("crop to 4:5"), input_sha256=None),
    )
    deciding.decide(db, edit.id, choice)


def test_accepting_records_who_and_which_bytes(db: Database, edit: EditRecord) -> None:
    accept(db, edit)
    after = reading.edit(db, edit.id)
    assert (after.state, after.accepted_output_id) == (EditState.APPROVED, edit.outputs[0].id)
    (decision,) = reading.decisions(db, [edit.id])
    assert (decision.actor, decision.output_sha256) == ("ada", edit.outputs[0].picture.sha256)


def test_of_two_reviewers_at_once_one_decides(db: Database, edit: EditRecord) -> None:
    outcomes: list[str] = []

    def decide(actor: str) -> None:
        try:
            accept(db, edit, actor=actor)
            outcomes.append("decided")
        except Conflict:
            outcomes.append("conflict")

    threads = [threading.Thread(target=decide, args=(f"reviewer {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict"] * 7 + ["decided"]
    assert len(reading.decisions(db, [edit.id])) == 1


def test_a_decision_on_what_has_changed_meanwhile_changes_nothing(db: Database, edit: EditRecord) -> None:
    accept(db, edit)
    deciding.undo(db, edit.id, actor="ada", may_undo_all=False)
    before = reading.edit(db, edit.id)
    with pytest.raises(Conflict, match="look at it again"):
        accept(db, edit)
    assert reading.edit(db, edit.id) == before


def test_the_same_key_twice_is_one_decision(db: Database, edit: EditRecord) -> None:
    assert accept(db, edit, key="k1") == accept(db, edit, key="k1")
    assert len(reading.decisions(db, [edit.id])) == 1


def test_undo_puts_it_back_and_keeps_the_record(db: Database, edit: EditRecord) -> None:
    accept(db, edit)
    assert deciding.undo(db, edit.id, actor="ada", may_undo_all=False) is EditState.IN_REVIEW
    assert reading.edit(db, edit.id).accepted_output_id is None
    assert [d.kind for d in reading.decisions(db, [edit.id])] == [DecisionKind.ACCEPT, DecisionKind.UNDO]
    with pytest.raises(Conflict, match="no decision"):
        deciding.undo(db, edit.id, actor="ada", may_undo_all=False)


def test_a_reprompt_queues_the_next_round_ahead_of_the_batch(db: Database, edit: EditRecord) -> None:
    load(db, row("hat"))
    reprompt(db, edit)
    assert running.claim_queued(db, owner="r", provider="local", limit=2, batch_id=None) == [3, 2]
    following = reading.edit(db, 3)
    assert (following.parent_id, following.round, following.instruction.prompt) == (edit.id, 2, "crop to 4:5")


def test_a_reprompt_can_be_taken_back_until_it_is_sent(db: Database, edit: EditRecord) -> None:
    reprompt(db, edit)
    assert deciding.undo(db, edit.id, actor="ada", may_undo_all=False) is EditState.IN_REVIEW
    assert [e.state for e in reading.each_edit(db, EditFilter())] == [EditState.IN_REVIEW, EditState.CANCELLED]


def test_a_reprompt_that_was_taken_up_stays(db: Database, edit: EditRecord) -> None:
    reprompt(db, edit)
    running.claim_queued(db, owner="r", provider="local", limit=1, batch_id=None)
    with pytest.raises(Conflict, match="has begun"):
        deciding.undo(db, edit.id, actor="ada", may_undo_all=False)
    assert reading.edit(db, edit.id).state is EditState.SUPERSEDED
