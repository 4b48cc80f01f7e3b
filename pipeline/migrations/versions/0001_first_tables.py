"""First tables."""

import sqlalchemy as sa
from alembic import op

from pipeline.tables import INTEGER

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.create_table(
        "batch",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("manifest_name", sa.String(), nullable=False),
        sa.Column("manifest_sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("name", name=op.f("uq_batch_name")),
    )
    op.create_table(
        "picture",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("width", INTEGER, nullable=False),
        sa.Column("height", INTEGER, nullable=False),
        sa.Column("byte_count", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_picture")),
    )
    op.create_table(
        "scan",
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("detections", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "fingerprint", name=op.f("pk_scan")),
    )
    op.create_table(
        "asset",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("batch_id", INTEGER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("variant", sa.String(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("line", INTEGER, nullable=False),
        sa.Column("source_uri", sa.String(), nullable=False),
        sa.Column("source_stamp", sa.String(), nullable=False),
        sa.Column("row_hash", sa.String(), nullable=False),
        sa.Column("original_sha256", sa.String(), nullable=True),
        sa.Column("source_sha256", sa.String(), nullable=True),
        sa.Column("source_facts", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("extra", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_asset_batch_id")),
        sa.ForeignKeyConstraint(["source_sha256"], ["picture.sha256"], name=op.f("fk_asset_source_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asset")),
        sa.UniqueConstraint("batch_id", "name", "variant", name=op.f("uq_asset_batch_id_name_variant")),
    )
    op.create_table(
        "edit",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("batch_id", INTEGER, nullable=False),
        sa.Column("asset_id", INTEGER, nullable=False),
        sa.Column("parent_id", INTEGER, nullable=True),
        sa.Column("round", INTEGER, nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "sending",
                "in_doubt",
                "produced",
                "in_review",
                "approved",
                "rejected",
                "superseded",
                "refused",
                "failed",
                "cancelled",
                name="editstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("revision", INTEGER, nullable=False),
        sa.Column("priority", INTEGER, nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("operations", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("recipe", sa.String(), nullable=True),
        sa.Column("parameters", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("next_steps", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("ai_model", sa.String(), nullable=True),
        sa.Column("size", sa.String(), nullable=True),
        sa.Column("quality", sa.String(), nullable=True),
        sa.Column("n", INTEGER, nullable=False),
        sa.Column("mask", sa.String(), nullable=True),
        sa.Column("references", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("input_sha256", sa.String(), nullable=True),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("cost_microusd", INTEGER, nullable=False),
        sa.Column("route", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("accepted_output_id", INTEGER, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["asset.id"], name=op.f("fk_edit_asset_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_edit_batch_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["edit.id"], name=op.f("fk_edit_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edit")),
    )
    with op.batch_alter_table("edit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_edit_asset_id"), ["asset_id"], unique=False)
        batch_op.create_index("ix_edit_batch_state", ["batch_id", "state", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_edit_key"), ["key"], unique=False)
        batch_op.create_index(
            "ix_edit_queue",
            ["priority", "id"],
            unique=False,
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        )
        batch_op.create_index(
            "ix_edit_review",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state = 'in_review'"),
            postgresql_where=sa.text("state = 'in_review'"),
        )

    op.create_table(
        "attempt",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("edit_id", INTEGER, nullable=False),
        sa.Column("number", INTEGER, nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "started",
                "succeeded",
                "failed",
                "lost",
                name="attemptstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("task_id", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=False),
        sa.Column("reserved_microusd", INTEGER, nullable=False),
        sa.Column("error_code", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["edit_id"], ["edit.id"], name=op.f("fk_attempt_edit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
        sa.UniqueConstraint("edit_id", "number", name=op.f("uq_attempt_edit_id_number")),
    )
    op.create_table(
        "event",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("batch_id", INTEGER, nullable=True),
        sa.Column("edit_id", INTEGER, nullable=True),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_event_batch_id")),
        sa.ForeignKeyConstraint(["edit_id"], ["edit.id"], name=op.f("fk_event_edit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_edit_id"), ["edit_id"], unique=False)

    op.create_table(
        "charge",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("batch_id", INTEGER, nullable=False),
        sa.Column("edit_id", INTEGER, nullable=False),
        sa.Column("attempt_id", INTEGER, nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("ai_model", sa.String(), nullable=True),
        sa.Column("amount_microusd", INTEGER, nullable=False),
        sa.Column("usage", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_charge_attempt_id")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_charge_batch_id")),
        sa.ForeignKeyConstraint(["edit_id"], ["edit.id"], name=op.f("fk_charge_edit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charge")),
    )
    with op.batch_alter_table("charge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_charge_batch_id"), ["batch_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_charge_edit_id"), ["edit_id"], unique=False)

    op.create_table(
        "output",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("edit_id", INTEGER, nullable=False),
        sa.Column("attempt_id", INTEGER, nullable=True),
        sa.Column("position", INTEGER, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("notes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("findings", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["attempt_id"], ["attempt.id"], name=op.f("fk_output_attempt_id")),
        sa.ForeignKeyConstraint(["edit_id"], ["edit.id"], name=op.f("fk_output_edit_id")),
        sa.ForeignKeyConstraint(["sha256"], ["picture.sha256"], name=op.f("fk_output_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_output")),
    )
    with op.batch_alter_table("output", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_output_edit_id"), ["edit_id"], unique=False)

    op.create_table(
        "decision",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("edit_id", INTEGER, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "accept",
                "reject",
                "re-prompt",
                "undo",
                name="decisionkind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("output_id", INTEGER, nullable=True),
        sa.Column("output_sha256", sa.String(), nullable=True),
        sa.Column("revision", INTEGER, nullable=False),
        sa.Column(
            "state_before",
            sa.Enum(
                "queued",
                "sending",
                "in_doubt",
                "produced",
                "in_review",
                "approved",
                "rejected",
                "superseded",
                "refused",
                "failed",
                "cancelled",
                name="editstate",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("flags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("policy_hash", sa.String(), nullable=False),
        sa.Column("idempotency_key", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["edit_id"], ["edit.id"], name=op.f("fk_decision_edit_id")),
        sa.ForeignKeyConstraint(["output_id"], ["output.id"], name=op.f("fk_decision_output_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_decision_idempotency_key")),
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decision_edit_id"), ["edit_id"], unique=False)

    op.create_table(
        "flag",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("output_id", INTEGER, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "face",
                "text",
                "logo",
                "quality",
                "detector",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "change",
            sa.Enum(
                "introduced",
                "altered",
                "kept",
                "lost",
                name="change",
                native_enum=False,
                create_constraint=True,
                length=16,
            ),
            nullable=False,
        ),
        sa.Column(
            "level",
            sa.Enum("flag", "sure", name="level", native_enum=False, create_constraint=True, length=16),
            nullable=False,
        ),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("xyxy", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("detector", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["output_id"], ["output.id"], name=op.f("fk_flag_output_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flag")),
    )
    with op.batch_alter_table("flag", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_flag_output_id"), ["output_id"], unique=False)


def downgrade() -> None:
    """Go back."""
    with op.batch_alter_table("flag", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_flag_output_id"))

    op.drop_table("flag")
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_decision_edit_id"))

    op.drop_table("decision")
    with op.batch_alter_table("output", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_output_edit_id"))

    op.drop_table("output")
    with op.batch_alter_table("charge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_charge_edit_id"))
        batch_op.drop_index(batch_op.f("ix_charge_batch_id"))

    op.drop_table("charge")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_edit_id"))

    op.drop_table("event")
    op.drop_table("attempt")
    with op.batch_alter_table("edit", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_edit_review",
            sqlite_where=sa.text("state = 'in_review'"),
            postgresql_where=sa.text("state = 'in_review'"),
        )
        batch_op.drop_index(
            "ix_edit_queue", sqlite_where=sa.text("state = 'queued'"), postgresql_where=sa.text("state = 'queued'")
        )
        batch_op.drop_index(batch_op.f("ix_edit_key"))
        batch_op.drop_index("ix_edit_batch_state")
        batch_op.drop_index(batch_op.f("ix_edit_asset_id"))

    op.drop_table("edit")
    op.drop_table("asset")
    op.drop_table("scan")
    op.drop_table("picture")
    op.drop_table("batch")
