"""Which messages there are, and which events of the history they are made of."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pipeline.states import EditState


class Message(StrEnum):
    """What a receiver can be told; the ``type`` of a message."""

    APPROVED = "edit.approved"
    REJECTED = "edit.rejected"
    NEEDS_REVIEW = "edit.needs_review"
    BATCH_DONE = "batch.done"
    BUDGET_REACHED = "budget.reached"


TEST = "webhook.test"
"""The type of the message that an admin sends to see whether one arrives."""

MEANINGS: Mapping[Message, str] = {
    Message.APPROVED: "an edit was approved, by a person or by the policy",
    Message.REJECTED: "an edit was rejected",
    Message.NEEDS_REVIEW: "an edit waits for a person; also when a decision was taken back",
    Message.BATCH_DONE: "nothing of a batch is queued, at work or in review any more",
    Message.BUDGET_REACHED: "a batch stopped: its budget, or the month's, is reached",
}

STOPPED = "batch.stopped"

_MADE_OF: Mapping[str, Message] = {
    f"edit.{EditState.APPROVED}": Message.APPROVED,
    f"edit.{EditState.REJECTED}": Message.REJECTED,
    f"edit.{EditState.IN_REVIEW}": Message.NEEDS_REVIEW,
    f"edit.{EditState.REFUSED}": Message.NEEDS_REVIEW,
    f"edit.{EditState.IN_DOUBT}": Message.NEEDS_REVIEW,
    "batch.done": Message.BATCH_DONE,
    STOPPED: Message.BUDGET_REACHED,
}
_BUDGETS = frozenset({"budget_reached", "month_reached"})


def events_of(messages: "frozenset[Message]") -> list[str]:
    """The kinds of events that these messages are made of."""
    return [kind for kind, message in _MADE_OF.items() if message in messages]


def message_of(kind: str, data: Mapping[str, Any]) -> Message | None:
    """The message that an event makes; None for most."""
    if kind == STOPPED and data.get("code") not in _BUDGETS:
        return None
    return _MADE_OF.get(kind)
