"""What a person decided on telling others that a picture was edited: recorded, and never worked out by the desk.

Whether a law or a destination asks for a label depends on what is shown, to whom, and why; see docs/provenance.md.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DisclosureClass(StrEnum):
    """What others are to be told."""

    NONE = "none"
    """No duty to tell, as whoever decided sees it; marks in the file stay what they are."""
    MACHINE_MARK = "machine-mark"
    """What the file says to machines is enough."""
    VISIBLE_LABEL = "visible-label"
    """Whoever publishes the picture has to show a label beside or on it."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A decision on it.

    Attributes:
        is_of_batch: Whether it was made for the whole batch; one for the edit itself goes before it.
    """

    kind: DisclosureClass
    reason: str
    decided_by: str
    decided_at: datetime
    is_of_batch: bool = False
