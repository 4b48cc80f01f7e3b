"""What the fake detectors see: colours. A patch of pure red is a face, green the line "Summer Sale", blue a logo.

So a test draws what is to be found, and knows where; every other picture has nothing in it.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

_STRONG, _WEAK = 190, 70
_LEAST_PX = 100
LABELS = {"face": "", "text": "Summer Sale", "logo": "Oskelby"}


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch of one colour.

    Attributes:
        kind: face, text or logo.
        xyxy: Left, top, right, bottom in pixels of the picture.
    """

    kind: str
    xyxy: tuple[int, int, int, int]

    @property
    def label(self) -> str:
        """What stands there."""
        return LABELS[self.kind]


def seen(data: bytes) -> tuple[tuple[int, int], list[Patch]]:
    """The picture's size, and its patches.

    Raises:
        OSError: It is no picture.
    """
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return (pixels.shape[1], pixels.shape[0]), list(_patches(pixels))


def _patches(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Iterator[Patch]:
    for channel, kind in enumerate(LABELS):
        others = np.delete(pixels, channel, axis=2)
        mask = (pixels[:, :, channel] > _STRONG) & (others < _WEAK).all(axis=2)
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        for left, top, width, height, area in stats[1:count].tolist():
            if area >= _LEAST_PX:
                yield Patch(kind, (left, top, left + width, top + height))
