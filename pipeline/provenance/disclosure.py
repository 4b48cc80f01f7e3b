"""What a person decided on telling others that a picture was edited: recorded, and never worked out by the desk.

Whether a law or a destination asks for a label depends on what is shown, to whom, and why; see docs/provenance.md.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DisclosureClass(StrEnum):
    """What others are to be told."""

    NONE = "none"
    """Nothing need be told, as whoever decided sees it; what the file says to machines stays what it is."""
    MACHINE_MARK = "machine-mark"
    """What the file says to machines is enough."""
    VISIBLE_LABEL = "visible-label"
    """Whoever publishes the picture has to show a label on it or beside it."""


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A decision on it.

    Attributes:
        kind: What others are to be told.
        why: The reason, as it was written; "" once it was erased.
        decided_by: Who decided.
        decided_at: When, in UTC.
        is_of_batch: Whether it was made for the whole batch; one for the edit itself goes before it.
    """

    kind: DisclosureClass
    why: str
    decided_by: str
    decided_at: datetime
    is_of_batch: bool = False

    @property
    def columns(self) -> dict[str, str]:
        """What an export's table says of it."""
        at = self.decided_at.isoformat(timespec="seconds")
        return dict(zip(COLUMNS, (self.kind.value, self.why, self.decided_by, at), strict=True))


COLUMNS = ("disclosure_class", "disclosure_reason", "disclosure_by", "disclosure_at")
"""Those of `Disclosure.columns`; empty where nobody has decided."""
