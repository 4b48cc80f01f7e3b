"""Where messages about the desk go, the messages that are on their way, and who reads the history for that."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from pipeline.tables import INTEGER

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "webhook",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("events", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("old_secret", sa.String(), nullable=True),
        sa.Column("old_until", moment, nullable=True),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("off_because", sa.String(), nullable=False),
        *_how_it_goes(),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
    )
    op.create_table(
        "delivery",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("webhook_id", INTEGER, nullable=False),
        sa.Column("event_id", INTEGER, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", INTEGER, nullable=False),
        sa.Column("next_at", moment, nullable=False),
        sa.Column("tried_at", moment, nullable=True),
        sa.Column("status", INTEGER, nullable=True),
        sa.Column("answer", sa.String(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'dead')", name=op.f("ck_delivery_deliverystate")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name=op.f("fk_delivery_webhook_id")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_delivery_event_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("message_id", name=op.f("uq_delivery_message_id")),
    )
    op.create_table(
        "listener",
        sa.Column("name", sa.String(), nullable=False),
        *_how_it_goes(),
        sa.Column("answer", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_listener")),
    )
    for name, table, columns, where in (
        ("ix_delivery_pending", "delivery", ["webhook_id", "id"], "state = 'pending'"),
        ("ix_delivery_subject", "delivery", ["webhook_id", "subject", "id"], "state = 'pending'"),
        ("ix_delivery_dead", "delivery", ["webhook_id", "id"], "state = 'dead'"),
        ("ix_delivery_delivered", "delivery", ["tried_at"], "state = 'delivered'"),
        ("ix_event_batch_done", "event", ["batch_id", "id"], "kind = 'batch.done'"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _how_it_goes() -> list[sa.Column[Any]]:
    """How far the history was read, what went wrong since, and who is at it."""
    moment = sa.DateTime(timezone=True)
    return [
        sa.Column("seen_event", INTEGER, nullable=False),
        sa.Column("failures", INTEGER, nullable=False),
        sa.Column("failing_since", moment, nullable=True),
        sa.Column("not_before", moment, nullable=True),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", moment, nullable=True),
    ]
