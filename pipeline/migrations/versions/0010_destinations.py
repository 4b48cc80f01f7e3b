"""Where pictures go: by their batch, and by their own row where it says so."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    names = sa.JSON(none_as_null=True)
    op.add_column("batch", sa.Column("destinations", names, nullable=False, server_default="[]"))
    op.add_column("asset", sa.Column("destinations", names, nullable=True))
