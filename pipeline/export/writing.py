"""What stands in an export's folder, written part by part: lists of one moment, then pictures, then sums.

The lists are read in one transaction, which is over when they are written; which pictures to copy is noted in a file
meanwhile. So neither a copying of hours keeps the database from cleaning up, nor do a million names fill the memory.
"""

import gc
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.csv_lines import csv_line
from pipeline.desk import Desk
from pipeline.export.csv_format import CsvTable
from pipeline.export.files import HashedFile
from pipeline.export.jsonl_format import JsonLines
from pipeline.export.names import FileNames
from pipeline.export.noted import FILES, Noted, Written
from pipeline.export.profiles import PARQUET, LeftOut, opened
from pipeline.export.profiles.placing import Address, placed
from pipeline.export.signing import sign
from pipeline.store.exporting import ApprovedBatch, ApprovedRow, approved
from pipeline.store.exports import Before, Seen, withdrawn

if TYPE_CHECKING:
    from pipeline.export.profiles.parquet import ParquetTable

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
CSV = "approved.csv"
JSONL = "approved.jsonl"
PARQUET_FILE = "approved.parquet"
LEFT_OUT = "left-out.csv"
SIGNATURE = "manifest.json.sig"
PICTURES = "pictures"
KIND = "picturedesk export"

_TO_COPY = ".to-copy"
_WRITTEN = ".written"

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
        self._profiles = profiles
        self._address = address
        self._before = before
        self._desk = desk
        self._folder = folder
        self._only_csv = only_csv
        self._on_progress = on_progress
        self._exported_at = datetime.now(UTC).isoformat(timespec="seconds")
        self._lists: dict[str, HashedFile | ParquetTable] = {}

    def write_lists(self, batch_id: int | None) -> Seen:
        """The lists; gives the moment that they are of."""
        with _tuned_for_rows():
            return self._write_lists(batch_id)

    def _write_lists(self, batch_id: int | None) -> Seen:
        names, content = FileNames(), hashlib.sha256()
        with approved(self._desk.db, batch_id) as found, ExitStack() as files:
            table = CsvTable(self._folder / CSV, found.extra_columns(), self._exported_at)
            self._lists[CSV] = files.enter_context(table.file)
            lines = None if self._only_csv else JsonLines(self._folder / JSONL, self._exported_at)
            if lines is not None:
                self._lists[JSONL] = files.enter_context(lines.file)
                to_copy = files.enter_context(HashedFile(self._folder / _TO_COPY))
            further = opened(self._profiles, self._folder, self._desk.settings.profiles)
            for profile in further:
                files.enter_context(profile)
            parquet = self._open_parquet(files)
            after = 0 if self._before is None else self._before.through
            for batch, rows in found.pages(is_whole=lines is not None, after=after):
                named = [f"{PICTURES}/{name}" for name in names.names(rows)]
                table.write(batch.name, rows, named)
                if lines is not None:
                    lines.write(batch.name, rows, named)
                    to_copy.write(_noted(batch, rows, named))
                if parquet is not None:
                    parquet.write(batch.name, rows, named)
                if further:
                    pictures = list(placed(rows, batch.name, named, self._address))
                    for profile in further:
                        profile.write(pictures)
                told = [f"{row.edit_id} {row.sha256} {name}\n" for row, name in zip(rows, named, strict=True)]
                content.update("".join(told).encode())
                self.rows += len(rows)
                if self._only_csv:
                    self._on_progress(self.rows)
        for profile in further:
            self._lists |= profile.files
            self.left_out += profile.left_out
            self.left_out_count += profile.left_out_count
        self._tell_left_out()
        self.export_id = content.hexdigest()[:16]
        self._seen = found.seen
        return found.seen

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

    def write_pictures(self, left_over: Path | None) -> None:
        """The pictures, and what is made of them; copies that a killed export has made already are taken over.

        Args:
            left_over: That export's folder.
        """
        from pipeline.export.pictures import Pictures

        (self._folder / PICTURES).mkdir()
        pictures = Pictures(self._desk, self._folder, left_over)
        with HashedFile(self._folder / _WRITTEN) as written, closing(pictures):
            for number, files in enumerate(pictures.write(self._noted_pictures()), start=1):
                written.write("".join([each.line() for each in files]))
                self._on_progress(number)
        self.unfit = pictures.unfit
        if pictures.table is not None:
            self._lists[FILES] = pictures.table

    def write_sums(self) -> None:
        """The manifest and the checksums, and the end of what was only noted."""
        manifest = {
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
            "withdrawn": self._withdrawn(),
        }
        with HashedFile(self._folder / MANIFEST) as told, HashedFile(self._folder / SUMS) as sums:
            told.write(json.dumps(manifest, indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "files": {')
            for each in self._files():
                facts = f'{{\n   "sha256": "{each.sha256}",\n   "bytes": {each.byte_count}\n  }}'
                told.write(f"{',' if self.file_count else ''}\n  {json.dumps(each.name, ensure_ascii=False)}: {facts}")
                sums.write(f"{each.sha256}  {each.name}\n")
                self.file_count += 1
                self.byte_count += each.byte_count
            told.write("\n }\n}")
        signature = sign(self._desk.root, (self._folder / MANIFEST).read_bytes())
        (self._folder / SIGNATURE).write_text(signature, "ascii")
        for noted in (_TO_COPY, _WRITTEN):
            (self._folder / noted).unlink(missing_ok=True)
        os.sync()

    def _files(self) -> Iterator[Written]:
        if not self._only_csv:
            with (self._folder / _WRITTEN).open(encoding="utf-8") as lines:
                for line in lines:
                    yield Written(*json.loads(line))
        for name, file in self._lists.items():
            yield Written(name, file.sha256, file.byte_count)

    def _withdrawn(self) -> list[dict[str, Any]]:
        """What the export before had and this desk does not approve any more."""
        if self._before is None:
            return []
        found = withdrawn(self._desk.db, self._seen.batch_id, after=self._before.through, until=self._seen.last_event)
        names = ("batch", "asset_id", "variant", "edit_id")
        return [dict(zip(names, each, strict=True)) for each in found]

    def _noted_pictures(self) -> Iterator[Noted]:
        with (self._folder / _TO_COPY).open(encoding="utf-8") as lines:
            yield from map(Noted.of, lines)


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


def _noted(batch: ApprovedBatch, rows: Sequence[ApprovedRow], names: Sequence[str]) -> str:
    """A line for each picture that is to be written."""
    return "".join([_picture(batch, row, name).line() for row, name in zip(rows, names, strict=True)])


def _picture(batch: ApprovedBatch, row: ApprovedRow, name: str) -> Noted:
    destinations = batch.destinations if row.destinations is None else json.loads(row.destinations)
    what = (row.sha256, row.media_type, row.byte_count, row.width, row.height)
    return Noted(name, *what, row.edit_id, row.name, row.variant, row.sku, tuple(destinations))
