"""What an export reads, and what it leaves behind."""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from pipeline.errors import Conflict
from pipeline.records import EditRecord
from pipeline.states import EditState
from pipeline.store.database import Database
from pipeline.store.loading import ASSET
from pipeline.store.moves import EDIT, add_event
from pipeline.store.reading import edits
from pipeline.tables import now

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


def record_export(
    db: Database, *, actor: str, batch_id: int | None, revisions: Mapping[int, int], export_id: str
) -> None:
    """Remember that an export was made.

    Args:
        db: The desk's database.
        actor: Who exports.
        batch_id: Of this batch only, or None.
        revisions: By edit, its revision when it was read.
        export_id: Names the export's content.

    Raises:
        Conflict: The approval of one of them was taken back meanwhile.
    """
    exported = (
        sa.update(EDIT)
        .where(EDIT.c.id == sa.bindparam("edit"), EDIT.c.revision == sa.bindparam("seen"))
        .values(exported_at=sa.func.coalesce(EDIT.c.exported_at, now()))
    )
    with db.write() as connection:
        known = [{"edit": edit_id, "seen": revision} for edit_id, revision in revisions.items()]
        if connection.execute(exported, known).rowcount != len(known):
            raise Conflict("an approval was taken back while the export was written; export again")
        data = {"rows": len(revisions), "export_id": export_id}
        add_event(connection, "export.done", actor=actor, batch_id=batch_id, data=data)
