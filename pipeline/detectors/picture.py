"""One picture for all detectors: decoded once, scaled once for each size that is asked for."""

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB."""

_MAX_PX = 2048
"""More pixels show no detector more, and cost memory."""

_MULTIPLE = 32
"""The networks halve their input five times."""

_WELL_SMALLER = 0.8
"""Scaled from the half of a picture of 1024 pixels, three copies together take 1 ms, from the whole 6 (our measurement,
2026-11-21)."""


class Picture:
    """A picture with smaller copies.

    Args:
        image: RGB or RGBA, upright; what is transparent is seen on white.

    Attributes:
        size_wh: Width and height of the picture in pixels; boxes are given in these.
        pixels: The picture, scaled down to at most 2048 pixels a side.
    """

    def __init__(self, image: Image.Image) -> None:
        self.size_wh = image.size
        if image.has_transparency_data:
            image = image.convert("RGBA")
            ground = Image.new("RGB", image.size, "white")
            ground.paste(image, mask=image.getchannel("A"))
            image = ground
        whole: Pixels = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
        self.pixels = _scaled(whole, *_at_most(_MAX_PX, *image.size))
        self._copies: dict[tuple[int, int], Pixels] = {}

    def copy(self, long_side: int, *, enlarge: float = 1.0) -> Pixels:
        """A copy of about that long side, its sides multiples of 32.

        Args:
            long_side: Its long side in pixels, about.
            enlarge: How many times as large as the picture it may be, but for rounding.
        """
        size = self.copy_size_wh(long_side, enlarge=enlarge)
        if size not in self._copies:
            self._copies[size] = _scaled(self._larger(size), *size)
        return self._copies[size]

    def _larger(self, size_wh: tuple[int, int]) -> Pixels:
        """The smallest of the picture and its half that is well larger than that."""
        height, width = self.pixels.shape[:2]
        if size_wh[0] > _WELL_SMALLER * width / 2 or size_wh[1] > _WELL_SMALLER * height / 2:
            return self.pixels
        half = (width // 2, height // 2)
        if half not in self._copies:
            self._copies[half] = _scaled(self.pixels, *half)
        return self._copies[half]

    def copy_size_wh(self, long_side: int, *, enlarge: float = 1.0) -> tuple[int, int]:
        """The size of that copy."""
        height, width = self.pixels.shape[:2]
        fitted = _at_most(long_side, width, height, enlarge=enlarge)
        columns, rows = (max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE) for side in fitted)
        return columns, rows


def _at_most(long_side: int, width: int, height: int, *, enlarge: float = 1.0) -> tuple[int, int]:
    scale = min(enlarge, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scaled(pixels: Pixels, width: int, height: int) -> Pixels:
    if (width, height) == (pixels.shape[1], pixels.shape[0]):
        return pixels
    how = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_CUBIC
    scaled = cv2.resize(pixels, (width, height), interpolation=how)
    return np.asarray(scaled, np.uint8)
