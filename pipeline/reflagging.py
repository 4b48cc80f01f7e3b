"""The archive flagged anew, by the detectors, the brand kit and the policy of now.

Edits in review get their new flags, with an event; an approved edit is told of where the policy would ask for a person
because of what nobody has seen, and goes back to review only if that is asked for. Detectors look at those pictures
only that they have not looked at as they are now. What was found is kept for each edit, so a pass that was stopped goes
on where it was, and a second one takes seconds. Memory stays flat.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.desk import Desk
from pipeline.detectors import detector_names
from pipeline.engines import open_engine
from pipeline.errors import Conflict, EditFailed, NotFound, PictureError
from pipeline.looking import Looker, case_of
from pipeline.people import Person
from pipeline.pool import WorkPool
from pipeline.preparing import Preparer
from pipeline.records import EditRecord
from pipeline.routing import route
from pipeline.states import EditState, Role
from pipeline.store import reading, reflagging
from pipeline.store.codec import flag_to_json
from pipeline.store.journal import Journal
from pipeline.store.reflagging import Archive
from pipeline.values import Flag, Kind, PictureFile, Route

MOST_LISTED = 1_000
_PAGE = 50
_AT_ONCE_EACH = 3
"""Edits for each worker that are read, looked at or written at a time."""

Flags = Mapping[int, Sequence[Flag]]
"""By output id."""


@dataclass(frozen=True, slots=True)
class Reasoned:
    """An approved edit that the policy would show to a person now.

    Attributes:
        title: How to call it.
        reasons: For what nobody has seen.
        is_exported: Whether an export has it; such an edit is not sent back to review.
        is_reopened: Whether it was sent back.
    """

    id: int
    batch: str
    title: str
    reasons: tuple[str, ...]
    is_exported: bool
    is_reopened: bool


@dataclass(slots=True)
class Reflagged:
    """What came of it.

    Attributes:
        edits: Edits that were held against the detectors and the policy of now.
        looked: Of these, those with pictures that had to be looked at; with ``dry_run``, that would have to.
        renewed: Edits in review whose flags are others now.
        reasoned: Approved edits that the policy would show to a person now.
        listed: The first 1,000 of these.
        reopened: Of these, those that are in review again.
        failed: Edits that could not be looked at, by their ids, and why; the first 1,000.
        left: Edits that somebody changed meanwhile; they are as that left them.
        was_interrupted: Whether somebody stopped it; to run it again goes on.
    """

    edits: int = 0
    looked: int = 0
    renewed: int = 0
    reasoned: int = 0
    listed: list[Reasoned] = field(default_factory=list)
    reopened: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    left: int = 0
    was_interrupted: bool = False


def reflag(
    desk: Desk,
    *,
    by: Person,
    batch: str | None = None,
    since: datetime | None = None,
    dry_run: bool = False,
    reopen: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Reflagged:
    """Flag what is in review or approved anew.

    Args:
        desk: The desk; its settings say which detectors look, and on which engine.
        by: Who asks.
        batch: Only this batch.
        since: Only edits that were queued at that moment or later.
        dry_run: Only say what is to be looked at, and change nothing.
        reopen: Send approved edits that the policy would show to a person now back to review.
        on_progress: Told how many edits are done, and of how many.

    Raises:
        Forbidden: The person is no admin.
        NotFound: There is no such batch.
        UsageError: The detectors or the engine cannot be used as they are set.
    """
    by.need(Role.ADMIN, "flag the archive anew")
    archive = Archive(None if batch is None else reading.batch_id(desk.db, batch), since)
    return asyncio.run(_Pass(desk, archive, by, dry_run=dry_run, reopen=reopen, on_progress=on_progress).run())


class _Pass:
    def __init__(
        self,
        desk: Desk,
        archive: Archive,
        by: Person,
        *,
        dry_run: bool,
        reopen: bool,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._desk, self._db, self._archive, self._by = desk, desk.db, archive, by
        self._dry_run, self._reopen = dry_run, reopen
        self._on_progress = on_progress
        self._done = Reflagged()
        self._total = 0
        self._is_stopping = False
        self._pool = WorkPool(desk.settings.workers)
        self._engine = open_engine(desk.settings, self._pool)
        self._journal = Journal(desk.db)
        self._looker = Looker(desk, self._engine, self._journal, owner=by.name)
        self._preparer = Preparer(desk, self._pool, self._journal, first_frame=False)

    async def run(self) -> Reflagged:
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._stop)
        self._total = await asyncio.to_thread(reflagging.count, self._db, self._archive)
        room = asyncio.Semaphore(_AT_ONCE_EACH * self._pool.workers)
        try:
            async with asyncio.TaskGroup() as group:
                async for record in self._records():
                    await room.acquire()
                    if self._is_stopping:
                        break
                    group.create_task(self._one(record)).add_done_callback(lambda _: room.release())
        except ExceptionGroup as exc:
            raise exc.exceptions[0] from None
        finally:
            await asyncio.to_thread(self._journal.close)
            self._engine.close()
            self._pool.close()
        self._done.was_interrupted = self._is_stopping
        return self._done

    def _stop(self) -> None:
        """What is being looked at is finished."""
        self._is_stopping = True

    async def _records(self) -> AsyncIterator[EditRecord]:
        after = 0
        while ids := await asyncio.to_thread(reflagging.page, self._db, self._archive, after=after, limit=_PAGE):
            for record in await asyncio.to_thread(reading.edits, self._db, ids):
                yield record
            after = ids[-1]

    async def _one(self, record: EditRecord) -> None:
        try:
            await self._hold_up(record)
        except Conflict:
            self._done.left += 1
        except (NotFound, PictureError, OSError) as exc:
            if len(self._done.failed) < MOST_LISTED:
                self._done.failed[record.id] = str(exc)
        self._done.edits += 1
        self._on_progress(self._done.edits, self._total)

    async def _hold_up(self, record: EditRecord) -> None:
        """Hold one edit against what is known now."""
        if record.asset.source is None or not record.outputs:
            return
        names = {output.id: (output.picture.sha256, self._name(output.id)) for output in record.outputs}
        known: Flags = await asyncio.to_thread(reflagging.known_flags, self._db, names)
        if len(known) < len(names):
            self._done.looked += 1
            if self._dry_run:
                return
            mask = await self._mask(record)
            known = await self._looker.flags(record, record.asset.source, mask=mask)
            if not _failed(known):  # what failed may work the next time
                kept = {name: known[output] for output, name in names.items()}
                await self._journal.run(reflagging.save_flags, kept)
        flags = {output.id: [*known[output.id], *self._of_others(output.flags)] for output in record.outputs}
        if record.state is EditState.IN_REVIEW:
            await self._renew(record, flags)
        else:
            await self._tell(record, flags)

    def _name(self, output_id: int) -> str:
        return f"{self._looker.eyes.name}:{output_id}"

    def _of_others(self, flags: Sequence[Flag]) -> list[Flag]:
        """Of the flags that an output has, those of detectors that do not look now."""
        others = set(detector_names()) - set(self._desk.settings.detectors)
        return [flag for flag in flags if flag.detection.detector in others]

    async def _mask(self, record: EditRecord) -> PictureFile | None:
        assert record.asset.source is not None
        try:
            return await self._preparer.mask(record, record.asset.source)
        except EditFailed:  # its file is gone by now
            return None

    def _route(self, record: EditRecord, flags: Flags) -> Route:
        case = case_of(record, [flag for found in flags.values() for flag in found], self._desk.recipes)
        return route(case, self._desk.policy)

    async def _renew(self, record: EditRecord, flags: Flags) -> None:
        if all(_are_alike(output.flags, flags[output.id]) for output in record.outputs):
            return
        self._done.renewed += 1
        if self._dry_run:
            return
        found = self._route(record, flags)
        decided = found if found.to_review and not found.is_sample else None
        await self._journal.run(
            reflagging.renew, record.id, flags, revision=record.revision, route=decided, actor=self._by.name
        )

    async def _tell(self, record: EditRecord, flags: Flags) -> None:
        found = self._route(record, flags)
        reasons = () if found.is_sample or not found.to_review else found.reasons
        if record.route.get("to_review"):  # a person has seen what was flagged then
            seen = self._route(record, {output.id: output.flags for output in record.outputs}).reasons
            reasons = tuple(reason for reason in reasons if reason not in seen)
        if not reasons:
            return
        is_exported = record.exported_at is not None
        is_reopened = self._reopen and not self._dry_run and not is_exported
        if is_reopened:
            note = f"flagged anew: {'; '.join(reasons)}"[:1000]
            await asyncio.to_thread(
                reflagging.reopen, self._db, record.id, flags, route=found, actor=self._by.name, note=note
            )
        self._done.reasoned += 1
        self._done.reopened += is_reopened
        if len(self._done.listed) < MOST_LISTED:
            title = record.asset.title
            self._done.listed.append(Reasoned(record.id, record.asset.batch, title, reasons, is_exported, is_reopened))


def _failed(flags: Flags) -> bool:
    return any(flag.detection.kind is Kind.DETECTOR for found in flags.values() for flag in found)


def _are_alike(one: Sequence[Flag], other: Sequence[Flag]) -> bool:
    return sorted(map(str, map(flag_to_json, one))) == sorted(map(str, map(flag_to_json, other)))
