"""A desk into a folder, and out of it: its database first, then its pictures and files.

In this order, because a picture is written before the row that names it and never changed afterwards: whatever the copy
of the database names is there when the pictures are copied later. The other way round, it would name pictures of the
time in between.

What a backup says of itself is read in the very view that was copied: others go on meanwhile, and what they write is
no part of it.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final, TextIO

from pipeline import audit, batches
from pipeline.blobs import BlobPlace, BlobStore
from pipeline.desk import Desk
from pipeline.errors import NotFound, StoreError, UsageError
from pipeline.people import Person
from pipeline.policies import with_key
from pipeline.settings import FILE_NAME
from pipeline.shelves import write_whole
from pipeline.states import EditState, Role
from pipeline.store import Database, copying, reading

FACTS: Final = "backup.json"
"""Written last: without it, a folder is no backup, or half of one."""

_SQLITE, _DUMP = "desk.db", "desk.dump"
_PICTURES, _FILES = "pictures", "files"
_LEFT_OUT = frozenset({"exports", "cache", "run.lock", "worker.lock", "worker.log", "tickets.key"})
"""Of the desk's folder: what can be made again, and the key that signs tickets for an hour."""

_MOST_NAMED = 20


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds.

    Attributes:
        made_at: When the database was copied.
        picturedesk: The version that made it.
        form: Of its tables.
        head: The hash of the last event, which vouches for all before it.
        counts: Rows by table.
        pictures: How many pictures its rows name.
        copied: Files that this time were not there already.
        elsewhere: Where the pictures are, if they are in no folder and were not copied.
        missing: Pictures that rows name and that are nowhere: the first twenty.
    """

    made_at: str
    picturedesk: str
    form: str
    head: str
    counts: dict[str, int]
    pictures: int
    copied: int
    elsewhere: str
    missing: list[str]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back.

    Attributes:
        paused: Batches with something queued, which wait for somebody to look at them.
        missing: Pictures that rows name and that are nowhere: the first twenty.
    """

    backup: Backup
    paused: list[str]
    missing: list[str]


def back_up(desk: Desk, folder: Path, *, by: Person) -> Backup:
    """Copy a desk into a folder, while others work on it; what an earlier backup brought there is not copied again.

    Raises:
        Forbidden: The person may not.
        UsageError: The folder holds something else, or is the desk's own.
        StoreError: The copy's history is not whole, or something cannot be written.
    """
    by.need(Role.ADMIN, "back up a desk")
    folder = folder.expanduser().absolute()
    _check_target(desk, folder)
    (folder / FACTS).unlink(missing_ok=True)
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with TemporaryFile("w+", dir=folder) as names:
            head, counted, form = _copy_database(desk, folder, names)
            copied = _copy_tree(desk.root, folder / _FILES, leave_out=_not_copied(desk))
            elsewhere = "" if _picture_folder(desk) else str(desk.settings.blobs)
            if source := _picture_folder(desk):
                copied += _copy_tree(source, folder / _PICTURES, leave_out=frozenset())
            here = desk.blobs if elsewhere else BlobStore(BlobPlace(str(folder / _PICTURES)))
            pictures, missing = _missing(_read_names(names), here, live=desk.db)
    except OSError as exc:
        raise StoreError(f"{folder}: {exc.strerror or exc}; is the disk full?") from exc
    found = Backup(made_at, version("picturedesk"), form, head, counted, pictures, copied, elsewhere, missing)
    os.sync()
    write_whole(folder / FACTS, json.dumps(asdict(found), indent=2).encode())
    return found


def restore(folder: Path, root: Path, *, by: Person, database: str | None = None, go_on: bool = False) -> Restored:
    """Make a desk of a backup, and hold it against what the backup says of itself.

    What is queued may have been sent, and paid, after the backup was made: such batches are paused.

    Args:
        folder: The backup.
        root: Folder of the new desk; it must be empty, or not there.
        by: Who restores.
        database: URL of the empty PostgreSQL database to put it into, if it came from one.
        go_on: Do not pause anything: nothing was sent since.

    Raises:
        Forbidden: The person may not.
        UsageError: It is no backup, there is a desk already, or it says nothing of a database that is needed.
        StoreError: What came back is not what was backed up.
    """
    by.need(Role.ADMIN, "restore a desk")
    folder, root = folder.expanduser().absolute(), root.expanduser().absolute()
    backup = _read_facts(folder)
    if root.exists() and any(root.iterdir()):
        raise UsageError(f"{root} is not empty; restore into another folder: picturedesk --desk FOLDER restore ...")
    is_dump = (folder / _DUMP).exists()
    if is_dump != (database is not None):
        needed = "name an empty one with --database" if is_dump else "leave --database out"
        raise UsageError(f"this backup is of {'a PostgreSQL' if is_dump else 'an SQLite'} database; {needed}")
    _copy_tree(folder / _FILES, root, leave_out=frozenset())
    if database is None:
        shutil.copyfile(folder / _SQLITE, root / _SQLITE)
    else:
        copying.load_postgresql(database, folder / _DUMP)
        settings = root / FILE_NAME
        settings.write_text(
            with_key(settings.read_text("utf-8"), "database", copying.without_password(database)), "utf-8"
        )
    with closing(Desk.open(root, database=database)) as desk:
        if target := _picture_folder(desk):
            _copy_tree(folder / _PICTURES, target, leave_out=frozenset(), remove=False)
        _, missing = _missing(((each.sha256, each.media_type) for each in copying.each_picture(desk.db)), desk.blobs)
        _check_restored(desk, backup)
        return Restored(backup, [] if go_on else _paused(desk, by), missing)


def _check_target(desk: Desk, folder: Path) -> None:
    inside = folder.is_relative_to(desk.root) or desk.root.is_relative_to(folder)
    if inside or (folder.exists() and any(folder.iterdir()) and not _is_ours(folder)):
        raise UsageError(
            f"{folder} holds something else; choose an empty folder outside of the desk, best on another disk"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"{folder}: {exc.strerror}; choose a folder that can be written") from exc


def _is_ours(folder: Path) -> bool:
    """Whether a backup was begun there."""
    return {each.name for each in folder.iterdir()} <= {FACTS, _SQLITE, _DUMP, _PICTURES, _FILES, *_parts()}


def _parts() -> Iterator[str]:
    for name in (_SQLITE, _DUMP):
        yield from (f"{name}.part", f"{name}.part-wal", f"{name}.part-shm", f"{name}-wal", f"{name}-shm")


def _copy_database(desk: Desk, folder: Path, names: TextIO) -> tuple[str, dict[str, int], str]:
    """One moment of it, under its name only when it was found whole; gives its head, counts and form.

    The names of its pictures are written down, since they are looked for when the pictures were copied, hours later
    perhaps, and for so long no view should be kept open: the server could not clean up behind it.
    """
    name = _DUMP if desk.db.is_shared else _SQLITE
    part = folder / f"{name}.part"
    part.unlink(missing_ok=True)
    with copying.copied(desk.db, part) as moment:
        found = audit.verify_history(moment.history)
        _check_whole(found)
        counted, form = moment.counts(), moment.form
        names.writelines(f"{picture.sha256} {picture.media_type}\n" for picture in moment.pictures())
    part.replace(folder / name)
    return found.head, counted, form


def _read_names(names: TextIO) -> Iterator[tuple[str, str]]:
    names.seek(0)
    for line in names:
        sha256, media_type = line.split()
        yield sha256, media_type


def _check_whole(found: audit.Audit) -> None:
    if not found.is_whole:
        raise StoreError(f"the history is not whole: {found.breaks[0] if found.breaks else 'its end is another'}")


def _check_restored(desk: Desk, backup: Backup) -> None:
    _check_whole(audit.verify(desk, expected=backup.head))
    counted = copying.counts(desk.db)
    if differing := [name for name, n in backup.counts.items() if counted.get(name) != n]:
        raise StoreError(f"other numbers of rows than in the backup: {', '.join(differing)}")


def _paused(desk: Desk, by: Person) -> list[str]:
    waiting = [batch for batch in reading.batches(desk.db) if batch.counts.get(EditState.QUEUED)]
    names = [batch.name for batch in waiting if batch.paused_at is None and batch.cancelled_at is None]
    for name in names:
        batches.pause(desk, name, by=by)
    return names


def _missing(
    names: Iterable[tuple[str, str]], blobs: BlobStore, *, live: Database | None = None
) -> tuple[int, list[str]]:
    """How many pictures there are to be, and which of them are nowhere; not those that were erased meanwhile.

    Args:
        names: The sha256 and the media type of each.
        blobs: Where to look for them.
        live: The database that they were named in, if somebody may have erased some of them since.
    """
    count, missing = 0, []
    for sha256, media_type in names:
        count += 1
        if not blobs.has(sha256, media_type) and (live is None or _is_known(live, sha256)):
            missing.append(sha256)
    return count, missing[:_MOST_NAMED]


def _is_known(db: Database, sha256: str) -> bool:
    try:
        reading.picture(db, sha256)
    except NotFound:
        return False
    return True


def _picture_folder(desk: Desk) -> Path | None:
    """The folder that the pictures are in; None for a bucket."""
    return desk.blobs.folder


def _not_copied(desk: Desk) -> frozenset[str]:
    databases = {f"{name}{end}" for name in (_SQLITE, "insights.db") for end in ("", "-wal", "-shm")}
    pictures = _picture_folder(desk)
    within = {pictures.relative_to(desk.root).parts[0]} if pictures and pictures.is_relative_to(desk.root) else set()
    return _LEFT_OUT | databases | within


def _copy_tree(source: Path, target: Path, *, leave_out: frozenset[str], remove: bool = True) -> int:
    """Make the target as the source is: copies what is new or of another size or time; gives how many files.

    Args:
        source: A folder; nothing is copied if there is none.
        target: Made if it is not there.
        leave_out: Names at its top.
        remove: Remove from the target what is not in the source any more, such as an erased picture.
    """
    target.mkdir(parents=True, exist_ok=True)
    names = set(_names(source)) - leave_out if source.is_dir() else set()
    copied = 0
    for name in sorted(names):
        here, there = source / name, target / name
        if here.is_dir():
            copied += _copy_tree(here, there, leave_out=frozenset(), remove=remove)
        elif not _is_same(here, there):
            part = target / f".part-{name}"
            try:
                shutil.copy2(here, part)
            except FileNotFoundError:  # it was removed since its folder was read
                continue
            part.replace(there)
            copied += 1
    for name in set(_names(target)) - names if remove else ():
        extra = target / name
        shutil.rmtree(extra) if extra.is_dir() else extra.unlink()
    return copied


def _names(folder: Path) -> Iterator[str]:
    """What stands in a folder, without what somebody is writing, and without links."""
    with os.scandir(folder) as entries:
        for each in entries:
            if not each.is_symlink() and not each.name.startswith(".tmp-"):
                yield each.name


def _is_same(here: Path, there: Path) -> bool:
    if not there.exists():
        return False
    one, other = here.stat(), there.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _read_facts(folder: Path) -> Backup:
    try:
        said: dict[str, Any] = json.loads((folder / FACTS).read_text("utf-8"))
        return Backup(**said)
    except (OSError, ValueError, TypeError) as exc:
        raise UsageError(f"{folder} is no backup, or it was not finished: {FACTS} cannot be read ({exc})") from exc
