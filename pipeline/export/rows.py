"""What an export says of each approved asset."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.desk import Desk
from pipeline.money import usd
from pipeline.records import AssetRecord, DecisionRecord, EditRecord, OutputRecord
from pipeline.sources import is_url
from pipeline.states import DecisionKind, EditState
from pipeline.store import reading
from pipeline.store.codec import flag_as_told
from pipeline.store.exporting import approved_edits
from pipeline.values import PictureFacts

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One approved asset with everything that led to it.

    Attributes:
        edit: The approved round.
        output: The output that was approved.
        decision: The person's decision; None if the policy approved.
        rounds: All rounds on the asset, first to last.
    """

    edit: EditRecord
    output: OutputRecord
    decision: DecisionRecord | None
    rounds: tuple[EditRecord, ...]

    @property
    def asset(self) -> AssetRecord:
        """The asset."""
        return self.edit.asset

    @property
    def picture(self) -> PictureFacts:
        """The approved picture."""
        return self.output.picture


def approved_rows(desk: Desk, batch_id: int | None) -> Iterator[ExportRow]:
    """Approved assets in a stable order: batch, line, variant; read page by page."""
    for edit in approved_edits(desk.db, batch_id):
        output = next(output for output in edit.outputs if output.id == edit.accepted_output_id)
        accepted = [each for each in reading.decisions(desk.db, [edit.id]) if each.kind is DecisionKind.ACCEPT]
        decision = accepted[-1] if accepted else None
        yield ExportRow(edit, output, decision, tuple(reading.rounds(desk.db, edit.asset.id)))


def facts(row: ExportRow, file: str, exported_at: datetime) -> dict[str, Any]:
    """The canonical columns, in their order; numbers stay numbers, moments are ISO 8601 in UTC."""
    edit, asset, picture = row.edit, row.asset, row.picture
    return {
        "schema_version": SCHEMA_VERSION,
        "asset_id": asset.name,
        "variant": asset.variant,
        "sku": asset.sku,
        "batch": asset.batch,
        "source_uri": _source_uri(asset),
        "source_sha256": asset.original_sha256 or "",
        "output_uri": file,
        "output_sha256": picture.sha256,
        "width": picture.size_wh[0],
        "height": picture.size_wh[1],
        "mime": picture.media_type,
        "bytes": picture.byte_count,
        "decision": "approved",
        "decided_at": (row.decision.created_at if row.decision else edit.updated_at).isoformat(timespec="seconds"),
        "decided_by": row.decision.actor if row.decision else "policy",
        "decided_via": "human" if row.decision else "policy",
        "policy_version": row.decision.policy_hash if row.decision else str(edit.route.get("policy_hash", "")),
        "reviewer_note": row.decision.note if row.decision else "",
        "flags_overridden": len(row.output.flags) if row.decision else 0,
        "recipe": edit.instruction.recipe or "",
        "instruction": edit.instruction.prompt,
        "attempt": edit.round,
        "edit_id": edit.id,
        "parent_edit_id": edit.parent_id or "",
        "root_edit_id": row.rounds[0].id,
        "provider": edit.provider,
        "model": edit.ai_model or "",
        "cost_usd": usd(edit.cost_microusd, edit.unpriced),
        "cost_total_usd_all_attempts": usd(
            sum(each.cost_microusd for each in row.rounds), sum(each.unpriced for each in row.rounds)
        ),
        "exported_at": exported_at.isoformat(timespec="seconds"),
    }


def details(row: ExportRow) -> dict[str, Any]:
    """What has parts of its own: flags, options, the source's metadata, and the rounds."""
    return {
        "flags": [flag_as_told(flag) for flag in row.output.flags],
        "params": _options(row.edit),
        "source": dict(row.asset.source_facts),
        "rounds": [_round(each) for each in row.rounds],
    }


def _options(edit: EditRecord) -> dict[str, Any]:
    options: Mapping[str, Any] = {
        "size": edit.size,
        "quality": edit.quality,
        "n": edit.n,
        "recipe_parameters": dict(edit.instruction.parameters),
        "operations": [dict(operation) for operation in edit.instruction.operations],
        "references": len(edit.references),
        "has_mask": edit.mask is not None,
    }
    return {name: value for name, value in options.items() if value not in (None, [], {}, 0, False)}


def _round(edit: EditRecord) -> dict[str, Any]:
    return {
        "edit_id": edit.id,
        "round": edit.round,
        "state": edit.state.value,
        "instruction": edit.instruction.prompt,
        "cost_usd": usd(edit.cost_microusd, edit.unpriced),
        "is_final": edit.state is EditState.APPROVED,
    }


def _source_uri(asset: AssetRecord) -> str:
    """A URL as it is; of a path only the name, since folders of this machine mean nothing elsewhere."""
    return asset.source_uri if is_url(asset.source_uri) else Path(asset.source_uri).name
