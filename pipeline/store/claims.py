"""Who looks at which edit: leases, so that two people never decide on one picture, and none stays with somebody gone.

A claim is the reviewer's name, a token and an end, on the edit itself. What is claimed leaves the index that the queue
is read by, so the queue's head costs the same however many leases there are; leases that ended are swept before each
claim. Eligibility is checked inside the claim's own transaction.
"""

import json
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any

import sqlalchemy as sa

from pipeline.store.database import Database
from pipeline.store.loading import REPROMPT_PRIORITY
from pipeline.store.moves import EDIT
from pipeline.store.reading import EditFilter, filtered
from pipeline.tables import TO_LOOK_AT, now

_PAGE = 64

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

    def first(connection: sa.Connection, limit: int, among: Collection[int] | None = None) -> list[int]:
        found = _candidates(connection, who, wanted, among)
        return list(
            islice(
                (each.id for each in found if each.id not in leave_out and _may_take(each, who, moment - reserved)),
                limit,
            )
        )

    with db.write() as connection:
        connection.execute(_sweep(), {"moment": moment})
        if not _is_walked(wanted):
            return _lease(connection, first(connection, count), who, moment + lease)
    # A filter that few edits pass walks over all the others: not while everybody else waits to write.
    with db.read() as connection:
        among = first(connection, count + _SPARE)
    with db.write() as connection:
        return _lease(connection, first(connection, count, among), who, moment + lease)


def take(db: Database, who: Claimant, edit_id: int, *, lease: timedelta) -> Claim | None:
    """Lease this one edit, because the person has it before them; None if it does not wait, or somebody else has it."""
    moment = now()
    with db.write() as connection:
        free = sa.or_(EDIT.c.claimed_by.is_(None), EDIT.c.claimed_by == who.name, EDIT.c.claim_until < moment)
        waits = sa.select(EDIT).where(EDIT.c.id == edit_id, sa.text(TO_LOOK_AT), free)
        edit = connection.execute(waits).one_or_none()
        if edit is None or not _may_take(edit, who, moment):
            return None
        return _lease(connection, [edit_id], who, moment + lease)[0]


def renew(db: Database, name: str, tokens: Collection[str], *, lease: timedelta) -> list[str]:
    """Lengthen these leases; gives the tokens of those that still hold."""
    with db.write() as connection:
        statement = sa.update(EDIT).where(*_held(name, tokens)).values(claim_until=now() + lease)
        return list(connection.execute(statement.returning(EDIT.c.claim_token)).scalars())


def release(db: Database, name: str, tokens: Collection[str]) -> int:
    """Give edits back; gives how many."""
    with db.write() as connection:
        return connection.execute(sa.update(EDIT).where(*_held(name, tokens)).values(FREE)).rowcount


def _lease(connection: sa.Connection, edit_ids: Sequence[int], who: Claimant, until: datetime) -> list[Claim]:
    leased = [Claim(edit_id, secrets.token_hex(8), until) for edit_id in edit_ids]
    if leased:
        values = [{"edit": each.edit_id, "name": who.name, "token": each.token, "until": until} for each in leased]
        connection.execute(_take(), values)
    return leased


@cache
def _sweep() -> sa.Update:
    """Frees what leases that ended held."""
    ended = sa.update(EDIT).where(EDIT.c.claimed_by.is_not(None), EDIT.c.claim_until < sa.bindparam("moment"))
    return ended.values(FREE)


@cache
def _take() -> sa.Update:
    return (
        sa.update(EDIT)
        .where(EDIT.c.id == sa.bindparam("edit"))
        .values(claimed_by=sa.bindparam("name"), claim_token=sa.bindparam("token"), claim_until=sa.bindparam("until"))
    )


def _held(name: str, tokens: Collection[str]) -> tuple[sa.ColumnElement[bool], ...]:
    return EDIT.c.claimed_by == name, EDIT.c.claim_token.in_(list(tokens))


def _is_walked(wanted: EditFilter) -> bool:
    """Whether no index leads to the edits that fit."""
    return any(each is not None for each in (wanted.kind, wanted.change, wanted.recipe, wanted.asked_by))


def _candidates(
    connection: sa.Connection, who: Claimant, wanted: EditFilter, among: Collection[int] | None
) -> Iterator[Any]:
    """Unclaimed edits, best first, read page by page."""
    columns = (EDIT.c.id, EDIT.c.priority, EDIT.c.approvals, EDIT.c.escalated_by, EDIT.c.asked_by)
    statement = filtered(sa.select(*columns, EDIT.c.updated_at), wanted).where(_UNCLAIMED, *_open_to(who))
    if among is not None:
        statement = statement.where(EDIT.c.id.in_(among))
    own = statement.where(EDIT.c.priority == REPROMPT_PRIORITY, EDIT.c.asked_by == who.name).order_by(EDIT.c.id)
    seen = set()
    for edit in connection.execute(own.limit(_PAGE)).all():
        seen.add(edit.id)
        yield edit
    place = (EDIT.c.priority, EDIT.c.id)
    after: tuple[int, int] | None = None
    while True:
        page = statement if after is None else statement.where(sa.tuple_(*place) > sa.tuple_(*after))
        rows = connection.execute(page.order_by(*place).limit(_PAGE)).all()
        yield from (edit for edit in rows if edit.id not in seen)
        if len(rows) < _PAGE:
            return
        after = (rows[-1].priority, rows[-1].id)


def _open_to(who: Claimant) -> Iterator[sa.ColumnElement[bool]]:
    """What `_may_take` would refuse anyway, where there may be many.

    30,000 edits that the person has approved took 1.2 s to walk over in here, with everybody else waiting to write, and
    take 0.02 s in the database (our measurement, 2026-11-21).
    """
    approvals = sa.cast(EDIT.c.approvals, sa.String)
    yield sa.func.replace(approvals, json.dumps(who.name), "") == approvals  # neither database has the other's instr
    if not who.is_approver:
        yield EDIT.c.escalated_by.is_(None)


def _may_take(edit: Any, who: Claimant, long_ago: datetime) -> bool:  # noqa: ANN401 - a row
    if who.name in edit.approvals:
        return False
    if edit.escalated_by is not None:
        return who.is_approver and (who.is_alone or edit.escalated_by != who.name)
    is_result = edit.priority == REPROMPT_PRIORITY and edit.asked_by not in (who.name, *edit.approvals)
    return who.is_alone or not (is_result and edit.updated_at > long_ago)
