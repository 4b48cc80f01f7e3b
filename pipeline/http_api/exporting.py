"""Exports that programs ask for: written beside the answers, kept as files, forgotten after a week.

Each is a folder with what was asked for, what is being written, and a lock that the writer holds: an export whose
writer is gone has failed, whoever looks.
"""

import json
import logging
import re
import secrets
import shutil
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.desk import Desk
from pipeline.erasure import EXPORTS, PROGRAMS
from pipeline.errors import Conflict, NotFound, PicturedeskError
from pipeline.export import checked_address, export_approved, write_zip
from pipeline.export.writing import CSV, JSONL
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store import batching

_KEPT_S = 7 * 24 * 3600.0
_ID = re.compile(r"[0-9a-f]{16}")
_JOB, _LOCK, _MADE = "job.json", "lock", "approved"
_log = logging.getLogger(__name__)


class Form(StrEnum):
    """What an export is: the table, or table, lists, pictures and checksums."""

    CSV = "csv"
    JSONL = "jsonl"
    ZIP = "zip"


class ExportState(StrEnum):
    """How far it is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


MEDIA_TYPES = {Form.CSV: "text/csv", Form.JSONL: "application/x-ndjson", Form.ZIP: "application/zip"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported.

    Attributes:
        batch_id: Only this batch; all of them if None.
        since_last: Only what was approved since the last export of the same.
        profiles: Further lists.
        public_url: Where the pictures will be.
    """

    form: Form = Form.CSV
    batch_id: int | None = None
    since_last: bool = False
    profiles: tuple[str, ...] = ()
    public_url: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """An export that was asked for.

    Attributes:
        batch: Its batch's number; None for all.
        rows: Approved assets in it; 0 before it is done, and if nothing was approved since the last one.
        bytes: Of its file.
        error: Why it failed, or "".
    """

    id: str
    form: Form
    batch: int | None
    state: ExportState
    asked_by: str
    asked_at: str
    rows: int = 0
    bytes: int = 0
    export_id: str = ""
    error: str = ""

    @property
    def has_file(self) -> bool:
        """Whether there is something to download."""
        return self.state is ExportState.DONE and self.rows > 0


def start(desk: Desk, wanted: Wanted, *, by: Person) -> Job:
    """Begin to write what is approved now.

    Raises:
        Forbidden: The person may not.
        UsageError: A list cannot be written.
        NotFound: There is no such batch.
    """
    by.need(Role.REQUESTER, "export")
    checked_address(desk, wanted.profiles, wanted.public_url, has_pictures=wanted.form is not Form.CSV)
    batch_id = wanted.batch_id
    batch = None if batch_id is None else batching.name_of(desk.db, batch_id)
    if batch_id is not None and batch is None:
        raise NotFound(f"batch {batch_id}: this desk has none of that number; see GET /api/v1/batches")
    _sweep(_jobs(desk))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    job = Job(secrets.token_hex(8), wanted.form, batch_id, ExportState.RUNNING, by.name, now)
    folder = _jobs(desk) / job.id
    folder.mkdir(parents=True)
    lock = FileLock(folder / _LOCK, thread_local=False)
    lock.acquire()
    _write(folder, job)
    threading.Thread(target=_make, args=(desk, folder, job, wanted, batch, by, lock), daemon=True).start()
    return job


def look(desk: Desk, export_id: str, *, by: Person) -> Job:
    """How far an export is.

    Raises:
        Forbidden: The person may not.
        NotFound: There is none of that name, or it is older than a week.
    """
    by.need(Role.VIEWER, "see exports")
    folder = _folder(desk, export_id)
    job = _read(folder)
    if job.state is ExportState.RUNNING and _is_left(folder):
        job = _read(folder)  # it may have ended between the two looks
        if job.state is ExportState.RUNNING:
            return _failed(job, "its server was stopped; ask for it again")
    return job


def file_of(desk: Desk, export_id: str, *, by: Person) -> tuple[Path, Job]:
    """The file of an export that is done.

    Raises:
        Forbidden: The person may not.
        NotFound: There is no such export.
        Conflict: It is not done, or failed.
    """
    by.need(Role.REQUESTER, "download exports")
    job = look(desk, export_id, by=by)
    if not job.has_file:
        why = job.error or ("nothing was approved since the last one" if job.state is ExportState.DONE else "")
        raise Conflict(f"export {job.id}: it is {job.state}{f' ({why})' if why else ''} and has no file")
    return _folder(desk, export_id) / f"{_MADE}.{job.form}", job


def _make(desk: Desk, folder: Path, job: Job, wanted: Wanted, batch: str | None, by: Person, lock: FileLock) -> None:
    try:
        _write(folder, _made(desk, folder, job, wanted, batch, by))
    except PicturedeskError as exc:
        _write(folder, _failed(job, str(exc)))
    except Exception:  # around one export: the server goes on
        _log.exception("export %s failed", job.id)
        _write(folder, _failed(job, "an error that nobody expected; it is in the server's log"))
    finally:
        lock.release()


def _made(desk: Desk, folder: Path, job: Job, wanted: Wanted, batch: str | None, by: Person) -> Job:
    target, file = folder / _MADE, folder / f"{_MADE}.{job.form}"
    summary = export_approved(
        desk,
        target,
        batch=batch,
        by=by,
        only_csv=job.form is Form.CSV,
        profiles=wanted.profiles,
        public_url=wanted.public_url,
        since_last=wanted.since_last,
    )
    if not summary.rows:
        return Job(**{**asdict(job), "state": ExportState.DONE})
    if job.form is Form.ZIP:
        write_zip(target, file)
    else:
        (target / (CSV if job.form is Form.CSV else JSONL)).replace(file)
    shutil.rmtree(target)
    told = {"rows": summary.rows, "export_id": summary.export_id, "bytes": file.stat().st_size}
    return Job(**{**asdict(job), **told, "state": ExportState.DONE})


def _failed(job: Job, error: str) -> Job:
    return Job(**{**asdict(job), "state": ExportState.FAILED, "error": error})


def _is_left(folder: Path) -> bool:
    """Whether nobody writes there any more."""
    try:
        with FileLock(folder / _LOCK, thread_local=False).acquire(timeout=0):
            return True
    except Timeout:
        return False


def _jobs(desk: Desk) -> Path:
    return desk.root / EXPORTS / PROGRAMS


def _folder(desk: Desk, export_id: str) -> Path:
    folder = _jobs(desk) / export_id
    if not _ID.fullmatch(export_id) or not (folder / _JOB).is_file():
        raise NotFound(f"export {export_id[:40]!r}: there is none of that name; it may be older than a week")
    return folder


def _read(folder: Path) -> Job:
    said = json.loads((folder / _JOB).read_text("utf-8"))
    return Job(**{**said, "form": Form(said["form"]), "state": ExportState(said["state"])})


def _write(folder: Path, job: Job) -> None:
    draft = folder / f".{_JOB}"
    draft.write_text(json.dumps(asdict(job)), "utf-8")
    draft.replace(folder / _JOB)


def _sweep(jobs: Path) -> None:
    """Those that are older than a week."""
    for folder in jobs.iterdir() if jobs.is_dir() else ():
        if time.time() - folder.stat().st_mtime > _KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
