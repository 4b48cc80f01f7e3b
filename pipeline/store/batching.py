"""Batches as a whole: paused, resumed, cancelled, what they may cost, what stopped them, and how far they are.

A pause is one row, whatever the batch has queued: claims pass a paused batch over (`running.claim_queued`), and an
attempt of it is not begun (`ledger.begin`). Cancelling moves every queued edit, with an event for each.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Conflict
from pipeline.records import BatchRecord, asset_title
from pipeline.states import AttemptState, EditState
from pipeline.store.chain import append_alike
from pipeline.store.database import Database
from pipeline.store.ledger import CHARGE, PURSE, put_cap
from pipeline.store.loading import ASSET, BATCH, BATCH_CANCELLED, put_destinations
from pipeline.store.moves import EDIT, add_event
from pipeline.store.running import ATTEMPT, queued_batches
from pipeline.tables import BROUGHT_NOTHING, BatchCountRow, now
from pipeline.texts import mended

BATCH_COUNT = BatchCountRow.__table__  # type: ignore[attr-defined]

PROBLEMS = (EditState.FAILED, EditState.REFUSED, EditState.IN_DOUBT)

_PACE_OF = 200
"""Answers that a pace is measured on."""

PACE_WITHIN = timedelta(minutes=5)
"""Older answers say nothing of the pace now."""


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """How far a batch is.

    Attributes:
        spent_microusd: What was charged; an answer without a known price counts as the most that it can have cost.
        reserved_microusd: The most that open and lost requests can add.
        cap_microusd: What the batch may cost; None if nobody said so for this one.
        answered_at: When the last answers came, the latest first; none that came longer than `PACE_WITHIN` ago.
    """

    batch: BatchRecord
    spent_microusd: int
    reserved_microusd: int
    cap_microusd: int | None
    answered_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class ProblemLine:
    """An edit that brought no picture.

    Attributes:
        doubtful_microusd: The most that its lost requests can have cost; None if none was lost.
    """

    edit_id: int
    batch: str
    asset: str
    state: EditState
    why: str
    doubtful_microusd: int | None


def pause(db: Database, batch_id: int, *, actor: str) -> None:
    """Send nothing more of a batch, from the moment that this is written.

    Raises:
        Conflict: It is paused or cancelled already.
    """
    with db.write() as connection:
        batch = _read(connection, batch_id)
        if batch.paused_at is not None or batch.cancelled_at is not None:
            raise Conflict(f"the batch {batch.name} is {'paused' if batch.paused_at else 'cancelled'} already")
        _change(connection, batch_id, paused_at=now())
        add_event(connection, "batch.paused", actor=actor, batch_id=batch_id, data={"batch": batch.name})


def resume(db: Database, batch_id: int, *, actor: str) -> int:
    """Go on with a batch that is paused, stopped or cancelled; gives how many cancelled edits are queued again.

    Raises:
        Conflict: It is none of these.
    """
    with db.write() as connection:
        batch = _read(connection, batch_id)
        if batch.paused_at is None and batch.cancelled_at is None and batch.stopped is None:
            raise Conflict(f"the batch {batch.name} is neither paused nor stopped nor cancelled")
        _change(connection, batch_id, paused_at=None, cancelled_at=None, stopped=None)
        cancelled = (EDIT.c.state == EditState.CANCELLED, EDIT.c.error_code == BATCH_CANCELLED)
        again = {"state": EditState.QUEUED, "owner": None, "error_code": None, "error": None}
        count = _move_all(connection, batch_id, cancelled, again, actor=actor, was=EditState.CANCELLED)
        add_event(
            connection, "batch.resumed", actor=actor, batch_id=batch_id, data={"batch": batch.name, "queued": count}
        )
        return count


def cancel(db: Database, batch_id: int, *, actor: str) -> int:
    """Cancel all that a batch has queued, in one transaction; gives how many edits that were.

    What is being sent comes home and is booked; what a runner would queue again of it is cancelled then.

    Raises:
        Conflict: It is cancelled already.
    """
    with db.write() as connection:
        batch = _read(connection, batch_id)
        if batch.cancelled_at is not None:
            raise Conflict(f"the batch {batch.name} is cancelled already")
        _change(connection, batch_id, paused_at=None, stopped=None, cancelled_at=now())
        queued = (EDIT.c.state == sa.literal_column("'queued'"),)
        ended = {"state": EditState.CANCELLED, "owner": None, "error_code": BATCH_CANCELLED}
        ended["error"] = f"the batch was cancelled by {actor}"
        count = _move_all(connection, batch_id, queued, ended, actor=actor, was=EditState.QUEUED)
        add_event(
            connection,
            "batch.cancelled",
            actor=actor,
            batch_id=batch_id,
            data={"batch": batch.name, "cancelled": count},
        )
        return count


def set_budget(db: Database, batch_id: int, cap_microusd: int, *, actor: str) -> None:
    """Say what a batch may cost; a batch that its budget stopped goes on."""
    with db.write() as connection:
        before = put_cap(connection, batch_id, cap_microusd)
        _change(connection, batch_id, stopped=None)
        if before != cap_microusd:
            name = _read(connection, batch_id).name
            data = {"batch": name, "from_microusd": before, "to_microusd": cap_microusd}
            add_event(connection, "batch.budget", actor=actor, batch_id=batch_id, data=data)


def set_destinations(db: Database, batch_id: int, destinations: Sequence[str], *, actor: str) -> None:
    """Say where a batch's pictures go; what was flagged before stays as it is flagged."""
    with db.write() as connection:
        put_destinations(connection, batch_id, destinations, actor=actor)


def destinations_of(db: Database, batch: str) -> tuple[str, ...]:
    """Where a batch's pictures go; nowhere if there is no such batch."""
    with db.read() as connection:
        found = connection.execute(sa.select(BATCH.c.destinations).where(BATCH.c.name == batch)).scalar_one_or_none()
        return tuple(found or ())


def record_stop(db: Database, batch_ids: Iterable[int], *, code: str, message: str, owner: str) -> None:
    """Keep what stopped these batches, until they go on; said once, however often it happens."""
    message = mended(message)
    with db.write() as connection:
        for batch_id in batch_ids:
            batch = _read(connection, batch_id)
            was = batch.stopped or {}
            if (was.get("code"), was.get("message")) != (code, message):
                stopped = {"code": code, "message": message, "at": now().isoformat()}
                _change(connection, batch_id, stopped=stopped)
                data = {"batch": batch.name, "code": code, "message": message}
                add_event(connection, "batch.stopped", actor=owner, batch_id=batch_id, data=data)


def clear_stop(db: Database, batch_id: int) -> None:
    """Forget what stopped a batch: it goes on."""
    with db.write() as connection:
        _change(connection, batch_id, stopped=None)


def _read(connection: sa.Connection, batch_id: int) -> Any:  # noqa: ANN401 - a row
    return connection.execute(sa.select(BATCH).where(BATCH.c.id == batch_id)).one()


def _change(connection: sa.Connection, batch_id: int, **values: Any) -> None:  # noqa: ANN401 - columns
    connection.execute(sa.update(BATCH).where(BATCH.c.id == batch_id).values(**values))


def _move_all(
    connection: sa.Connection,
    batch_id: int,
    which: Sequence[Any],
    values: dict[str, Any],
    *,
    actor: str,
    was: EditState,
) -> int:
    """Move edits of a batch at once, with an event for each; gives their number."""
    moved = sa.update(EDIT).where(EDIT.c.batch_id == batch_id, *which)
    moved = moved.values(**values, revision=EDIT.c.revision + 1, updated_at=now())
    ids = connection.execute(moved.returning(EDIT.c.id)).scalars().all()
    kind, data = f"edit.{values['state']}", {"from": was.value, "reason": "the whole batch"}
    append_alike(connection, kind, ids, actor=actor, batch_id=None, data=data)
    return len(ids)


# How they stand.


def under_way(db: Database) -> list[int]:
    """Batches with something queued, or a request without an answer, and paused ones; newest first."""
    open_ones = sa.select(EDIT.c.batch_id).join(ATTEMPT, ATTEMPT.c.edit_id == EDIT.c.id)
    open_ones = open_ones.where(ATTEMPT.c.state == sa.literal_column("'started'")).distinct()
    paused = sa.select(BATCH.c.id).where(BATCH.c.paused_at.is_not(None))
    with db.read() as connection:
        found = set(queued_batches(connection))
        for statement in (open_ones, paused):
            found.update(connection.execute(statement).scalars())
    return sorted(found, reverse=True)


def newest(db: Database, *, before: int | None = None, limit: int) -> list[int]:
    """Batches, newest first; from before that one on."""
    statement = sa.select(BATCH.c.id).order_by(BATCH.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(BATCH.c.id < before)
    with db.read() as connection:
        return list(connection.execute(statement).scalars())


def number_of(db: Database, name: str) -> int | None:
    """The number of the batch of that name; None if there is none."""
    with db.read() as connection:
        return connection.execute(sa.select(BATCH.c.id).where(BATCH.c.name == name)).scalar_one_or_none()


def name_of(db: Database, batch_id: int) -> str | None:
    """The name of the batch of that number; None if there is none."""
    with db.read() as connection:
        return connection.execute(sa.select(BATCH.c.name).where(BATCH.c.id == batch_id)).scalar_one_or_none()


def figures(db: Database, batch_ids: Sequence[int]) -> list[BatchFigures]:
    """How far these batches are, in the order asked for; as the database keeps count of them."""
    with db.read() as connection:
        rows = {row.id: row for row in connection.execute(sa.select(BATCH).where(BATCH.c.id.in_(batch_ids)))}
        counts: dict[int, dict[EditState, int]] = {batch_id: {} for batch_id in batch_ids}
        for batch_id, state, count in connection.execute(_counts(), {"ids": list(batch_ids)}):
            counts[batch_id][EditState(state)] = count
        return [_figures(connection, rows[each], counts[each]) for each in batch_ids if each in rows]


def _figures(connection: sa.Connection, row: Any, counts: dict[EditState, int]) -> BatchFigures:  # noqa: ANN401
    purse = connection.execute(sa.select(PURSE).where(PURSE.c.scope == f"batch:{row.id}")).one_or_none()
    spent, reserved, cap = (
        (purse.spent_microusd, purse.reserved_microusd, purse.cap_microusd) if purse else (0, 0, None)
    )
    unpriced = connection.execute(_unpriced(), {"batch": row.id}).scalar_one() if spent else 0
    answered = connection.execute(_answered(), {"batch": row.id, "since": now() - PACE_WITHIN}).scalars()
    return BatchFigures(batch_record(row, counts, spent, unpriced), spent, reserved, cap, tuple(answered))


def batch_record(row: Any, counts: dict[EditState, int], cost_microusd: int, unpriced: int) -> BatchRecord:  # noqa: ANN401
    """A batch from its row and what was counted."""
    same = ("id", "name", "manifest_name", "created_at", "created_by", "paused_at", "cancelled_at", "stopped")
    return BatchRecord(
        **{name: getattr(row, name) for name in same},
        counts=counts,
        cost_microusd=cost_microusd,
        unpriced=unpriced,
        destinations=tuple(row.destinations),
    )


def problems(
    db: Database, *, batch_id: int | None = None, before: int | None = None, limit: int
) -> Iterator[ProblemLine]:
    """Edits that brought no picture, newest first; from before that one on."""
    statement = _problems().limit(limit)
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    if before is not None:
        statement = statement.where(EDIT.c.id < before)
    with db.read() as connection:
        for row in connection.execute(statement).all():
            title = asset_title(row.asset, row.variant)
            yield ProblemLine(row.id, row.batch, title, EditState(row.state), row.error or "", row.doubtful)


@cache
def _counts() -> sa.Select[Any]:
    ids: sa.BindParameter[list[int]] = sa.bindparam("ids", expanding=True)
    return sa.select(BATCH_COUNT.c.batch_id, BATCH_COUNT.c.state, BATCH_COUNT.c.n).where(
        BATCH_COUNT.c.batch_id.in_(ids), BATCH_COUNT.c.n > 0
    )


@cache
def _answered() -> sa.Select[Any]:
    batch: sa.BindParameter[int] = sa.bindparam("batch")
    # In the order of the batch's index, for the reason that `reading.edit_ids` gives.
    last = sa.select(CHARGE.c.id, CHARGE.c.created_at).where(CHARGE.c.batch_id >= batch, CHARGE.c.batch_id <= batch)
    found = last.order_by(CHARGE.c.batch_id.desc(), CHARGE.c.id.desc()).limit(_PACE_OF).subquery()
    since = sa.bindparam("since", type_=found.c.created_at.type)
    return sa.select(found.c.created_at).where(found.c.created_at > since).order_by(found.c.id.desc())


@cache
def _unpriced() -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(
        CHARGE.c.batch_id == sa.bindparam("batch"), CHARGE.c.amount_microusd.is_(None)
    )


@cache
def _problems() -> sa.Select[Any]:
    lost = sa.select(sa.cast(sa.func.sum(ATTEMPT.c.reserved_microusd), sa.BigInteger)).where(
        ATTEMPT.c.edit_id == EDIT.c.id, ATTEMPT.c.state == AttemptState.LOST
    )
    columns = (EDIT.c.id, EDIT.c.state, EDIT.c.error, BATCH.c.name.label("batch"), ASSET.c.name.label("asset"))
    return (
        sa.select(*columns, ASSET.c.variant, lost.scalar_subquery().label("doubtful"))
        .join(BATCH, BATCH.c.id == EDIT.c.batch_id)
        .join(ASSET, ASSET.c.id == EDIT.c.asset_id)
        .where(sa.text(f"edit.{BROUGHT_NOTHING}"))  # as its index says
        .order_by(EDIT.c.id.desc())
    )
