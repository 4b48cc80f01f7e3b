"""Batches that can be paused and cancelled, and that say who started them and what stopped them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    moment = sa.DateTime(timezone=True)
    op.add_column("batch", sa.Column("created_by", sa.String(), nullable=False, server_default=""))
    op.add_column("batch", sa.Column("paused_at", moment, nullable=True))
    op.add_column("batch", sa.Column("cancelled_at", moment, nullable=True))
    op.add_column("batch", sa.Column("stopped", sa.JSON(none_as_null=True), nullable=True))
    _name_who_started_them()
    op.drop_index("ix_edit_queue", "edit")
    where = sa.text("state = 'queued'")
    columns = ["provider", "batch_id", "priority", "id"]
    op.create_index("ix_edit_queue", "edit", columns, sqlite_where=where, postgresql_where=where)


def _name_who_started_them() -> None:
    """One walk over the events, which have no index by batch."""
    connection = op.get_bind()
    event = sa.table("event", *map(sa.column, ("kind", "actor", "batch_id")))
    batch = sa.table("batch", *map(sa.column, ("id", "created_by")))
    started = sa.select(event.c.batch_id, event.c.actor).where(event.c.kind == "batch.created")
    for batch_id, actor in connection.execute(started).all():
        connection.execute(sa.update(batch).where(batch.c.id == batch_id).values(created_by=actor))
