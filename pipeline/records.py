"""What the store answers: frozen copies of rows, to be shown, exported or worked on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.states import AttemptState, DecisionKind, EditState
from pipeline.values import Detection, Flag, Instruction, PictureFacts


def asset_title(name: str, variant: str) -> str:
    """An asset's name as a person reads it."""
    return f"{name} ({variant})" if variant else name


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One loaded manifest.

    Attributes:
        created_by: Who loaded it first.
        paused_at: Since when nothing more of it is sent; None if it is not paused.
        cancelled_at: Since when it is cancelled; None if it is not.
        stopped: What stopped it: ``code``, ``message`` and ``at``; None if nothing did, or if it went on since.
        counts: Edits by state; rounds that another round replaced are under ``superseded``.
        cost_microusd: All charges so far.
        unpriced: Requests that were billed at a price that is not known; they are not in the cost.
        destinations: Where its pictures go, but for rows that say it themselves; by the names of packs.
    """

    id: int
    name: str
    manifest_name: str
    created_at: datetime
    created_by: str
    paused_at: datetime | None
    cancelled_at: datetime | None
    stopped: Mapping[str, str] | None
    counts: Mapping[EditState, int]
    cost_microusd: int
    unpriced: int
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """One thing to publish.

    Attributes:
        name: The manifest's asset_id.
        source: The upright source picture; None until it was read.
        source_facts: What was changed on reading, and the original's metadata.
        destinations: Where its picture goes, as its row and its recipes say or else its batch; by the names of packs.
    """

    id: int
    batch_id: int
    batch: str
    name: str
    variant: str
    sku: str
    line: int
    source_uri: str
    original_sha256: str | None
    source: PictureFacts | None
    source_facts: Mapping[str, Any]
    extra: Mapping[str, str]
    destinations: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name as a person reads it."""
        return asset_title(self.name, self.variant)


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A picture that an edit produced, with its flags.

    Attributes:
        findings: What the provider itself said of it.
    """

    id: int
    edit_id: int
    position: int
    name: str
    picture: PictureFacts
    notes: Mapping[str, Any]
    flags: tuple[Flag, ...]
    findings: tuple[Detection, ...] = ()


@dataclass(frozen=True, slots=True)
class EditRecord:
    """One round on an asset.

    Attributes:
        revision: Grows with every move; a decision names the one that it saw.
        next_steps: Instructions that follow on this edit's output.
        input_sha256: The picture that it starts from; None for the asset's source.
        unpriced: Requests that were billed at a price that is not known; they are not in the cost.
        saved_microusd: What it would have cost, had an equal edit not been made before.
        key: Names its request by everything that the answer depends on; None before it is sent.
        is_fresh: Whether it asks anew although an equal edit was answered before.
        priority: Smaller goes first.
        route: What the policy decided, as JSON; empty before.
        keeps_outside: Whether the output is put back into its source, so that nothing changes outside the mask.
        claimed_by: Who is looking at it, until ``claim_until``.
        approvals: Who has approved it, where several must.
        escalated_by: Who wants an approver to decide.
    """

    id: int
    asset: AssetRecord
    parent_id: int | None
    round: int
    state: EditState
    revision: int
    instruction: Instruction
    next_steps: tuple[Instruction, ...]
    provider: str
    ai_model: str | None
    size: str | None
    quality: str | None
    n: int
    mask: str | None
    keeps_outside: bool
    markup: str | None
    references: tuple[str, ...]
    input_sha256: str | None
    asked_by: str
    error_code: str | None
    error: str | None
    cost_microusd: int
    unpriced: int
    saved_microusd: int
    key: str | None
    is_fresh: bool
    priority: int
    route: Mapping[str, Any]
    accepted_output_id: int | None
    claimed_by: str | None
    claim_until: datetime | None
    approvals: tuple[str, ...]
    escalated_by: str | None
    created_at: datetime
    updated_at: datetime
    outputs: tuple[OutputRecord, ...] = ()

    @property
    def title(self) -> str:
        """How to call it in a message."""
        return f"edit {self.id} ({self.asset.title})"


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What a person decided.

    Attributes:
        shown_ms: How long the pictures were on the screen, in milliseconds; None if it was decided elsewhere.
    """

    id: int
    edit_id: int
    kind: DecisionKind
    actor: str
    output_sha256: str | None
    shown_ms: int | None
    reason: str
    note: str
    policy_hash: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something that happened."""

    id: int
    at: datetime
    kind: str
    actor: str
    edit_id: int | None
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One request to a provider.

    Attributes:
        sent: All that was sent, pictures by their sha256.
        reserved_microusd: The most that it could cost.
        cost_microusd: What it cost; None if that is not known.
    """

    edit_id: int
    number: int
    state: AttemptState
    client_id: str
    sent: Mapping[str, Any]
    task_id: str | None
    request_id: str
    reserved_microusd: int
    cost_microusd: int | None
    usage: Mapping[str, int]
    error_code: str | None
    error: str | None
    details: Mapping[str, Any]
    started_at: datetime
    ended_at: datetime | None
