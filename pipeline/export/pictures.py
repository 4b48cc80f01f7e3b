"""The pictures of an export: the masters as they are, or marked and signed, and what is made of them for destinations.

A master stands in ``pictures/``; where the desk signs what leaves it, a signed copy of it. What a destination gets
stands in a folder of its name: derived from the master, marked, and held against the destination's rules once more.
``files.csv`` says of each file what was done and what it says of its own origin, as it was read back. A file that its
destination would refuse is not written, unless all that is wrong is matter that was added: that was flagged at review,
and approved all the same.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from os import cpu_count
from pathlib import Path
from typing import Final

from pipeline.csv_lines import csv_line
from pipeline.desk import Desk
from pipeline.destinations.checks import check
from pipeline.destinations.derivatives import derive, file_name
from pipeline.destinations.packs import Added, known_packs
from pipeline.errors import PicturedeskError, PictureError
from pipeline.export.files import HashedFile
from pipeline.export.names import FileNames
from pipeline.export.noted import FILES, Noted, Written
from pipeline.provenance import disclosure, marking
from pipeline.provenance.disclosure import Disclosure
from pipeline.provenance.marking import Marked, Marker
from pipeline.provenance.origin import Origin
from pipeline.records import asset_title
from pipeline.store import origins, reading
from pipeline.values import Flag

COLUMNS: Final = (
    *("file", "edit_id", "asset_id", "variant", "destination", "master_sha256", "sha256", "bytes", "mime"),
    *("width", "height", "steps", "breaks", *marking.COLUMNS, *disclosure.COLUMNS),
)

_AT_ONCE: Final = 500
"""Pictures whose facts are in memory."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What else is known of a picture; an origin only where it is marked."""

    origin: Origin | None
    decided: Disclosure | None
    flags: tuple[Flag, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was made, or could not be; ``line`` is what ``files.csv`` says of it, if anything."""

    written: Written | None
    line: Mapping[str, object] | None


class Pictures:
    """Writes the pictures of an export.

    Args:
        desk: The desk.
        folder: Of the export.
        left_over: What a killed export left, whose copies are taken over; None for nothing.

    Attributes:
        unfit: Files that a destination would refuse, and that were not written.
        table: ``files.csv``; None as long as there is nothing to say in it.

    Raises:
        UsageError: The settings of provenance cannot be carried out.
    """

    def __init__(self, desk: Desk, folder: Path, left_over: Path | None) -> None:
        self.unfit = 0
        self.table: HashedFile | None = None
        self._desk = desk
        self._folder = folder
        self._left_over = left_over
        self._packs = known_packs(desk.root)
        self._marker = Marker(desk.settings.provenance, desk.root)
        self._names: dict[str, FileNames] = {}

    def write(self, noted: Iterable[Noted]) -> Iterator[list[Written]]:
        """Each picture's files, in order."""
        pictures = iter(noted)
        with ThreadPoolExecutor(cpu_count() or 1) as threads:
            while page := list(islice(pictures, _AT_ONCE)):
                is_copied = self._marker.identity is None and not any(each.destinations for each in page)
                # Copies are made by one thread: two would wait for Python's turn more often than for the disk.
                each_of = map if is_copied else threads.map
                for files in each_of(self._files_of, page, self._facts_of(page), map(self._named, page)):
                    self._tell([each.line for each in files if each.line is not None])
                    self.unfit += sum(each.written is None for each in files)
                    yield [each.written for each in files if each.written is not None]

    def close(self) -> None:
        """End ``files.csv``."""
        if self.table is not None:
            self.table.close()

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

    def _named(self, picture: Noted) -> dict[str, str]:
        """By destination, the file there; given in order, so that the same export has the same names."""
        named = {}
        for destination in picture.destinations:
            pack = self._packs.get(destination)
            if pack is None:
                named[destination] = ""
                continue
            wanted = file_name(pack, asset_id=picture.asset, sku=picture.sku, variant=picture.variant)
            stem, dot, suffix = wanted.rpartition(".")
            names = self._names.setdefault(destination, FileNames())
            named[destination] = f"{destination}/{names.stem(stem)}{dot}{suffix}"
        return named

    def _files_of(self, picture: Noted, facts: _Facts, named: Mapping[str, str]) -> list[_File]:
        if self._marker.identity is None and not named:
            return [self._copied(picture, facts)]
        master = _master(self._desk, picture)
        write = self._copied if self._marker.identity is None else self._signed
        first = write(picture, facts, master)
        return [first, *(self._derived(picture, facts, master, *each) for each in named.items())]

    def _copied(self, picture: Noted, facts: _Facts, master: bytes | None = None) -> _File:
        target = self._folder / picture.file
        if self._left_over is None or not _take_over(self._left_over / picture.file, picture.sha256, target):
            target.write_bytes(master or _master(self._desk, picture))
        line = None if facts.decided is None and not picture.destinations else _line(picture, facts, picture.file)
        if line is not None:
            size = {"width": picture.width, "height": picture.height}
            line |= {"sha256": picture.sha256, "bytes": picture.byte_count, "mime": picture.media_type, **size}
        return _File(Written(picture.file, picture.sha256, picture.byte_count), line)

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
            return _File(None, {**line, "breaks": f"no destination is called {destination}; put its pack back"})
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
            return _File(None, {**line, "breaks": str(exc)})
        told = {"width": made.width, "height": made.height, "mime": made.media_type, "steps": "; ".join(made.steps)}
        broken = [each for each in found if not each.is_advice]
        told["breaks"] = "; ".join(f"{each.rule.name}: {each.note}" for each in broken)
        if any(not isinstance(each.rule, Added) for each in broken):  # what was added, whoever approved it has seen
            return _File(None, {**line, **told})
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
        return _File(written, {**line, **told, **marked.columns, "sha256": written.sha256, "bytes": written.byte_count})

    def _tell(self, lines: Sequence[Mapping[str, object]]) -> None:
        if not lines:
            return
        if self.table is None:
            self.table = HashedFile(self._folder / FILES)
            self.table.write(csv_line(COLUMNS))
        self.table.write("".join([csv_line([line.get(name, "") for name in COLUMNS]) for line in lines]))


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


def _take_over(left: Path, sha256: str, target: Path) -> bool:
    """Whether an earlier copy of a picture was whole, and is in its new place."""
    try:
        with left.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                return False
    except OSError:
        return False
    left.replace(target)
    return True


def _master(desk: Desk, picture: Noted) -> bytes:
    """The picture that was approved, to the byte.

    Raises:
        PicturedeskError: It is damaged, or not there.
    """
    data = desk.blobs.read(picture.sha256, picture.media_type)
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        title = asset_title(picture.asset, picture.variant)
        raise PicturedeskError(
            f"edit {picture.edit_id} ({title}): its picture in the desk is damaged; restore it from a backup"
        )
    return data
