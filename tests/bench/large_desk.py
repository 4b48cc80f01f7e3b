"""A desk with 100,000 edits in review, and the pictures that they show: what the review page is measured on."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline import review
from pipeline.desk import Desk
from pipeline.people import local_person
from pipeline.values import PictureFacts
from tests.bench.raw_review import EDITS
from tests.desks import build_desk
from tests.many_edits import add_copies

_SIZE_WH = (1024, 1024)


def build_large_desk(root: Path, pictures: Iterable[bytes]) -> Desk:
    """The desk; its edits are alike but for their pictures.

    Args:
        root: The desk's folder.
        pictures: JPEG, 1024 x 1024: source, output, source, output, ...; the edits take the pairs in turn.
    """
    desk = build_desk(root)
    add_copies(desk, 1, EDITS, [_put(desk, data) for data in pictures])
    # The first of all is small, the others have several outputs or none.
    for other in (1, 2, 3, 4, 6):
        review.reject(desk, other, by=local_person("bench"), reason="other")
    return desk


def draw_picture(number: int) -> bytes:
    """A JPEG picture of 1024 x 1024, some 300 kB."""
    noise = np.random.default_rng(number).normal(128, 40, (512, 512, 3)).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(_SIZE_WH, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _put(desk: Desk, data: bytes) -> PictureFacts:
    return PictureFacts(desk.blobs.put(data, "image/jpeg"), "image/jpeg", _SIZE_WH, len(data))
