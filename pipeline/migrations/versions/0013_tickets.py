"""Tickets of help desks, their pictures, the messages that told of them; and what was taken from an inbox."""

import sqlalchemy as sa
from alembic import op

from pipeline.tables import INTEGER

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_OPEN = sa.text("state IN ('received', 'waiting', 'answering') OR news > seen")
_STATES = ("received", "waiting", "answering", "answered", "empty", "failed")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "ticket",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("help_desk", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(*_STATES, native_enum=False, create_constraint=True, name="ticketstate", length=16),
            nullable=False,
        ),
        sa.Column("said", sa.JSON(), nullable=False),
        *(sa.Column(name, INTEGER, nullable=False) for name in ("news", "seen", "answers")),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.Column("tries", INTEGER, nullable=False),
        sa.Column("not_before", _MOMENT, nullable=True),
        sa.Column("held_by", sa.String(), nullable=True),
        sa.Column("held_until", _MOMENT, nullable=True),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket")),
        sa.UniqueConstraint("help_desk", "number", name=op.f("uq_ticket_help_desk_number")),
    )
    op.create_index("ix_ticket_open", "ticket", ["help_desk", "id"], sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_table(
        "ticket_picture",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("ticket_id", INTEGER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("asset_id", INTEGER, nullable=False),
        sa.Column("answer", INTEGER, nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"], name=op.f("fk_ticket_picture_ticket_id")),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_ticket_picture_asset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_picture")),
        sa.UniqueConstraint("ticket_id", "name", name=op.f("uq_ticket_picture_ticket_id_name")),
    )
    op.create_index(op.f("ix_ticket_picture_asset_id"), "ticket_picture", ["asset_id"])
    op.create_table(
        "ticket_delivery",
        sa.Column("help_desk", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("help_desk", "name", name=op.f("pk_ticket_delivery")),
    )
    op.create_index(op.f("ix_ticket_delivery_received_at"), "ticket_delivery", ["received_at"])
    op.create_table(
        "inbox_drop",
        sa.Column("id", INTEGER, nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("place", "folder")),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("batches", sa.JSON(), nullable=True),
        sa.Column("bad", sa.JSON(), nullable=False),
        sa.Column("held_by", sa.String(), nullable=False),
        sa.Column("held_until", _MOMENT, nullable=False),
        sa.Column("taken_at", _MOMENT, nullable=False),
        sa.Column("done_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_drop")),
    )
    is_taken = sa.text("done_at IS NULL")
    op.create_index(
        "uq_inbox_drop_taken",
        "inbox_drop",
        ["place", "folder"],
        unique=True,
        sqlite_where=is_taken,
        postgresql_where=is_taken,
    )
