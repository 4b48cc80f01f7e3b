"""The batch runner: claim, send, keep, look, route. Resumable after any crash.

The only caller of providers. Each edit is worked on by one task; every rest of it is a row, so a run that is killed
goes on where it was, by the next run or by another worker (`pipeline.crew`). What was sent and not answered is asked
for by its id, sent again if that is free (`Provider.is_repeatable`), and otherwise in doubt: held for a person, or sent
once more if the settings say so.
"""

import asyncio
import errno
import signal
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline import signals, tracing
from pipeline.booking import Books
from pipeline.crew import Crew
from pipeline.desk import Desk
from pipeline.engines import open_engine
from pipeline.errors import (
    AccountStopped,
    AnswerLost,
    BlobsFailed,
    BudgetReached,
    CannotAsk,
    Conflict,
    EditError,
    EditFailed,
    EditRefused,
    NotFound,
    PictureError,
    RetryLater,
    ServerFailed,
    StoreError,
    UsageError,
    WorkerCrashed,
)
from pipeline.housekeeping import before_run
from pipeline.keeping import COMPOSITED_FROM, keep_composite
from pipeline.lanes import Lane, Parked, open_lane, parked_now
from pipeline.limits import Turn
from pipeline.looking import Looker
from pipeline.pool import WorkPool
from pipeline.preparing import Preparer, request_key, sent_content
from pipeline.records import EditRecord
from pipeline.redacting import redacted
from pipeline.states import IN_FLIGHT, EditState
from pipeline.store import batching, ledger, reading, running, workers
from pipeline.store.journal import Journal
from pipeline.store.ledger import Sending
from pipeline.store.running import QueuedLine
from pipeline.store.workers import OpenAttempt
from pipeline.values import EditRequest, EditResult, Estimate, Handle, PictureFacts, PictureFile

_IDLE_S = 0.5
_LOOK_FOR_REPROMPTS_S = 0.25
_COUNT_S = 1.0
_READ_SETTINGS_AGAIN_S = 30.0
"""Where a provider's settings are wrong, a run that follows ends after that, for another one with mended ones."""

_MAX_PARKED = timedelta(hours=26)
"""A batch is answered within 24 hours; what is not by then is in doubt."""

_POLLS_AT_ONCE = 16
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_SEARCHES = 5

Stop = BudgetReached | AccountStopped | UsageError | StoreError


@dataclass(slots=True)
class RunProgress:
    """How far a run is.

    Attributes:
        done: Edits that this run brought to a rest.
        remaining: Edits that it still has work on.
        states: Where the done ones are.
        cost_microusd: What this run paid, as far as prices are known.
        unpriced: Answers whose price is not known.
    """

    done: int = 0
    remaining: int = 0
    states: Counter[EditState] = field(default_factory=Counter)
    cost_microusd: int = 0
    unpriced: int = 0

    def add_cost(self, microusd: int | None) -> None:
        """Count what an answer cost; None if its price is not known."""
        self.cost_microusd += microusd or 0
        self.unpriced += microusd is None


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        stopped_by: The budget, the account, a wrong setting or the desk's own disk, if one of them stopped it.
        was_interrupted: Whether somebody did; what is queued is kept.
    """

    progress: RunProgress
    stopped_by: Stop | None
    was_interrupted: bool


class _Stopping(Exception):
    """The run ends before this edit was sent."""


class Runner:
    """Works on the queued edits of a desk.

    Args:
        desk: The desk; others may work on it, too.
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
        self._on_progress = on_progress
        self._owner = f"{ledger.RUNNER}{uuid.uuid4().hex[:12]}"
        self._crew = Crew(desk.db, self._owner)
        self._progress = RunProgress()
        self._counted_at = 0.0
        self._pool = WorkPool(desk.settings.workers)
        self._journal = Journal(desk.db)
        self._preparer = Preparer(desk, self._pool, self._journal, first_frame=first_frame)
        self._engine = open_engine(desk.settings, self._pool)
        self._looker = Looker(desk, self._engine, self._journal, owner=self._owner)
        self._books = Books(desk, self._pool, self._journal, owner=self._owner, on_cost=self._progress.add_cost)
        self._lanes: dict[str, Lane] = {}
        self._unanswered: dict[str, asyncio.Event] = {}
        self._unusable: dict[str, UsageError] = {}
        self._lines: list[QueuedLine] = []
        self._short: dict[int, BudgetReached] = {}
        self._began = time.monotonic()
        self._stopped_before: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._stopped_by: Stop | None = None
        self._is_stopping = False

    async def run(self, *, follow: bool = False) -> RunOutcome:
        """Work until nothing is queued; with ``follow``, wait for more until stopped."""
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._stop)
        try:
            await asyncio.to_thread(self._crew.join)
            await asyncio.to_thread(before_run, self._desk)
            await self._recover()
            await self._work_through(follow=follow)
            await asyncio.to_thread(self._desk.blobs.deliver)
        except StoreError as exc:  # nothing more can be claimed; what is in flight is paid for, and finished
            self._wind_down(exc)
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            await self._say_what_stopped()
            watchers = [lane.watcher for lane in self._lanes.values() if lane.watcher is not None]
            for task in (*self._tasks, *watchers):
                task.cancel()
            await asyncio.gather(*self._tasks, *watchers, return_exceptions=True)
            for lane in self._lanes.values():
                lane.gate.close()
                await self._give_back([record.id for record in lane.ready])
                await lane.provider.aclose()
            await asyncio.to_thread(self._journal.close)
            with suppress(StoreError):  # who cannot say so will be silent
                await asyncio.to_thread(self._crew.leave)
            self._engine.close()
            self._pool.close()
        return RunOutcome(self._progress, self._stopped_by, self._is_stopping and self._stopped_by is None)

    def _stop(self) -> None:
        """Once: finish what is in flight. Twice: drop it, as far as that is free."""
        if self._is_stopping:
            for task in self._tasks:
                task.cancel()
        self._wind_down(None)

    def _wind_down(self, reason: Stop | None) -> None:
        self._stopped_by = self._stopped_by or reason
        self._is_stopping = True
        for lane in self._lanes.values():
            lane.gate.close()
        self._books.close()
        for answered in self._unanswered.values():
            answered.set()
        self._news.set()

    # What to work on.

    async def _recover(self) -> None:
        """Take up what nobody living works on: requests without an answer, and pictures that nobody looked at."""
        left = await asyncio.to_thread(
            workers.take_over, self._db, owner=self._owner, silent=self._crew.silent(), batch_id=self._batch_id
        )
        for attempt in left.attempts:
            lane = self._lane(attempt.provider)
            if lane is None:
                continue  # it stays open, for a run that can ask
            self._unanswered.setdefault(attempt.key, asyncio.Event())
            if attempt.task_id is not None:
                self._park_again(lane, attempt, Handle(attempt.task_id))
            else:
                self._spawn(attempt.edit_id, self._take_up(attempt, lane), lane)
        for edit_id in left.produced:
            record = await asyncio.to_thread(reading.edit, self._db, edit_id)
            self._spawn(edit_id, self._look(record), None)

    async def _work_through(self, *, follow: bool) -> None:
        asked_at = 0.0
        while not (self._is_stopping and not self._tasks):
            self._news.clear()
            if not self._is_stopping:
                is_time = time.monotonic() - asked_at >= _LOOK_FOR_REPROMPTS_S
                if is_time:
                    asked_at = time.monotonic()
                    if self._crew.has_left_work:
                        await self._recover()
                    await asyncio.to_thread(self._desk.blobs.deliver)
                    await self._open_lanes()
                for lane in list(self._lanes.values()):
                    await self._fill(lane, look_again=is_time)
                is_idle = not self._tasks and all(lane.is_idle for lane in self._lanes.values())
                if is_idle and is_time and await self._is_over(follow=follow):
                    left: list[Stop] = [*self._short.values(), *self._unusable.values()]
                    self._stopped_by = left[0] if left else None
                    return
            try:
                await asyncio.wait_for(self._news.wait(), _LOOK_FOR_REPROMPTS_S if self._tasks else _IDLE_S)
            except TimeoutError:
                continue

    async def _open_lanes(self) -> None:
        self._lines = await self._queued()
        self._stopped_before = {line.batch_id for line in self._lines if line.is_stopped}
        # Somebody gave such a batch more, or wants it tried again: nothing is said to stop it any more.
        self._short = {batch: why for batch, why in self._short.items() if batch in self._stopped_before}
        for line in self._lines:
            if self._lane(line.provider) is None and not line.is_stopped:
                await self._say_stopped([line.batch_id], self._unusable[line.provider])

    async def _queued(self) -> list[QueuedLine]:
        return await asyncio.to_thread(running.queued_lines, self._db, batch_id=self._batch_id)

    async def _is_over(self, *, follow: bool) -> bool:
        """Whether nothing is left that this run or another worker can make.

        One that follows ends where a setting is wrong, but late.
        """
        if follow:
            return bool(self._unusable) and time.monotonic() - self._began > _READ_SETTINGS_AGAIN_S
        left = await self._queued()
        if not all(line.provider in self._unusable or line.batch_id in self._short for line in left):
            return False
        if await asyncio.to_thread(workers.work_elsewhere, self._db, owner=self._owner, batch_id=self._batch_id):
            return False
        await self._recover()  # what somebody left a moment ago
        return not self._tasks and all(lane.is_idle for lane in self._lanes.values())

    def _lane(self, name: str) -> Lane | None:
        """The lane of a provider; None if its settings are wrong: its edits stay queued, and the others are made."""
        if name not in self._lanes and name not in self._unusable:
            try:
                self._lanes[name] = open_lane(self._desk, name, self._pool, self._journal)
            except UsageError as exc:
                self._unusable[name] = exc
        return self._lanes.get(name)

    async def _fill(self, lane: Lane, *, look_again: bool) -> None:
        """Begin as many edits as there is room for, and what a reviewer waits for in any case."""
        if look_again:
            lane.is_dry = False
            if lane.room <= len(lane.ready):
                for record in await self._claim(lane, lane.limit, first_only=True):
                    self._spawn(record.id, self._make(record, lane), lane)
        # Half a load is claimed ahead, so that the provider never waits for the database.
        ahead = max(1, lane.limit // 2)
        if len(lane.ready) <= lane.room and len(lane.ready) < ahead and not lane.is_dry:
            wanted = lane.room + ahead - len(lane.ready)
            if wanted > 0:
                found = await self._claim(lane, wanted)
                lane.ready.extend(found)
                lane.is_dry = len(found) < wanted
        while lane.ready and lane.room > 0:
            record = lane.ready.popleft()
            self._spawn(record.id, self._make(record, lane), lane)

    async def _claim(self, lane: Lane, limit: int, *, first_only: bool = False) -> list[EditRecord]:
        def claim() -> list[EditRecord]:
            ids = running.claim_queued(
                self._db,
                owner=self._owner,
                provider=lane.provider.name,
                limit=limit,
                batch_id=self._batch_id,
                first_only=first_only,
                leave_out=list(self._short),
            )
            return reading.edits(self._db, ids) if ids else []

        return await asyncio.to_thread(claim)

    async def _give_back(self, edit_ids: list[int]) -> None:
        if edit_ids:
            with suppress(StoreError):  # what nobody gives back, the next run takes over
                await self._journal.run(running.release, edit_ids, owner=self._owner)

    async def _run_short(self, exc: BudgetReached) -> None:
        """The batch's budget is reached: it waits, and the others are made."""
        kind, _, name = exc.scope.partition(":")
        if kind != "batch":
            self._wind_down(exc)
            return
        self._short[int(name)] = exc
        await self._say_stopped([int(name)], exc)

    async def _say_what_stopped(self) -> None:
        """The run has ended: what stopped it stands at each batch that it did not finish."""
        with suppress(StoreError):  # a desk that cannot be written
            if self._stopped_by is not None and not (self._unusable or self._short):
                await self._say_stopped([line.batch_id for line in await self._queued()], self._stopped_by)

    async def _say_stopped(self, batch_ids: list[int], why: Stop) -> None:
        is_month = isinstance(why, BudgetReached) and not why.scope.startswith("batch:")
        code = "month_reached" if is_month else stop_code(why)
        said = {"code": code, "message": str(why), "owner": self._owner}
        await self._journal.run(batching.record_stop, batch_ids, **said)
        self._stopped_before.update(batch_ids)

    async def _goes_on(self, batch_id: int) -> None:
        """An answer came: whatever is said to have stopped the batch does not any more."""
        wrong = {line.batch_id for line in self._lines if line.provider in self._unusable}
        if batch_id in self._stopped_before and batch_id not in self._short and batch_id not in wrong:
            self._stopped_before.discard(batch_id)
            await self._journal.run(batching.clear_stop, batch_id)

    # One task for each edit.

    def _spawn(self, edit_id: int, work: Coroutine[Any, Any, EditState | None], lane: Lane | None) -> None:
        if lane is not None:
            lane.active += 1
        task = asyncio.create_task(self._guard(edit_id, work))
        self._tasks.add(task)

        def ended(done: "asyncio.Task[None]") -> None:
            if lane is not None:
                lane.active -= 1
            self._tasks.discard(done)
            self._news.set()

        task.add_done_callback(ended)

    async def _guard(self, edit_id: int, work: Coroutine[Any, Any, EditState | None]) -> None:
        """Keep one edit's misfortune from the others."""
        with tracing.edit(edit_id, worker=self._owner):
            try:
                state = await self._outcome(edit_id, work)
                tracing.note(state=state)
                await self._report(state)
            except StoreError as exc:  # the desk itself cannot be written: nothing more is begun
                self._wind_down(exc)
                return
        if state is not None and state not in IN_FLIGHT:
            tracing.rested(edit_id)
            signals.tell("edit.rested", edit=edit_id, state=state.value)

    async def _outcome(self, edit_id: int, work: Coroutine[Any, Any, EditState | None]) -> EditState | None:
        try:
            return await work
        except BudgetReached as exc:
            await self._run_short(exc)
            await self._give_back([edit_id])
        except (AccountStopped, UsageError) as exc:
            self._wind_down(exc)
            await self._give_back([edit_id])
        except (_Stopping, asyncio.CancelledError):
            await self._give_back([edit_id])
        except Conflict:  # a person changed it meanwhile, or another worker has it
            return (await asyncio.to_thread(reading.edit, self._db, edit_id)).state
        except BlobsFailed:
            await self._give_back([edit_id])
            raise
        except Exception as exc:  # the batch goes on, and the edit says why it did not
            if isinstance(exc, StoreError) and not isinstance(exc, NotFound):
                raise
            if isinstance(exc, OSError) and exc.errno in _FULL:
                await self._give_back([edit_id])
                raise StoreError(f"the disk cannot be written ({exc.strerror}); free some space and run again") from exc
            return await self._book_surprise(edit_id, exc)
        return None

    async def _report(self, state: EditState | None) -> None:
        if time.monotonic() - self._counted_at >= _COUNT_S or not self._progress.remaining:
            self._counted_at = time.monotonic()
            wanted = reading.EditFilter(states=IN_FLIGHT, batch_id=self._batch_id)
            self._progress.remaining = await asyncio.to_thread(reading.count_edits, self._db, wanted)
        elif state is not None:
            self._progress.remaining = max(0, self._progress.remaining - 1)
        if state is not None and state not in IN_FLIGHT:
            self._progress.done += 1
            self._progress.states[state] += 1
        self._on_progress(self._progress)

    async def _book_surprise(self, edit_id: int, exc: Exception) -> EditState:
        """An error that nobody foresaw: the edit fails with it, and a produced one goes to a person."""
        message = _unforeseen(exc)
        record = await asyncio.to_thread(reading.edit, self._db, edit_id)
        if record.state is EditState.QUEUED:
            return await self._books.give_up_unsent(edit_id, EditState.FAILED, "unexpected", message)
        if record.state is EditState.PRODUCED:
            return await self._looker.route_unseen(record, message)
        return record.state

    # One edit, from queued to produced.

    async def _make(self, record: EditRecord, lane: Lane) -> EditState | None:
        provider = lane.provider
        tracing.note(batch=record.asset.batch_id, round=record.round, provider=provider.name)
        try:
            with tracing.step("prepare"):
                source = await self._preparer.source(record)
                request = await self._preparer.request(record, source)
                if provider.wants_detections:
                    request = replace(request, detections=await self._looker.scan(source))
                # Whoever takes no mask draws the whole picture; the region is cut out of that afterwards.
                told = replace(request, mask=None) if record.keeps_outside and not provider.takes_mask else request
                provider.check(told)
                estimate = provider.estimate(told)
                await self._books.check_price(estimate, record)
        except EditRefused as exc:
            return await self._books.give_up_unsent(record.id, EditState.REFUSED, exc.code, str(exc))
        except (PictureError, EditFailed) as exc:
            return await self._books.give_up_unsent(record.id, EditState.FAILED, exc.code, str(exc))
        except WorkerCrashed as exc:
            return await self._books.give_up_unsent(record.id, EditState.FAILED, "worker_crashed", str(exc))
        variant, number = record.asset.variant, record.round
        content = sent_content(
            request,
            provider=provider.name,
            version=provider.version,
            variant=variant,
            round_number=number,
            keeps_outside=record.keeps_outside,
        )
        key = request_key(content)
        sending = Sending(
            batch_id=record.asset.batch_id,
            key=key,
            client_id="-".join(filter(None, ("pd", uuid.uuid4().hex, provider.account))),
            sent=content,
            ai_model=estimate.ai_model,
            reserved_microusd=estimate.high_microusd or 0,
            is_fresh=record.is_fresh,
        )
        await self._wait_for_equals(sending)
        with ExitStack() as unanswered:
            unanswered.callback(self._answered, key)
            if await self._books.adopt(record, key):
                return await self._look(await asyncio.to_thread(reading.edit, self._db, record.id))
            named = replace(told, client_id=sending.client_id)
            return await self._send(record, named, sending, estimate, lane, unanswered)

    async def _wait_for_equals(self, sending: Sending) -> None:
        """Wait while an equal request has no answer: what it brings serves this one, too."""
        while not sending.is_fresh and (equal := self._unanswered.get(sending.key)):
            await equal.wait()
            if self._is_stopping:
                raise _Stopping
        self._unanswered.setdefault(sending.key, asyncio.Event())

    def _answered(self, key: str) -> None:
        if (answered := self._unanswered.pop(key, None)) is not None:
            answered.set()

    async def _send(
        self,
        record: EditRecord,
        request: EditRequest,
        sending: Sending,
        estimate: Estimate,
        lane: Lane,
        unanswered: ExitStack,
    ) -> EditState | None:
        if self._is_stopping:
            raise _Stopping
        with tracing.step("wait"):
            turn = await lane.gate.leave(estimate, priority=record.priority)
        with ExitStack() as outside, ExitStack() as reserved:
            outside.callback(turn.over)
            outside.callback(lane.gate.come_back)
            if self._is_stopping:
                raise _Stopping
            attempt_id = await self._books.begin(record.id, sending)
            reserved.callback(self._books.settled)
            if attempt_id is None:
                outside.close()
                return await self._look(await asyncio.to_thread(reading.edit, self._db, record.id))
            await self._until_due(turn, attempt_id)
            if not self._crew.is_heard and not await self._is_still_ours(attempt_id):
                outside.close()
                return None
            answer = await self._answer(attempt_id, lane, self._submit(attempt_id, request, lane))
            if not isinstance(answer, EditError):
                lane.gate.learn(lane.provider.limits)
                lane.gate.speed_up()
            if isinstance(answer, Handle):
                for until_answered in (outside, reserved, unanswered):
                    until_answered.pop_all()
                self._park(lane, parked_now(attempt_id, record.id, sending.key, answer))
                return None
            outside.close()
            return await self._take(attempt_id, record, sending.key, lane, answer)

    async def _is_still_ours(self, attempt_id: int) -> bool:
        """Whether a request that was written down may leave, although others may have taken this worker for dead."""
        return await asyncio.to_thread(ledger.is_to_be_sent, self._db, attempt_id, owner=self._owner)

    async def _until_due(self, turn: Turn, attempt_id: int) -> None:
        """Wait for the moment at which a request may leave that is written down by now."""
        try:
            await turn.due()
        except BaseException:  # nothing has left
            await self._books.interrupted(attempt_id)
            raise

    async def _submit(self, attempt_id: int, request: EditRequest, lane: Lane) -> EditResult | Handle:
        answer = await lane.provider.submit(request)
        if isinstance(answer, Handle):
            await self._books.accepted(attempt_id, answer.task_id)
        return answer

    @tracing.stepped("send")
    async def _answer(
        self, attempt_id: int, lane: Lane, answer: Coroutine[Any, Any, EditResult | Handle]
    ) -> EditResult | Handle | EditError:
        """Wait for an answer; what went wrong is an answer, too."""
        is_free = lane.provider.is_repeatable
        tracing.note(attempt=attempt_id, provider=lane.provider.name)
        try:
            found = await answer
            tracing.note(request_id=found.request_id if isinstance(found, EditResult) else found.task_id)
            return found
        except AccountStopped as exc:
            signals.tell("request.ended", provider=lane.provider.name, outcome="account_stopped", code=exc.code)
            await self._books.queue_again(attempt_id, exc)
            raise
        except EditError as exc:
            tracing.note(code=exc.code)
            return exc
        except WorkerCrashed as exc:
            return EditFailed("worker_crashed", str(exc))
        except asyncio.CancelledError:
            if is_free:
                await self._books.interrupted(attempt_id)
            raise
        except Exception as exc:  # a provider's own mistake: what it sent may have been billed
            return (EditFailed if is_free else AnswerLost)("unexpected", _unforeseen(exc))

    async def _take(
        self, attempt_id: int, record: EditRecord, key: str, lane: Lane, answer: EditResult | EditError
    ) -> EditState | None:
        """Book an answer, whatever it is; then look at what it brought."""
        told = {"edit": record.id, "batch": record.asset.batch_id, "provider": lane.provider.name}
        signals.tell("request.ended", **told, outcome=_outcome_of(answer), code=getattr(answer, "code", None))
        if isinstance(answer, EditResult):
            try:
                produced = await self._books.finish(attempt_id, record, key, answer)
            except EditFailed as exc:
                answer = exc
            else:
                await self._goes_on(record.asset.batch_id)
                return None if produced is None else await self._look(produced)
        if isinstance(answer, RetryLater) and answer.code == "rate_limited":
            lane.gate.slow_down(answer.retry_after_s)
        return await self._books.give_up(attempt_id, answer, is_free=lane.provider.is_repeatable)

    async def _look(self, record: EditRecord) -> EditState:
        if record.state is not EditState.PRODUCED:
            return record.state
        if record.keeps_outside:
            record = await self._put_back(record)
        source = record.asset.source
        if source is None:
            source = await self._preparer.source(replace(record, input_sha256=None))
        return await self._looker.look(record, source, mask=await self._mask(record, source))

    async def _put_back(self, record: EditRecord) -> EditRecord:
        """The edit with its outputs put back into the picture that they were made from, where they fit."""
        base = await self._preparer.source(record)
        mask = await self._mask(record, base)
        for output in record.outputs:
            if mask is None or output.notes.get(COMPOSITED_FROM):
                continue
            try:
                kept = await self._pool.run(keep_composite, self._desk.blobs.place, base, output.picture, mask.facts)
            except PictureError:
                continue  # of another shape: its flags say so
            notes = {COMPOSITED_FROM: output.picture.sha256}
            await self._journal.run(running.replace_picture, record.id, output.id, kept, notes, owner=self._owner)
        return await asyncio.to_thread(reading.edit, self._db, record.id)

    async def _mask(self, record: EditRecord, source: PictureFacts) -> PictureFile | None:
        """What the edit's mask was; None if its file is gone by now, for then nobody can hold the edit to it."""
        try:
            return await self._preparer.mask(record, source)
        except EditFailed:
            return None

    # Answers that come later.

    async def _take_up(self, attempt: OpenAttempt, lane: Lane) -> EditState | None:
        """Settle a request that an earlier run left without an answer or a task id."""
        with ExitStack() as unanswered:
            unanswered.callback(self._answered, attempt.key)
            if lane.provider.is_repeatable:
                await self._books.interrupted(attempt.id)
                return None
            try:
                handle = await self._found(attempt.client_id, lane)
            except RetryLater as exc:
                await self._books.queue_again(attempt.id, exc)
                return None
            except CannotAsk:
                return None  # the attempt stays open, and the next run asks again
            if handle is not None:
                await self._books.accepted(attempt.id, handle.task_id)
                unanswered.pop_all()
                self._park_again(lane, attempt, handle)
                return None
            lost = AnswerLost("answer_lost", "the run ended before the answer came; it may have been billed")
            return await self._books.give_up(attempt.id, lost, is_free=False)

    async def _found(self, client_id: str, lane: Lane) -> Handle | None:
        """Look for a request, again and again for a while if the provider cannot be asked."""
        for _ in range(_SEARCHES - 1):
            try:
                return await lane.provider.find(client_id)
            except CannotAsk:
                await asyncio.sleep(lane.provider.poll_s)
        return await lane.provider.find(client_id)

    def _park_again(self, lane: Lane, attempt: OpenAttempt, handle: Handle) -> None:
        """Wait for the answer to a request of an earlier run."""
        self._books.enter()
        lane.gate.enter()
        self._park(lane, Parked(attempt.id, attempt.edit_id, attempt.key, handle, attempt.started_at))

    def _park(self, lane: Lane, parked: Parked) -> None:
        lane.parked[parked.attempt_id] = parked
        if lane.watcher is None or lane.watcher.done():
            lane.watcher = asyncio.create_task(self._watch(lane))

    async def _watch(self, lane: Lane) -> None:
        """Ask for the answers of a lane's accepted requests, again and again."""
        free = asyncio.Semaphore(_POLLS_AT_ONCE)

        async def ask(parked: Parked) -> None:
            async with free:
                await self._ask(lane, parked)

        while lane.parked:
            await asyncio.sleep(lane.provider.poll_s)
            async with asyncio.TaskGroup() as group:
                for parked in list(lane.parked.values()):
                    group.create_task(ask(parked))

    async def _ask(self, lane: Lane, parked: Parked) -> None:
        result: EditResult | EditError | None
        try:
            result = await lane.provider.poll(parked.handle)
        except AccountStopped as exc:  # the request stays accepted: the next run asks again
            self._wind_down(exc)
            return
        except CannotAsk as exc:
            if exc.is_hopeless and lane.parked.pop(parked.attempt_id, None) is not None:
                self._spawn(parked.edit_id, self._leave_open(lane, parked), lane)
            return
        except EditError as exc:
            result = exc
        except Exception as exc:  # what was paid for is never dropped for a mistake of ours
            result = AnswerLost("unexpected", _unforeseen(exc))
        if result is None and datetime.now(UTC) - parked.since > _MAX_PARKED:
            result = AnswerLost("no_answer", "the provider accepted this edit and never answered")
        if result is not None and lane.parked.pop(parked.attempt_id, None) is not None:
            self._spawn(parked.edit_id, self._unpark(lane, parked, result), lane)

    async def _leave_open(self, lane: Lane, parked: Parked) -> None:
        """Ask no more in this run; the attempt and its reservation stay as they are."""
        lane.gate.come_back()
        self._books.settled()
        self._answered(parked.key)

    async def _unpark(self, lane: Lane, parked: Parked, result: EditResult | EditError) -> EditState | None:
        lane.gate.come_back()
        try:
            record = await asyncio.to_thread(reading.edit, self._db, parked.edit_id)
            return await self._take(parked.attempt_id, record, parked.key, lane, result)
        finally:
            self._books.settled()
            self._answered(parked.key)


def stop_code(stop: Stop) -> str:
    """What stopped a run, in a word for machines; an account says it itself."""
    codes: dict[type, str] = {BudgetReached: "budget_reached", UsageError: "wrong_setting", StoreError: "desk_failed"}
    return stop.code if isinstance(stop, AccountStopped) else codes.get(type(stop), "stopped")


def _outcome_of(answer: EditResult | EditError) -> str:
    """How a request ended, in a word that stays."""
    words: dict[type, str] = {
        EditRefused: "refused",
        RetryLater: "retry_later",
        AnswerLost: "lost",
        ServerFailed: "lost",
    }
    return "succeeded" if isinstance(answer, EditResult) else words.get(type(answer), "failed")


def _unforeseen(exc: Exception) -> str:
    where = traceback.extract_tb(exc.__traceback__)[-1]
    place = f"{Path(where.filename).name}:{where.lineno}"
    return f"unexpected {type(exc).__name__}: {redacted(str(exc))} ({place}); please report it"
