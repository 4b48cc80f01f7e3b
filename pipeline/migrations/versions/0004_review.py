"""Claims, several approvals, escalation, people, tokens, and the history as a hash chain."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op

from pipeline.store.chain import CHAINED, ORIGIN, append_events, decision_hash, event_hash, event_values, records_hash
from pipeline.tables import INTEGER, TO_LOOK_AT, UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DECISIONS = ("accept", "reject", "re-prompt", "send-again", "undo")
LEFT_IN = {"accept": "approved", "reject": "rejected", "re-prompt": "superseded", "send-again": "queued"}
ROLES = ("viewer", "requester", "reviewer", "approver", "admin")
PAGE = 10_000


def upgrade() -> None:
    """Go forward."""
    moment = sa.DateTime(timezone=True)
    op.add_column("edit", sa.Column("keeps_outside", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("edit", sa.Column("claimed_by", sa.String(), nullable=True))
    op.add_column("edit", sa.Column("claim_token", sa.String(), nullable=True))
    op.add_column("edit", sa.Column("claim_until", moment, nullable=True))
    op.add_column("edit", sa.Column("approvals", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("edit", sa.Column("escalated_by", sa.String(), nullable=True))
    op.add_column("edit", sa.Column("exported_at", moment, nullable=True))
    op.add_column("edit", sa.Column("sampled_by", sa.String(), nullable=True))
    edit = sa.table("edit", sa.column("sampled_by"), sa.column("route", sa.JSON()))
    is_sample = edit.c.route["is_sample"].as_boolean()
    op.execute(sa.update(edit).where(is_sample).values(sampled_by=edit.c.route["policy_hash"].as_string()))
    for name, columns, where in (
        ("ix_edit_unclaimed", ["priority", "id"], f"{TO_LOOK_AT} AND claimed_by IS NULL"),
        ("ix_edit_unclaimed_batch", ["batch_id", "priority", "id"], f"{TO_LOOK_AT} AND claimed_by IS NULL"),
        ("ix_edit_claimed", ["claim_until"], "claimed_by IS NOT NULL"),
        ("ix_edit_sampled", ["sampled_by", "state"], "sampled_by IS NOT NULL"),
    ):
        op.create_index(name, "edit", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    with op.batch_alter_table("decision") as table:
        table.add_column(sa.Column("shown_ms", INTEGER, nullable=True))
        table.add_column(sa.Column("state_after", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("approvals_before", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("escalated_before", sa.String(), nullable=True))
        now_known = _words("decisionkind", *DECISIONS, "escalate")
        table.alter_column("kind", existing_type=_words("decisionkind", *DECISIONS), type_=now_known)
    for kind, state in LEFT_IN.items():
        op.execute(f"UPDATE decision SET state_after = '{state}' WHERE kind = '{kind}'")
    op.create_table(
        "person",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", _words("role", *ROLES), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_person")),
    )
    op.create_table(
        "token",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", _words("role", *ROLES), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=True),
        sa.Column("revoked_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("sha256", name=op.f("uq_token_sha256")),
    )
    op.create_table(
        "chain_end",
        sa.Column("id", INTEGER, nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("length", INTEGER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_end")),
    )
    op.add_column("event", sa.Column("hash", sa.String(), nullable=False, server_default=""))
    _chain_what_happened()


def _words(name: str, *words: str) -> sa.Enum:
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=16)


def _chain_what_happened() -> None:
    """Give each earlier event its hash; one more vouches for the earlier decisions, which no event names."""
    connection = op.get_bind()
    event, decision = (_table(connection, name) for name in ("event", "decision"))
    last, length = ORIGIN, 0
    for rows in _pages(connection, event):
        hashes = []
        for row in rows:
            last = event_hash(last, dict(row))
            hashes.append({"of": row["id"], "made": last})
        made = sa.update(event).where(event.c.id == sa.bindparam("of")).values(hash=sa.bindparam("made"))
        connection.execute(made, hashes)
        length += len(rows)
    op.execute(f"INSERT INTO chain_end (id, hash, length) VALUES (1, '{last}', {length})")
    records = [decision_hash(dict(row)) for rows in _pages(connection, decision) for row in rows]
    if records:
        data = {"decisions": len(records), "records": records_hash(records)}
        append_events(connection, [event_values(CHAINED, actor="picturedesk", data=data)])


def _table(connection: sa.Connection, name: str) -> sa.Table:
    """The table as it is now, its moments in UTC."""
    moments = {"event": "at", "decision": "created_at"}
    return sa.Table(name, sa.MetaData(), sa.Column(moments[name], UtcDateTime()), autoload_with=connection)


def _pages(connection: sa.Connection, table: sa.Table) -> Iterator[Sequence[sa.RowMapping]]:
    after = 0
    while (
        rows := connection.execute(sa.select(table).where(table.c.id > after).order_by(table.c.id).limit(PAGE))
        .mappings()
        .all()
    ):
        yield rows
        after = rows[-1]["id"]
