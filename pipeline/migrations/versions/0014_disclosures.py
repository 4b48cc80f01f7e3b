"""An index of decisions on disclosure, which are events: an export reads those of two thousand edits at a time."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    where = sa.text("kind = 'disclosure.decided'")
    op.create_index(
        "ix_event_disclosure", "event", ["batch_id", "edit_id", "id"], sqlite_where=where, postgresql_where=where
    )
