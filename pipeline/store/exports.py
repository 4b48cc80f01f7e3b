"""Which exports there were, and what each of them has: what was approved when it was read.

No edit says that it was exported: that follows from its approval and the exports since. So a million edits are
exported by one row.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Conflict
from pipeline.states import EditState
from pipeline.store.chain import EVENT
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT, add_event
from pipeline.tables import ExportRow, now

EXPORT = ExportRow.__table__  # type: ignore[attr-defined]

_APPROVAL = f"edit.{EditState.APPROVED}"


@dataclass(frozen=True, slots=True)
class Seen:
    """The moment that an export is of.

    Attributes:
        batch_id: Of this batch only; None for all.
        last_event: The last thing that had happened.
    """

    batch_id: int | None
    last_event: int


def exported_at() -> sa.ScalarSelect[Any]:
    """When an export first had an edit as it is now, for statements over edits; NULL if none has."""
    approval = sa.select(sa.func.max(EVENT.c.id)).where(EVENT.c.edit_id == EDIT.c.id, EVENT.c.kind == _APPROVAL)
    of_its_batch = sa.or_(EXPORT.c.batch_id.is_(None), EXPORT.c.batch_id == EDIT.c.batch_id)
    since = EXPORT.c.through >= approval.correlate(EDIT).scalar_subquery()
    having = sa.select(sa.func.min(EXPORT.c.at)).where(EDIT.c.state == EditState.APPROVED, of_its_batch, since)
    return having.correlate(EDIT).scalar_subquery()


def when_exported(connection: sa.Connection, edit_id: int) -> datetime | None:
    """When an export first had this edit as it is now; None if none has."""
    moment: datetime | None = connection.execute(_when_exported(), {"edit": edit_id}).scalar_one()
    return moment


def is_exported(db: Database, edit_id: int) -> bool:
    """Whether an export has this edit as it is now."""
    with db.read() as connection:
        return when_exported(connection, edit_id) is not None


def was_approved_after(event: int) -> sa.ColumnElement[bool]:
    """Whether an edit was approved, or approved again, after this event; for statements over edits."""
    later = sa.exists().where(EVENT.c.edit_id == EDIT.c.id, EVENT.c.kind == _APPROVAL, EVENT.c.id > event)
    return later.correlate(EDIT)


@dataclass(frozen=True, slots=True)
class Before:
    """The last export of the same.

    Attributes:
        through: The last thing that had happened when it was read.
    """

    at: datetime
    export_id: str
    through: int


def last_export(db: Database, batch_id: int | None) -> Before | None:
    """The last export that had all of a batch, or of the desk; None if there was none."""
    same = EXPORT.c.batch_id.is_(None)
    if batch_id is not None:
        same = sa.or_(same, EXPORT.c.batch_id == batch_id)
    columns = (EXPORT.c.at, EXPORT.c.export_id, EXPORT.c.through)
    with db.read() as connection:
        found = connection.execute(sa.select(*columns).where(same).order_by(EXPORT.c.through.desc()).limit(1)).first()
    return None if found is None else Before(*found)


def withdrawn(db: Database, batch_id: int | None, *, after: int, until: int) -> list[tuple[str, str, str, int]]:
    """What an export had at the one event and what was no more approved at the other.

    Gives batch, asset, variant and edit of each; they are as few as mistakes are.
    """
    came_from = EVENT.c.data["from"].as_string()
    span = (EVENT.c.id > after, EVENT.c.id <= until)
    first = sa.select(sa.func.min(EVENT.c.id)).where(*span, came_from.is_not(None)).group_by(EVENT.c.edit_id)
    statement = (
        sa.select(BATCH.c.name, ASSET.c.name, ASSET.c.variant, EDIT.c.id)
        .select_from(EVENT)
        .join(EDIT, EDIT.c.id == EVENT.c.edit_id)
        .join(ASSET, ASSET.c.id == EDIT.c.asset_id)
        .join(BATCH, BATCH.c.id == ASSET.c.batch_id)
        .where(EVENT.c.id.in_(first), came_from == EditState.APPROVED.value, EDIT.c.state != EditState.APPROVED)
        .order_by(EDIT.c.id)
    )
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    with db.read() as connection:
        return [(batch, asset, variant, edit_id) for batch, asset, variant, edit_id in connection.execute(statement)]


def record_export(db: Database, seen: Seen, *, actor: str, rows: int, export_id: str) -> None:
    """Remember that an export was written.

    Args:
        db: The desk's database.
        seen: The moment that the export is of.
        actor: Who exports.
        rows: Approved assets in it.
        export_id: Names the export's content.

    Raises:
        Conflict: The approval of one of them was taken back meanwhile; nothing is remembered.
    """
    with db.write() as connection:
        if _was_taken_back(connection, seen):
            raise Conflict("an approval was taken back while the export was written; export again")
        told = {"rows": rows, "export_id": export_id}
        where = {"batch_id": seen.batch_id, "through": seen.last_event}
        connection.execute(sa.insert(EXPORT).values(at=now(), actor=actor, **where, **told))
        add_event(connection, "export.done", actor=actor, batch_id=seen.batch_id, data=told)


@cache
def _when_exported() -> sa.Select[Any]:
    return sa.select(exported_at()).select_from(EDIT).where(EDIT.c.id == sa.bindparam("edit"))


def _was_taken_back(connection: sa.Connection, seen: Seen) -> bool:
    """Every move says in its event where it came from: the first one since tells whether the edit was approved."""
    came_from = EVENT.c.data["from"].as_string()
    moved = sa.select(sa.func.min(EVENT.c.id)).where(EVENT.c.id > seen.last_event, came_from.is_not(None))
    taken_back = (
        sa.select(EVENT.c.id)
        .join(EDIT, EDIT.c.id == EVENT.c.edit_id)
        .where(EVENT.c.id.in_(moved.group_by(EVENT.c.edit_id)), came_from == EditState.APPROVED.value)
        .limit(1)
    )
    if seen.batch_id is not None:
        taken_back = taken_back.where(EDIT.c.batch_id == seen.batch_id)
    return connection.execute(taken_back).first() is not None
