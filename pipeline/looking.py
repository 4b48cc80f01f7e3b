"""From a produced picture to where its edit rests: detectors look, the source is compared, the policy routes."""

import asyncio
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from pipeline import tracing
from pipeline.asked import asked_area, asks_for_frame, asks_to_mirror
from pipeline.blobs import StoredPicture
from pipeline.desk import Desk
from pipeline.destinations.packs import Pack
from pipeline.destinations.preflight import flag_for, unknown_destination
from pipeline.detectors.outputs import Looked, look_at_output
from pipeline.detectors.suite import SuiteOptions, fingerprints, lasting, scan_bytes
from pipeline.engines import Engine
from pipeline.errors import WorkerCrashed
from pipeline.recipes import Recipe
from pipeline.records import EditRecord, OutputRecord
from pipeline.rereading import Reread
from pipeline.routing import Case, Policy, case_name, recipe_rule, route
from pipeline.sampling import sample_report
from pipeline.states import EditState
from pipeline.store import running
from pipeline.store.journal import Journal
from pipeline.suites import suite_of
from pipeline.values import AskedArea, Change, Detection, Flag, Kind, Level, PictureFacts, PictureFile

LookAtOutput = Callable[..., Looked]
Scans = Mapping[str, tuple[Detection, ...]]
"""What each detector found in one picture, by its name."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """How pictures are looked at, by the brand kit of now.

    Attributes:
        fingerprints: By detector, what its findings are kept under.
    """

    suite: SuiteOptions
    fingerprints: Mapping[str, str]

    @property
    def name(self) -> str:
        """Differs if an output could be flagged otherwise, beside the same source."""
        told = [sorted(self.fingerprints.items()), self.suite.tables]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]

    def saw_all(self, known: Scans) -> bool:
        """Whether these findings are of every detector."""
        return len(known) == len(self.fingerprints)


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture, here or in a store that is open from everywhere, and what was found in it before."""

    picture: bytes | StoredPicture
    known: Scans

    def read(self) -> bytes:
        """Its bytes."""
        return self.picture if isinstance(self.picture, bytes) else self.picture.read_bytes()


@dataclass(frozen=True, slots=True)
class Work:
    """An edit's outputs to be looked at away from the desk, by their ids."""

    source: Seen
    outputs: Mapping[int, tuple[Seen, LookAtOutput]]


def carry_out_work(work: Work, suite: SuiteOptions) -> dict[int, Looked]:
    """What was found, by output id; for another process."""
    source, on_source = work.source.read(), work.source.known
    before: list[bytes] = []
    found = {}
    for number, (seen, look) in work.outputs.items():
        output = seen.read()
        found[number] = look(source, output, suite, on_source=on_source, on_output=seen.known, others=before)
        on_source = lasting(found[number].on_source)
        before = [*before, output]
    return found


class Looker:
    """Looks at outputs.

    Args:
        desk: Whose pictures, detectors and policy.
        engine: Where the detectors work.
        journal: Where flags and routes are written.
        owner: The runner's name.
    """

    def __init__(self, desk: Desk, engine: Engine, journal: Journal, *, owner: str) -> None:
        self._desk = desk
        self._engine = engine
        self._journal = journal
        self._owner = owner
        self._eyes = Reread(self._kit_files, self._open_eyes)
        self._eyes.now()  # what is wrong with the settings is said before anything is sent
        self._turns: dict[str, asyncio.Lock] = {}

    @tracing.stepped("look")
    async def look(self, record: EditRecord, source: PictureFacts, *, mask: PictureFile | None) -> EditState:
        """Flag and route a produced edit; gives the state that it is in then.

        Args:
            record: The edit, with its outputs.
            source: The asset's source.
            mask: Where the edit was asked for, if it has a mask.
        """
        if record.next_steps:
            sha256 = record.outputs[0].picture.sha256
            await self._journal.run(running.chain, record.id, output_sha256=sha256, owner=self._owner)
            return EditState.SUPERSEDED
        return await self._route(record, await self.flags(record, source, mask=mask))

    async def flags(
        self, record: EditRecord, source: PictureFacts, *, mask: PictureFile | None
    ) -> dict[int, list[Flag]]:
        """What is to be seen on an edit's outputs, by their ids; what detectors found is kept.

        Args:
            record: The edit, with its outputs.
            source: The asset's source.
            mask: Where the edit was asked for, if it has a mask.
        """
        flags: dict[int, list[Flag]] = {}
        eyes, looks = self._eyes.now(), await self._looks(record, source, mask)
        for number, output in enumerate(record.outputs):
            others = [await self._bytes(other.picture) for other in record.outputs[:number]]
            look = partial(looks[output.id], others=others)
            found = await self._flags_in_turn(eyes, output, source, look)
            flags[output.id] = [*found, *await self._for_destinations(record, output, found)]
        return flags

    async def work(self, record: EditRecord, source: PictureFacts, *, mask: PictureFile | None) -> Work:
        """The same as something to be sent away; what comes of it is for `take`."""
        eyes, looks = self._eyes.now(), await self._looks(record, source, mask)
        outputs = {output.id: (await self._seen(eyes, output.picture), looks[output.id]) for output in record.outputs}
        return Work(await self._seen(eyes, source), outputs)

    async def take(
        self, record: EditRecord, source: PictureFacts, found: Mapping[int, Looked] | WorkerCrashed
    ) -> dict[int, list[Flag]]:
        """What came of work that was sent away: it is kept, as `flags` keeps it."""
        flags, eyes = {}, self._eyes.now()
        for output in record.outputs:
            doubts = [Flag(doubt, Change.INTRODUCED) for doubt in output.findings]
            if isinstance(found, WorkerCrashed):
                flags[output.id] = [Flag(_failed(output.picture, str(found)), Change.INTRODUCED), *doubts]
                continue
            looked = found[output.id]
            await self._save(eyes, source, {}, looked.on_source)
            await self._save(eyes, output.picture, {}, looked.on_output)
            seen = [*looked.flags, *doubts]
            flags[output.id] = [*seen, *await self._for_destinations(record, output, seen)]
        return flags

    @property
    def eyes(self) -> Eyes:
        """How pictures are looked at now."""
        return self._eyes.now()

    def sight_of(self, record: EditRecord) -> str:
        """Differs if an edit's outputs could be flagged otherwise, beside the same source."""
        goes, eyes = self._destinations(record), self.eyes.name
        if not goes:
            return eyes
        told = [(name, pack.stamp if pack else "") for name, pack in goes.items()]
        return hashlib.sha256(json.dumps([eyes, told]).encode()).hexdigest()[:32]

    async def route_unseen(self, record: EditRecord, message: str) -> EditState:
        """Send a produced edit to a person because it could not be looked at."""
        flags = {o.id: [Flag(_failed(o.picture, message), Change.INTRODUCED)] for o in record.outputs}
        return await self._route(record, flags)

    async def scan(self, picture: PictureFacts) -> tuple[Detection, ...]:
        """What the detectors find in a stored picture; each detector looks at it once."""
        if not self._desk.settings.detectors:
            return ()
        eyes = self._eyes.now()
        known = await self._known(eyes, picture)
        if eyes.saw_all(known):
            return tuple(chain.from_iterable(known.values()))
        try:
            scan = await self._engine.run(scan_bytes, await self._bytes(picture), eyes.suite, known)
        except WorkerCrashed as exc:
            return (_failed(picture, str(exc)),)
        await self._save(eyes, picture, known, scan.by_detector)
        return scan.detections

    def _kit_files(self) -> Iterator[Path]:
        folder = self._desk.root / self._desk.settings.brand_kit
        yield folder
        yield from sorted(path for path in folder.rglob("*") if path.is_file())

    def _open_eyes(self) -> Eyes:
        suite = suite_of(self._desk.root, self._desk.settings)
        return Eyes(suite, fingerprints(suite))

    def _asked(self, record: EditRecord, source: PictureFacts, mask: PictureFile | None) -> AskedArea | None:
        if record.input_sha256 not in (None, source.sha256):
            return None  # earlier rounds changed what they were asked to
        data = mask.read() if mask else None
        return asked_area(record.instruction, self._recipe(record), mask=data, source_wh=source.size_wh)

    def _asks_for_frame(self, record: EditRecord, output: OutputRecord) -> bool:
        done = output.notes.get("operations")
        return asks_for_frame(record.instruction, self._recipe(record), done=done, size=record.size)

    def _recipe(self, record: EditRecord) -> Recipe | None:
        return self._desk.recipes.get(record.instruction.recipe or "")

    def _destinations(self, record: EditRecord) -> dict[str, Pack | None]:
        """Where an edit's picture goes; None for a destination that nobody knows any more."""
        names = record.asset.destinations
        packs = self._desk.packs if names else {}
        return {name: packs.get(name) for name in names}

    async def _for_destinations(self, record: EditRecord, output: OutputRecord, flags: Sequence[Flag]) -> list[Flag]:
        """What an output's destinations would say of it."""
        goes = self._destinations(record)
        packs = tuple(pack for pack in goes.values() if pack is not None)
        unknown = [unknown_destination(name, output.picture.size_wh) for name, pack in goes.items() if pack is None]
        if not packs:
            return unknown
        picture, size_wh = await self._bytes(output.picture), output.picture.size_wh
        try:
            found = await self._engine.run(flag_for, picture, output.picture.media_type, packs, flags, size_wh)
        except WorkerCrashed as exc:
            return [*unknown, Flag(_failed(output.picture, str(exc)), Change.INTRODUCED)]
        return [*unknown, *found]

    async def _looks(
        self, record: EditRecord, source: PictureFacts, mask: PictureFile | None
    ) -> dict[int, LookAtOutput]:
        """How each output is looked at."""
        asked = await asyncio.to_thread(self._asked, record, source, mask)
        return {
            output.id: partial(
                look_at_output,
                asked=asked,
                new_frame=self._asks_for_frame(record, output),
                may_mirror=asks_to_mirror(record.instruction, done=output.notes.get("operations")),
            )
            for output in record.outputs
        }

    async def _seen(self, eyes: Eyes, picture: PictureFacts) -> Seen:
        place = self._desk.blobs.place
        is_here = place.is_folder
        kept = await self._bytes(picture) if is_here else StoredPicture(place, picture.sha256, picture.media_type)
        return Seen(kept, await self._known(eyes, picture))

    async def _flags_in_turn(
        self, eyes: Eyes, output: OutputRecord, source: PictureFacts, look: LookAtOutput
    ) -> list[Flag]:
        """Variants of a source that nobody looked at yet wait for the first of them: a service may bill each look."""
        if not self._desk.settings.detectors or eyes.saw_all(await self._known(eyes, source)):
            return await self._flags(eyes, output, source, look)
        async with self._turns.setdefault(source.sha256, asyncio.Lock()):
            flags = await self._flags(eyes, output, source, look)
        self._turns.pop(source.sha256, None)
        return flags

    async def _flags(self, eyes: Eyes, output: OutputRecord, source: PictureFacts, look: LookAtOutput) -> list[Flag]:
        doubts = [Flag(doubt, Change.INTRODUCED) for doubt in output.findings]
        if not self._desk.settings.detectors:
            return doubts
        on_source, on_output = await self._known(eyes, source), await self._known(eyes, output.picture)
        pictures = await self._bytes(source), await self._bytes(output.picture)
        try:
            look = partial(look, on_source=on_source, on_output=on_output)
            looked = await self._engine.run(look, *pictures, eyes.suite)
        except WorkerCrashed as exc:
            return [Flag(_failed(output.picture, str(exc)), Change.INTRODUCED), *doubts]
        await self._save(eyes, source, on_source, looked.on_source)
        await self._save(eyes, output.picture, on_output, looked.on_output)
        return [*looked.flags, *doubts]

    async def _known(self, eyes: Eyes, picture: PictureFacts) -> Scans:
        """What is known already, by detector and in their order."""
        wanted = eyes.fingerprints.values()
        known = await asyncio.to_thread(running.known_scans, self._desk.db, picture.sha256, wanted)
        return {name: known[fingerprint] for name, fingerprint in eyes.fingerprints.items() if fingerprint in known}

    async def _bytes(self, picture: PictureFacts) -> bytes:
        return await asyncio.to_thread(self._desk.blobs.read, picture.sha256, picture.media_type)

    async def _save(self, eyes: Eyes, picture: PictureFacts, known: Scans, found: Scans) -> None:
        new = {eyes.fingerprints[name]: some for name, some in lasting(found).items() if name not in known}
        if new:
            await self._journal.run(running.save_scans, picture.sha256, new)

    @tracing.stepped("route")
    async def _route(self, record: EditRecord, flags: dict[int, list[Flag]]) -> EditState:
        case = case_of(record, [flag for found in flags.values() for flag in found], self._desk.recipes)
        policy = self._desk.policy
        decided = route(case, policy)
        if not decided.to_review and (stop := await self._stop(policy)):
            decided = replace(decided, to_review=True, reasons=(stop,))
        await self._journal.run(
            running.route_edit, record.id, decided, flags, owner=self._owner, best_output_id=record.outputs[0].id
        )
        return EditState.IN_REVIEW if decided.to_review else EditState.APPROVED

    async def _stop(self, policy: Policy) -> str:
        """Why the policy approves nothing by itself any more; "" while it does."""
        found = await asyncio.to_thread(sample_report, self._desk.db, policy)
        if not found.is_broken:
            return ""
        return f"the policy stopped approving: of its sample, {found.bad} of {found.decided} were bad"


def case_of(record: EditRecord, flags: Sequence[Flag], recipes: Mapping[str, Recipe]) -> Case:
    """An edit as a policy sees it, with these flags of all its outputs."""
    return Case(
        name=case_name(record.asset.batch, record.asset.name, record.asset.variant, record.round),
        flags=flags,
        outputs=len(record.outputs),
        recipe=record.instruction.recipe or "",
        provider=record.provider,
        cost_usd=math.inf if record.unpriced else record.cost_microusd / 1e6,
        round=record.round,
        recipe_rule=recipe_rule(recipes.get(record.instruction.recipe or "")),
    )


def _failed(picture: PictureFacts, reason: str) -> Detection:
    """A detector that fails is itself a flag: nobody knows what is in the picture."""
    width, height = picture.size_wh
    return Detection(Kind.DETECTOR, (0, 0, width, height), 1.0, Level.SURE, reason, "suite", "")
