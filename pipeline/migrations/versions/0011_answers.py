"""What was answered to a program's writes, so that one that is sent twice is carried out once."""

import sqlalchemy as sa
from alembic import op

from pipeline.tables import INTEGER

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "answer",
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("request_sha256", sa.String(), nullable=False),
        sa.Column("status", INTEGER, nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_answer")),
    )
    op.create_index("ix_answer_created_at", "answer", ["created_at"])
