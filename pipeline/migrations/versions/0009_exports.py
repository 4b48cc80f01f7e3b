"""Exports as rows: which edits one has follows from when they were approved."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "export",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("batch_id", _BIG, nullable=True),
        sa.Column("through", _BIG, nullable=False),
        sa.Column("rows", _BIG, nullable=False),
        sa.Column("export_id", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_export_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export")),
    )
    op.create_index("ix_export_through", "export", ["through"])
    _remember()
    op.drop_column("edit", "exported_at")


def _remember() -> None:
    """Each export of before: through the last approval that it, or one before it, marked."""
    connection, moment = op.get_bind(), sa.DateTime(timezone=True)
    edit = sa.table("edit", sa.column("id"), sa.column("batch_id"), sa.column("exported_at", moment))
    event = sa.table(
        "event",
        *map(sa.column, ("id", "kind", "actor", "batch_id", "edit_id")),
        *(sa.column("at", moment), sa.column("data", sa.JSON())),
    )
    export = sa.table("export", *map(sa.column, ("at", "actor", "batch_id", "through", "rows", "export_id")))
    done = sa.select(event).where(event.c.kind == "export.done").order_by(event.c.id)
    for each in connection.execute(done).all():
        marked = sa.and_(edit.c.exported_at <= each.at, event.c.id < each.id, event.c.kind == "edit.approved")
        if each.batch_id is not None:
            marked = sa.and_(marked, edit.c.batch_id == each.batch_id)
        last = sa.select(sa.func.max(event.c.id)).join(edit, edit.c.id == event.c.edit_id).where(marked)
        through = connection.execute(last).scalar_one()
        if through is not None:
            told = {name: each.data.get(name, default) for name, default in (("rows", 0), ("export_id", ""))}
            values = {"at": each.at, "actor": each.actor, "batch_id": each.batch_id, "through": through}
            connection.execute(sa.insert(export).values(**values, **told))
