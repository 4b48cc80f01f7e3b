"""The pictures of an export: the masters as they are, or marked and signed, and what is made of them for destinations.

A master stands in ``pictures/``; where the desk signs what leaves it, a signed copy of it. What a destination gets
stands in a folder of its name: derived from the master, marked, and held against the destination's rules once more.
``files.csv`` says of each file what was done and what it says of its own origin, as it was read back. A file that its
destination would refuse is not written, unless all that is wrong is matter that was added: that was flagged at review,
and approved all the same.
"""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from os import cpu_count
from pathlib import Path
from typing import Final

from pipeline.csv_lines import csv_line
from pipeline.desk import Desk
from pipeline.destinations.checks import check
from pipeline.destinations.derivatives import derive
from pipeline.destinations.packs import Added, Pack
from pipeline.errors import PictureError
from pipeline.export.contents import Files, Written
from pipeline.export.files import HashedFile
from pipeline.export.noted import PAGE, Noted
from pipeline.masters import Master, copy_masters, read_master
from pipeline.pool import WorkPool
from pipeline.provenance import disclosure, marking
from pipeline.provenance.disclosure import Disclosure
from pipeline.provenance.marking import Marked, Marker
from pipeline.provenance.origin import Origin
from pipeline.records import asset_title
from pipeline.store import origins, reading
from pipeline.values import Flag

FILES = "files.csv"
COLUMNS: Final = (
    *("file", "edit_id", "asset_id", "variant", "destination", "master_sha256", "sha256", "bytes", "mime"),
    *("width", "height", "steps", "breaks", *marking.COLUMNS, *disclosure.COLUMNS),
)

_AHEAD: Final = 4
"""Pages that are begun before the one in front of them is written."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What else is known of a picture; an origin only where it is marked."""

    origin: Origin | None
    decided: Disclosure | None
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was made, or could not be; ``line`` is what ``files.csv`` says of it, if anything.

    Attributes:
        destination: That it was made for; "" for the picture itself.
        written: The file; why there is none, if it could not be.
    """

    destination: str
    written: Written | str
    line: Mapping[str, object] | None


class Pictures:
    """Writes the pictures of an export.

    Args:
        desk: The desk.
        folder: Of the export.
        left_over: What a killed export left, whose copies are taken over; None for nothing.
        packs: The destinations that are known.

    Attributes:
        unfit: Files that a destination would refuse, and that were not written.
        table: ``files.csv``; None as long as there is nothing to say in it.

    Raises:
        UsageError: The settings of provenance cannot be carried out.
    """

    def __init__(self, desk: Desk, folder: Path, left_over: Path | None, packs: Mapping[str, Pack]) -> None:
        self.unfit = 0
        self.table: HashedFile | None = None
        self._desk = desk
        self._folder = folder
        self._left_over = left_over
        self._packs = packs
        self._marker = Marker(desk.settings.provenance, desk.root)
        self._threads = ThreadPoolExecutor(cpu_count() or 1)
        self._processes = WorkPool()
        self._is_large = False

    def write(self, pages: Iterable[list[Noted]]) -> Iterator[tuple[Noted, Files]]:
        """Each picture with its files, in order.

        Args:
            pages: Of `PAGE` pictures at most.
        """
        begun = deque[tuple[list[Noted], Iterator[list[_File]]]]()
        for page in pages:
            if len(begun) == _AHEAD:
                yield from self._written(*begun.popleft())
            begun.append((page, self._begun(page)))
        for each in begun:
            yield from self._written(*each)

    def _written(self, page: list[Noted], files_of: Iterator[list[_File]]) -> Iterator[tuple[Noted, Files]]:
        for picture, files in zip(page, files_of, strict=True):
            self._tell([each.line for each in files if each.line is not None])
            self.unfit += sum(isinstance(each.written, str) for each in files)
            yield picture, {each.destination: each.written for each in files}

    def close(self) -> None:
        """End ``files.csv``, and stop what was begun."""
        self._threads.shutdown(cancel_futures=True)
        self._processes.close()
        if self.table is not None:
            self.table.close()

    def _begun(self, page: list[Noted]) -> Iterator[list[_File]]:
        """What will have been written of a page's pictures; it is being done meanwhile.

        Copies are made by processes: threads wait longer for Python's one turn than for the disk.
        """
        facts, copied = self._facts_of(page), None
        made: Iterable[list[_File]] = repeat([])
        if self._marker.identity is None:
            self._is_large |= len(page) == PAGE  # a process begins in the time that some hundred copies take
            submit = self._processes.submit if self._is_large else self._threads.submit
            place, masters = self._desk.blobs.place, list(map(_master, page))
            copied = submit(copy_masters, place, self._folder, self._left_over, masters)
        if self._marker.identity is not None or any(each.destinations for each in page):
            made = self._threads.map(self._made_of, page, facts)
        return self._files(page, facts, copied, made)

    def _files(
        self, page: list[Noted], facts: list[_Facts], copied: Future[None] | None, made: Iterable[list[_File]]
    ) -> Iterator[list[_File]]:
        if copied is not None:
            copied.result()
        for picture, known, files in zip(page, facts, made, strict=False):
            yield files if copied is None else [_copied(picture, known), *files]

    def _facts_of(self, page: Sequence[Noted]) -> list[_Facts]:
        db, ids = self._desk.db, [each.edit_id for each in page]
        leaving = [each.edit_id for each in page if each.destinations]
        with db.read() as connection:
            decided = origins.disclosures(connection, ids)
            known = origins.origins(connection, ids if self._marker.identity else leaving)
        flags = {
            edit.id: output.flags
            for edit in reading.edits(db, leaving)
            for output in edit.outputs
            if output.id == edit.accepted_output_id
        }
        return [_Facts(known.get(each), decided.get(each), flags.get(each, ())) for each in ids]

    def _made_of(self, picture: Noted, facts: _Facts) -> list[_File]:
        """The files that are more than a copy."""
        is_signed = self._marker.identity is not None
        if not is_signed and not picture.destinations:
            return []
        data = read_master(self._desk.blobs, _master(picture))
        derived = [self._derived(picture, facts, data, *each) for each in picture.destinations.items()]
        return [self._signed(picture, facts, data), *derived] if is_signed else derived

    def _signed(self, picture: Noted, facts: _Facts, master: bytes) -> _File:
        assert facts.origin is not None
        parent = self._made_by_provider(facts.origin, master)
        marked = self._marker.mark(master, facts.origin, title=Path(picture.file).name, master=parent)
        size = {"width": picture.width, "height": picture.height, "mime": picture.media_type}
        return self._kept(picture, facts, picture.file, marked, size)

    def _derived(self, picture: Noted, facts: _Facts, master: bytes, destination: str, file: str) -> _File:
        assert facts.origin is not None
        line = _line(picture, facts, file, destination)
        pack = self._packs.get(destination)
        if pack is None:
            return _refused(destination, f"no destination is called {destination}; put its pack back", line)
        try:
            made = derive(
                master, picture.media_type, pack, asset_id=picture.asset, sku=picture.sku, variant=picture.variant
            )
            marked = self._marker.mark(
                made.data,
                facts.origin,
                title=Path(file).name,
                master=self._made_by_provider(facts.origin, master),
                destination=destination,
                accepted_source_types=pack.accepted_source_types,
            )
            is_generated = bool(facts.origin.generative)
            found = check(
                marked.data, made.media_type, pack, facts.flags, name=file, master=master, is_generated=is_generated
            )
        except PictureError as exc:
            return _refused(destination, str(exc), line)
        told = {"width": made.width, "height": made.height, "mime": made.media_type, "steps": "; ".join(made.steps)}
        broken = [each for each in found if not each.is_advice]
        told["breaks"] = breaks = "; ".join(f"{each.rule.name}: {each.note}" for each in broken)
        if any(not isinstance(each.rule, Added) for each in broken):  # what was added, whoever approved it has seen
            return _refused(destination, breaks, {**line, **told})
        return self._kept(picture, facts, file, marked, told, destination)

    def _made_by_provider(self, origin: Origin, master: bytes) -> bytes:
        """The file that the provider may have signed: the master, or what the desk composited it from."""
        made = origin.composited_from
        return master if made is None else self._desk.blobs.read(made.sha256, made.media_type)

    def _kept(
        self,
        picture: Noted,
        facts: _Facts,
        file: str,
        marked: Marked,
        told: Mapping[str, object],
        destination: str = "",
    ) -> _File:
        target = self._folder / file
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(marked.data)
        written = Written(file, hashlib.sha256(marked.data).hexdigest(), len(marked.data))
        line = _line(picture, facts, file, destination)
        told = {**told, **marked.columns, "sha256": written.sha256, "bytes": written.byte_count}
        return _File(destination, written, {**line, **told})

    def _tell(self, lines: Sequence[Mapping[str, object]]) -> None:
        if not lines:
            return
        if self.table is None:
            self.table = HashedFile(self._folder / FILES)
            self.table.write(csv_line(COLUMNS))
        self.table.write("".join([csv_line([line.get(name, "") for name in COLUMNS]) for line in lines]))


def _master(picture: Noted) -> Master:
    title = f"edit {picture.edit_id} ({asset_title(picture.asset, picture.variant)})"
    return Master(picture.sha256, picture.media_type, picture.file, title)


def _copied(picture: Noted, facts: _Facts) -> _File:
    line = None
    if facts.decided is not None or picture.destinations:
        line = _line(picture, facts, picture.file)
        line |= {"sha256": picture.sha256, "bytes": picture.byte_count, "mime": picture.media_type}
        line |= {"width": picture.width, "height": picture.height}
    return _File("", Written(picture.file, picture.sha256, picture.byte_count), line)


def _refused(destination: str, why: str, line: Mapping[str, object]) -> _File:
    return _File(destination, why, {**line, "breaks": why})


def _line(picture: Noted, facts: _Facts, file: str, destination: str = "") -> dict[str, object]:
    return {
        "file": file,
        "edit_id": picture.edit_id,
        "asset_id": picture.asset,
        "variant": picture.variant,
        "destination": destination,
        "master_sha256": picture.sha256,
        **({} if facts.decided is None else facts.decided.columns),
    }
