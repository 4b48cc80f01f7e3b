"""Out of the desk: what is approved, and nothing else.

An export is a folder: ``pictures/`` with the provider's bytes untouched, ``approved.csv``, ``approved.jsonl``,
``manifest.json`` and ``SHA256SUMS``. It is written beside its place under a hidden name, checked, and only then
renamed: a half-written export is never found under the final name.
"""

import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.desk import Desk
from pipeline.errors import PicturedeskError, UsageError
from pipeline.export.csv_format import CsvWriter
from pipeline.export.jsonl_format import JsonlWriter
from pipeline.export.names import FileNames
from pipeline.export.rows import ExportRow, approved_rows
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store import reading
from pipeline.store.exporting import record_export

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
CSV = "approved.csv"
JSONL = "approved.jsonl"
PICTURES = "pictures"

_TEMPORARY = ".picturedesk-export-"
_KIND = "picturedesk export"


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written.

    Attributes:
        folder: Where it is.
        rows: Approved assets.
        files: Files, the lists included.
        bytes: Of all of them.
        export_id: Names the content: the same approved pictures give the same id.
    """

    folder: Path
    rows: int
    files: int
    bytes: int
    export_id: str


def export_approved(
    desk: Desk,
    target: Path,
    *,
    batch: str | None = None,
    by: Person,
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> ExportSummary:
    """Write what is approved into a folder; an earlier export there is replaced at once.

    Args:
        desk: The desk.
        target: The folder.
        batch: Only this batch.
        by: Who exports.
        overwrite: Replace a folder that is no export of ours.
        on_progress: Told the number of rows written.

    Raises:
        Forbidden: The person may not.
        UsageError: Nothing is approved, or the folder holds something else.
        Conflict: An approval was taken back meanwhile.
    """
    by.need(Role.REQUESTER, "export")
    target = target.absolute()
    _refuse_stranger(target, overwrite=overwrite)
    batch_id = None if batch is None else reading.batch_named(desk.db, batch).id
    building = _fresh_folder(target)
    try:
        summary, revisions = _write(desk, building, batch_id, on_progress)
        if not summary.rows:
            raise UsageError("nothing is approved yet; decide with: picturedesk review, or picturedesk decide")
        record_export(desk.db, actor=by.name, batch_id=batch_id, revisions=revisions, export_id=summary.export_id)
        _put_in_place(building, target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return ExportSummary(target, summary.rows, summary.files, summary.bytes, summary.export_id)


def verify_export(folder: Path) -> list[str]:
    """What is wrong with an export's files; empty if every one is as it was written."""
    try:
        files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError) as exc:
        return [f"{folder / MANIFEST} cannot be read: {exc}"]
    problems = []
    for name, facts in files.items():
        path = folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif _sha256(path) != facts["sha256"]:
            problems.append(f"{name} is not as it was written")
    return problems


def write_zip(folder: Path, file: Path) -> None:
    """An export as one ZIP; pictures are stored as they are, since they are compressed already."""
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            how = zipfile.ZIP_STORED if path.parent.name == PICTURES else zipfile.ZIP_DEFLATED
            archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}", compress_type=how)


def _write(
    desk: Desk, folder: Path, batch_id: int | None, on_progress: Callable[[int], None]
) -> tuple[ExportSummary, dict[int, int]]:
    """What was written, and each edit's revision."""
    (folder / PICTURES).mkdir(parents=True)
    names = FileNames()
    exported_at = datetime.now(UTC).replace(microsecond=0)
    content = hashlib.sha256()
    files: dict[str, dict[str, Any]] = {}
    rows, revisions = 0, {}
    extra = sorted({name for row in approved_rows(desk, batch_id) for name in row.asset.extra})
    with CsvWriter(folder / CSV, extra) as table, JsonlWriter(folder / JSONL) as lines:
        for row in approved_rows(desk, batch_id):
            name = f"{PICTURES}/{names.name(row.asset.name, row.asset.variant, row.picture.media_type)}"
            _copy(desk, row, folder / name)
            files[name] = {"sha256": row.picture.sha256, "bytes": row.picture.byte_count}
            content.update(f"{row.edit.id} {row.picture.sha256} {name}\n".encode())
            table.write(row, name, exported_at)
            lines.write(row, name, exported_at)
            rows += 1
            revisions[row.edit.id] = row.edit.revision
            on_progress(rows)
    for name in (CSV, JSONL):
        files[name] = {"sha256": _sha256(folder / name), "bytes": (folder / name).stat().st_size}
    export_id = content.hexdigest()[:16]
    manifest = {
        "kind": _KIND,
        "version": version("picturedesk"),
        "export_id": export_id,
        "exported_at": exported_at.isoformat(),
        "rows": rows,
        "policy_hash": desk.policy.hash,
        "files": files,
    }
    _write_text(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))
    sums = "".join(f"{facts['sha256']}  {name}\n" for name, facts in sorted(files.items()))
    _write_text(folder / SUMS, sums)
    size = sum(facts["bytes"] for facts in files.values())
    return ExportSummary(folder, rows, len(files) + 2, size, export_id), revisions


def _copy(desk: Desk, row: ExportRow, target: Path) -> None:
    """Copy a master, and make sure that the copy is the picture that was approved."""
    data = desk.blobs.read(row.picture.sha256, row.picture.media_type)
    if hashlib.sha256(data).hexdigest() != row.picture.sha256:
        raise PicturedeskError(f"{row.edit.title}: its picture in the desk is damaged; restore it from a backup")
    with target.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_stranger(target: Path, *, overwrite: bool) -> None:
    if not target.exists() or overwrite:
        return
    if not target.is_dir():
        raise UsageError(f"{target} is a file; name a folder with --to")
    if any(target.iterdir()) and not _is_ours(target):
        raise UsageError(f"{target} holds something that is no export; name another folder, or replace it: --overwrite")


def _is_ours(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / MANIFEST).read_text("utf-8")).get("kind") == _KIND)
    except (OSError, ValueError, AttributeError):
        return False


def _fresh_folder(target: Path) -> Path:
    """An empty hidden folder beside the target; what a killed export of the same target left is removed."""
    for left in _hidden(target):
        shutil.rmtree(left, ignore_errors=True)
    folder = target.parent / f"{_TEMPORARY}{target.name}-{os.getpid()}"
    try:
        folder.mkdir(parents=True)
    except OSError as exc:
        raise UsageError(f"{target.parent}: {exc.strerror}; name a folder that can be written with --to") from exc
    return folder


def _hidden(target: Path) -> Iterator[Path]:
    if target.parent.is_dir():
        yield from list(target.parent.glob(f"{_TEMPORARY}{target.name}-*"))


def _put_in_place(building: Path, target: Path) -> None:
    old = building.with_name(f"{building.name}-old")
    if target.exists():
        target.replace(old)
    try:
        building.replace(target)
    except OSError:
        if old.exists():
            old.replace(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
