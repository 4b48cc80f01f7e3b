"""The tickets of a desk: how they stand, and those that went wrong tried again."""

from collections.abc import Sequence

from pipeline.desk import Desk
from pipeline.errors import NotFound
from pipeline.people import Person
from pipeline.states import Role, TicketState
from pipeline.store import tickets as store
from pipeline.store.tickets import TicketRecord

WENT_WRONG = (TicketState.FAILED,)


def listed(
    desk: Desk,
    *,
    by: Person,
    help_desk: str | None = None,
    states: Sequence[TicketState] = (),
    before: int | None = None,
    limit: int = 100,
) -> list[TicketRecord]:
    """Tickets, newest first.

    Args:
        desk: The desk.
        by: Who asks.
        help_desk: Only of this one.
        states: Only in one of these; any if empty.
        before: From before the one with that row on.
        limit: At most so many.

    Raises:
        Forbidden: The person may not.
    """
    by.need(Role.VIEWER, "see tickets")
    return store.listed(desk.db, help_desk=help_desk, states=states, before=before, limit=limit)


def retry(desk: Desk, numbers: Sequence[str], *, by: Person, help_desk: str | None = None) -> int:
    """Try tickets again that failed, or that wait to be tried again; gives how many.

    Args:
        desk: The desk.
        numbers: The help desks' own; all that failed if empty.
        by: Who asks.
        help_desk: Only of this one.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no ticket with one of these numbers.
    """
    by.need(Role.REQUESTER, "try tickets again")
    if not numbers:
        return _retry_failed(desk, help_desk, by)
    found: list[int] = []
    for number in numbers:
        ids = store.ticket_ids(desk.db, help_desk, number)
        if not ids:
            raise NotFound(f"no ticket has the number {number!r}; see: picturedesk tickets list")
        found += ids
    return store.retry(desk.db, found, actor=by.name)


def _retry_failed(desk: Desk, help_desk: str | None, by: Person) -> int:
    count = 0
    while page := store.listed(desk.db, help_desk=help_desk, states=WENT_WRONG):
        count += store.retry(desk.db, [each.id for each in page], actor=by.name)
    return count


def as_json(ticket: TicketRecord) -> dict[str, object]:
    """A ticket for machines."""
    answer = ticket.answer or {}
    return {
        "help_desk": ticket.help_desk,
        "ticket": ticket.number,
        "state": ticket.state.value,
        "pictures": ticket.pictures,
        "answers": ticket.answers,
        "reference": answer.get("reference"),
        "error_code": ticket.error_code,
        "error": ticket.error,
        "tries": ticket.tries,
        "not_before": None if ticket.not_before is None else ticket.not_before.isoformat(),
        "received_at": ticket.received_at.isoformat(),
        "updated_at": ticket.updated_at.isoformat(),
    }
