"""Where an inbox is: a folder, or a bucket's prefix. Both list what lies there, give it out, and move it."""

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pipeline.errors import BlobsFailed, NotFound, UsageError
from pipeline.object_shelf import SCHEMES, ObjectShelf
from pipeline.texts import is_storable

DONE, BAD = "done", "bad"
MARKER = ".picturedesk-done.json"
"""In a folder of which nothing is moved: what of it was taken, by path."""

Entries = dict[str, tuple[int, str]]
"""By path from the inbox on, with ``/``: size, and what changes when the file does."""

_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download", ".swp")
"""What programs call a file that they are still writing."""


class Place(Protocol):
    """An inbox."""

    title: str

    def entries(self, folder: str = "") -> Entries:
        """Everything that waits, or what does in one folder; hidden and unfinished files, ``done``, ``bad`` aside.

        Raises:
            UsageError: There is no such place.
            BlobsFailed: It does not answer.
        """

    def fetch(self, path: str, to: Path) -> None:
        """Put a file's bytes into this new file, with its own time.

        Raises:
            NotFound: It is gone.
        """

    def move(self, path: str, to: str) -> None:
        """Move a file within the inbox; one that is gone was moved before."""

    def read(self, path: str) -> bytes | None:
        """A small file's bytes; None if there is none."""

    def write(self, path: str, data: bytes) -> None:
        """Write a small file, in place of an earlier one."""


def open_place(place: str, *, root: Path, options: Mapping[str, Any]) -> Place:
    """The inbox of that name.

    Args:
        place: A folder, or a URL.
        root: What a folder is relative to.
        options: Of a bucket's client.

    Raises:
        UsageError: It is neither.
    """
    if place.partition("://")[0] in SCHEMES:
        return BucketPlace(place, options)
    if "://" in place:
        raise UsageError(f"inbox: found {place!r}; expected a folder, or a URL such as s3://bucket/prefix")
    return FolderPlace(root / Path(place).expanduser())


class FolderPlace:
    """A folder.

    Args:
        folder: Its path; ``done`` and ``bad`` are made in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self.title = str(self._folder)

    def entries(self, folder: str = "") -> Entries:
        """Everything that waits; see `Place`."""
        if not self._folder.is_dir():
            raise UsageError(f"inbox: {self._folder} is no folder; make it, or name another one")
        return dict(self._below(self._folder / folder, f"{folder}/" if folder else ""))

    def fetch(self, path: str, to: Path) -> None:
        """Link the file, or copy it from another disk; see `Place`."""
        source = self._folder / path
        try:
            try:
                os.link(source, to, follow_symlinks=False)
            except (OSError, NotImplementedError):
                shutil.copy2(source, to, follow_symlinks=False)
        except FileNotFoundError as exc:
            raise NotFound(f"{path} is gone from {self.title}; put it there again") from exc
        except OSError as exc:
            raise BlobsFailed(f"{path} of {self.title} cannot be read ({exc.strerror}); look after it") from exc

    def move(self, path: str, to: str) -> None:
        """Rename it; see `Place`."""
        source, target = self._folder / path, self._folder / to
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise BlobsFailed(f"{path} of {self.title} cannot be moved ({exc.strerror}); look after it") from exc
        for parent in source.parents:  # folders that are empty now
            if parent == self._folder or not parent.is_relative_to(self._folder):
                return
            try:
                parent.rmdir()
            except OSError:
                return

    def read(self, path: str) -> bytes | None:
        """A small file's bytes; see `Place`."""
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, data: bytes) -> None:
        """Write a small file; see `Place`."""
        target = self._folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        temporary.write_bytes(data)
        temporary.replace(target)

    def _below(self, folder: Path, before: str) -> Iterator[tuple[str, tuple[int, str]]]:
        """Links are not followed: they could lead to files that are nobody's pictures."""
        try:
            found = sorted(os.scandir(folder), key=lambda each: each.name)
        except FileNotFoundError:  # moved away meanwhile
            return
        for each in found:
            path = f"{before}{each.name}"
            if not _counts(path):
                continue
            try:
                if each.is_dir(follow_symlinks=False):
                    yield from self._below(Path(each.path), f"{path}/")
                elif each.is_file(follow_symlinks=False):
                    status = each.stat(follow_symlinks=False)
                    yield path, (status.st_size, str(status.st_mtime_ns))
            except FileNotFoundError:
                continue


class BucketPlace:
    """What is below a prefix of a bucket.

    Args:
        url: ``s3://bucket/prefix``, or gs:// or az://.
        options: As of a desk's ``blobs_options``.

    Raises:
        UsageError: It is no such URL.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.title = url.rstrip("/")
        self._shelf = ObjectShelf(self.title, options)

    def entries(self, folder: str = "") -> Entries:
        """Everything that waits, but for what programs put there to show an empty folder; see `Place`."""
        found = [each for each in self._shelf.each(folder) if _counts(each.name)]
        files = (each for each in found if each.byte_count or self._is_file(each.name))
        return dict(sorted((each.name, (each.byte_count, each.modified_at.isoformat())) for each in files))

    def _is_file(self, path: str) -> bool:
        """Whether an empty object is one: ``folder/`` is listed as ``folder``, and nothing has that name."""
        return self._shelf.stat(path) is not None

    def fetch(self, path: str, to: Path) -> None:
        """Download it; see `Place`."""
        to.write_bytes(self._shelf.read(path))
        stored = self._shelf.stat(path)
        if stored is not None:
            moment = stored.modified_at.timestamp()
            os.utime(to, (moment, moment))

    def move(self, path: str, to: str) -> None:
        """Copy it within the bucket, then remove it; see `Place`."""
        if self._shelf.stat(path) is not None:
            self._shelf.move(path, to)

    def read(self, path: str) -> bytes | None:
        """A small object's bytes; see `Place`."""
        return None if self._shelf.stat(path) is None else self._shelf.read(path)

    def write(self, path: str, data: bytes) -> None:
        """Write a small object; see `Place`."""
        self._shelf.replace(path, data, media_type="text/plain")


def _counts(path: str) -> bool:
    """Whether it may be meant for the desk; a name that is no text never is."""
    parts = PurePosixPath(path).parts
    if (
        not parts
        or not is_storable(path)
        or parts[0] in (DONE, BAD)
        or any(part.startswith((".", "~")) for part in parts)
    ):
        return False
    return not parts[-1].lower().endswith(_UNFINISHED) and not parts[-1].endswith("~")
