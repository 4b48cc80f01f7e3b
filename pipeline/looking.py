"""From a produced picture to where its edit rests: detectors look, the source is compared, the policy routes."""

import asyncio
import math
from collections.abc import Sequence

from pipeline.desk import Desk
from pipeline.detectors.compare import compare
from pipeline.detectors.suite import fingerprint, scan_bytes
from pipeline.errors import WorkerCrashed
from pipeline.pool import WorkPool
from pipeline.records import EditRecord, OutputRecord
from pipeline.routing import Case, route
from pipeline.states import EditState
from pipeline.store import running
from pipeline.store.journal import Journal
from pipeline.suites import suite_of
from pipeline.values import Change, Detection, Flag, Kind, Level, PictureFacts


class Looker:
    """Looks at outputs.

    Args:
        desk: Whose pictures, detectors and policy.
        pool: Where the detectors work.
        journal: Where flags and routes are written.
        owner: The runner's name.
    """

    def __init__(self, desk: Desk, pool: WorkPool, journal: Journal, *, owner: str) -> None:
        self._desk = desk
        self._pool = pool
        self._journal = journal
        self._owner = owner
        self._suite = suite_of(desk.root, desk.settings)
        self._fingerprint = fingerprint(self._suite)

    async def look(self, record: EditRecord, source: PictureFacts) -> EditState:
        """Flag and route a produced edit; gives the state that it is in then.

        Args:
            record: The edit, with its outputs.
            source: The asset's source.
        """
        if record.next_steps:
            sha256 = record.outputs[0].picture.sha256
            await self._journal.run(running.chain, record.id, output_sha256=sha256, owner=self._owner)
            return EditState.SUPERSEDED
        on_source = await self.scan(source)
        flags = {output.id: await self._flags(output, source, on_source) for output in record.outputs}
        return await self._route(record, flags)

    async def route_unseen(self, record: EditRecord, message: str) -> EditState:
        """Send a produced edit to a person because it could not be looked at."""
        flags = {o.id: [Flag(_failed(o.picture, message), Change.INTRODUCED)] for o in record.outputs}
        return await self._route(record, flags)

    async def scan(self, picture: PictureFacts) -> tuple[Detection, ...]:
        """What the detectors find in a stored picture; looked at once per suite."""
        if not self._desk.settings.detectors:
            return ()
        known = await asyncio.to_thread(running.known_scans, self._desk.db, [picture.sha256], self._fingerprint)
        if picture.sha256 in known:
            return known[picture.sha256]
        data = await asyncio.to_thread(self._desk.blobs.read, picture.sha256, picture.media_type)
        try:
            detections = (await self._pool.run(scan_bytes, data, self._suite)).detections
        except WorkerCrashed as exc:
            return (_failed(picture, str(exc)),)
        await self._journal.run(running.save_scan, picture.sha256, self._fingerprint, detections)
        return detections

    async def _flags(self, output: OutputRecord, source: PictureFacts, on_source: Sequence[Detection]) -> list[Flag]:
        found = await self.scan(output.picture)
        flags = compare(on_source, found, source_size_wh=source.size_wh, output_size_wh=output.picture.size_wh)
        return [*flags, *(Flag(doubt, Change.INTRODUCED) for doubt in output.findings)]

    async def _route(self, record: EditRecord, flags: dict[int, list[Flag]]) -> EditState:
        recipe = self._desk.recipes.get(record.instruction.recipe or "")
        case = Case(
            name=f"{record.asset.batch}\0{record.asset.name}\0{record.asset.variant}\0{record.round}",
            flags=[flag for found in flags.values() for flag in found],
            outputs=len(record.outputs),
            recipe=record.instruction.recipe or "",
            provider=record.provider,
            cost_usd=math.inf if record.unpriced else record.cost_microusd / 1e6,
            round=record.round,
            recipe_rule=f"recipe {recipe.name} is always reviewed" if recipe and recipe.always_reviewed else "",
        )
        decided = route(case, self._desk.policy)
        await self._journal.run(
            running.route_edit, record.id, decided, flags, owner=self._owner, best_output_id=record.outputs[0].id
        )
        return EditState.IN_REVIEW if decided.to_review else EditState.APPROVED


def _failed(picture: PictureFacts, reason: str) -> Detection:
    """A detector that fails is itself a flag: nobody knows what is in the picture."""
    width, height = picture.size_wh
    return Detection(Kind.DETECTOR, (0, 0, width, height), 1.0, Level.SURE, reason, "suite", "")
