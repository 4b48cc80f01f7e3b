"""Who reads the history within the desk: whoever notes that batches are done, and channels that are told in groups.

Each has a place that it has read up to; a new one begins at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.states import EditState
from pipeline.store.batching import BATCH_COUNT
from pipeline.store.chain import EVENT
from pipeline.store.database import Database
from pipeline.store.loading import BATCH
from pipeline.store.moves import EDIT, add_event
from pipeline.store.outgoing import LEASE_S, database_now, last_event
from pipeline.tables import BATCH_DONE, ListenerRow
from pipeline.webhooks.kinds import STOPPED, Message, events_of, message_of

LISTENER = ListenerRow.__table__  # type: ignore[attr-defined]

DONE = "batch.done"
"""The event, and the name of who notes it."""

WHO_NOTES = "picturedesk"

_S = EditState
_KEEPS_OPEN = frozenset({_S.QUEUED, _S.SENDING, _S.PRODUCED, _S.IN_REVIEW, _S.REFUSED, _S.IN_DOUBT})
"""A batch with an edit in one of these is not done; one that failed is told of, and keeps no batch open."""

_ENDS = tuple(f"edit.{state}" for state in EditState if state not in _KEEPS_OPEN)
_MOST_EVENTS = 5_000


@dataclass(frozen=True, slots=True)
class ListenerRecord:
    """A channel, as far as it has come.

    Attributes:
        failures: Tries that went wrong since the last one that did not.
        answer: What went wrong; anybody's text.
    """

    name: str
    failures: int
    failing_since: datetime | None
    not_before: datetime | None
    answer: str


@dataclass(frozen=True, slots=True)
class Count:
    """So often the same happened in a batch."""

    message: Message
    batch: str
    n: int


@dataclass(frozen=True, slots=True)
class News:
    """What happened since a channel was told last.

    Attributes:
        up_to: The last event that is counted.
        counts: By message and batch, in the order of the first of each.
        since: When the first of it happened.
        failures: Of this channel, since it last succeeded.
    """

    up_to: int
    counts: tuple[Count, ...]
    since: datetime
    failures: int


def note_done(db: Database) -> int:
    """Write ``batch.done`` for batches that came to rest since somebody last looked; gives how many.

    A batch that is opened again, by an undo or by further rows, is done again later.
    """
    noted = 0
    while (step := _next_step(db)) is not None:
        up_to, ended = step
        if ended:
            with db.write() as connection:
                noted += sum(_note(connection, batch_id, event_id) for batch_id, event_id in ended)
                _move_on(connection, DONE, up_to)
        else:
            with db.lease() as connection:
                _move_on(connection, DONE, up_to)
    return noted


def _next_step(db: Database) -> tuple[int, list[tuple[int, int]]] | None:
    """How far to read next, and the batches that came to rest in it; None at the end."""
    with db.read() as connection:
        seen = _seen(connection, DONE)
        last = last_event(connection)
        if seen is None:
            return last, []
        up_to = min(last, seen + _MOST_EVENTS)
        return None if seen >= last else (up_to, _came_to_rest(connection, seen, up_to))


def _came_to_rest(connection: sa.Connection, seen: int, up_to: int) -> list[tuple[int, int]]:
    """Batches in which something ended, and of which nothing is open now; with the last event that ended something."""
    last = sa.func.max(EVENT.c.id)
    statement = (
        sa.select(EDIT.c.batch_id, last)
        .select_from(EVENT)
        .join(EDIT, EDIT.c.id == EVENT.c.edit_id)
        .where(EVENT.c.id > seen, EVENT.c.id <= up_to, EVENT.c.kind.in_(_ENDS))
        .group_by(EDIT.c.batch_id)
        .order_by(last)
    )
    found = connection.execute(statement).all()
    return [(batch_id, event_id) for batch_id, event_id in found if _is_at_rest(_counts(connection, batch_id))]


def _note(connection: sa.Connection, batch_id: int, event_id: int) -> bool:
    counts = _counts(connection, batch_id)
    said = sa.select(sa.func.max(EVENT.c.id)).where(sa.text(f"event.{BATCH_DONE}"), EVENT.c.batch_id == batch_id)
    is_known = (connection.execute(said).scalar_one() or 0) > event_id
    if is_known or not _is_at_rest(counts):
        return False
    name = connection.execute(sa.select(BATCH.c.name).where(BATCH.c.id == batch_id)).scalar_one()
    told = {"batch": name, "counts": counts}
    add_event(connection, DONE, actor=WHO_NOTES, batch_id=batch_id, data=told)
    return True


def _counts(connection: sa.Connection, batch_id: int) -> dict[str, int]:
    of_it = sa.select(BATCH_COUNT.c.state, BATCH_COUNT.c.n).where(BATCH_COUNT.c.batch_id == batch_id)
    found = connection.execute(of_it.where(BATCH_COUNT.c.n > 0).order_by(BATCH_COUNT.c.state)).all()
    return {state: int(n) for state, n in found}


def _is_at_rest(counts: dict[str, int]) -> bool:
    return not _KEEPS_OPEN & {EditState(state) for state in counts}


def _move_on(connection: sa.Connection, name: str, up_to: int) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    nothing_yet = dialect.insert(LISTENER).on_conflict_do_nothing()
    new = {"name": name, "seen_event": up_to, "failures": 0, "answer": ""}
    connection.execute(nothing_yet, new)
    further = sa.update(LISTENER).where(LISTENER.c.name == name, LISTENER.c.seen_event < up_to)
    connection.execute(further.values(seen_event=up_to))


# Channels.


def begin(db: Database, names: Sequence[str]) -> None:
    """Let channels that are new know nothing of what was before."""
    with db.read() as connection:
        new = [name for name in names if _seen(connection, name) is None]
        last = last_event(connection)
    if new:
        with db.lease() as connection:
            for name in new:
                _move_on(connection, name, last)


def listeners(db: Database, names: Sequence[str]) -> list[ListenerRecord]:
    """How these channels stand; those that nobody was told by yet are missing."""
    columns = [LISTENER.c[name] for name in ("name", "failures", "failing_since", "not_before", "answer")]
    statement = sa.select(*columns).where(LISTENER.c.name.in_(list(names))).order_by(LISTENER.c.name)
    with db.read() as connection:
        return [ListenerRecord(**row) for row in connection.execute(statement).mappings()]


def take_news(
    db: Database,
    name: str,
    messages: frozenset[Message],
    *,
    owner: str,
    gather_s: float,
    moment: datetime | None = None,
) -> News | None:
    """What a channel is to be told now; None for nothing, or if another worker tells it.

    Args:
        db: The desk's database.
        name: The channel; see `begin`.
        messages: What it is told.
        owner: Who tells it.
        gather_s: So long what happens is gathered; but the end of a batch, or of a budget, is told at once.
        moment: Now; the database's own time if None.
    """
    if not _has_news(db, name):
        return None
    with db.lease() as connection:
        now = moment or database_now(connection)
        is_free = sa.or_(LISTENER.c.leased_by.is_(None), LISTENER.c.leased_by == owner, LISTENER.c.leased_until <= now)
        may_begin = sa.or_(LISTENER.c.not_before.is_(None), LISTENER.c.not_before <= now)
        wanted = sa.select(LISTENER).where(LISTENER.c.name == name, is_free, may_begin)
        row = connection.execute(wanted.with_for_update(skip_locked=True)).mappings().one_or_none()
        if row is None:
            return None
        up_to = last_event(connection)
        counts, since = _counted(connection, row["seen_event"], up_to, messages)
        if since is None:
            _move_on(connection, name, up_to)
            return None
        is_urgent = any(count.message in (Message.BATCH_DONE, Message.BUDGET_REACHED) for count in counts)
        if not is_urgent and now < since + timedelta(seconds=gather_s):
            return None
        lease = {"leased_by": owner, "leased_until": now + timedelta(seconds=LEASE_S)}
        connection.execute(sa.update(LISTENER).where(LISTENER.c.name == name).values(lease))
        return News(up_to, counts, since, row["failures"])


def told(db: Database, name: str, *, up_to: int, pause_s: float, moment: datetime | None = None) -> None:
    """A channel was told what happened up to that event, and is told nothing for so long."""
    with db.lease() as connection:
        now = moment or database_now(connection)
        values: dict[str, Any] = {"seen_event": up_to, "failures": 0, "failing_since": None, "answer": ""}
        values |= {"not_before": now + timedelta(seconds=pause_s), "leased_by": None, "leased_until": None}
        connection.execute(sa.update(LISTENER).where(LISTENER.c.name == name).values(values))


def not_told(db: Database, name: str, *, answer: str, pause_s: float, moment: datetime | None = None) -> None:
    """A channel could not be told; it is tried again later, with what has happened by then."""
    with db.lease() as connection:
        now = moment or database_now(connection)
        since = sa.func.coalesce(LISTENER.c.failing_since, now)
        values: dict[str, Any] = {"failures": LISTENER.c.failures + 1, "failing_since": since, "answer": answer}
        values |= {"not_before": now + timedelta(seconds=pause_s), "leased_by": None, "leased_until": None}
        connection.execute(sa.update(LISTENER).where(LISTENER.c.name == name).values(values))


def _has_news(db: Database, name: str) -> bool:
    with db.read() as connection:
        seen = _seen(connection, name)
        return seen is not None and seen < last_event(connection)


def _seen(connection: sa.Connection, name: str) -> int | None:
    found = sa.select(LISTENER.c.seen_event).where(LISTENER.c.name == name)
    return connection.execute(found).scalar_one_or_none()


def _counted(
    connection: sa.Connection, seen: int, up_to: int, messages: frozenset[Message]
) -> tuple[tuple[Count, ...], datetime | None]:
    """How often each message is due for each batch, counted by the database; and since when."""
    first, n = sa.func.min(EVENT.c.id), sa.func.count()
    code = sa.case((EVENT.c.kind == STOPPED, EVENT.c.data["code"].as_string()), else_=None).label("code")
    statement = (
        sa.select(EVENT.c.kind, code, BATCH.c.name, n.label("n"), first.label("first"))
        .select_from(EVENT)
        .outerjoin(EDIT, EDIT.c.id == EVENT.c.edit_id)
        .join(BATCH, BATCH.c.id == sa.func.coalesce(EVENT.c.batch_id, EDIT.c.batch_id))
        .where(EVENT.c.id > seen, EVENT.c.id <= up_to, EVENT.c.kind.in_(events_of(messages)))
        .group_by(EVENT.c.kind, sa.literal_column("code"), BATCH.c.name)
        .order_by(first)
    )
    found: dict[tuple[Message, str], int] = {}
    first_event = None
    for row in connection.execute(statement):
        message = message_of(row.kind, {"code": row.code})
        if message is not None:
            key = (message, row.name)
            found[key] = found.get(key, 0) + row.n
            first_event = first_event or row.first
    if first_event is None:
        return (), None
    since: datetime = connection.execute(sa.select(EVENT.c.at).where(EVENT.c.id == first_event)).scalar_one()
    return tuple(Count(message, batch, n) for (message, batch), n in found.items()), since
