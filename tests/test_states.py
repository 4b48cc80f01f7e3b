"""The moves between an edit's states."""

import pytest

from pipeline.states import IN_FLIGHT, MOVES, WAITING, EditState, is_allowed


def test_every_state_has_its_moves_written_down() -> None:
    assert set(MOVES) == set(EditState)


def test_no_state_moves_to_itself() -> None:
    assert not [state for state in EditState if state in MOVES[state]]


def test_every_state_can_be_reached_from_queued() -> None:
    reached = {EditState.QUEUED}
    while new := {target for state in reached for target in MOVES[state]} - reached:
        reached |= new
    assert reached == set(EditState)


def test_nothing_waits_for_the_runner_and_a_person_at_once() -> None:
    assert not IN_FLIGHT & WAITING


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (EditState.QUEUED, EditState.APPROVED),
        (EditState.SENDING, EditState.APPROVED),
        (EditState.IN_DOUBT, EditState.APPROVED),
        (EditState.REFUSED, EditState.APPROVED),
        (EditState.FAILED, EditState.APPROVED),
        (EditState.REJECTED, EditState.APPROVED),
        (EditState.SUPERSEDED, EditState.APPROVED),
        (EditState.CANCELLED, EditState.APPROVED),
    ],
)
def test_only_what_was_produced_can_be_approved(old: EditState, new: EditState) -> None:
    assert not is_allowed(old, new)


def test_an_approved_edit_is_never_sent_again() -> None:
    """Its only way is back to review, and from there a re-prompt makes a new edit."""
    assert MOVES[EditState.APPROVED] == {EditState.IN_REVIEW}
    assert not MOVES[EditState.IN_REVIEW] & {EditState.QUEUED, EditState.SENDING}
