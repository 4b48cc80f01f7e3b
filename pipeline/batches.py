"""Batches in hand: how they stand, and who may pause, resume, cancel them or change what they may cost.

A pause holds everything of a batch, re-prompts as well: it is the one lever that stops spending. What is being sent
comes home and is booked. Cancelling moves all that is queued to ``cancelled``; resuming queues it again, and so does
loading the same rows again. Nothing of this asks the runner: it sees the batch's row before it sends anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.people import Person
from pipeline.records import BatchRecord
from pipeline.settings import MAX_USD
from pipeline.states import IN_FLIGHT, EditState, Role
from pipeline.store import batching, reading
from pipeline.store.batching import PACE_WITHIN, PROBLEMS, BatchFigures

_LEAST_ANSWERS = 3


class Standing(StrEnum):
    """What a batch is at."""

    RUNNING = "running"
    WAITING = "waiting for a runner"
    PAUSED = "paused"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    TO_REVIEW = "to review"
    FAILED = "some failed"
    DONE = "done"


WHAT_TO_DO: Mapping[str, str] = {
    "budget_reached": "Set a larger budget: the batch then goes on by itself.",
    "month_reached": "Raise monthly_cap_usd in picturedesk.toml; the runner reads it again within a minute.",
    "wrong_setting": "Mend picturedesk.toml; the runner reads it again within a minute.",
    "desk_failed": "Free some space, or look after the desk's folder; the runner tries again within a minute.",
}
"""For a batch that is stopped, by the code of what stopped it; `ACCOUNT_TO_DO` for all other codes."""

ACCOUNT_TO_DO = "Mend the account or its key with the provider; the runner tries again within a minute."


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How a batch stands, for a page or a command.

    Attributes:
        queued: Edits that are not sent yet.
        in_flight: Edits that are being sent or looked at.
        review: Edits that wait for a person.
        problems: Edits that brought no picture: failed, refused or in doubt.
        total: All of these, decided and cancelled ones; without rounds that another one replaced.
        budget_microusd: What it may cost; None for no limit.
        is_own_budget: Whether that was said for this batch, and not for every batch of the desk.
        per_minute: Answers a minute, of late; None if there were too few to tell.
        minutes_left: For what is queued and in flight, at that pace.
    """

    batch: BatchRecord
    standing: Standing
    queued: int
    in_flight: int
    review: int
    approved: int
    rejected: int
    problems: int
    cancelled: int
    total: int
    spent_microusd: int
    reserved_microusd: int
    budget_microusd: int | None
    is_own_budget: bool
    per_minute: float | None
    minutes_left: float | None

    @property
    def is_moving(self) -> bool:
        """Whether its figures change by themselves."""
        return self.in_flight > 0 or self.standing is Standing.RUNNING

    @property
    def may_pause(self) -> bool:
        """Whether there is something to pause."""
        return self.batch.paused_at is None and self.batch.cancelled_at is None and bool(self.queued or self.in_flight)

    @property
    def may_resume(self) -> bool:
        """Whether there is something to go on with."""
        batch = self.batch
        is_stopped = batch.stopped is not None and self.queued > 0
        return batch.paused_at is not None or is_stopped or (batch.cancelled_at is not None and self.cancelled > 0)

    @property
    def may_cancel(self) -> bool:
        """Whether anything is queued that could be cancelled."""
        return self.batch.cancelled_at is None and bool(self.queued or self.in_flight)

    @property
    def what_to_do(self) -> str:
        """What helps a batch that is stopped; "" if nothing has to be done."""
        if self.standing is not Standing.STOPPED or self.batch.stopped is None:
            return ""
        return WHAT_TO_DO.get(self.batch.stopped["code"], ACCOUNT_TO_DO)


def under_way(desk: Desk) -> list[BatchStatus]:
    """Batches with something queued or in flight, and paused ones; newest first."""
    return statuses(desk, batching.under_way(desk.db))


def listed(desk: Desk, *, before: int | None = None, limit: int = 20) -> list[BatchStatus]:
    """Batches, newest first; from before the one with that number on."""
    return statuses(desk, batching.newest(desk.db, before=before, limit=limit))


def status_of(desk: Desk, name: str) -> BatchStatus:
    """One batch.

    Raises:
        NotFound: There is none of that name.
    """
    return statuses(desk, [reading.batch_id(desk.db, name)])[0]


def statuses(desk: Desk, batch_ids: Sequence[int]) -> list[BatchStatus]:
    """Batches by number, in the order asked for; unknown numbers are left out."""
    found = batching.figures(desk.db, batch_ids)
    is_run = any(figures.batch.counts.get(EditState.QUEUED) for figures in found) and desk.is_being_run()
    return [_status(desk, figures, is_run=is_run) for figures in found]


def pause(desk: Desk, name: str, *, by: Person) -> None:
    """Send nothing more of a batch; what is being sent comes home and is booked.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
        Conflict: It is paused or cancelled already.
    """
    by.need(Role.REQUESTER, "pause a batch")
    batching.pause(desk.db, reading.batch_id(desk.db, name), actor=by.name)


def resume(desk: Desk, name: str, *, by: Person) -> int:
    """Go on with a paused, stopped or cancelled batch; gives how many cancelled edits are queued again.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
        Conflict: It is none of these.
    """
    by.need(Role.REQUESTER, "resume a batch")
    return batching.resume(desk.db, reading.batch_id(desk.db, name), actor=by.name)


def cancel(desk: Desk, name: str, *, by: Person) -> int:
    """Cancel all that a batch has queued; what is being sent comes home and is booked. Gives the number of edits.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
        Conflict: It is cancelled already.
    """
    by.need(Role.REQUESTER, "cancel a batch")
    return batching.cancel(desk.db, reading.batch_id(desk.db, name), actor=by.name)


def set_budget(desk: Desk, name: str, usd: float, *, by: Person) -> None:
    """Say what a batch may cost, all its runs together; one that its budget stopped goes on.

    Args:
        desk: The desk.
        name: Of the batch.
        usd: In US dollars.
        by: Who says so.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such batch.
        UsageError: That is no amount.
    """
    by.need(Role.APPROVER, "change what a batch may cost")
    batching.set_budget(desk.db, reading.batch_id(desk.db, name), microusd(usd), actor=by.name)


def microusd(usd: float) -> int:
    """A budget in millionths of a US dollar.

    Raises:
        UsageError: It is none.
    """
    if not 0 <= usd <= MAX_USD:
        raise UsageError(f"budget: found {usd}; expected US dollars from 0 to {MAX_USD:,.0f}")
    return round(usd * 1e6)


def _status(desk: Desk, figures: BatchFigures, *, is_run: bool) -> BatchStatus:
    counts = figures.batch.counts
    queued = counts.get(EditState.QUEUED, 0)
    in_flight = counts.get(EditState.SENDING, 0) + counts.get(EditState.PRODUCED, 0)
    own, desks = figures.cap_microusd, desk.settings.budget_usd
    per_minute = _pace(figures.answered_at)
    return BatchStatus(
        batch=figures.batch,
        standing=_standing(figures.batch, is_run=is_run),
        queued=queued,
        in_flight=in_flight,
        review=counts.get(EditState.IN_REVIEW, 0),
        approved=counts.get(EditState.APPROVED, 0),
        rejected=counts.get(EditState.REJECTED, 0),
        problems=sum(counts.get(state, 0) for state in PROBLEMS),
        cancelled=counts.get(EditState.CANCELLED, 0),
        total=sum(count for state, count in counts.items() if state is not EditState.SUPERSEDED),
        spent_microusd=figures.spent_microusd,
        reserved_microusd=figures.reserved_microusd,
        budget_microusd=own if own is not None else None if desks is None else round(desks * 1e6),
        is_own_budget=own is not None,
        per_minute=per_minute,
        minutes_left=(queued + in_flight) / per_minute if per_minute and (queued or in_flight) else None,
    )


def _standing(batch: BatchRecord, *, is_run: bool) -> Standing:
    counts = batch.counts
    if batch.cancelled_at is not None:
        return Standing.CANCELLED
    if batch.paused_at is not None:
        return Standing.PAUSED
    if counts.get(EditState.QUEUED):
        if batch.stopped is not None:
            return Standing.STOPPED
        return Standing.RUNNING if is_run else Standing.WAITING
    if any(counts.get(state) for state in IN_FLIGHT):
        return Standing.RUNNING
    waits = any(counts.get(state) for state in (EditState.IN_REVIEW, EditState.REFUSED, EditState.IN_DOUBT))
    if waits:
        return Standing.TO_REVIEW
    return Standing.FAILED if counts.get(EditState.FAILED) else Standing.DONE


def _pace(answered_at: Sequence[datetime]) -> float | None:
    """Answers a minute, from the latest of them."""
    now = datetime.now(UTC)
    late = [moment for moment in answered_at if now - moment < PACE_WITHIN]
    if len(late) < _LEAST_ANSWERS:
        return None
    span_s = (now - late[-1]).total_seconds()
    return 60 * len(late) / span_s if span_s > 0 else None
