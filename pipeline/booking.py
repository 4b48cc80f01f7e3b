"""What a run writes into the books: requests begun, answered, lost, given up; and where their edits go from there."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipeline import tracing
from pipeline.desk import Desk
from pipeline.errors import (
    AnswerLost,
    BlobsFailed,
    BudgetReached,
    EditError,
    EditFailed,
    EditRefused,
    PictureError,
    RetryLater,
    ServerFailed,
    StoreError,
    WorkerCrashed,
)
from pipeline.keeping import keep_output
from pipeline.pool import WorkPool
from pipeline.records import EditRecord, OutputRecord
from pipeline.states import EditState
from pipeline.store import ledger, workers
from pipeline.store.journal import Journal
from pipeline.store.ledger import INTERRUPTED, Caps, Sending, StoredOutput
from pipeline.values import EditResult, Estimate

_MAX_ATTEMPTS = 5
"""After that many lost free requests, or answers of "not now" for another reason than haste, an edit fails."""

_MAX_RATE_LIMITED = 100
_SERVER_WAIT_S = 2.0
_ASK_FOR_OTHERS_MONEY_S = 0.5
_LEAST_FREE_MB = 32
_END_DOUBT = "Hold the provider's bill against it with picturedesk settle, or decide on the review page"


class Books:
    """The books of one run.

    Args:
        desk: The desk; its settings say what may be spent, and what becomes of doubt.
        pool: Checks and keeps pictures.
        journal: Carries the writing out.
        owner: The runner.
        on_cost: Told what each answer cost, in millionths of a US dollar; None if its price is not known.
    """

    def __init__(
        self, desk: Desk, pool: WorkPool, journal: Journal, *, owner: str, on_cost: Callable[[int | None], None]
    ) -> None:
        self._desk = desk
        self._pool = pool
        self._journal = journal
        self._owner = owner
        self._on_cost = on_cost
        self._caps = Caps(_microusd(desk.settings.budget_usd), _microusd(desk.settings.monthly_cap_usd))
        self._reservations = 0
        self._money_back = asyncio.Event()
        self._is_closing = False

    # Before sending.

    async def check_price(self, estimate: Estimate, record: EditRecord) -> None:
        """A cap can only be kept where the price is known.

        Raises:
            EditFailed: There is one, and it is not.
        """
        if estimate.high_microusd is not None:
            return
        caps = (self._caps.batch_microusd, self._caps.month_microusd)
        own = await asyncio.to_thread(ledger.budget, self._desk.db, record.asset.batch_id)
        if any(cap is not None for cap in (*caps, own)):
            raise EditFailed(
                "price_unknown",
                f"the price of this edit is not known, and a budget is set; give its price in picturedesk.toml under "
                f"[[providers.{record.provider}.prices]], or run without a budget, and use --retry-failed",
            )

    async def adopt(self, record: EditRecord, key: str) -> bool:
        """Take over what another desk with the same picture store got for this very request, if one did."""
        answers = self._desk.answers
        if answers is None or record.is_fresh or await asyncio.to_thread(ledger.is_answered, self._desk.db, key):
            return False  # what this desk has itself, `begin` finds
        answer = await asyncio.to_thread(answers.get, key)
        if answer is None:
            return False
        for output in answer.outputs:
            if not await asyncio.to_thread(self._desk.blobs.has, output.picture.sha256, output.picture.media_type):
                return False
        saved = answer.cost_microusd or 0
        await self._journal.run(
            ledger.adopt, record.id, key=key, outputs=answer.outputs, saved_microusd=saved, owner=self._owner
        )
        return True

    async def begin(self, edit_id: int, sending: Sending) -> int | None:
        """Write an attempt; None if an equal request was answered before, and its outputs are this edit's now.

        While a cap would be passed only for others' reservations, waits for one of them to be `settled`.

        Raises:
            BudgetReached: A cap would be passed, and no reservation is left that could come back.
            StoreError: The disk is so full that the answer could not be kept.
            CancelledError: The run is being stopped.
        """
        self._check_space()
        while True:
            self._reservations += 1
            try:
                return await self._journal.run(ledger.begin, edit_id, sending, owner=self._owner, caps=self._caps)
            except BaseException as exc:
                self._reservations -= 1
                if not isinstance(exc, BudgetReached) or not await self._may_come_back():
                    self._money_back.set()  # who waits for this one's reservation waits in vain
                    raise
            if self._is_closing:
                raise asyncio.CancelledError
            self._money_back.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._money_back.wait(), _ASK_FOR_OTHERS_MONEY_S)

    async def _may_come_back(self) -> bool:
        """Whether a request without an answer may cost less than is reserved for it, here or at another worker."""
        return bool(self._reservations) or await asyncio.to_thread(workers.open_elsewhere, self._desk.db, self._owner)

    def _check_space(self) -> None:
        for folder in filter(None, (self._desk.root, self._desk.blobs.folder)):
            free_mb = shutil.disk_usage(folder).free / 1e6 if folder.exists() else _LEAST_FREE_MB
            if free_mb < _LEAST_FREE_MB:
                raise StoreError(f"the disk of {folder} has {free_mb:.0f} MB left; free some space and run again")

    def enter(self) -> None:
        """Count the reservation of an earlier run."""
        self._reservations += 1

    def settled(self) -> None:
        """A reservation is a charge, given back, or in doubt: whoever waits for money may try again."""
        self._reservations -= 1
        self._money_back.set()

    def close(self) -> None:
        """Let nobody wait for money any more."""
        self._is_closing = True
        self._money_back.set()

    # After the answer.

    async def accepted(self, attempt_id: int, task_id: str) -> None:
        """The request will be answered later, under this name."""
        await self._journal.run(ledger.save_task_id, attempt_id, task_id)

    @tracing.stepped("keep")
    async def finish(self, attempt_id: int, record: EditRecord, key: str, result: EditResult) -> EditRecord | None:
        """Keep the pictures of an answer and book it; gives the edit as it is now, or None if it is somebody else's.

        Raises:
            EditFailed: One of them is none, or cannot be used; nothing is booked yet.
            BlobsFailed: The pictures cannot be kept; what the answer cost is booked.
        """
        try:
            if not result.outputs:
                raise PictureError("empty_answer", "it holds none")
            pictures = [
                await self._pool.run(keep_output, self._desk.blobs.place, output.data) for output in result.outputs
            ]
        except (PictureError, WorkerCrashed) as exc:
            why = f"cannot be used ({exc.code if isinstance(exc, PictureError) else exc})"
            raise _unusable("bad_output", why, record, result) from exc
        except BlobsFailed as exc:
            why = f"could not be kept ({exc})"
            await self._end(attempt_id, EditState.FAILED, _unusable("not_kept", why, record, result))
            raise
        stored = [
            StoredOutput(picture, output.name, dict(result.notes), output.findings)
            for picture, output in zip(pictures, result.outputs, strict=True)
        ]
        ids = await self._journal.run(
            ledger.finish,
            attempt_id,
            owner=self._owner,
            outputs=stored,
            request_id=result.request_id,
            usage=result.usage,
            cost_microusd=result.cost_microusd,
            ai_model=result.ai_model,
        )
        self._on_cost(result.cost_microusd)
        if self._desk.answers is not None:
            with suppress(BlobsFailed):  # it is booked here; others would only save what it cost
                await asyncio.to_thread(self._desk.answers.put, key, stored, result.cost_microusd)
        if not ids:
            return None
        outputs = tuple(
            OutputRecord(output_id, record.id, position, each.name, each.picture, each.notes, (), each.findings)
            for position, (output_id, each) in enumerate(zip(ids, stored, strict=True))
        )
        return replace(
            record,
            state=EditState.PRODUCED,
            outputs=outputs,
            cost_microusd=record.cost_microusd + (result.cost_microusd or 0),
            unpriced=record.unpriced + (result.cost_microusd is None),
        )

    async def give_up(self, attempt_id: int, exc: EditError, *, is_free: bool) -> EditState | None:
        """Book an attempt that brought no picture; gives where its edit rests, or None if it is queued again.

        Args:
            attempt_id: Which attempt.
            exc: What went wrong.
            is_free: Whether sending it again costs nothing.
        """
        if isinstance(exc, EditRefused):
            return await self._end(attempt_id, EditState.REFUSED, exc)
        if isinstance(exc, RetryLater):
            return await self._try_again(attempt_id, exc, exc.retry_after_s)
        if isinstance(exc, AnswerLost):
            return await (self._try_again(attempt_id, exc, 0) if is_free else self._doubt(attempt_id, exc))
        return await self._end(attempt_id, EditState.FAILED, exc)

    async def queue_again(self, attempt_id: int, exc: EditError) -> None:
        """Book an attempt that brought nothing and cost nothing, through no fault of the edit's."""
        await self._end(attempt_id, EditState.QUEUED, exc)

    async def interrupted(self, attempt_id: int) -> None:
        """Book a free attempt that ended with its run, however often that happens."""
        await self.queue_again(attempt_id, EditFailed(INTERRUPTED, "the run ended before the answer came"))

    async def give_up_unsent(self, edit_id: int, new: EditState, code: str, message: str) -> EditState:
        """Book an edit that cannot even be sent."""
        await self._journal.run(ledger.give_up_unsent, edit_id, new, owner=self._owner, code=code, message=message)
        return new

    async def _doubt(self, attempt_id: int, exc: AnswerLost) -> EditState | None:
        """The request may have been billed: it is sent once more at most, and only if that was said."""
        is_resent = isinstance(exc, ServerFailed) or self._desk.settings.in_doubt == "resend"
        if is_resent and not await asyncio.to_thread(ledger.lost_before, self._desk.db, attempt_id):
            wait_s = _SERVER_WAIT_S if isinstance(exc, ServerFailed) else 0
            return await self._end(attempt_id, EditState.QUEUED, exc, wait_s=wait_s)
        return await self._end(attempt_id, EditState.IN_DOUBT, AnswerLost(exc.code, f"{exc}. {_END_DOUBT}"))

    async def _try_again(self, attempt_id: int, exc: EditError, wait_s: float) -> EditState | None:
        before = await asyncio.to_thread(ledger.retries, self._desk.db, attempt_id, exc.code)
        if before + 1 < (_MAX_RATE_LIMITED if exc.code == "rate_limited" else _MAX_ATTEMPTS):
            return await self._end(attempt_id, EditState.QUEUED, exc, wait_s=wait_s)
        said = EditFailed(exc.code, f"{exc} (after {before + 1} attempts)")
        return await self._end(attempt_id, EditState.FAILED, said)

    async def _end(self, attempt_id: int, new: EditState, exc: EditError, *, wait_s: float = 0) -> EditState | None:
        charge = None
        if isinstance(exc, EditFailed) and (exc.cost_microusd is None or exc.cost_microusd or exc.usage):
            charge = (exc.cost_microusd, exc.usage, exc.request_id)
            self._on_cost(exc.cost_microusd)
        await self._journal.run(
            ledger.give_up,
            attempt_id,
            new,
            owner=self._owner,
            code=exc.code,
            message=str(exc),
            is_lost=isinstance(exc, AnswerLost) and new is not EditState.FAILED,
            not_before=datetime.now(UTC) + timedelta(seconds=wait_s) if wait_s else None,
            charge=charge,
            details=exc.details if isinstance(exc, EditRefused) else None,
        )
        return None if new is EditState.QUEUED else new


def _unusable(code: str, why: str, record: EditRecord, result: EditResult) -> EditFailed:
    return EditFailed(
        code,
        f"{record.provider} answered, and its picture {why}; what it cost is booked: run again with --retry-failed to "
        "pay for another",
        cost_microusd=result.cost_microusd,
        usage=result.usage,
        request_id=result.request_id,
    )


def _microusd(usd: float | None) -> int | None:
    return None if usd is None else round(usd * 1e6)
