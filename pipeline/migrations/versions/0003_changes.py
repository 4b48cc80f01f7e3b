"""What the edit did to what a flag is about: what stood there before, how alike it looks, and where it was."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("flag", sa.Column("before", sa.String(), nullable=False, server_default=""))
    op.add_column("flag", sa.Column("likeness", sa.Float(), nullable=True))
    op.add_column("flag", sa.Column("remark", sa.String(), nullable=False, server_default=""))
    op.add_column("flag", sa.Column("source_xyxy", sa.JSON(none_as_null=True), nullable=True))
