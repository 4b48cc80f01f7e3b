"""Pictures as they are, to the byte: held against what was approved, and copied."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from pipeline.blobs import BlobPlace, BlobStore, open_blobs
from pipeline.errors import PicturedeskError
from pipeline.export.noted import Noted
from pipeline.records import asset_title

_FROM_A_BUCKET: Final = 16
"""Pictures that are read from a bucket at once: each waits for the network."""


def copy(place: BlobPlace, folder: Path, left_over: Path | None, pictures: Sequence[Noted]) -> None:
    """Copy masters; may be repeated, and begun in any process.

    Args:
        place: Where they are kept.
        folder: The export's.
        left_over: What a killed export left, whose copies are taken over; None for nothing.
        pictures: Some.

    Raises:
        PicturedeskError: One is damaged, or not there.
        OSError: One cannot be written.
    """
    blobs = open_blobs(place)

    def copy_one(picture: Noted) -> None:
        target = folder / picture.file
        if left_over is None or not _take_over(left_over / picture.file, picture.sha256, target):
            target.write_bytes(master(blobs, picture))

    if place.is_folder:
        for each in pictures:
            copy_one(each)
    else:
        with ThreadPoolExecutor(_FROM_A_BUCKET) as threads:
            list(threads.map(copy_one, pictures))


def master(blobs: BlobStore, picture: Noted) -> bytes:
    """The picture that was approved, to the byte.

    Raises:
        PicturedeskError: It is damaged, or not there.
    """
    data = blobs.read(picture.sha256, picture.media_type)
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        title = asset_title(picture.asset, picture.variant)
        raise PicturedeskError(
            f"edit {picture.edit_id} ({title}): its picture in the desk is damaged; restore it from a backup"
        )
    return data


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
