"""Who looks at which edit: leases, so that two people never decide on one picture, and none stays with somebody gone.

A claim is the reviewer's name, a token and an end, on the edit itself. What is claimed leaves the index that the queue
is read by, so the queue's head costs the same however many leases there are; leases that ended are swept before each
claim. Who may take an edit is part of the statement that claims it.

On PostgreSQL leases are taken beside decisions. They wait for nobody's lock: a row that somebody has in their hands
just now is passed over.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

from pipeline.store.database import Database
from pipeline.store.loading import REPROMPT_PRIORITY
from pipeline.store.moves import EDIT
from pipeline.store.reading import EditFilter, filtered
from pipeline.tables import TO_LOOK_AT, now

_SPARE = 64
"""So many more edits are looked up than are claimed: others may take some of them in between."""

_UNCLAIMED = sa.text(f"{TO_LOOK_AT} AND claimed_by IS NULL")
"""Word for word the condition of its index."""

FREE: dict[str, Any] = {"claimed_by": None, "claim_token": None, "claim_until": None}


@dataclass(frozen=True, slots=True)
class Claim:
    """A reviewer's lease on an edit.

    Attributes:
        token: Names this lease; a decision that carries it is this reviewer's.
        until: When it ends, unless renewed.
    """

    edit_id: int
    token: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims.

    Attributes:
        is_approver: May take what was escalated.
        is_alone: Nobody else reviews on this desk, so own escalations come back.
    """

    name: str
    is_approver: bool
    is_alone: bool


@dataclass(frozen=True, slots=True)
class _Search:
    """What decides on the wording of a search for edits; names and moments are given when it is carried out."""

    wanted: EditFilter
    count: int
    is_approver: bool
    is_alone: bool
    leaves_out: bool
    is_among: bool = False


def claim(
    db: Database,
    who: Claimant,
    wanted: EditFilter,
    *,
    count: int,
    lease: timedelta,
    reserved: timedelta,
    leave_out: Collection[int] = (),
) -> list[Claim]:
    """Lease the next edits that wait for this person; those that the person asked for come first, then by priority.

    Args:
        db: The desk's database.
        who: Who claims.
        wanted: Of these edits only; its states do not matter.
        count: How many at most.
        lease: How long.
        reserved: So long, the result of a re-prompt waits for the one who asked for it.
        leave_out: Not these, such as those that were skipped.
    """
    moment = now()
    search = _Search(wanted, count, who.is_approver, who.is_alone, leaves_out=bool(leave_out))
    known = {"name": who.name, "long_ago": moment - reserved, **({"left_out": list(leave_out)} if leave_out else {})}
    with db.lease(by_statement=True) as connection:
        connection.execute(_sweep(), {"moment": moment})
        if not _is_walked(wanted):
            return _lease(connection, search, known, until=moment + lease)
    # A filter that few edits pass walks over all the others: not while everybody else waits to write.
    with db.read() as connection:
        spare = _Search(wanted, count + _SPARE, who.is_approver, who.is_alone, leaves_out=bool(leave_out))
        among = list(connection.execute(_look_up(spare), known).scalars())
    search = _Search(EditFilter(), count, who.is_approver, who.is_alone, leaves_out=bool(leave_out), is_among=True)
    with db.lease(by_statement=True) as connection:
        return _lease(connection, search, {**known, "among": among}, until=moment + lease)


def take(db: Database, who: Claimant, edit_id: int, *, lease: timedelta) -> Claim | None:
    """Lease this one edit, because the person has it before them; None if it does not wait, or somebody else has it."""
    moment = now()
    known = {"name": who.name, "moment": moment, "long_ago": moment, "wanted": edit_id}
    with db.write() as connection:  # what is being decided, the undoing before this even, says whether it waits
        statement = _take(is_approver=who.is_approver, is_alone=who.is_alone)
        row = connection.execute(statement, known | _new_lease(moment + lease)).one_or_none()
    return None if row is None else Claim(row.id, row.claim_token, moment + lease)


def renew(db: Database, name: str, tokens: Collection[str], *, lease: timedelta) -> list[str]:
    """Lengthen these leases; gives the tokens of those that still hold."""
    held = {"name": name, "tokens": list(tokens)}
    with db.lease(by_statement=True) as connection:
        connection.execute(_renew(), {**held, "until": now() + lease})
        # Read anew: one that was passed over, because its owner decides on it just now, holds until that is done.
        return list(connection.execute(_read_held(), held).scalars())


def release(db: Database, name: str, tokens: Collection[str]) -> int:
    """Give edits back; gives how many."""
    held = {"name": name, "tokens": list(tokens)}
    with db.lease(by_statement=True) as connection:
        given = connection.execute(_release(skips=True), held).rowcount
        is_passed_over = connection.execute(_read_held(), held).first() is not None
    if not is_passed_over:
        return given
    with db.write() as connection:  # behind whoever decides on it just now, which may end the lease
        return given + connection.execute(_release(skips=False), held).rowcount


def _lease(connection: sa.Connection, search: _Search, known: dict[str, Any], *, until: datetime) -> list[Claim]:
    rows = connection.execute(_claim(search), known | _new_lease(until)).all()
    in_order = sorted(rows, key=lambda row: (not _is_own(row, known["name"]), row.priority, row.id))
    return [Claim(row.id, row.claim_token, until) for row in in_order]


def _new_lease(until: datetime) -> dict[str, Any]:
    return {"token": f"{secrets.token_hex(8)}-", "until": until}


def _is_own(edit: Any, name: str) -> bool:  # noqa: ANN401 - a row
    return bool(edit.priority == REPROMPT_PRIORITY and edit.asked_by == name)


def _is_walked(wanted: EditFilter) -> bool:
    """Whether no index leads to the edits that fit."""
    return any(each is not None for each in (wanted.kind, wanted.change, wanted.recipe, wanted.asked_by))


@lru_cache(maxsize=256)
def _claim(search: _Search) -> Any:  # noqa: ANN401 - SQLAlchemy keeps its name to itself
    """Lease what a search finds, in one statement."""
    leased = sa.update(EDIT).where(EDIT.c.id.in_(_found(search, locked=True))).values(_LEASED)
    return leased.returning(EDIT.c.id, EDIT.c.claim_token, EDIT.c.priority, EDIT.c.asked_by)


@lru_cache(maxsize=256)
def _look_up(search: _Search) -> sa.CompoundSelect[Any]:
    return _found(search, locked=False)


def _found(search: _Search, *, locked: bool) -> sa.CompoundSelect[Any]:
    """Ids of the next unclaimed edits for this person: their own re-prompts, then the others by priority.

    A common table, which PostgreSQL reads once: a subquery with a limit and locks may be carried out for every row. The
    number is part of the wording, as PostgreSQL plans for a tenth of the table if it does not know it.
    """
    unclaimed = filtered(sa.select(EDIT.c.id), search.wanted).where(_UNCLAIMED, *_open_to(search)).correlate(None)
    if search.leaves_out:
        unclaimed = unclaimed.where(EDIT.c.id.not_in(sa.bindparam("left_out", expanding=True)))
    if search.is_among:
        unclaimed = unclaimed.where(EDIT.c.id.in_(sa.bindparam("among", expanding=True)))
    if locked:
        unclaimed = unclaimed.with_for_update(skip_locked=True, key_share=True)
    limit: sa.ColumnElement[int] = sa.literal_column(str(search.count))
    is_own = sa.and_(EDIT.c.priority == _REPROMPTED, EDIT.c.asked_by == sa.bindparam("name"))
    own = unclaimed.where(is_own).order_by(EDIT.c.id).limit(limit).cte("own")
    others = unclaimed.where(~is_own).order_by(EDIT.c.priority, EDIT.c.id)
    left = limit - sa.select(sa.func.count()).select_from(own).scalar_subquery()
    rest = others.limit(left).cte("rest")
    return sa.select(own.c.id).union_all(sa.select(rest.c.id))


def _open_to(search: _Search) -> tuple[sa.ColumnElement[bool], ...]:
    """Which edits this person may decide on: none that they have approved, or that waits for who asked for it.

    What was escalated is an approver's, and not the one's who did it, unless nobody else reviews.
    """
    name = sa.bindparam("name", type_=sa.String())
    asked_for = sa.and_(EDIT.c.priority == _REPROMPTED, EDIT.c.asked_by != name)
    is_fresh = EDIT.c.updated_at > sa.bindparam("long_ago", type_=EDIT.c.updated_at.type)
    waits_for_another = sa.and_(asked_for, is_fresh, ~_IsAmong(EDIT.c.approvals, EDIT.c.asked_by))
    is_open = EDIT.c.escalated_by.is_(None)
    if not search.is_alone:
        is_open = sa.and_(is_open, ~waits_for_another)
    if search.is_approver:
        is_anothers = EDIT.c.escalated_by.is_not(None) if search.is_alone else EDIT.c.escalated_by != name
        is_open = sa.or_(is_open, is_anothers)
    return ~_IsAmong(EDIT.c.approvals, name), is_open


@cache
def _take(*, is_approver: bool, is_alone: bool) -> Any:  # noqa: ANN401 - SQLAlchemy keeps its name to itself
    search = _Search(EditFilter(), 1, is_approver, is_alone, leaves_out=False)
    is_anybodys = sa.or_(
        EDIT.c.claimed_by.is_(None),
        EDIT.c.claimed_by == sa.bindparam("name"),
        EDIT.c.claim_until < sa.bindparam("moment"),
    )
    waits = sa.and_(EDIT.c.id == sa.bindparam("wanted"), sa.text(TO_LOOK_AT), is_anybodys, *_open_to(search))
    return sa.update(EDIT).where(waits).values(_LEASED).returning(EDIT.c.id, EDIT.c.claim_token)


@cache
def _sweep() -> sa.Update:
    """Frees what leases that ended held."""
    ended = sa.select(EDIT.c.id).where(EDIT.c.claimed_by.is_not(None), EDIT.c.claim_until < sa.bindparam("moment"))
    return sa.update(EDIT).where(EDIT.c.id.in_(_skipping(ended))).values(FREE)


@cache
def _renew() -> sa.Update:
    held = _skipping(sa.select(EDIT.c.id).where(*_held()))
    return sa.update(EDIT).where(EDIT.c.id.in_(held)).values(claim_until=sa.bindparam("until"))


@cache
def _release(*, skips: bool) -> sa.Update:
    if not skips:
        return sa.update(EDIT).where(*_held()).values(FREE)
    return sa.update(EDIT).where(EDIT.c.id.in_(_skipping(sa.select(EDIT.c.id).where(*_held())))).values(FREE)


@cache
def _read_held() -> sa.Select[Any]:
    return sa.select(EDIT.c.claim_token).where(*_held())


def _held() -> tuple[sa.ColumnElement[bool], ...]:
    tokens: sa.BindParameter[list[str]] = sa.bindparam("tokens", expanding=True)
    return EDIT.c.claimed_by == sa.bindparam("name"), EDIT.c.claim_token.in_(tokens)


def _skipping(ids: sa.Select[Any]) -> sa.Select[Any]:
    """The same ids without those that somebody has in their hands just now."""
    return ids.correlate(None).with_for_update(skip_locked=True, key_share=True)


_REPROMPTED: sa.ColumnElement[int] = sa.literal_column(str(REPROMPT_PRIORITY))

_LEASED = {
    "claimed_by": sa.bindparam("name"),
    "claim_token": sa.bindparam("token", type_=sa.String()) + sa.cast(EDIT.c.id, sa.String),
    "claim_until": sa.bindparam("until"),
}


class _IsAmong(FunctionElement[bool]):
    """Whether a name is one of a list that is kept as JSON."""

    type = sa.Boolean()
    inherit_cache = True


@compiles(_IsAmong)
def _write_is_among(element: _IsAmong, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - SQLAlchemy's
    names, name = (compiler.process(each, **options) for each in element.clauses)
    return f"({name} IN (SELECT value FROM {_ELEMENTS[compiler.dialect.name]}({names})))"  # noqa: S608 - no text of users


_ELEMENTS = {"sqlite": "json_each", "postgresql": "json_array_elements_text"}
