"""Pictures by their sha256, on a shelf: ``ab/cd/abcd….png`` in a folder, or in a bucket.

A database row that names a picture is written only after the picture. Where pictures are kept is told to worker
processes as a `BlobPlace`, and each of them opens it once. Pictures of a bucket are kept in a folder of this machine,
too, for a while: detectors, previews and exports read each one several times.

What `picturedesk gc` takes away is first set aside under ``removed/``: whoever misses it finds it there.
"""

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.errors import BlobsFailed, NotFound
from pipeline.object_shelf import ObjectShelf
from pipeline.shelves import FolderShelf, Shelf, write_whole
from pipeline.values import PictureFacts, PictureFile

SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
"""By media type; other pictures, as originals of sources may be, are kept as ``.bin``."""

SET_ASIDE = "removed"
"""Where pictures wait that nobody names any more, on their shelf."""

KEPT_URI = "blob:"
"""How an edit names a picture of the store that came with no file: a reviewer's mark."""

_PLAIN_BYTES = "application/octet-stream"
_CACHE_LIFE_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class BlobPlace:
    """Where pictures are kept.

    Attributes:
        url: An absolute folder, or ``s3://bucket/prefix``, ``gs://...``, ``az://...``.
        options: Of the bucket's client, by name; may hold keys.
        cache: A folder for copies of a bucket's pictures; None for none.
        cache_bytes: How large it may become.
        waiting: A folder for what was paid for while the bucket did not answer; None for none.
    """

    url: str
    options: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    cache: Path | None = None
    cache_bytes: int = 0
    waiting: Path | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine."""
        return "://" not in self.url


class BlobStore:
    """A store of pictures.

    Args:
        place: Where they are kept.
    """

    def __init__(self, place: BlobPlace) -> None:
        self.place = place
        self.shelf: Shelf = open_shelf(place)
        self._cache = None if place.cache is None else _Cache(place.cache, place.cache_bytes)
        self._waiting = None if place.waiting is None else FolderShelf(place.waiting)

    @property
    def folder(self) -> Path | None:
        """The folder that they are in; None for a bucket."""
        return self.shelf.root if isinstance(self.shelf, FolderShelf) else None

    def put(self, data: bytes, media_type: str) -> str:
        """Keep these bytes, and give their sha256; keeping them twice is keeping them once.

        Raises:
            BlobsFailed: They cannot be kept now; says what to do.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        name = blob_name(sha256, media_type)
        self.shelf.write(name, data, media_type=media_type if media_type in SUFFIXES else _PLAIN_BYTES)
        if self._cache is not None:
            self._cache.put(name, data)
        return sha256

    def put_in_any_case(self, data: bytes, media_type: str) -> str:
        """As `put`; if the bucket does not answer, on this machine, until `deliver` brings it there.

        Raises:
            BlobsFailed: Not even that.
        """
        try:
            return self.put(data, media_type)
        except BlobsFailed:
            if self._waiting is None:
                raise
            sha256 = hashlib.sha256(data).hexdigest()
            self._waiting.write(blob_name(sha256, media_type), data, media_type=media_type)
            return sha256

    def deliver(self) -> int:
        """Bring what waits on this machine to the bucket; gives the number of pictures.

        Raises:
            BlobsFailed: It still does not answer.
        """
        delivered = 0
        for waiting in self._waiting.each() if self._waiting is not None else ():
            assert self._waiting is not None
            self.shelf.write(waiting.name, self._waiting.read(waiting.name), media_type=_media_type(waiting.name))
            self._waiting.remove(waiting.name)
            delivered += 1
        return delivered

    def has(self, sha256: str, media_type: str) -> bool:
        """Whether these bytes are here."""
        name = blob_name(sha256, media_type)
        return self.shelf.stat(name) is not None or self._brought_back(name)

    def read(self, sha256: str, media_type: str) -> bytes:
        """These bytes; from a bucket, held against their sha256.

        Raises:
            NotFound: They are not here, or damaged.
            BlobsFailed: They cannot be read now.
        """
        name = blob_name(sha256, media_type)
        if self._cache is None:
            return self._read(name)
        data = self._cache.get(name)
        if data is None:
            data = self._read(name)
            _check(data, sha256, self.shelf.title)
            self._cache.put(name, data)
        return data

    def verify(self, sha256: str, media_type: str) -> None:
        """Read these bytes where they are kept, and hold them against their sha256.

        Raises:
            NotFound: They are not here, or damaged.
        """
        _check(self._read(blob_name(sha256, media_type)), sha256, self.shelf.title)

    def fetch(self, sha256: str, media_type: str) -> None:
        """Make sure that these bytes are here, and will be read soon: those of a bucket are copied to this machine.

        Raises:
            NotFound: They are not here.
        """
        if self._cache is not None:
            self.read(sha256, media_type)
        elif not self.has(sha256, media_type):
            self._read(blob_name(sha256, media_type))  # says what is missing

    def picture(self, facts: PictureFacts) -> PictureFile:
        """A stored picture for a request; read when it is needed."""
        return PictureFile(facts, StoredPicture(self.place, facts.sha256, facts.media_type))

    def path(self, sha256: str, media_type: str) -> Path:
        """The file with these bytes, if they are kept in a folder.

        Raises:
            NotFound: They are not here.
        """
        assert isinstance(self.shelf, FolderShelf), "only a folder has files"
        name = blob_name(sha256, media_type)
        if not self.has(sha256, media_type):
            raise _missing(name, self.shelf)
        return self.shelf.path(name)

    def remove(self, sha256: str, media_type: str) -> None:
        """Remove these bytes for good, here and from this machine's copies."""
        name = blob_name(sha256, media_type)
        for each in (name, f"{SET_ASIDE}/{name}"):
            self.shelf.remove(each)
        if self._waiting is not None:
            self._waiting.remove(name)
        if self._cache is not None:
            self._cache.remove(name)

    def sweep(self) -> int:
        """Remove what a writer that was killed left half written; gives the number of files.

        Only for the one process that runs the desk.
        """
        return self.shelf.sweep()

    def _read(self, name: str) -> bytes:
        if self._waiting is not None and self._waiting.stat(name) is not None:
            return self._waiting.read(name)
        try:
            return self.shelf.read(name)
        except NotFound:
            if not self._brought_back(name):
                raise _missing(name, self.shelf) from None
        return self.shelf.read(name)

    def _brought_back(self, name: str) -> bool:
        """Whether it was set aside as something that nobody names, and is back."""
        with suppress(NotFound):
            self.shelf.move(f"{SET_ASIDE}/{name}", name)
            return True
        return self.shelf.stat(name) is not None  # somebody else was faster


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A stored picture as a request carries it, into worker processes as well."""

    place: BlobPlace
    sha256: str
    media_type: str

    def read_bytes(self) -> bytes:
        """Its bytes."""
        return open_blobs(self.place).read(self.sha256, self.media_type)


@lru_cache(maxsize=16)
def open_blobs(place: BlobPlace) -> BlobStore:
    """The store at that place, opened once in each process."""
    return BlobStore(place)


def open_shelf(place: BlobPlace) -> Shelf:
    """The shelf at that place.

    Raises:
        UsageError: There is no such kind of place.
    """
    return FolderShelf(Path(place.url)) if place.is_folder else ObjectShelf(place.url, dict(place.options))


def blob_place(blobs: str | None, *, root: Path, options: Mapping[str, Any], cache_mb: float) -> BlobPlace:
    """Where a desk keeps its pictures, by its settings.

    Args:
        blobs: A folder, from the desk's on, or a URL; ``pictures`` in the desk's folder if None.
        root: The desk's folder.
        options: Of a bucket's client.
        cache_mb: How many megabytes of a bucket's pictures are copied to the desk's folder; 0 for none.
    """
    if blobs is None or "://" not in blobs:
        return BlobPlace(str(root / (Path(blobs).expanduser() if blobs else "pictures")))
    cache = root / "cache" / "pictures" if cache_mb else None
    return BlobPlace(blobs.rstrip("/"), tuple(sorted(options.items())), cache, int(cache_mb * 1e6), root / "waiting")


def blob_name(sha256: str, media_type: str) -> str:
    """What the picture is called on its shelf."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}{SUFFIXES.get(media_type, '.bin')}"


def _media_type(name: str) -> str:
    suffix = f".{name.rpartition('.')[2]}"
    return next((media_type for media_type, known in SUFFIXES.items() if known == suffix), _PLAIN_BYTES)


def kept_uri(sha256: str) -> str:
    """How an edit names a PNG of the store that came with no file."""
    return f"{KEPT_URI}{sha256}.png"


def kept_sha256(uri: str | None) -> str | None:
    """The picture that such a name means; None if it is a path or a URL."""
    if uri is None or not uri.startswith(KEPT_URI):
        return None
    return uri.removeprefix(KEPT_URI).removesuffix(".png")


def _check(data: bytes, sha256: str, title: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise NotFound(f"picture {sha256[:12]}…: what {title} has is damaged; restore it from a backup")


def _missing(name: str, shelf: Shelf) -> NotFound:
    sha256 = name.rpartition("/")[2]
    return NotFound(f"picture {sha256[:12]}…: its file is missing from {shelf.title}; restore it from a backup")


class _Cache:
    """Copies on this machine; the least used go first, and what nobody read for a day goes, too.

    Several processes share it: each looks after its size once it wrote a tenth of that.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._written = most_bytes  # look at what is there before anything is added

    def get(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, name: str, data: bytes) -> None:
        path = self._path(name)
        with suppress(OSError):  # it only saves a request
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
        self._written += len(data)
        if self._written > self._most_bytes / 10:
            self._written = 0
            self._shrink()

    def remove(self, name: str) -> None:
        with suppress(OSError):
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name.rpartition("/")[2]

    def _shrink(self) -> None:
        found, now = [], time.time()
        for each in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):
                status = each.stat()
                found.append((status.st_mtime, status.st_size, each))
        left = sum(size for _, size, _ in found)
        for used_at, size, path in sorted(found):
            if left <= self._most_bytes and now - used_at < _CACHE_LIFE_S:
                return
            with suppress(OSError):
                path.unlink(missing_ok=True)
            left -= size
