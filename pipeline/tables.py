"""The desk's tables. Rows stay behind `pipeline.store`; nothing else imports this module.

Tables validate nothing: values are checked before they get here, and states by a CHECK constraint.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from pipeline.states import AttemptState, DecisionKind, DeliveryState, EditState, Role, TicketState
from pipeline.values import Change, Kind, Level

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


TO_LOOK_AT = "state IN ('in_review', 'refused', 'in_doubt')"
"""What a reviewer's queue holds."""

BROUGHT_NOTHING = "state IN ('failed', 'in_doubt', 'refused')"
"""Edits without a picture, for which somebody has to do something."""


BATCH_DONE = "kind = 'batch.done'"
"""Events that say that a batch came to rest."""

TICKET_IS_OPEN = "state IN ('received', 'waiting', 'answering') OR news > seen"
"""Of a ticket: somebody has to look whether there is something to do."""


INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""64 bits everywhere: 32 would end at 2,147 US dollars in millionths."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: SQLite keeps no time zone, so it is put back on reading."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Only moments with a time zone go in."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"expected a moment with a time zone, received {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Moments come back in UTC."""
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def enum_column(kind: type[StrEnum], **options: Any) -> Any:  # noqa: ANN401 - SQLModel's Field takes anything
    """A column that holds an enum's values, not its names, and refuses others."""
    return sa.Column(
        sa.Enum(
            kind,
            values_callable=lambda members: [member.value for member in members],
            native_enum=False,
            validate_strings=True,
            create_constraint=True,
            name=kind.__name__.lower(),
            length=16,
        ),
        nullable=False,
        **options,
    )


def now() -> datetime:
    """This moment in UTC."""
    return datetime.now(UTC)


# A registry of our own: Streamlit re-imports edited modules, and tables on the global metadata then fail.
class Table(SQLModel, registry=registry(metadata=sa.MetaData(naming_convention=NAMING))):
    """What all tables share."""


def _json(*, nullable: bool = False) -> Any:  # noqa: ANN401
    return sa.Column(sa.JSON(none_as_null=True), nullable=nullable)


def _moment(*, nullable: bool = False, index: bool = False) -> Any:  # noqa: ANN401
    return sa.Column(UtcDateTime(), nullable=nullable, index=index)


def _partial_index(name: str, *columns: str, where: str) -> sa.Index:
    """Of the rows in certain states; literal ones, since a bound parameter may miss a partial index."""
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


class BatchRow(Table, table=True):
    """One loaded manifest."""

    __tablename__ = "batch"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    manifest_name: str
    manifest_sha256: str
    created_at: datetime = Field(sa_column=_moment())
    created_by: str
    paused_at: datetime | None = Field(sa_column=_moment(nullable=True))
    cancelled_at: datetime | None = Field(sa_column=_moment(nullable=True))
    stopped: dict[str, str] | None = Field(sa_column=_json(nullable=True))
    destinations: list[str] = Field(sa_column=_json())


class PictureRow(Table, table=True):
    """A stored picture."""

    __tablename__ = "picture"
    sha256: str = Field(primary_key=True)
    media_type: str
    width: int
    height: int
    byte_count: int


class AssetRow(Table, table=True):
    """One thing to publish."""

    __tablename__ = "asset"
    __table_args__ = (
        sa.UniqueConstraint("batch_id", "name", "variant"),
        sa.Index("ix_asset_batch_id_line", "batch_id", "line", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    batch_id: int = Field(foreign_key="batch.id")
    name: str
    variant: str
    sku: str
    line: int
    source_uri: str
    source_stamp: str
    row_hash: str
    original_sha256: str | None
    source_sha256: str | None = Field(foreign_key="picture.sha256")
    source_facts: dict[str, Any] = Field(sa_column=_json())
    extra: dict[str, str] = Field(sa_column=_json())
    destinations: list[str] | None = Field(sa_column=_json(nullable=True))


class EditRow(Table, table=True):
    """One round on an asset."""

    __tablename__ = "edit"
    __table_args__ = (
        # The batch before the priority: what a paused batch has queued is not walked over.
        _partial_index("ix_edit_queue", "provider", "batch_id", "priority", "id", where="state = 'queued'"),
        _partial_index("ix_edit_to_look_at", "id", where=TO_LOOK_AT),
        _partial_index("ix_edit_problem", "id", where=BROUGHT_NOTHING),
        # Literal as in `store.claims`: what is claimed is not walked over.
        _partial_index("ix_edit_unclaimed", "priority", "id", where=f"{TO_LOOK_AT} AND claimed_by IS NULL"),
        _partial_index(
            "ix_edit_unclaimed_batch", "batch_id", "priority", "id", where=f"{TO_LOOK_AT} AND claimed_by IS NULL"
        ),
        _partial_index("ix_edit_claimed", "claim_until", where="claimed_by IS NOT NULL"),
        _partial_index("ix_edit_owned", "owner", where="owner IS NOT NULL"),
        _partial_index("ix_edit_sampled", "sampled_by", "state", where="sampled_by IS NOT NULL"),
        sa.Index("ix_edit_batch_state", "batch_id", "state", "id"),
        sa.Index("ix_edit_batch_id_id", "batch_id", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    batch_id: int = Field(foreign_key="batch.id")
    asset_id: int = Field(foreign_key="asset.id", index=True)
    parent_id: int | None = Field(foreign_key="edit.id")
    round: int
    state: EditState = Field(sa_column=enum_column(EditState))
    revision: int
    priority: int
    owner: str | None
    not_before: datetime | None = Field(sa_column=_moment(nullable=True))
    key: str | None = Field(index=True)
    prompt: str
    operations: list[dict[str, Any]] = Field(sa_column=_json())
    recipe: str | None
    parameters: dict[str, str] = Field(sa_column=_json())
    next_steps: list[dict[str, Any]] = Field(sa_column=_json())
    provider: str
    ai_model: str | None
    size: str | None
    quality: str | None
    n: int
    mask: str | None
    keeps_outside: bool
    markup: str | None
    references: list[str] = Field(sa_column=_json())
    input_sha256: str | None
    asked_by: str
    error_code: str | None
    error: str | None
    cost_microusd: int
    unpriced: int
    saved_microusd: int
    is_fresh: bool
    route: dict[str, Any] = Field(sa_column=_json())
    sampled_by: str | None
    accepted_output_id: int | None
    claimed_by: str | None
    claim_token: str | None
    claim_until: datetime | None = Field(sa_column=_moment(nullable=True))
    approvals: list[str] = Field(sa_column=_json())
    escalated_by: str | None
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())


class AttemptRow(Table, table=True):
    """One request to a provider; written before it is sent, with all that it sends."""

    __tablename__ = "attempt"
    __table_args__ = (
        sa.UniqueConstraint("edit_id", "number"),
        _partial_index("ix_attempt_open", "id", where="state = 'started'"),
        _partial_index("ix_attempt_lost", "edit_id", where="state = 'lost'"),
    )
    id: int | None = Field(default=None, primary_key=True)
    edit_id: int = Field(foreign_key="edit.id")
    number: int
    state: AttemptState = Field(sa_column=enum_column(AttemptState))
    owner: str
    client_id: str = Field(unique=True)
    ai_model: str
    sent: dict[str, Any] = Field(sa_column=_json())
    task_id: str | None
    request_id: str
    reserved_microusd: int
    month: str
    error_code: str | None
    error: str | None
    details: dict[str, Any] = Field(sa_column=_json())
    started_at: datetime = Field(sa_column=_moment())
    ended_at: datetime | None = Field(sa_column=_moment(nullable=True))


class PurseRow(Table, table=True):
    """What a batch, or a month of the desk, has cost and may still cost; kept in step with charges and attempts."""

    __tablename__ = "purse"
    scope: str = Field(primary_key=True)
    spent_microusd: int
    reserved_microusd: int
    cap_microusd: int | None


class MemoryRow(Table, table=True):
    """What a provider remembers from run to run, such as the id of an uploaded picture."""

    __tablename__ = "memory"
    provider: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: str
    expires_at: datetime | None = Field(sa_column=_moment(nullable=True))


class PaceRow(Table, table=True):
    """When an account may be asked again, in one unit of its limits; seconds of the database's clock."""

    __tablename__ = "pace"
    name: str = Field(primary_key=True)
    free_at: float
    moved_at: float


class OutputRow(Table, table=True):
    """A picture that an edit produced."""

    __tablename__ = "output"
    id: int | None = Field(default=None, primary_key=True)
    edit_id: int = Field(foreign_key="edit.id", index=True)
    attempt_id: int | None = Field(foreign_key="attempt.id")
    position: int
    name: str
    sha256: str = Field(foreign_key="picture.sha256")
    notes: dict[str, Any] = Field(sa_column=_json())
    findings: list[dict[str, Any]] = Field(sa_column=_json())


class FlagRow(Table, table=True):
    """What a detector found on an output, and what the edit did to it."""

    __tablename__ = "flag"
    id: int | None = Field(default=None, primary_key=True)
    output_id: int = Field(foreign_key="output.id", index=True)
    kind: Kind = Field(sa_column=enum_column(Kind))
    change: Change = Field(sa_column=enum_column(Change))
    level: Level = Field(sa_column=enum_column(Level))
    score: float
    label: str
    xyxy: list[float] = Field(sa_column=_json())
    detector: str
    version: str
    before: str
    likeness: float | None
    remark: str
    source_xyxy: list[float] | None = Field(sa_column=_json(nullable=True))


class ScanRow(Table, table=True):
    """What a detector found in one picture; kept, because each looks at a picture once."""

    __tablename__ = "scan"
    sha256: str = Field(primary_key=True)
    fingerprint: str = Field(primary_key=True)
    detections: list[dict[str, Any]] = Field(sa_column=_json())


class ChargeRow(Table, table=True):
    """What an attempt cost; appended, never changed. An amount of None: the price is not known."""

    __tablename__ = "charge"
    __table_args__ = (
        sa.Index("ix_charge_batch_id_id", "batch_id", "id"),
        _partial_index("ix_charge_unpriced", "batch_id", where="amount_microusd IS NULL"),
    )
    id: int | None = Field(default=None, primary_key=True)
    batch_id: int = Field(foreign_key="batch.id")
    edit_id: int = Field(foreign_key="edit.id", index=True)
    attempt_id: int = Field(foreign_key="attempt.id")
    provider: str
    ai_model: str | None
    amount_microusd: int | None
    text_in: int
    cached_text_in: int
    image_in: int
    cached_image_in: int
    text_out: int
    image_out: int
    pictures: int
    usage: dict[str, Any] = Field(sa_column=_json())
    created_at: datetime = Field(sa_column=_moment())


class DecisionRow(Table, table=True):
    """What a person decided, with what was on the screen; appended, never changed."""

    __tablename__ = "decision"
    id: int | None = Field(default=None, primary_key=True)
    edit_id: int = Field(foreign_key="edit.id", index=True)
    kind: DecisionKind = Field(sa_column=enum_column(DecisionKind))
    actor: str
    output_id: int | None = Field(foreign_key="output.id")
    output_sha256: str | None
    revision: int
    state_before: EditState = Field(sa_column=enum_column(EditState))
    state_after: str
    approvals_before: list[str] = Field(sa_column=_json())
    escalated_before: str | None
    reason: str
    note: str
    flags: list[dict[str, Any]] = Field(sa_column=_json())
    policy_hash: str
    idempotency_key: str | None = Field(unique=True)
    shown_ms: int | None
    created_at: datetime = Field(sa_column=_moment())


class EventRow(Table, table=True):
    """Everything that happened, in order; appended, never changed, and chained by hash."""

    __tablename__ = "event"
    __table_args__ = (
        _partial_index("ix_event_disclosure", "batch_id", "edit_id", "id", where="kind = 'disclosure.decided'"),
        # Of the few events that end a batch: the last one of a batch is found at once.
        _partial_index("ix_event_batch_done", "batch_id", "id", where=BATCH_DONE),
    )
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_column=_moment())
    kind: str
    actor: str
    batch_id: int | None = Field(foreign_key="batch.id")
    edit_id: int | None = Field(foreign_key="edit.id", index=True)
    data: dict[str, Any] = Field(sa_column=_json())
    hash: str


class ExportRow(Table, table=True):
    """An export that was written, of what was approved when ``through`` was the last event; appended, never changed.

    Which edits it has, no edit says: marking a million of them took longer than reading them.
    """

    __tablename__ = "export"
    __table_args__ = (sa.Index("ix_export_through", "through"),)
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_column=_moment())
    actor: str
    batch_id: int | None = Field(foreign_key="batch.id")
    through: int
    rows: int
    export_id: str


class ChainEndRow(Table, table=True):
    """One row: the hash of the last event, and how many there are, so that the last one cannot be cut off unseen."""

    __tablename__ = "chain_end"
    id: int | None = Field(default=None, primary_key=True)
    hash: str
    length: int


class PersonRow(Table, table=True):
    """Somebody with a role of their own; others have the role of their group."""

    __tablename__ = "person"
    name: str = Field(primary_key=True)
    role: Role = Field(sa_column=enum_column(Role))
    created_at: datetime = Field(sa_column=_moment())


class TokenRow(Table, table=True):
    """A machine's permission to call the API; the token itself is not kept."""

    __tablename__ = "token"
    id: int | None = Field(default=None, primary_key=True)
    sha256: str = Field(unique=True)
    name: str
    role: Role = Field(sa_column=enum_column(Role))
    created_by: str
    created_at: datetime = Field(sa_column=_moment())
    expires_at: datetime | None = Field(sa_column=_moment(nullable=True))
    revoked_at: datetime | None = Field(sa_column=_moment(nullable=True))


class AnswerRow(Table, table=True):
    """What was answered to a program's write; kept for a day, so that it is carried out once if it is sent twice."""

    __tablename__ = "answer"
    caller: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    request_sha256: str
    status: int
    body: str
    created_at: datetime = Field(sa_column=_moment(index=True))


class WorkerRow(Table, table=True):
    """A process that sends edits. It is alive as long as ``beaten_at`` changes, whatever anybody's clock says."""

    __tablename__ = "worker"
    name: str = Field(primary_key=True)
    host: str
    pid: int
    started_at: datetime = Field(sa_column=_moment())
    beaten_at: datetime = Field(sa_column=_moment())


class TicketRow(Table, table=True):
    """A ticket of a help desk.

    ``news`` counts the messages that told of it, ``seen`` how many of them were looked at; ``answer`` is on its way.
    """

    __tablename__ = "ticket"
    __table_args__ = (
        sa.UniqueConstraint("help_desk", "number"),
        _partial_index("ix_ticket_open", "help_desk", "id", where=TICKET_IS_OPEN),
    )
    id: int | None = Field(default=None, primary_key=True)
    help_desk: str
    number: str
    state: TicketState = Field(sa_column=enum_column(TicketState))
    said: dict[str, Any] = Field(sa_column=_json())
    news: int
    seen: int
    answers: int
    answer: dict[str, Any] | None = Field(sa_column=_json(nullable=True))
    tries: int
    not_before: datetime | None = Field(sa_column=_moment(nullable=True))
    held_by: str | None
    held_until: datetime | None = Field(sa_column=_moment(nullable=True))
    error_code: str | None
    error: str | None
    received_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())


class TicketPictureRow(Table, table=True):
    """A picture of a ticket, by the help desk's own name; ``answer`` is the one it went into, 0 for none."""

    __tablename__ = "ticket_picture"
    __table_args__ = (sa.UniqueConstraint("ticket_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    ticket_id: int = Field(foreign_key="ticket.id")
    name: str
    asset_id: int = Field(foreign_key="asset.id", index=True)
    answer: int | None


class TicketDeliveryRow(Table, table=True):
    """A message of a help desk that was taken, so that the same one sent again adds nothing."""

    __tablename__ = "ticket_delivery"
    help_desk: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    received_at: datetime = Field(sa_column=_moment(index=True))


class InboxDropRow(Table, table=True):
    """What was taken from an inbox: written before anything is done with it; ``files`` are path, size and stamp."""

    __tablename__ = "inbox_drop"
    __table_args__ = (
        sa.Index(
            "uq_inbox_drop_taken",
            *("place", "folder"),
            unique=True,
            sqlite_where=sa.text("done_at IS NULL"),
            postgresql_where=sa.text("done_at IS NULL"),
        ),
    )
    id: int | None = Field(default=None, primary_key=True)
    place: str
    folder: str
    files: list[list[Any]] = Field(sa_column=_json())
    batches: dict[str, int] | None = Field(sa_column=_json(nullable=True))
    bad: dict[str, str] = Field(sa_column=_json())
    held_by: str
    held_until: datetime = Field(sa_column=_moment())
    taken_at: datetime = Field(sa_column=_moment())
    done_at: datetime | None = Field(sa_column=_moment(nullable=True))


class BatchCountRow(Table, table=True):
    """How many edits of a batch are in a state; kept by the database's own triggers, in the same transaction."""

    __tablename__ = "batch_count"
    batch_id: int = Field(primary_key=True)
    state: str = Field(primary_key=True)
    n: int


class WebhookRow(Table, table=True):
    """Where messages about the desk are sent, how far that is, and who does it now."""

    __tablename__ = "webhook"
    id: int | None = Field(default=None, primary_key=True)
    url: str
    events: list[str] = Field(sa_column=_json())
    secret: str
    old_secret: str | None
    old_until: datetime | None = Field(sa_column=_moment(nullable=True))
    is_on: bool
    off_because: str
    seen_event: int
    failures: int
    failing_since: datetime | None = Field(sa_column=_moment(nullable=True))
    not_before: datetime | None = Field(sa_column=_moment(nullable=True))
    leased_by: str | None
    leased_until: datetime | None = Field(sa_column=_moment(nullable=True))
    created_by: str
    created_at: datetime = Field(sa_column=_moment())


class DeliveryRow(Table, table=True):
    """One message to one of them: what it tells is in its event."""

    __tablename__ = "delivery"
    __table_args__ = (
        _partial_index("ix_delivery_pending", "webhook_id", "id", where="state = 'pending'"),
        _partial_index("ix_delivery_subject", "webhook_id", "subject", "id", where="state = 'pending'"),
        _partial_index("ix_delivery_dead", "webhook_id", "id", where="state = 'dead'"),
        _partial_index("ix_delivery_delivered", "tried_at", where="state = 'delivered'"),
    )
    id: int | None = Field(default=None, primary_key=True)
    webhook_id: int = Field(foreign_key="webhook.id")
    event_id: int = Field(foreign_key="event.id")
    kind: str
    subject: str
    message_id: str = Field(unique=True)
    state: DeliveryState = Field(sa_column=enum_column(DeliveryState))
    tries: int
    next_at: datetime = Field(sa_column=_moment())
    tried_at: datetime | None = Field(sa_column=_moment(nullable=True))
    status: int | None
    answer: str


class ListenerRow(Table, table=True):
    """Who within the desk reads its history from where they were: a channel, or who notes that batches are done."""

    __tablename__ = "listener"
    name: str = Field(primary_key=True)
    seen_event: int
    failures: int
    failing_since: datetime | None = Field(sa_column=_moment(nullable=True))
    not_before: datetime | None = Field(sa_column=_moment(nullable=True))
    leased_by: str | None
    leased_until: datetime | None = Field(sa_column=_moment(nullable=True))
    answer: str


for _table in Table.metadata.tables.values():
    for _column in _table.columns:
        if type(_column.type) is sa.Integer:
            _column.type = INTEGER
