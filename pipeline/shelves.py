"""Where bytes are kept under names: a folder of this machine, or a bucket behind a URL (`pipeline.object_shelf`).

A file is written under a temporary name, synced, renamed, and its folder synced: after a crash it is there whole, or
not at all. Names are parts of letters, digits, ``.``, ``-`` and ``_``, divided by ``/``; a part that begins with a dot
is the shelf's own.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pipeline.errors import BlobsFailed, NotFound

_TEMPORARY = ".tmp-"


@dataclass(frozen=True, slots=True)
class Stored:
    """Something on a shelf.

    Attributes:
        name: Its name.
        byte_count: Its size.
        modified_at: When it was put there.
    """

    name: str
    byte_count: int
    modified_at: datetime


class Shelf(Protocol):
    """Keeps bytes under names.

    Every method raises `BlobsFailed`, saying what to do, if the place cannot be reached, is not there or refuses.

    Attributes:
        title: Where it is, for people; never with a secret.
    """

    title: str

    def write(self, name: str, data: bytes, *, media_type: str) -> None:
        """Keep bytes whole under a name that only these bytes have; if something is there, it stays."""

    def replace(self, name: str, data: bytes, *, media_type: str) -> None:
        """Keep bytes whole under a name, in place of what is there."""

    def read(self, name: str) -> bytes:
        """The bytes of that name.

        Raises:
            NotFound: There are none.
        """

    def stat(self, name: str) -> Stored | None:
        """What is known of the bytes of that name; None if there are none."""

    def each(self, folder: str = "") -> Iterator[Stored]:
        """Everything whose name begins with these parts, read as it goes."""

    def remove(self, name: str) -> None:
        """Remove what has that name; nothing happens if there is nothing."""

    def move(self, name: str, to: str) -> None:
        """Give bytes another name.

        Raises:
            NotFound: There are none.
        """

    def sweep(self, *, older_than_s: float = 0) -> int:
        """Remove what killed writers left half written, and gives the number; only of an age that no writer has."""

    def signed_url(self, name: str, *, life_s: int) -> str | None:
        """A URL by which anyone can read these bytes for so many seconds; None if this shelf has none."""


class FolderShelf:
    """A folder of files.

    Args:
        root: The folder; made when the first file is put in.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.title = str(root)

    def write(self, name: str, data: bytes, *, media_type: str) -> None:
        """Keep bytes; see `Shelf`."""
        if not self._path(name).exists():
            self.replace(name, data, media_type=media_type)

    def replace(self, name: str, data: bytes, *, media_type: str) -> None:
        """Keep bytes in place of others; see `Shelf`."""
        path = self._path(name)
        with _told(f"{self.title} cannot be written"):
            _make_folder(path.parent)
            write_whole(path, data)

    def read(self, name: str) -> bytes:
        """The bytes of that name; see `Shelf`."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError as exc:  # it was moved meanwhile
            raise NotFound(f"{name} is missing from {self.title}; restore it from a backup") from exc

    def path(self, name: str) -> Path:
        """The file of that name.

        Raises:
            NotFound: There is none.
        """
        path = self._path(name)
        if not path.is_file():
            raise NotFound(f"{name} is missing from {self.title}; restore it from a backup")
        return path

    def stat(self, name: str) -> Stored | None:
        """What is known of the file; see `Shelf`."""
        try:
            return _stored(name, self._path(name).stat())
        except FileNotFoundError:
            return None

    def each(self, folder: str = "") -> Iterator[Stored]:
        """Every file; see `Shelf`."""
        yield from _each(self._path(folder) if folder else self.root, f"{folder}/" if folder else "")

    def remove(self, name: str) -> None:
        """Remove a file; see `Shelf`."""
        with _told(f"{self.title} cannot be written"):
            self._path(name).unlink(missing_ok=True)

    def move(self, name: str, to: str) -> None:
        """Rename a file; see `Shelf`."""
        target = self._path(to)
        with _told(f"{self.title} cannot be written"):
            _make_folder(target.parent)
            self.path(name).replace(target)
            _sync_folder(target.parent)

    def sweep(self, *, older_than_s: float = 0) -> int:
        """Remove half-written files; see `Shelf`."""
        before, swept = time.time() - older_than_s, 0
        for path in self.root.rglob(f"{_TEMPORARY}*"):
            try:
                if path.stat().st_mtime <= before:
                    path.unlink()
                    swept += 1
            except FileNotFoundError:  # its writer was done
                continue
        return swept

    def signed_url(self, name: str, *, life_s: int) -> str | None:
        """None: nobody reaches a folder by URL."""
        return None

    def _path(self, name: str) -> Path:
        return self.root / name


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole after a crash, or not at all; who may read it is up to the umask."""
    temporary = path.parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _each(folder: Path, prefix: str) -> Iterator[Stored]:
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in found:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _each(Path(entry.path), f"{prefix}{entry.name}/")
            continue
        with suppress(FileNotFoundError):  # somebody removed it meanwhile
            yield _stored(f"{prefix}{entry.name}", entry.stat())


def _stored(name: str, status: os.stat_result) -> Stored:
    return Stored(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _make_folder(folder: Path) -> None:
    """A folder that is still there after a crash."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise BlobsFailed(f"{what} ({exc.strerror}); free some space, or look after the folder, and run again") from exc
