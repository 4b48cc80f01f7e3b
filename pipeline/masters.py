"""Masters: approved pictures to the byte, held against what was approved.

Processes that copy them load nothing but this: 24 MB each, where the package of exports takes 94.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.blobs import BlobPlace, BlobStore, open_blobs
from pipeline.errors import PicturedeskError

_FROM_A_BUCKET: Final = 16
"""Pictures that are read from a bucket at once: each waits for the network."""


class Master(NamedTuple):
    """An approved picture.

    Attributes:
        file: Where a copy of it stands, in a folder.
        title: Says to people which it is.
    """

    sha256: str
    media_type: str
    file: str
    title: str


def read_master(blobs: BlobStore, master: Master) -> bytes:
    """Its bytes.

    Raises:
        PicturedeskError: They are damaged, or not there.
    """
    data = blobs.read(master.sha256, master.media_type)
    if hashlib.sha256(data).hexdigest() != master.sha256:
        raise PicturedeskError(f"{master.title}: its picture in the desk is damaged; restore it from a backup")
    return data


def copy_masters(place: BlobPlace, folder: Path, left_over: Path | None, masters: Sequence[Master]) -> None:
    """Copy some into a folder; may be repeated, and done by any process.

    Args:
        place: Where they are kept.
        folder: Theirs.
        left_over: A folder like it, of somebody who was killed: whole copies are taken from there; None for none.
        masters: What to copy.

    Raises:
        PicturedeskError: One is damaged, or not there.
        OSError: One cannot be written.
    """
    blobs = open_blobs(place)

    def copy(master: Master) -> None:
        target = folder / master.file
        if left_over is None or not _take_over(left_over / master.file, master.sha256, target):
            target.write_bytes(read_master(blobs, master))

    if place.is_folder:
        for each in masters:
            copy(each)
    else:
        with ThreadPoolExecutor(_FROM_A_BUCKET) as threads:
            list(threads.map(copy, masters))


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
