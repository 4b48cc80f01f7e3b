"""The batch runner: claim, send, keep, look, route. Resumable after any crash.

The only caller of providers and detectors. Each edit is worked on by one task; every rest of it is a row, so a run
that is killed goes on where it was. What was sent and not answered is sent again only if that is free
(`Provider.is_repeatable`), or if the desk's settings say so.
"""

import asyncio
import hashlib
import json
import signal
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.blobs import BlobStore
from pipeline.desk import Desk
from pipeline.detectors.compare import compare
from pipeline.detectors.suite import fingerprint, scan_bytes
from pipeline.errors import (
    AccountStopped,
    AnswerLost,
    BudgetReached,
    EditError,
    EditFailed,
    EditRefused,
    PictureError,
    RetryLater,
    WorkerCrashed,
)
from pipeline.images import PictureLimits, prepare_mask, prepare_picture, read_size
from pipeline.pool import WorkPool
from pipeline.providers import Provider, load_provider
from pipeline.records import EditRecord, OutputRecord
from pipeline.routing import Case, route
from pipeline.sources import ImportedSource, fetch, import_source, is_url, read_file
from pipeline.states import IN_FLIGHT, EditState
from pipeline.store import reading, running
from pipeline.store.running import INTERRUPTED, OpenAttempt, StoredOutput
from pipeline.suites import suite_of
from pipeline.values import (
    Change,
    Detection,
    EditRequest,
    EditResult,
    Flag,
    Handle,
    Kind,
    Level,
    OutputPicture,
    PictureFacts,
)

_POLL_S = 2.0
_IDLE_S = 0.5
_MAX_ATTEMPTS = 5
"""After that many answers of "not now" or lost free requests, an edit fails: somebody should look."""


@dataclass(slots=True)
class RunProgress:
    """How far a run is.

    Attributes:
        done: Edits that this run brought to a rest.
        remaining: Edits that it still has work on.
        states: Where the done ones are.
        cost_microusd: What this run paid.
    """

    done: int = 0
    remaining: int = 0
    states: Counter[EditState] = field(default_factory=Counter)
    cost_microusd: int = 0


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        stopped_by: The budget or the account, if one of them stopped it.
        was_interrupted: Whether somebody did; what is queued is kept.
    """

    progress: RunProgress
    stopped_by: BudgetReached | AccountStopped | None
    was_interrupted: bool


class Runner:
    """Works on the queued edits of a desk.

    Args:
        desk: The desk; the caller holds its lock.
        batch_id: Only this batch; every batch if None.
        first_frame: Take the first picture of an animated source instead of refusing it.
        on_progress: Told after every edit.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        batch_id: int | None = None,
        first_frame: bool = False,
        on_progress: Callable[[RunProgress], None] = lambda _: None,
    ) -> None:
        self._desk = desk
        self._db = desk.db
        self._batch_id = batch_id
        self._first_frame = first_frame
        self._on_progress = on_progress
        self._owner = f"runner-{uuid.uuid4().hex[:12]}"
        self._progress = RunProgress()
        self._pool = WorkPool(desk.settings.workers)
        self._providers: dict[str, Provider] = {}
        self._keys: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped_by: BudgetReached | AccountStopped | None = None
        self._is_stopping = False
        self._suite = suite_of(desk.root, desk.settings)
        self._fingerprint = fingerprint(self._suite)
        self._limits = PictureLimits(
            max_bytes=int(desk.settings.max_source_mb * 1e6),
            max_pixels=int(desk.settings.max_source_megapixels * 1e6),
        )

    async def run(self, *, follow: bool = False) -> RunOutcome:
        """Work until nothing is queued; with ``follow``, wait for more until stopped."""
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._stop)
        self._desk.blobs.sweep()
        try:
            await self._recover()
            await self._work_through(follow=follow)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for provider in self._providers.values():
                await provider.aclose()
            self._pool.close()
        return RunOutcome(self._progress, self._stopped_by, self._is_stopping and self._stopped_by is None)

    def _stop(self) -> None:
        """Once: finish what is in flight. Twice: drop it, as far as that is free."""
        if self._is_stopping:
            for task in self._tasks:
                task.cancel()
        self._is_stopping = True

    async def _recover(self) -> None:
        attempts, produced = await asyncio.to_thread(running.take_over, self._db, owner=self._owner)
        for attempt in attempts:
            self._spawn(attempt.edit_id, self._take_up(attempt))
        for edit_id in produced:
            self._spawn(edit_id, self._look(edit_id))

    async def _take_up(self, attempt: OpenAttempt) -> None:
        """Settle a request that an earlier run left without an answer."""
        provider = self._provider(attempt.provider)
        if attempt.task_id is not None:
            await self._settle(attempt.id, provider, self._poll(provider, Handle(attempt.task_id)))
            await self._look(attempt.edit_id)
            return
        message = "the run ended before the answer came"
        if provider.is_repeatable:
            await self._give_up(attempt.id, EditState.QUEUED, INTERRUPTED, message)
        else:
            again = self._desk.settings.in_doubt == "resend"
            new = EditState.QUEUED if again else EditState.IN_DOUBT
            await self._give_up(attempt.id, new, "answer_lost", f"{message}; it may have been billed")

    async def _work_through(self, *, follow: bool) -> None:
        while not (self._is_stopping and not self._tasks):
            free = 0 if self._is_stopping else self._desk.settings.concurrency - len(self._tasks)
            for edit_id in await self._claim(free):
                self._spawn(edit_id, self._make(edit_id))
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED)
            elif await self._is_work_due_later() or follow:
                await asyncio.sleep(_IDLE_S)
            elif not await self._is_any_queued():
                return

    async def _claim(self, limit: int) -> list[int]:
        if limit <= 0:
            return []
        return await asyncio.to_thread(
            running.claim_queued, self._db, owner=self._owner, limit=limit, batch_id=self._batch_id
        )

    async def _is_work_due_later(self) -> bool:
        return await asyncio.to_thread(running.next_due, self._db, batch_id=self._batch_id) is not None

    async def _is_any_queued(self) -> bool:
        queued = reading.EditFilter(states=frozenset({EditState.QUEUED}), batch_id=self._batch_id)
        return await asyncio.to_thread(reading.count_edits, self._db, queued) > 0

    def _spawn(self, edit_id: int, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.create_task(self._guard(edit_id, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, edit_id: int, work: Any) -> None:  # noqa: ANN401 - a coroutine
        """Keep one edit's misfortune from the others."""
        try:
            await work
        except (BudgetReached, AccountStopped) as exc:
            self._stopped_by = self._stopped_by or exc
            self._is_stopping = True
            await asyncio.to_thread(running.release, self._db, [edit_id], owner=self._owner)
        except asyncio.CancelledError:
            await asyncio.to_thread(running.release, self._db, [edit_id], owner=self._owner)
        except Exception as exc:  # the batch goes on, and the edit says why it did not
            await self._book_surprise(edit_id, exc)
        await self._report(edit_id)

    async def _report(self, edit_id: int) -> None:
        record = await asyncio.to_thread(reading.edit, self._db, edit_id)
        wanted = reading.EditFilter(states=IN_FLIGHT, batch_id=self._batch_id)
        self._progress.remaining = await asyncio.to_thread(reading.count_edits, self._db, wanted)
        if record.state not in IN_FLIGHT:
            self._progress.done += 1
            self._progress.states[record.state] += 1
            self._progress.cost_microusd += record.cost_microusd
        self._on_progress(self._progress)

    async def _book_surprise(self, edit_id: int, exc: Exception) -> None:
        """An error that nobody foresaw: the edit fails with it, and a produced one goes to a person."""
        message = _unforeseen(exc)
        record = await asyncio.to_thread(reading.edit, self._db, edit_id)
        if record.state is EditState.QUEUED:
            await self._give_up_unsent(edit_id, EditState.FAILED, "unexpected", message)
        elif record.state is EditState.PRODUCED:
            unknown = {o.id: [Flag(_failed_detector(o.picture, message), Change.INTRODUCED)] for o in record.outputs}
            await self._route(record, unknown)

    # One edit, from queued to produced.

    async def _make(self, edit_id: int) -> None:
        record = await asyncio.to_thread(reading.edit, self._db, edit_id)
        try:
            source = await self._source(record)
            request = await self._request(record, source)
            provider = self._provider(record.provider)
            provider.check(request)
        except EditRefused as exc:
            await self._give_up_unsent(edit_id, EditState.REFUSED, exc.code, str(exc))
            return
        except (PictureError, EditFailed) as exc:
            await self._give_up_unsent(edit_id, EditState.FAILED, exc.code, str(exc))
            return
        except WorkerCrashed as exc:
            await self._give_up_unsent(edit_id, EditState.FAILED, "worker_crashed", str(exc))
            return
        key = request_key(record, request, source, provider)
        async with self._keys.setdefault(key, asyncio.Lock()):
            earlier = await asyncio.to_thread(running.reusable_outputs, self._db, key)
            if earlier is not None:
                await asyncio.to_thread(
                    running.reuse, self._db, edit_id, source_edit_id=earlier, key=key, owner=self._owner
                )
            else:
                await self._send(record, request, provider, key)
        await self._look(edit_id)

    async def _send(self, record: EditRecord, request: EditRequest, provider: Provider, key: str) -> None:
        estimate = provider.estimate_microusd(request)
        limit = self._desk.settings.budget_usd
        attempt_id = await asyncio.to_thread(
            running.begin_attempt,
            self._db,
            record.id,
            owner=self._owner,
            key=key,
            reserved_microusd=estimate,
            budget_microusd=None if limit is None else round(limit * 1e6),
        )
        await self._settle(attempt_id, provider, self._submit(attempt_id, provider, request))

    async def _submit(self, attempt_id: int, provider: Provider, request: EditRequest) -> EditResult:
        answer = await provider.submit(request)
        if isinstance(answer, EditResult):
            return answer
        await asyncio.to_thread(running.save_task_id, self._db, attempt_id, answer.task_id)
        return await self._poll(provider, answer)

    async def _poll(self, provider: Provider, handle: Handle) -> EditResult:
        while (answer := await provider.poll(handle)) is None:
            await asyncio.sleep(_POLL_S)
        return answer

    async def _settle(self, attempt_id: int, provider: Provider, answer: Any) -> None:  # noqa: ANN401 - a coroutine
        """Wait for an answer and book it, whatever it is."""
        try:
            result: EditResult = await answer
        except EditRefused as exc:
            await self._give_up(attempt_id, EditState.REFUSED, exc.code, str(exc))
        except AccountStopped as exc:
            await self._give_up(attempt_id, EditState.QUEUED, exc.code, str(exc))
            raise
        except RetryLater as exc:
            await self._give_up(attempt_id, EditState.QUEUED, exc.code, str(exc), wait_s=exc.retry_after_s)
        except AnswerLost as exc:
            again = provider.is_repeatable or self._desk.settings.in_doubt == "resend"
            await self._give_up(attempt_id, EditState.QUEUED if again else EditState.IN_DOUBT, exc.code, str(exc))
        except EditError as exc:
            await self._give_up(attempt_id, EditState.FAILED, exc.code, str(exc))
        except WorkerCrashed as exc:
            await self._give_up(attempt_id, EditState.FAILED, "worker_crashed", str(exc))
        except asyncio.CancelledError:
            if provider.is_repeatable:
                await self._give_up(attempt_id, EditState.QUEUED, INTERRUPTED, "the run was interrupted")
            raise
        except Exception as exc:  # a provider's own mistake: what it sent may have been billed
            new = EditState.FAILED if provider.is_repeatable else EditState.IN_DOUBT
            await self._give_up(attempt_id, new, "unexpected", _unforeseen(exc))
        else:
            await self._book(attempt_id, result)

    async def _book(self, attempt_id: int, result: EditResult) -> None:
        try:
            if not result.outputs:
                raise PictureError("empty_answer", "it holds none")
            outputs = [await self._pool.run(_keep_output, str(self._desk.blobs.root), o) for o in result.outputs]
        except PictureError as exc:
            message = f"the provider answered without a picture that can be used: {exc}"
            await self._give_up(attempt_id, EditState.FAILED, "bad_output", message, cost_microusd=result.cost_microusd)
            return
        stored = [
            StoredOutput(picture, output.name, dict(result.notes), output.findings)
            for picture, output in zip(outputs, result.outputs, strict=True)
        ]
        await asyncio.to_thread(
            running.finish_attempt,
            self._db,
            attempt_id,
            owner=self._owner,
            outputs=stored,
            request_id=result.request_id,
            usage=result.usage,
            cost_microusd=result.cost_microusd,
        )

    async def _give_up(
        self, attempt_id: int, new: EditState, code: str, message: str, *, wait_s: float = 0, cost_microusd: int = 0
    ) -> None:
        if new is EditState.QUEUED and code != INTERRUPTED:
            number = await asyncio.to_thread(running.attempts_made, self._db, attempt_id)
            if number >= _MAX_ATTEMPTS:
                new, message = EditState.FAILED, f"{message} (after {number} attempts)"
        await asyncio.to_thread(
            running.give_up_attempt,
            self._db,
            attempt_id,
            new,
            owner=self._owner,
            code=code,
            message=message,
            not_before=datetime.now(UTC) + timedelta(seconds=wait_s) if wait_s else None,
            cost_microusd=cost_microusd,
        )

    async def _give_up_unsent(self, edit_id: int, new: EditState, code: str, message: str) -> None:
        await asyncio.to_thread(
            running.give_up_unsent, self._db, edit_id, new, owner=self._owner, code=code, message=message
        )

    # What an edit is made of.

    async def _source(self, record: EditRecord) -> PictureFacts:
        """The picture that this edit starts from; the asset's source is read on its first use."""
        if record.input_sha256 is not None:
            return await asyncio.to_thread(reading.picture, self._db, record.input_sha256)
        if record.asset.source is not None:
            return record.asset.source
        uri = record.asset.source_uri
        imported = await self._pool.run(
            _import_source, await self._fetched(uri), uri, str(self._desk.blobs.root), self._limits, self._first_frame
        )
        await asyncio.to_thread(
            running.save_source,
            self._db,
            record.asset.id,
            original_sha256=imported.original_sha256,
            source=imported.picture,
            facts=imported.facts,
        )
        return imported.picture

    async def _fetched(self, uri: str) -> bytes | None:
        if not is_url(uri):
            return None
        return await fetch(uri, self._limits, allow_private=self._desk.settings.allow_private_sources)

    async def _request(self, record: EditRecord, source: PictureFacts) -> EditRequest:
        provider = self._provider(record.provider)
        references = []
        for uri in record.references:
            data = await self._fetched(uri)
            references.append(await self._pool.run(_prepare_reference, data, uri, self._limits))
        mask = None
        if record.mask is not None:
            mask = await self._pool.run(_prepare_mask, record.mask, source.size_wh, self._limits)
        detections = await self._scan(source) if provider.wants_detections else ()
        return EditRequest(
            name=record.title,
            source=await asyncio.to_thread(self._desk.blobs.read, source.sha256, source.media_type),
            instruction=record.instruction,
            mask=mask,
            references=tuple(references),
            ai_model=record.ai_model,
            size=record.size,
            quality=record.quality,
            n=record.n,
            detections=detections,
        )

    def _provider(self, name: str) -> Provider:
        if name not in self._providers:
            self._providers[name] = load_provider(name, self._desk.settings.providers.get(name, {}), self._pool)
        return self._providers[name]

    # One edit, from produced to where it rests.

    async def _look(self, edit_id: int) -> None:
        record = await asyncio.to_thread(reading.edit, self._db, edit_id)
        if record.state is not EditState.PRODUCED:
            return
        if record.next_steps:
            sha256 = record.outputs[0].picture.sha256
            await asyncio.to_thread(running.chain, self._db, edit_id, output_sha256=sha256, owner=self._owner)
            return
        assert record.asset.source is not None
        on_source = await self._scan(record.asset.source)
        await self._route(record, {o.id: await self._flags(record, o, on_source) for o in record.outputs})

    async def _route(self, record: EditRecord, flags: Mapping[int, Sequence[Flag]]) -> None:
        recipe = self._desk.recipes.get(record.instruction.recipe or "")
        case = Case(
            name=f"{record.asset.batch}\0{record.asset.name}\0{record.asset.variant}\0{record.round}",
            flags=[flag for found in flags.values() for flag in found],
            outputs=len(record.outputs),
            recipe=record.instruction.recipe or "",
            provider=record.provider,
            cost_usd=record.cost_microusd / 1e6,
            round=record.round,
            recipe_rule=f"recipe {recipe.name} is always reviewed" if recipe and recipe.always_reviewed else "",
        )
        await asyncio.to_thread(
            running.route_edit,
            self._db,
            record.id,
            route(case, self._desk.policy),
            flags,
            owner=self._owner,
            best_output_id=record.outputs[0].id,
        )

    async def _flags(self, record: EditRecord, output: OutputRecord, on_source: Sequence[Detection]) -> list[Flag]:
        assert record.asset.source is not None
        found = await self._scan(output.picture)
        flags = compare(
            on_source, found, source_size_wh=record.asset.source.size_wh, output_size_wh=output.picture.size_wh
        )
        doubts = await asyncio.to_thread(reading.findings, self._db, output.id)
        return [*flags, *(Flag(doubt, Change.INTRODUCED) for doubt in doubts)]

    async def _scan(self, picture: PictureFacts) -> tuple[Detection, ...]:
        """What the detectors find in a stored picture; looked at once per suite."""
        known = await asyncio.to_thread(running.known_scans, self._db, [picture.sha256], self._fingerprint)
        if picture.sha256 in known:
            return known[picture.sha256]
        data = await asyncio.to_thread(self._desk.blobs.read, picture.sha256, picture.media_type)
        try:
            detections = (await self._pool.run(scan_bytes, data, self._suite)).detections
        except WorkerCrashed as exc:
            return (_failed_detector(picture, str(exc)),)
        await asyncio.to_thread(running.save_scan, self._db, picture.sha256, self._fingerprint, detections)
        return detections


def request_key(record: EditRecord, request: EditRequest, source: PictureFacts, provider: Provider) -> str:
    """Names a request by everything that its answer depends on: equal keys need one request, and one payment."""
    content = {
        "source": source.sha256,
        "prompt": request.instruction.prompt,
        "operations": [dict(operation) for operation in request.instruction.operations],
        "mask": _sha256(request.mask),
        "references": [_sha256(reference) for reference in request.references],
        "provider": provider.name,
        "version": provider.version,
        "ai_model": request.ai_model,
        "size": request.size,
        "quality": request.quality,
        "n": request.n,
        "variant": record.asset.variant,
        "round": record.round,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _sha256(data: bytes | None) -> str | None:
    return None if data is None else hashlib.sha256(data).hexdigest()


def _unforeseen(exc: Exception) -> str:
    where = traceback.extract_tb(exc.__traceback__)[-1]
    return f"unexpected {type(exc).__name__}: {exc} ({Path(where.filename).name}:{where.lineno}); please report it"


def _failed_detector(picture: PictureFacts, reason: str) -> Detection:
    width, height = picture.size_wh
    return Detection(Kind.DETECTOR, (0, 0, width, height), 1.0, Level.SURE, reason, "suite", "")


# Run in the pool: pure, but for the blob store that names a picture by its bytes.


def _import_source(
    data: bytes | None, uri: str, blobs_root: str, limits: PictureLimits, first_frame: bool
) -> ImportedSource:
    return import_source(data, uri, blobs_root=blobs_root, limits=limits, first_frame=first_frame)


def _prepare_reference(data: bytes | None, uri: str, limits: PictureLimits) -> bytes:
    try:
        return prepare_picture(data if data is not None else read_file(uri, limits), limits=limits).data
    except PictureError as exc:
        raise EditFailed(f"reference_{exc.code}", f"reference {Path(uri).name}: {exc}") from exc


def _prepare_mask(path: str, size_wh: tuple[int, int], limits: PictureLimits) -> bytes:
    try:
        return prepare_mask(read_file(path, limits), size_wh)
    except PictureError as exc:
        raise EditFailed(f"mask_{exc.code}", f"mask {Path(path).name}: {exc}") from exc


def _keep_output(blobs_root: str, output: OutputPicture) -> PictureFacts:
    media_type, size_wh = read_size(output.data)
    sha256 = BlobStore(Path(blobs_root)).put(output.data, media_type)
    return PictureFacts(sha256, media_type, size_wh, len(output.data))
