"""A whole run, as the command line makes it: weights there, manifest in, edits made, report out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import reports
from pipeline.desk import Desk
from pipeline.destinations.packs import need_packs
from pipeline.intake import take_in
from pipeline.money import usd
from pipeline.people import local_person
from pipeline.records import BatchRecord
from pipeline.runner import Runner, RunProgress, Stop, stop_code
from pipeline.states import EditState
from pipeline.store import batching, ledger, reading, running
from pipeline.suites import ready_weights
from pipeline.webhooks.sending import sending

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What to run.

    Attributes:
        manifest: File or folder; None to go on with what is queued.
        batch: The batch's name; the manifest's if None.
        prompt: For rows that have none.
        recipe: For rows that have neither.
        skip_bad: Load the good rows although others are bad.
        allow_outside: Take sources from outside the manifest's folder.
        first_frame: Take the first picture of an animation.
        retry_failed: Send failed edits again.
        resend_doubtful: Send edits again whose answer was lost.
        is_fresh: Make queued edits anew, even if equal ones were made before.
        budget_usd: What the batch may cost, all its runs together; None to leave it as it is.
        destinations: Where the batch's pictures go; None to leave that as it is.
    """

    manifest: Path | None = None
    batch: str | None = None
    prompt: str | None = None
    recipe: str | None = None
    skip_bad: bool = False
    allow_outside: bool = False
    first_frame: bool = False
    retry_failed: bool = False
    resend_doubtful: bool = False
    is_fresh: bool = False
    budget_usd: float | None = None
    destinations: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of it.

    Attributes:
        report: JSON values.
        stopped_by: The budget, the account or a wrong setting, if one of them stopped the run.
        was_interrupted: Whether somebody did.
    """

    report: dict[str, Any]
    stopped_by: Stop | None
    was_interrupted: bool


def run_batch(
    desk: Desk, request: BatchRequest, *, on_progress: Callable[[RunProgress], None], say: Say
) -> BatchResult:
    """Load and run.

    Raises:
        ManifestError: Rows are bad, and nothing was loaded.
        PackError: There is no such destination.
    """
    actor = local_person().name
    intake = None
    batch_name = request.batch
    if request.manifest is not None:
        intake = take_in(
            desk,
            request.manifest,
            actor=actor,
            batch=request.batch,
            prompt=request.prompt,
            recipe=request.recipe,
            allow_outside=request.allow_outside,
            skip_bad=request.skip_bad,
            is_fresh=request.is_fresh,
            destinations=request.destinations,
        )
        batch_name = intake.batch
        if request.is_fresh and intake.loaded.unchanged:
            say("--fresh: rows that were made before stay as they are; load them anew with another --batch name")
        for line, asset in intake.loaded.kept:
            say(f"line {line}, {asset}: changed, but its edit is in review or approved; reject or undo it first")
    batch_id = None if batch_name is None else reading.batch_named(desk.db, batch_name).id
    if request.destinations is not None and request.manifest is None and batch_id is not None:
        goes = need_packs(request.destinations, desk.packs)
        batching.set_destinations(desk.db, batch_id, goes, actor=actor)
    if request.budget_usd is not None:
        _set_budget(desk, batch_id, round(request.budget_usd * 1e6), actor)
    if request.retry_failed:
        running.requeue_failed(desk.db, batch_id=batch_id, actor=actor)
    if request.resend_doubtful:
        _resend(desk, batch_id, actor)
    ready_weights(desk.settings, on_progress=say)
    runner = Runner(desk, batch_id=batch_id, first_frame=request.first_frame, on_progress=on_progress)
    with sending(desk, until_told=True):
        outcome = asyncio.run(runner.run())
    skipped = intake.problems if intake else ()
    batches = [batch for batch in reading.batches(desk.db) if batch_name in (None, batch.name)]
    report = reports.run_report(desk, batches[0], skipped) if batch_name is not None else _report_of_all(desk, batches)
    report["stopped_by"] = _why(outcome.stopped_by)
    return BatchResult(report, outcome.stopped_by, outcome.was_interrupted)


def prepare_demo(desk: Desk, *, on_progress: Say) -> Path:
    """Put the sample pictures, recipes and brand kit into a desk; gives the sample manifest."""
    from pipeline.samples import prepare_samples

    manifest = prepare_samples(desk.root / "samples", wheels=desk.settings.wheels, on_progress=on_progress)
    for folder, target in (("brand-kit", desk.root / desk.settings.brand_kit), ("recipes", desk.root / "recipes")):
        for file in sorted((manifest.parent / folder).glob("*")):
            if not (target / file.name).exists():
                target.mkdir(parents=True, exist_ok=True)
                (target / file.name).write_bytes(file.read_bytes())
    return manifest


def _set_budget(desk: Desk, batch_id: int | None, cap_microusd: int, actor: str) -> None:
    """For the batch, or for each that has something queued."""
    for batch in reading.batches(desk.db):
        if batch.id == batch_id or (batch_id is None and batch.counts.get(EditState.QUEUED)):
            batching.set_budget(desk.db, batch.id, cap_microusd, actor=actor)


def _why(stop: Stop | None) -> dict[str, str] | None:
    if stop is None:
        return None
    return {"code": stop_code(stop), "message": str(stop)}


def _resend(desk: Desk, batch_id: int | None, actor: str) -> None:
    doubtful = reading.EditFilter(states=frozenset({EditState.IN_DOUBT}), batch_id=batch_id)
    for edit_id in reading.edit_ids(desk.db, doubtful):
        ledger.queue_doubtful(desk.db, edit_id, actor=actor)


def _report_of_all(desk: Desk, batches: list[BatchRecord]) -> dict[str, Any]:
    total = {state: sum(batch.counts.get(state, 0) for batch in batches) for state in EditState}
    return {
        "batches": [reports.batch_report(batch) for batch in batches],
        "counts": {state.value: n for state, n in total.items()},
        "cost_usd": usd(sum(batch.cost_microusd for batch in batches), sum(batch.unpriced for batch in batches)),
        "unpriced_requests": sum(batch.unpriced for batch in batches),
        "problems": [problem for batch in batches for problem in reports.problems(desk, batch)],
        "skipped_rows": [],
        "next": reports.next_steps(total),
    }
