"""Purses, what is sent, tokens of charges, what providers remember, markup, sending again."""

import sqlalchemy as sa
from alembic import op

from pipeline.tables import INTEGER

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TOKENS = ("text_in", "cached_text_in", "image_in", "cached_image_in", "text_out", "image_out", "pictures")
DECISIONS = ("accept", "reject", "re-prompt", "undo")


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "purse",
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("spent_microusd", INTEGER, nullable=False),
        sa.Column("reserved_microusd", INTEGER, nullable=False),
        sa.Column("cap_microusd", INTEGER, nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_purse")),
    )
    op.create_table(
        "memory",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("provider", "name", name=op.f("pk_memory")),
    )
    op.drop_index("ix_edit_queue", table_name="edit")
    op.add_column("edit", sa.Column("markup", sa.String(), nullable=True))
    op.add_column("edit", sa.Column("unpriced", INTEGER, nullable=False, server_default="0"))
    op.add_column("edit", sa.Column("saved_microusd", INTEGER, nullable=False, server_default="0"))
    op.add_column("edit", sa.Column("is_fresh", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_edit_queue",
        "edit",
        ["provider", "priority", "id"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.add_column("attempt", sa.Column("client_id", sa.String(), nullable=True))
    op.add_column("attempt", sa.Column("ai_model", sa.String(), nullable=False, server_default=""))
    op.add_column("attempt", sa.Column("sent", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
    op.add_column("attempt", sa.Column("month", sa.String(), nullable=False, server_default=""))
    op.add_column("attempt", sa.Column("details", sa.JSON(none_as_null=True), nullable=False, server_default="{}"))
    op.execute("UPDATE attempt SET client_id = 'attempt-' || id, month = substr(CAST(started_at AS VARCHAR), 1, 7)")
    with op.batch_alter_table("attempt") as attempt:
        attempt.alter_column("client_id", existing_type=sa.String(), nullable=False)
        attempt.create_unique_constraint(op.f("uq_attempt_client_id"), ["client_id"])
    for name, column, state in (("ix_attempt_open", "id", "started"), ("ix_attempt_lost", "edit_id", "lost")):
        where = sa.text(f"state = '{state}'")
        op.create_index(name, "attempt", [column], sqlite_where=where, postgresql_where=where)
    with op.batch_alter_table("charge") as charge:
        charge.alter_column("amount_microusd", existing_type=INTEGER, nullable=True)
        for name in TOKENS:
            charge.add_column(sa.Column(name, INTEGER, nullable=False, server_default="0"))
    with op.batch_alter_table("decision") as decision:
        decision.alter_column("kind", existing_type=_decisions(*DECISIONS), type_=_decisions(*DECISIONS, "send-again"))
    for scope, month in (("'batch:' || {}.batch_id", False), ("'month:' || substr(CAST({} AS VARCHAR), 1, 7)", True)):
        _fill_purse(scope, by_month=month)


def _decisions(*names: str) -> sa.Enum:
    return sa.Enum(*names, name="decisionkind", native_enum=False, create_constraint=True, length=16)


def _fill_purse(scope: str, *, by_month: bool) -> None:
    charged = scope.format("charge.created_at" if by_month else "charge")
    reserved = scope.format("attempt.started_at" if by_month else "edit")
    op.execute(
        f"INSERT INTO purse (scope, spent_microusd, reserved_microusd) "
        f"SELECT scope, SUM(spent), SUM(reserved) FROM ("
        f"SELECT {charged} AS scope, amount_microusd AS spent, 0 AS reserved FROM charge UNION ALL "
        f"SELECT {reserved}, 0, reserved_microusd FROM attempt JOIN edit ON edit.id = attempt.edit_id "
        f"WHERE attempt.state IN ('started', 'lost')) AS kept GROUP BY scope"
    )
