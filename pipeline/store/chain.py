"""The history as a hash chain: each event carries the hash of itself and of the event before it.

So nobody changes, removes or reorders an event, or a decision that an event names, without its being seen: see
`pipeline.audit`. Whoever can write the whole database can also make the whole chain anew; against that, note the last
hash elsewhere from time to time.

What may be text goes into the hash as a digest of its own: whatever an event says beyond `PLAIN`, and a decision's note
and flags. So text can be taken out and nothing else: an event ``asset.erased`` further on in the chain names what was
taken out, with the digests that go into the hashes in its stead. Nothing can be put in its place, and who did what and
when is held as before.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from pipeline.errors import DeskMoved, StoreError
from pipeline.store.bulk import insert_many, kept
from pipeline.store.database import Database
from pipeline.tables import ChainEndRow, DecisionRow, EventRow, now
from pipeline.texts import need_storable

EVENT = EventRow.__table__  # type: ignore[attr-defined]
DECISION = DecisionRow.__table__  # type: ignore[attr-defined]
CHAIN_END = ChainEndRow.__table__  # type: ignore[attr-defined]

ORIGIN = "0" * 64
"""What stands before the first event."""

CHAINED = "history.chained"
"""The event that vouches for the decisions of a time when no event recorded them."""

MOVED = "desk.moved"
"""Nothing follows this event, unless somebody says that the desk is to go on here after all."""

ARRIVED = "desk.arrived"
"""The first event of a desk's own in the database that it was moved to."""

REOPENED = "desk.reopened"

STANDS_FOR_NUL = "\ufdd0"
"""Stands in the history's texts where an old desk has a NUL, which PostgreSQL keeps in no text: the hash is the same.

Unicode assigns no character to it, for all time (https://www.unicode.org/faq/private_use.html#noncharacters, read on
2026-11-21).
"""

_STAND_IN = json.dumps(STANDS_FOR_NUL).strip('"')

ERASED = "asset.erased"
"""The event that vouches for text that was taken out of earlier events and decisions."""

ERASED_BY = "erased_by"
"""What stands in an event's data, or in the one flag of a decision, of which text was taken out: that event's id."""

Digests = Mapping[str, str]
"""By name, the digest of what was there before it was taken out."""

_PAGE = 1000
_OF_EVENT = ("at", "kind", "actor", "batch_id", "edit_id")
PLAIN = frozenset(
    {
        *("from", "to", "code", "record", "records", "decision", "decisions", "reason", "parent", "attempt", "was"),
        *("reused_from", "output", "cost_microusd", "billed_microusd", "pictures", "sha256", "composited_from"),
        *("to_review", "is_sample", "policy_hash", ERASED_BY),
    }
)
"""In an event's data, what nobody wrote: codes, numbers and hashes. Part of the chain's form: for good as it is."""

_ERASABLE = ("note", "flags")
"""Of a decision: what others wrote."""

_OF_DECISION = (
    *("edit_id", "kind", "actor", "output_id", "output_sha256", "revision", "state_before", "state_after"),
    *("approvals_before", "escalated_before", "reason", "note", "flags", "policy_hash", "shown_ms"),
    *("idempotency_key", "created_at"),
)


def event_values(
    kind: str,
    *,
    actor: str,
    batch_id: int | None = None,
    edit_id: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """An event that happens now, to be appended."""
    told = dict(data or {})
    return {"at": now(), "kind": kind, "actor": actor, "batch_id": batch_id, "edit_id": edit_id, "data": told}


def append_events(connection: sa.Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Append to the history, in the transaction of what happened; each event as `event_values` gives it.

    Raises:
        DeskMoved: This desk goes on in another database.
        UsageError: Whoever did it has a name that no database keeps.
    """
    if not events:
        return
    for actor in {event["actor"] for event in events}:
        need_storable(actor=actor)
    end = _open_end(connection)
    _append(connection, events, end)


def reopen(db: Database, *, actor: str) -> str:
    """Let a desk that was moved go on here; gives where it was moved to.

    Raises:
        StoreError: It was not moved.
    """
    with db.write() as connection:
        end = connection.execute(_read_end()).one()
        if end.last_kind != MOVED:
            raise StoreError("this desk was not moved: there is nothing to undo")
        to, _ = _moved(connection)
        _append(connection, [event_values(REOPENED, actor=actor, data={"instead_of": to})], end)
    return to


def check_is_here(db: Database) -> None:
    """Refuse to work where a desk was moved away from.

    Raises:
        DeskMoved: It was.
    """
    with db.read() as connection:
        if connection.execute(_read_end()).one().last_kind == MOVED:
            raise DeskMoved(*_moved(connection))


def _open_end(connection: sa.Connection) -> Any:  # noqa: ANN401 - a row
    """The end to append behind.

    Raises:
        DeskMoved: The desk goes on elsewhere.
    """
    end = connection.execute(_read_end()).one()
    if end.last_kind == MOVED:
        raise DeskMoved(*_moved(connection))
    return end


def _moved(connection: sa.Connection) -> tuple[str, str]:
    """Where to, and when."""
    last = connection.execute(sa.select(EVENT.c.at, EVENT.c.data).order_by(EVENT.c.id.desc()).limit(1)).one()
    return last.data["to"], f"{last.at:%Y-%m-%d %H:%M} UTC"


def _append(connection: sa.Connection, events: Sequence[Mapping[str, Any]], end: Any) -> None:  # noqa: ANN401 - a row
    last, rows = end.hash, []
    for event in events:
        last = event_hash(last, event)
        rows.append({**event, "hash": last})
    connection.execute(_insert_event(), rows)
    connection.execute(_move_end(), {"new_hash": last, "new_length": end.length + len(rows)})


def append_alike(
    connection: sa.Connection,
    kind: str,
    edit_ids: Iterable[int],
    *,
    actor: str,
    batch_id: int | None,
    data: Mapping[str, Any],
) -> None:
    """Append the same event for each of these edits, which may be very many: each tells the edit, all the moment."""
    event = event_values(kind, actor=actor, batch_id=batch_id, edit_id=0, data=data)
    end = _open_end(connection)
    head, tail = _as_text([event[name] for name in _OF_EVENT[:4]])[1:-1], _as_text(_told(data))
    values = kept(EVENT, event)
    before, told = [values[name] for name in _OF_EVENT[:4]], values["data"]
    last, rows = end.hash, []
    for edit_id in edit_ids:
        last = hashlib.sha256(f'["{last}",{head},{edit_id},{tail}]'.encode()).hexdigest()
        rows.append((*before, edit_id, told, last))
    if rows:
        insert_many(connection, EVENT, (*_OF_EVENT, "data", "hash"), rows)
        connection.execute(_move_end(), {"new_hash": last, "new_length": end.length + len(rows)})


def note(db: Database, kind: str, *, actor: str, data: Mapping[str, Any]) -> None:
    """Append what happened to the desk beside its edits, such as a change of a file."""
    with db.write() as connection:
        append_events(connection, [event_values(kind, actor=actor, data=data)])


_NOTHING: Digests = MappingProxyType({})


def event_hash(before: str, event: Mapping[str, Any], erased: Digests = _NOTHING) -> str:
    """The hash of an event that follows the event with the hash ``before``; 64 hex digits.

    Args:
        before: The other's hash.
        event: Its columns.
        erased: What was taken out of its data.
    """
    return _sha256([before, *(event[name] for name in _OF_EVENT), {**_told(event["data"]), **erased}])


def decision_hash(decision: Mapping[str, Any], erased: Digests = _NOTHING) -> str:
    """The hash of a decision's columns, which its event carries as ``record``; 64 hex digits.

    Args:
        decision: Its columns.
        erased: What was taken out of it.
    """
    return _sha256([_part(name, decision[name], erased) for name in _OF_DECISION])


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an event's data is in its hash: text by its digest alone, so that it can be taken out."""
    return {name: value if name in PLAIN else digest(value) for name, value in data.items() if name != ERASED_BY}


def digest(value: Any) -> str:  # noqa: ANN401 - a JSON value
    """What stands for a value in a hash; 64 hex digits."""
    return _sha256(value)


def _part(name: str, value: Any, erased: Digests) -> Any:  # noqa: ANN401 - a JSON value
    return erased.get(name) or digest(value) if name in _ERASABLE else value


def records_hash(records: Sequence[str]) -> str:
    """One hash for the hashes of several decisions; 64 hex digits."""
    return _sha256(list(records))


def _sha256(values: Any) -> str:  # noqa: ANN401 - JSON values
    text = _as_text(values)
    if _STAND_IN in text:
        text = text.replace(_STAND_IN, "\\u0000")
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"{value!r} cannot be part of the history")


_as_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain).encode
"""Made once: that takes half as long as a short text."""


@cache
def _read_end() -> sa.Select[Any]:
    last_kind = sa.select(EVENT.c.kind).order_by(EVENT.c.id.desc()).limit(1).scalar_subquery()
    return sa.select(CHAIN_END.c.hash, CHAIN_END.c.length, last_kind.label("last_kind"))


@cache
def _insert_event() -> sa.Insert:
    return sa.insert(EVENT)


@cache
def _move_end() -> sa.Update:
    return sa.update(CHAIN_END).values(hash=sa.bindparam("new_hash"), length=sa.bindparam("new_length"))


@dataclass(frozen=True, slots=True)
class Link:
    """An event, as a link of the chain.

    Attributes:
        hash: As it is stored.
        record: The hash of the decision that it records, if it records one.
        vouches_for: How many earlier decisions it vouches for, and one hash for all of them; None for most events.
    """

    id: int
    edit_id: int | None
    hash: str
    record: str | None
    vouches_for: tuple[int, str] | None
    values: Mapping[str, Any]
    erased: Digests = field(default_factory=dict)

    def hash_after(self, before: str) -> str:
        """The hash that it should have, behind the event with the hash ``before``."""
        return event_hash(before, self.values, self.erased)


@dataclass(frozen=True, slots=True)
class Record:
    """A decision and the hash of what it says now, or said before text was taken out of it."""

    id: int
    edit_id: int
    hash: str


@dataclass(frozen=True, slots=True)
class End:
    """The chain's end, as it is kept beside it."""

    hash: str
    length: int


def end(db: Database) -> End:
    """The chain's end now."""
    with db.read() as connection:
        return History(connection).end


class History:
    """The history at one moment, read page by page.

    Args:
        connection: One consistent view.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        end = connection.execute(_read_end()).one()
        self.end = End(end.hash, end.length)
        self._erasure = lru_cache(maxsize=8)(self._read_erasure)

    def links(self) -> Iterator[Link]:
        """All events, first to last."""
        for row in _pages(self._connection, EVENT):
            data = row["data"]
            vouches_for = (data.get("decisions", 0), data.get("records", "")) if row["kind"] == CHAINED else None
            erased = self._erased(data, "events", row["id"])
            yield Link(row["id"], row["edit_id"], row["hash"], data.get("record"), vouches_for, dict(row), erased)

    def records(self) -> Iterator[Record]:
        """All decisions, first to last."""
        for row in _pages(self._connection, DECISION):
            is_marked = not row["note"] and len(row["flags"]) == 1 and set(row["flags"][0]) == {ERASED_BY}
            erased = self._erased(row["flags"][0], "decisions", row["id"]) if is_marked else _NOTHING
            yield Record(row["id"], row["edit_id"], decision_hash(dict(row), erased))

    def _erased(self, marked: Mapping[str, Any], kind: str, number: int) -> Digests:
        """What a later event says was taken out here; nothing of what is still there, or again."""
        by = marked.get(ERASED_BY)
        if not isinstance(by, int):
            return _NOTHING
        said = self._erasure(by).get(kind, {}).get(str(number), {})
        return {name: value for name, value in said.items() if name not in marked}

    def _read_erasure(self, event_id: int) -> Mapping[str, Any]:
        """What that event says was taken out; its own place in the chain is held when its turn comes."""
        wanted = sa.select(EVENT.c.data).where(EVENT.c.id == event_id, EVENT.c.kind == ERASED)
        return self._connection.execute(wanted).scalar_one_or_none() or {}


@contextmanager
def history(db: Database) -> Iterator[History]:
    """The history as it is now, whatever is appended meanwhile."""
    with db.read() as connection:
        yield History(connection)


def _pages(connection: sa.Connection, table: sa.Table) -> Iterator[sa.RowMapping]:
    after = -(2**63)  # a row that was added below the first is one, too
    statement = sa.select(table).where(table.c.id > sa.bindparam("after")).order_by(table.c.id).limit(_PAGE)
    while rows := connection.execute(statement, {"after": after}).mappings().all():
        yield from rows
        after = rows[-1]["id"]
