"""Indexes by which lists of a million edits begin anywhere: a batch's lines and edits, what waits, what went wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_index("ix_asset_batch_id_line", "asset", ["batch_id", "line", "id"])
    op.create_index("ix_edit_batch_id_id", "edit", ["batch_id", "id"])
    op.create_index("ix_charge_batch_id_id", "charge", ["batch_id", "id"])
    op.drop_index("ix_charge_batch_id", "charge")
    op.drop_index("ix_edit_review", "edit")
    for name, table, column, where in (
        ("ix_edit_to_look_at", "edit", "id", "state IN ('in_review', 'refused', 'in_doubt')"),
        ("ix_edit_problem", "edit", "id", "state IN ('failed', 'in_doubt', 'refused')"),
        ("ix_charge_unpriced", "charge", "batch_id", "amount_microusd IS NULL"),
    ):
        op.create_index(name, table, [column], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
