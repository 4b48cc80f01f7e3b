"""Deciding on disclosure: the page and the command line both call these functions."""

from typing import Final

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.people import Person
from pipeline.provenance.disclosure import Disclosure, DisclosureClass
from pipeline.states import Role
from pipeline.store import origins, reading

MOST_CHARACTERS: Final = 500
"""Of a reason."""


def disclose(desk: Desk, edit_id: int, kind: DisclosureClass, why: str, *, by: Person) -> None:
    """Record what others are to be told of one edit; the last decision counts.

    Raises:
        Forbidden: The person is no approver.
        NotFound: There is no such edit.
        Conflict: Its asset was erased.
        UsageError: The reason is empty, too long, or holds what no database keeps.
    """
    by.need(Role.APPROVER, "decide on disclosure")
    origins.disclose_edit(desk.db, edit_id, kind, _checked(why), actor=by.name)


def disclose_batch(desk: Desk, batch: str, kind: DisclosureClass, why: str, *, by: Person) -> None:
    """Record what others are to be told of a batch's edits, but for those that have a decision of their own.

    Raises:
        Forbidden: The person is no approver.
        NotFound: There is no such batch.
        UsageError: The reason is empty, too long, or holds what no database keeps.
    """
    by.need(Role.APPROVER, "decide on disclosure")
    origins.disclose_batch(desk.db, reading.batch_id(desk.db, batch), kind, _checked(why), actor=by.name)


def decided(desk: Desk, edit_id: int) -> Disclosure | None:
    """What holds for an edit now; None if nobody has decided."""
    with desk.db.read() as connection:
        return origins.disclosures(connection, [edit_id]).get(edit_id)


def _checked(why: str) -> str:
    stripped = why.strip()
    if not 1 <= len(stripped) <= MOST_CHARACTERS:
        raise UsageError(f"found a reason of {len(stripped)} characters; expected 1 to {MOST_CHARACTERS}")
    return stripped
