"""A batch's assets in the order of their lines, as exports read them."""

from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_index("ix_asset_batch_id_line", "asset", ["batch_id", "line", "id"])
