"""Who works on a desk, who has gone silent, and what those who are gone left behind.

A worker writes now and then that it lives (`beat`). The others watch whether that changes, each by its own clock, so
that a clock that is wrong or steps harms nobody. Who is silent for too long is dismissed, and what it had is taken over
in the same transaction; if it was only asleep, its writes find that others own its edits (`pipeline.store.ledger`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.states import EditState
from pipeline.store.database import Database
from pipeline.store.moves import EDIT
from pipeline.store.running import ATTEMPT
from pipeline.tables import WorkerRow, now

WORKER = WorkerRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A process that sends edits.

    Attributes:
        name: The owner of what it works on.
        host: Its machine.
        pid: Its process there.
        beaten_at: When it last said that it lives, by its own clock.
    """

    name: str
    host: str
    pid: int
    started_at: datetime
    beaten_at: datetime


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """A request that another worker, or an earlier run, left without an answer."""

    id: int
    edit_id: int
    provider: str
    key: str
    client_id: str
    task_id: str | None
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Left:
    """What was left behind.

    Attributes:
        attempts: Requests without an answer.
        produced: Edits that were made, and neither looked at nor routed.
    """

    attempts: tuple[OpenAttempt, ...]
    produced: tuple[int, ...]


def beat(db: Database, name: str, *, host: str, pid: int) -> bool:
    """Say that a worker lives; False if it was new, or had been taken for dead meanwhile."""
    moment = now()
    with db.lease() as connection:
        known = sa.update(WORKER).where(WORKER.c.name == name).values(beaten_at=moment)
        if connection.execute(known).rowcount:
            return True
        values = {"name": name, "host": host, "pid": pid, "started_at": moment, "beaten_at": moment}
        connection.execute(sa.insert(WORKER).values(values))
        return False


def leave(db: Database, name: str) -> None:
    """A worker ends by itself; whatever it still has is left to the others."""
    with db.lease() as connection:
        connection.execute(sa.delete(WORKER).where(WORKER.c.name == name))


def all_workers(db: Database) -> list[WorkerRecord]:
    """Everybody who has neither left nor been dismissed."""
    with db.read() as connection:
        return [WorkerRecord(**row) for row in connection.execute(sa.select(WORKER).order_by(WORKER.c.name)).mappings()]


def take_over(db: Database, *, owner: str, silent: Collection[WorkerRecord] = (), batch_id: int | None = None) -> Left:
    """Dismiss those who are silent still, and take on what nobody living owns, of one batch or of all.

    What was only claimed goes back into the queue.
    """
    of_batch = sa.true() if batch_id is None else EDIT.c.batch_id == batch_id
    with db.write() as connection:
        for each in silent:
            is_silent = sa.and_(WORKER.c.name == each.name, WORKER.c.beaten_at == each.beaten_at)
            connection.execute(sa.delete(WORKER).where(is_silent))
        ownerless = _nobody_living_owns(EDIT.c.owner)
        queued = sa.and_(ownerless, EDIT.c.state == sa.literal_column("'queued'"))
        connection.execute(sa.update(EDIT).where(queued).values(owner=None))
        attempts = [OpenAttempt(*row) for row in connection.execute(_open_attempts().where(of_batch))]
        if attempts:
            adopted = sa.update(ATTEMPT).where(ATTEMPT.c.id.in_([each.id for each in attempts]))
            connection.execute(adopted.values(owner=owner))
            adopted = sa.update(EDIT).where(EDIT.c.id.in_([each.edit_id for each in attempts]))
            connection.execute(adopted.values(owner=owner))
        produced = sa.update(EDIT).where(ownerless, EDIT.c.state == EditState.PRODUCED, of_batch)
        ids = connection.execute(produced.values(owner=owner).returning(EDIT.c.id)).scalars()
        return Left(tuple(attempts), tuple(sorted(ids)))


def open_elsewhere(db: Database, owner: str) -> bool:
    """Whether another living worker waits for an answer, and so may give back what is reserved for it."""
    statement = (
        sa.select(ATTEMPT.c.id)
        .join(WORKER, WORKER.c.name == ATTEMPT.c.owner)
        .where(ATTEMPT.c.state == sa.literal_column("'started'"), ATTEMPT.c.owner != owner)
        .limit(1)
    )
    with db.read() as connection:
        return connection.execute(statement).first() is not None


def work_elsewhere(db: Database, *, owner: str, batch_id: int | None = None) -> bool:
    """Whether another living worker has edits, of one batch or of all."""
    statement = sa.select(EDIT.c.id).join(WORKER, WORKER.c.name == EDIT.c.owner)
    statement = statement.where(EDIT.c.owner.is_not(None), EDIT.c.owner != owner).limit(1)
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    with db.read() as connection:
        return connection.execute(statement).first() is not None


def _nobody_living_owns(owner: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return sa.and_(owner.is_not(None), owner.not_in(sa.select(WORKER.c.name)))


def _open_attempts() -> sa.Select[Any]:
    columns = (ATTEMPT.c.id, ATTEMPT.c.edit_id, EDIT.c.provider, sa.func.coalesce(EDIT.c.key, ""))
    return (
        sa.select(*columns, ATTEMPT.c.client_id, ATTEMPT.c.task_id, ATTEMPT.c.started_at)
        .join(EDIT, EDIT.c.id == ATTEMPT.c.edit_id)
        .where(ATTEMPT.c.state == sa.literal_column("'started'"), EDIT.c.state == EditState.SENDING)
        .where(_nobody_living_owns(ATTEMPT.c.owner))
        .order_by(ATTEMPT.c.id)
    )
