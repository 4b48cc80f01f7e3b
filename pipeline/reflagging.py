"""The archive flagged anew, by the detectors, the brand kit and the policy of now.

Edits in review get their new flags, with an event; an approved edit is told of where the policy would ask for a person
because of what nobody has seen, and goes back to review only if that is asked for. Detectors look at those pictures
only that they have not looked at as they are now. What was found is kept for each edit, so a pass that was stopped goes
on where it was, and a second one takes seconds. Memory stays flat; on a Ray cluster, Ray Data streams the archive.
"""

import asyncio
import pickle
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from pipeline.desk import Desk
from pipeline.detectors import detector_names
from pipeline.engines import open_engine
from pipeline.errors import Conflict, EditFailed, NotFound, PictureError, WorkerCrashed
from pipeline.looking import Looker, Work, carry_out_work, case_of
from pipeline.people import Person
from pipeline.pool import WorkPool
from pipeline.preparing import Preparer
from pipeline.records import EditRecord
from pipeline.routing import route
from pipeline.states import EditState, Role
from pipeline.store import exports, reading, reflagging
from pipeline.store.codec import flag_to_json
from pipeline.store.journal import Journal
from pipeline.store.reflagging import Archive
from pipeline.values import Flag, Kind, PictureFacts, PictureFile, Route

MOST_LISTED = 1_000
_PAGE = 50
_SPAN = 50
"""Edits that one of Ray Data's readers gives at a time, with their pictures."""

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
        try:
            if self._dry_run or self._engine is self._pool or self._desk.settings.engine.startswith("ray://"):
                await self._one_by_one()
            else:
                await self._streamed()
        except ExceptionGroup as exc:
            raise exc.exceptions[0] from None
        finally:
            await asyncio.to_thread(self._journal.close)
            self._engine.close()
            self._pool.close()
        self._done.was_interrupted = self._is_stopping
        return self._done

    async def _one_by_one(self) -> None:
        room = asyncio.Semaphore(_AT_ONCE_EACH * self._engine.workers)
        async with asyncio.TaskGroup() as group:
            async for record in self._records():
                await room.acquire()
                if self._is_stopping:
                    break
                task = group.create_task(self._one(record.id, self._hold_up(record)))
                task.add_done_callback(lambda _: room.release())

    async def _streamed(self) -> None:
        """By Ray Data, whose client is a node: its readers open the desk on this machine."""
        from pipeline.engines.ray_actors import RayActors
        from pipeline.engines.ray_data import stream

        assert isinstance(self._engine, RayActors)
        await asyncio.to_thread(self._engine.connect)
        spans = await asyncio.to_thread(reflagging.spans, self._db, self._archive, _SPAN)
        if not spans:
            return
        read = partial(read_span, self._desk.root, pickle.dumps(self._desk.settings.model_dump()))
        suite = self._engine.parcel(self._looker.eyes.suite)
        came = stream(spans, partial(read, self._archive), carry_out_work, suite, self._desk.settings)
        while not self._is_stopping and (each := await asyncio.to_thread(next, came, None)) is not None:
            number, outcome = each
            await self._one(number, self._came(number, outcome))
        await asyncio.to_thread(came.close)

    async def _came(self, number: int, outcome: tuple[bool, Any] | None) -> None:
        """What a worker made of an edit; None if that was known."""
        record = await asyncio.to_thread(reading.edit, self._db, number)
        if outcome is None or record.state not in reflagging.ARCHIVE or record.asset.source is None:
            await self._hold_up(record)
            return
        is_good, found = outcome
        if not is_good and not isinstance(found, WorkerCrashed):
            raise found
        self._done.looked += 1
        await self._apply(record, await self._looker.take(record, record.asset.source, found))

    def _stop(self) -> None:
        """What is being looked at is finished."""
        self._is_stopping = True

    async def _records(self) -> AsyncIterator[EditRecord]:
        after = 0
        while ids := await asyncio.to_thread(reflagging.page, self._db, self._archive, after=after, limit=_PAGE):
            for record in await asyncio.to_thread(reading.edits, self._db, ids):
                yield record
            after = ids[-1]

    async def _one(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Keep one edit's misfortune from the others."""
        try:
            await work
        except Conflict:
            self._done.left += 1
        except (NotFound, PictureError, OSError) as exc:
            if len(self._done.failed) < MOST_LISTED:
                self._done.failed[number] = str(exc)
        self._done.edits += 1
        self._on_progress(self._done.edits, self._total)

    async def _hold_up(self, record: EditRecord) -> None:
        """Hold one edit against what is known now."""
        if record.state not in reflagging.ARCHIVE or record.asset.source is None or not record.outputs:
            return
        names = self._names(record)
        known: Flags = await asyncio.to_thread(reflagging.known_flags, self._db, names)
        if len(known) == len(names):
            await self._apply(record, known)
            return
        self._done.looked += 1
        if not self._dry_run:
            mask = await mask_of(self._preparer, record, record.asset.source)
            await self._apply(record, await self._looker.flags(record, record.asset.source, mask=mask))

    async def _apply(self, record: EditRecord, found: Flags) -> None:
        """Keep what was found, and change or tell what follows."""
        if not self._dry_run and not _failed(found):  # what failed may work the next time
            kept = {name: found[output] for output, name in self._names(record).items()}
            await self._journal.run(reflagging.save_flags, kept)
        flags = {output.id: [*found[output.id], *self._of_others(output.flags)] for output in record.outputs}
        if record.state is EditState.IN_REVIEW:
            await self._renew(record, flags)
        else:
            await self._tell(record, flags)

    def _names(self, record: EditRecord) -> dict[int, tuple[str, str]]:
        return names_of(record, self._looker.sight_of(record))

    def _of_others(self, flags: Sequence[Flag]) -> list[Flag]:
        """Of the flags that an output has, those of detectors that do not look now."""
        others = set(detector_names()) - set(self._desk.settings.detectors)
        return [flag for flag in flags if flag.detection.detector in others]

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
        is_exported = await asyncio.to_thread(exports.is_exported, self._db, record.id)
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


def names_of(record: EditRecord, eyes: str) -> dict[int, tuple[str, str]]:
    """What findings are kept under, by output id: of which picture, and how it was looked at for which output."""
    return {output.id: (output.picture.sha256, f"{eyes}:{output.id}") for output in record.outputs}


async def mask_of(preparer: Preparer, record: EditRecord, source: PictureFacts) -> PictureFile | None:
    """The edit's mask; None if it has none, or its file is gone by now."""
    try:
        return await preparer.mask(record, source)
    except EditFailed:
        return None


def read_span(root: Path, settings: bytes, archive: Archive, span: tuple[int, int]) -> list[tuple[int, Work | None]]:
    """The edits of the archive with these ids, and what it takes to look at them; None where that was done before.

    Args:
        root: The desk's folder.
        settings: The desk's, as they are in the process that asks.
        archive: Which edits.
        span: From this id to that.
    """
    return asyncio.run(_reader(root, settings).read(archive, span))


@lru_cache(maxsize=1)
def _reader(root: Path, settings: bytes) -> "_Reader":
    return _Reader(Desk.open(root, **{**pickle.loads(settings), "engine": "pool"}))  # noqa: S301 - our own


class _Reader:
    """Reads edits in a process of its own."""

    def __init__(self, desk: Desk) -> None:
        pool, journal = WorkPool(1), Journal(desk.db)
        self._db = desk.db
        self._looker = Looker(desk, pool, journal, owner="")
        self._preparer = Preparer(desk, pool, journal, first_frame=False)

    async def read(self, archive: Archive, span: tuple[int, int]) -> list[tuple[int, Work | None]]:
        first, last = span
        ids = [n for n in reflagging.page(self._db, archive, after=first - 1, limit=_SPAN) if n <= last]
        return [(record.id, await self._work(record)) for record in reading.edits(self._db, ids)]

    async def _work(self, record: EditRecord) -> Work | None:
        source, names = record.asset.source, names_of(record, self._looker.sight_of(record))
        if source is None or len(reflagging.known_flags(self._db, names)) == len(names):
            return None
        return await self._looker.work(record, source, mask=await mask_of(self._preparer, record, source))


def _failed(flags: Flags) -> bool:
    return any(flag.detection.kind is Kind.DETECTOR for found in flags.values() for flag in found)


def _are_alike(one: Sequence[Flag], other: Sequence[Flag]) -> bool:
    return sorted(map(str, map(flag_to_json, one))) == sorted(map(str, map(flag_to_json, other)))
