"""Pictures by their sha256, in a folder: ``ab/cd/abcd….png``.

A picture is written under a temporary name, synced, linked to its own name, and the folder synced: after a crash it
is there whole, or not at all. A database row that names a picture is written only afterwards.
"""

import hashlib
import os
import uuid
from pathlib import Path

from pipeline.errors import NotFound

SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp"}
"""By media type; other pictures, as originals of sources may be, are kept as ``.bin``."""

_TEMPORARY = ".tmp-"


class BlobStore:
    """A folder of pictures.

    Args:
        root: The folder; made when the first picture is put in.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes, media_type: str) -> str:
        """Keep these bytes, and give their sha256; keeping them twice is keeping them once."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256, media_type)
        if path.exists():
            return sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
        return sha256

    def has(self, sha256: str, media_type: str) -> bool:
        """Whether these bytes are here."""
        return self._path(sha256, media_type).is_file()

    def path(self, sha256: str, media_type: str) -> Path:
        """Where these bytes are.

        Raises:
            NotFound: They are not here.
        """
        path = self._path(sha256, media_type)
        if not path.is_file():
            raise NotFound(f"picture {sha256[:12]}…: its file is missing from {self.root}; restore it from a backup")
        return path

    def read(self, sha256: str, media_type: str) -> bytes:
        """These bytes.

        Raises:
            NotFound: They are not here.
        """
        return self.path(sha256, media_type).read_bytes()

    def sweep(self) -> int:
        """Remove what a writer that was killed left half written; gives the number of files.

        Only for the one process that runs the desk.
        """
        left = list(self.root.glob(f"??/??/{_TEMPORARY}*"))
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _path(self, sha256: str, media_type: str) -> Path:
        return self.root / sha256[:2] / sha256[2:4] / f"{sha256}{SUFFIXES.get(media_type, '.bin')}"


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


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
