"""What a desk says of itself: after a run, and when asked how it stands."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.desk import Desk
from pipeline.errors import RowProblem
from pipeline.money import usd
from pipeline.records import BatchRecord, EditRecord
from pipeline.redacting import redacted
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.store.codec import flag_as_told
from pipeline.store.reading import EditFilter

_WENT_WRONG = frozenset({EditState.FAILED, EditState.REFUSED, EditState.IN_DOUBT, EditState.SENDING})
"""After a run; one that is still being sent was left so because its provider could not be asked."""


def batch_report(batch: BatchRecord) -> dict[str, Any]:
    """A batch in figures."""
    return {
        "batch": batch.name,
        "manifest": batch.manifest_name,
        "created_at": batch.created_at.isoformat(),
        "created_by": batch.created_by,
        "destinations": list(batch.destinations),
        "is_paused": batch.paused_at is not None,
        "is_cancelled": batch.cancelled_at is not None,
        "counts": {state.value: batch.counts.get(state, 0) for state in EditState},
        "cost_usd": usd(batch.cost_microusd, batch.unpriced),
        "unpriced_requests": batch.unpriced,
    }


def edit_report(edit: EditRecord) -> dict[str, Any]:
    """An edit in JSON values."""
    return {
        "edit": edit.id,
        "batch": edit.asset.batch,
        "asset_id": edit.asset.name,
        "variant": edit.asset.variant,
        "line": edit.asset.line,
        "round": edit.round,
        "state": edit.state.value,
        "revision": edit.revision,
        "prompt": edit.instruction.prompt,
        "recipe": edit.instruction.recipe,
        "provider": edit.provider,
        "cost_usd": usd(edit.cost_microusd, edit.unpriced),
        "error": problem(edit),
        "outputs": [
            {
                "output": output.id,
                "name": output.name,
                "sha256": output.picture.sha256,
                "size": list(output.picture.size_wh),
                "flags": [flag_as_told(flag) for flag in output.flags],
            }
            for output in edit.outputs
        ],
        "reasons": list(edit.route.get("reasons", [])),
    }


def full_report(desk: Desk, edit_id: int) -> dict[str, Any]:
    """All that is known of an edit, in JSON values: enough to see who asked, paid and approved, and to replay it.

    Raises:
        NotFound: There is no such edit.
    """
    edit = reading.edit(desk.db, edit_id)
    return {
        **edit_report(edit),
        "asked_by": edit.asked_by,
        "ai_model": edit.ai_model,
        "size": edit.size,
        "quality": edit.quality,
        "n": edit.n,
        "saved_usd": edit.saved_microusd / 1e6,
        "source": {"uri": redacted(edit.asset.source_uri), "sha256": getattr(edit.asset.source, "sha256", None)},
        "attempts": [
            {
                "attempt": attempt.number,
                "state": attempt.state.value,
                "client_id": attempt.client_id,
                "request_id": attempt.request_id,
                "task_id": attempt.task_id,
                "started_at": attempt.started_at.isoformat(),
                "ended_at": attempt.ended_at.isoformat() if attempt.ended_at else None,
                "reserved_usd": attempt.reserved_microusd / 1e6,
                "cost_usd": None if attempt.cost_microusd is None else attempt.cost_microusd / 1e6,
                "usage": dict(attempt.usage),
                "error": {"code": attempt.error_code, "message": redacted(attempt.error or "")}
                if attempt.error_code
                else None,
                "details": dict(attempt.details),
                "sent": dict(attempt.sent),
            }
            for attempt in reading.attempts(desk.db, edit_id)
        ],
        "decisions": [
            {
                "at": decision.created_at.isoformat(),
                "decision": decision.kind.value,
                "by": decision.actor,
                "reason": decision.reason,
                "note": decision.note,
                "output_sha256": decision.output_sha256,
            }
            for decision in reading.decisions(desk.db, [edit_id])
        ],
        "events": [
            {"at": event.at.isoformat(), "event": event.kind, "by": event.actor, "data": dict(event.data)}
            for event in reading.events(desk.db, [edit_id])
        ],
    }


def problem(edit: EditRecord) -> dict[str, str] | None:
    """Why an edit brought no picture; None if it did."""
    if edit.state is EditState.SENDING:
        return {"code": "no_answer_yet", "message": "its request has no answer yet; run again to ask for it"}
    if edit.error is None:
        return None
    return {"code": edit.error_code or "", "message": redacted(edit.error)}


def problems(desk: Desk, batch: BatchRecord) -> Iterator[dict[str, Any]]:
    """Edits of a batch that went wrong, one by one, with the reason."""
    wanted = EditFilter(states=_WENT_WRONG, batch_id=batch.id)
    for edit in reading.each_edit(desk.db, wanted):
        yield {
            "edit": edit.id,
            "asset_id": edit.asset.name,
            "line": edit.asset.line,
            "state": edit.state.value,
            **(problem(edit) or {}),
        }


def flag_counts(desk: Desk, batch: BatchRecord) -> dict[str, int]:
    """How many edits of a batch carry a flag of each kind."""
    from pipeline.values import Kind

    found = {
        kind.value: reading.count_edits(desk.db, EditFilter(batch_id=batch.id, kind=kind))
        for kind in (Kind.FACE, Kind.TEXT, Kind.LOGO, Kind.QUALITY, Kind.DETECTOR)
    }
    return {kind: n for kind, n in found.items() if n or kind in ("face", "text", "logo")}


def run_report(desk: Desk, batch: BatchRecord, skipped: tuple[RowProblem, ...]) -> dict[str, Any]:
    """What a run came to, with every row that went wrong and why."""
    went_wrong = list(problems(desk, batch))
    return {
        **batch_report(batch),
        "flags": flag_counts(desk, batch),
        "problems": went_wrong,
        "skipped_rows": [row_problem(row) for row in skipped],
        "next": next_steps(batch.counts, is_any_skipped=bool(skipped), paused=batch.name if batch.paused_at else None),
    }


def row_problem(row: RowProblem) -> dict[str, Any]:
    """A bad manifest row in JSON values."""
    return {"line": row.line, "column": row.column, "found": row.found, "expected": row.expected}


def next_steps(
    counts: Mapping[EditState, int], *, is_any_skipped: bool = False, paused: str | None = None
) -> list[str]:
    """What to do next, most urgent first.

    Args:
        counts: Edits by state.
        is_any_skipped: Whether rows of the manifest were left out.
        paused: The batch's name, if it is paused.
    """
    steps = []
    if counts.get(EditState.IN_DOUBT):
        steps.append("end the doubt about lost answers: picturedesk settle BILL, or decide on the review page")
    if paused is not None:
        steps.append(f"go on with the batch, which is paused: picturedesk batch resume {shlex.quote(paused)}")
    elif counts.get(EditState.QUEUED) or counts.get(EditState.SENDING):
        steps.append("go on with what is queued: run the same command again")
    if counts.get(EditState.IN_REVIEW) or counts.get(EditState.REFUSED):
        waiting = counts.get(EditState.IN_REVIEW, 0) + counts.get(EditState.REFUSED, 0)
        steps.append(f"edits to review: {waiting}; open them with: picturedesk review")
    if counts.get(EditState.FAILED):
        steps.append("mend the failed rows' files and run again, or retry as they are: --retry-failed")
    if is_any_skipped:
        steps.append("mend the skipped rows in the manifest and run again: only new and changed rows are made")
    if counts.get(EditState.APPROVED):
        steps.append("export what is approved: picturedesk export --to FOLDER")
    return steps
