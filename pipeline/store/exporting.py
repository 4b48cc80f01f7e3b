"""What an export reads, and what it leaves behind."""

from collections.abc import Iterator

import sqlalchemy as sa

from pipeline.records import EditRecord
from pipeline.states import EditState
from pipeline.store.database import Database
from pipeline.store.loading import ASSET
from pipeline.store.moves import EDIT, add_event
from pipeline.store.reading import edits

_PAGE = 500


def approved_edits(db: Database, batch_id: int | None) -> Iterator[EditRecord]:
    """Approved edits in the order of their batch, line, asset and variant; read page by page."""
    order = (ASSET.c.batch_id, ASSET.c.line, ASSET.c.id, EDIT.c.id)
    statement = (
        sa.select(*order)
        .join(ASSET, ASSET.c.id == EDIT.c.asset_id)
        .where(EDIT.c.state == EditState.APPROVED)
        .order_by(*order)
        .limit(_PAGE)
    )
    if batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == batch_id)
    after: tuple[int, ...] = (0, 0, 0, 0)
    while True:
        with db.read() as connection:
            page = connection.execute(statement.where(sa.tuple_(*order) > sa.tuple_(*after))).all()
        if not page:
            return
        yield from edits(db, [row[3] for row in page])
        after = tuple(page[-1])


def record_export(db: Database, *, actor: str, batch_id: int | None, rows: int, export_id: str) -> None:
    """Remember that an export was made."""
    with db.write() as connection:
        data = {"rows": rows, "export_id": export_id}
        add_event(connection, "export.done", actor=actor, batch_id=batch_id, data=data)
