"""What is known of how an asset's rounds came to be, as rows and lines to show; nothing in it tells of the sample."""

from collections.abc import Iterator, Sequence

from pipeline.desk import Desk
from pipeline.money import dollars
from pipeline.records import AttemptRecord, EditRecord
from pipeline.routing import shown_reasons
from pipeline.states import AttemptState
from pipeline.store import reading

_MOMENT = "%Y-%m-%d %H:%M:%S UTC"


def decisions(desk: Desk, rounds: Sequence[EditRecord]) -> list[dict[str, object]]:
    """Who decided what, when, and after how long; oldest first."""
    numbers = {edit.id: edit.round for edit in rounds}
    return [
        {
            "round": numbers[decision.edit_id],
            "decision": decision.kind.value,
            "who": decision.actor,
            "when": decision.created_at.strftime(_MOMENT),
            "shown": "" if decision.shown_ms is None else f"{decision.shown_ms / 1000:.1f} s",
            "reason": decision.reason,
            "note": decision.note,
            "policy": decision.policy_hash,
        }
        for decision in reading.decisions(desk.db, numbers)
    ]


def requests(desk: Desk, rounds: Sequence[EditRecord]) -> list[dict[str, object]]:
    """What was sent to providers, and what each request cost; oldest first."""
    return [
        {
            "round": edit.round,
            "request": attempt.number,
            "came to": attempt.state.value,
            "began": attempt.started_at.strftime(_MOMENT),
            "took": ""
            if attempt.ended_at is None
            else f"{(attempt.ended_at - attempt.started_at).total_seconds():.1f} s",
            "cost": _cost(attempt),
            "our name": attempt.client_id,
            "their name": attempt.request_id or attempt.task_id or "",
            "error": attempt.error or "",
        }
        for edit in rounds
        for attempt in reading.attempts(desk.db, edit.id)
    ]


def provenance(rounds: Sequence[EditRecord]) -> list[str]:
    """What vouches for the pictures: lines of a name and what it is."""
    asset = rounds[0].asset
    facts = [("source", asset.source_uri), ("source as it came", asset.original_sha256)]
    facts.append(("goes to", ", ".join(asset.destinations)))
    facts.append(("source, upright", None if asset.source is None else asset.source.sha256))
    facts += [(f"round {edit.round}, {name}", value) for edit in rounds for name, value in _of_round(edit)]
    known = [(name, value) for name, value in facts if value]
    width = max(len(name) for name, _ in known)
    return [f"{name:{width}}  {value}" for name, value in known]


def _of_round(edit: EditRecord) -> Iterator[tuple[str, str | None]]:
    yield "made by", " ".join(filter(None, (edit.provider, edit.ai_model, edit.size, edit.quality)))
    yield "recipe", edit.instruction.recipe
    yield "request key", edit.key
    yield "began from", edit.input_sha256
    yield "policy", edit.route.get("policy_hash")
    flags = [flag for output in edit.outputs for flag in output.flags]
    for reason in shown_reasons(edit.route.get("reasons", ()), flags, outputs=len(edit.outputs)):
        yield "routed for", reason
    for output in edit.outputs:
        yield f"output {output.position + 1}", output.picture.sha256


def _cost(attempt: AttemptRecord) -> str:
    if attempt.cost_microusd is not None:
        return dollars(attempt.cost_microusd)
    return "not known" if attempt.state in (AttemptState.SUCCEEDED, AttemptState.LOST) else ""
