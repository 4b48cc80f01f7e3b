"""The states of an edit and the moves between them; how an attempt or a delivery ends; what a person decides."""

from enum import StrEnum


class EditState(StrEnum):
    """Where one edit stands."""

    QUEUED = "queued"
    SENDING = "sending"
    IN_DOUBT = "in_doubt"
    PRODUCED = "produced"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptState(StrEnum):
    """How one request to a provider ended."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    LOST = "lost"


class DecisionKind(StrEnum):
    """What a person decided."""

    ACCEPT = "accept"
    REJECT = "reject"
    REPROMPT = "re-prompt"
    SEND_AGAIN = "send-again"
    ESCALATE = "escalate"
    UNDO = "undo"


class DeliveryState(StrEnum):
    """What became of a message to another system."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class TicketState(StrEnum):
    """Where a help desk's ticket stands."""

    RECEIVED = "received"
    WAITING = "waiting"
    """Its pictures are being made, or wait for a person."""
    ANSWERING = "answering"
    """All are decided: the answer is on its way."""
    ANSWERED = "answered"
    EMPTY = "empty"
    """It has no picture."""
    FAILED = "failed"


class Role(StrEnum):
    """What somebody may do; each role may do all that those before it may."""

    VIEWER = "viewer"
    REQUESTER = "requester"
    REVIEWER = "reviewer"
    APPROVER = "approver"
    ADMIN = "admin"


_S = EditState

MOVES: dict[EditState, frozenset[EditState]] = {
    # PRODUCED without SENDING: the same request was made before, and its output is used again.
    # REFUSED and FAILED: what can be seen before anything is sent. IN_DOUBT: to be sent again, and taken back.
    _S.QUEUED: frozenset({_S.SENDING, _S.PRODUCED, _S.REFUSED, _S.FAILED, _S.CANCELLED, _S.IN_DOUBT}),
    # QUEUED again: the provider asked to wait, or the run stopped before anything could be billed.
    _S.SENDING: frozenset({_S.PRODUCED, _S.QUEUED, _S.IN_DOUBT, _S.REFUSED, _S.FAILED}),
    # PRODUCED from here: the answer came after all, by a worker that had been taken for dead.
    _S.IN_DOUBT: frozenset({_S.PRODUCED, _S.QUEUED, _S.REJECTED, _S.SUPERSEDED}),
    # SUPERSEDED from here: a chained step whose output is the next step's source.
    _S.PRODUCED: frozenset({_S.IN_REVIEW, _S.APPROVED, _S.SUPERSEDED}),
    _S.IN_REVIEW: frozenset({_S.APPROVED, _S.REJECTED, _S.SUPERSEDED}),
    # Back from here is undo.
    _S.APPROVED: frozenset({_S.IN_REVIEW}),
    _S.REJECTED: frozenset({_S.IN_REVIEW, _S.REFUSED, _S.FAILED, _S.IN_DOUBT, _S.SUPERSEDED}),
    _S.SUPERSEDED: frozenset({_S.IN_REVIEW, _S.REJECTED, _S.REFUSED, _S.FAILED, _S.IN_DOUBT}),
    _S.REFUSED: frozenset({_S.SUPERSEDED, _S.REJECTED}),
    _S.FAILED: frozenset({_S.QUEUED, _S.SUPERSEDED, _S.REJECTED}),
    _S.CANCELLED: frozenset({_S.QUEUED, _S.SUPERSEDED}),
}

IN_FLIGHT = frozenset({_S.QUEUED, _S.SENDING, _S.PRODUCED})
"""States that the runner still has work on."""

WAITING = frozenset({_S.IN_REVIEW, _S.REFUSED, _S.FAILED, _S.IN_DOUBT})
"""States that wait for a person."""


def is_allowed(old: EditState, new: EditState) -> bool:
    """Whether an edit may move from one state to the other."""
    return new in MOVES[old]
