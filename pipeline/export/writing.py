"""What stands in an export's folder: lists of one moment, the pictures beside them, then manifest and sums.

The lists are read in one transaction, which is over when they are written; which pictures are to be written is noted in
a file, and they are written meanwhile. So neither a copying of hours keeps the database from cleaning up, nor do a
million names fill the memory.
"""

import gc
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.csv_lines import csv_line
from pipeline.desk import Desk
from pipeline.destinations.packs import known_packs
from pipeline.export.contents import MANIFEST, Contents, Files, Written
from pipeline.export.csv_format import CsvTable
from pipeline.export.destined import Destined, DestinedNames
from pipeline.export.files import HashedFile
from pipeline.export.jsonl_format import JsonLines
from pipeline.export.names import FileNames
from pipeline.export.noted import PAGE, Noted, NotedPictures, paged
from pipeline.export.only_new import Page, only_new
from pipeline.export.profiles import NEED_ADDRESS, PARQUET, LeftOut, opened
from pipeline.export.profiles.placing import Address, placed
from pipeline.export.signing import sign
from pipeline.store.exporting import Approved, ApprovedBatch, ApprovedRow, approved
from pipeline.store.exports import Before, Seen, withdrawn

if TYPE_CHECKING:
    from pipeline.export.profiles.parquet import ParquetTable

CSV = "approved.csv"
JSONL = "approved.jsonl"
PARQUET_FILE = "approved.parquet"
LEFT_OUT = "left-out.csv"
SIGNATURE = "manifest.json.sig"
PICTURES = "pictures"
KIND = "picturedesk export"

_COLLECTED_AFTER: Final = 100_000
"""Objects, more than two pages of rows have, and none of them is in a cycle: to look for cycles among them takes 3
microseconds for each of a million rows, of 14 in all (our measurement, 2026-11-21).
"""

_TURN_S: Final = 0.001
"""The threads that read have little to do in Python, and wait a turn for it each time (the same: 0.8 microseconds)."""


class Writing:
    """An export that is being written.

    Args:
        desk: The desk.
        folder: An empty folder.
        only_csv: Neither pictures nor ``approved.jsonl``.
        profiles: Further lists, by `profiles.NAMES`.
        address: Where the pictures will be read from; None if nobody said.
        before: The export after which this one goes on; None for all that is approved.
        on_progress: Told the number of pictures written, or of rows if it is only those.

    Attributes:
        rows: Approved assets.
        file_count: Files in it, and ``byte_count`` of them; without manifest and sums.
        export_id: Names the content.
        left_out: Products that a list could not take, the first thousand of each, and ``left_out_count`` of all.
        unfit: Files that a destination would refuse, and that were not written.
        withdrawn: What the export before had, and nobody approves any more.
    """

    def __init__(
        self,
        desk: Desk,
        folder: Path,
        *,
        only_csv: bool,
        profiles: tuple[str, ...],
        address: Address | None,
        before: Before | None,
        on_progress: Callable[[int], None],
    ) -> None:
        self.rows = self.file_count = self.byte_count = self.left_out_count = self.unfit = 0
        self.export_id = ""
        self.left_out: list[LeftOut] = []
        self.withdrawn: list[dict[str, Any]] = []
        self._profiles = profiles
        self._address = address
        self._before = before
        self._desk = desk
        self._folder = folder
        self._only_csv = only_csv
        self._on_progress = on_progress
        self._exported_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._lists: dict[str, HashedFile | ParquetTable] = {}

    def write(self, batch_id: int | None, left_over: Path | None) -> Seen:
        """All of it, if anything is approved; gives the moment that it is of.

        Args:
            batch_id: Of this batch only; None for all.
            left_over: What a killed export left: pictures that it has copied already are taken over.
        """
        with Contents(self._folder) as contents:
            if self._only_csv:
                seen = self._write_lists(batch_id, None, DestinedNames({}))
            else:
                seen = self._write_lists_and_pictures(batch_id, left_over, contents)
            self.withdrawn = self._withdrawn(seen)
            if self.rows:
                for name, file in self._lists.items():
                    contents.add(Written(name, file.sha256, file.byte_count))
                contents.write_manifest(self._facts())
        if self.rows:
            signature = sign(self._desk.root, (self._folder / MANIFEST).read_bytes())
            (self._folder / SIGNATURE).write_text(signature, "ascii")
            os.sync()
        self.file_count, self.byte_count = contents.file_count, contents.byte_count
        return seen

    def _write_lists_and_pictures(self, batch_id: int | None, left_over: Path | None, contents: Contents) -> Seen:
        from pipeline.export.pictures import FILES, Pictures

        (self._folder / PICTURES).mkdir()
        packs = known_packs(self._desk.root)
        with (
            closing(Pictures(self._desk, self._folder, left_over, packs)) as pictures,
            ThreadPoolExecutor(1) as beside,
            NotedPictures(self._folder) as noted,
        ):
            lists = beside.submit(self._write_lists, batch_id, noted, DestinedNames(packs))
            self._write_pictures(pictures.write(noted.pages()), contents)
            seen = lists.result()
        self.unfit = pictures.unfit
        if pictures.table is not None:
            self._lists[FILES] = pictures.table
        return seen

    def _write_pictures(self, written: Iterator[tuple[Noted, Files]], contents: Contents) -> None:
        """The pictures, and the lists that name their files."""
        further = opened(self._profiles, self._folder, self._desk.settings.profiles)
        numbers = count(1)
        with ExitStack() as open_lists:
            for profile in further:
                open_lists.enter_context(profile)
            for page in paged(written, PAGE):
                found = list[tuple[Noted, Files]]()
                for picture, files in page:
                    for each in files.values():
                        if isinstance(each, Written):
                            contents.add(each)
                    self._on_progress(next(numbers))
                    if further:
                        found.append((picture, files))
                for profile in further:
                    profile.write([placed(*each, profile.destination, self._address) for each in found])
        for profile in further:
            self._lists |= profile.files
            self.left_out += profile.left_out
        self.left_out_count = sum(each.left_out_count for each in further)
        self._tell_left_out()

    def _write_lists(self, batch_id: int | None, noted: NotedPictures | None, destined: DestinedNames) -> Seen:
        try:
            with _tuned_for_rows():
                return self._write_rows(batch_id, noted, destined)
        finally:
            if noted is not None:
                noted.end()

    def _write_rows(self, batch_id: int | None, noted: NotedPictures | None, destined: DestinedNames) -> Seen:
        """The lists that name masters alone."""
        content = hashlib.sha256()
        with approved(self._desk.db, batch_id) as found, ExitStack() as files:
            table = CsvTable(self._folder / CSV, found.extra_columns(), self._exported_at)
            self._lists[CSV] = files.enter_context(table.file)
            lines = None if noted is None else JsonLines(self._folder / JSONL, self._exported_at)
            if lines is not None:
                self._lists[JSONL] = files.enter_context(lines.file)
            parquet = self._open_parquet(files)
            for batch, rows, named, made in self._pages(found, destined, is_whole=noted is not None):
                table.write(batch.name, rows, named)
                if noted is not None:
                    noted.put([_picture(batch, *each) for each in zip(rows, named, made, strict=True)])
                if lines is not None:
                    lines.write(batch.name, rows, named)
                if parquet is not None:
                    parquet.write(batch.name, rows, named)
                told = [f"{row.edit_id} {row.sha256} {name}\n" for row, name in zip(rows, named, strict=True)]
                content.update("".join(told).encode())
                self.rows += len(rows)
                if self._only_csv:
                    self._on_progress(self.rows)
        self.export_id = content.hexdigest()[:16]
        return found.seen

    def _pages(self, found: Approved, destined: DestinedNames, *, is_whole: bool) -> Iterator[Page]:
        """What is exported, and its files; names are given to all that is approved, so that they stay the same."""
        names, after = FileNames(), 0 if self._before is None else self._before.through
        pages = (
            (batch, rows, [f"{PICTURES}/{name}" for name in names.names(rows)], destined.of(batch, rows))
            for batch, rows in found.pages(is_whole=is_whole, after=after)
        )
        if self._before is None:
            return pages
        has_shop = not NEED_ADDRESS.isdisjoint(self._profiles)
        return only_new(pages, is_whole=lambda batch, row: has_shop or destined.is_counted(batch, row))

    def _open_parquet(self, files: ExitStack) -> "ParquetTable | None":
        if PARQUET not in self._profiles:
            return None
        from pipeline.export.profiles.parquet import ParquetTable

        table = files.enter_context(closing(ParquetTable(self._folder / PARQUET_FILE, self._exported_at)))
        self._lists[PARQUET_FILE] = table
        return table

    def _tell_left_out(self) -> None:
        """A table of what is missing from the lists, for whoever mends the manifest."""
        if not self.left_out:
            return
        file = self._lists[LEFT_OUT] = HashedFile(self._folder / LEFT_OUT)
        with file:
            file.write(csv_line(("profile", "product", "why")))
            file.write("".join([csv_line((each.profile, each.product, each.why)) for each in self.left_out]))

    def _facts(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "version": version("picturedesk"),
            "export_id": self.export_id,
            "exported_at": self._exported_at,
            "rows": self.rows,
            "policy_hash": self._desk.policy.hash,
            "profiles": list(self._profiles),
            "left_out": self.left_out_count,
            "unfit": self.unfit,
            "since": self._before and {"export_id": self._before.export_id, "at": self._before.at.isoformat()},
            "withdrawn": self.withdrawn,
        }

    def _withdrawn(self, seen: Seen) -> list[dict[str, Any]]:
        """What the export before had and this desk does not approve any more."""
        if self._before is None:
            return []
        found = withdrawn(self._desk.db, seen.batch_id, after=self._before.through, until=seen.last_event)
        names = ("batch", "asset_id", "variant", "edit_id")
        return [dict(zip(names, each, strict=True)) for each in found]


@contextmanager
def _tuned_for_rows() -> Iterator[None]:
    """The interpreter, while a million rows come and go: its threads take turns sooner, and cycles are sought later."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(_COLLECTED_AFTER, *threshold[1:])
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        sys.setswitchinterval(interval)


def _picture(batch: ApprovedBatch, row: ApprovedRow, name: str, destined: Destined) -> Noted:
    return Noted(name, batch.name, destined, *_OF_ROW(row))


_OF_ROW: Final = attrgetter("name", *Noted._fields[4:])
"""What is noted of a row, in that order."""
