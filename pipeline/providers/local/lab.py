"""CIE Lab as the local edits use it: L in 0..100, a and b about -100..100, float32."""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_BAND_ROWS = 256


def to_lab(rgb: NDArray[np.uint8] | Floats) -> Floats:
    """Lab of pixels in 0..255, (height, width, 3)."""
    return np.asarray(cv2.cvtColor(np.asarray(rgb, np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)


def from_lab(lab: Floats) -> Floats:
    """Pixels in 0..255, not rounded, of Lab; what sRGB cannot show is clipped."""
    return np.clip(np.asarray(cv2.cvtColor(np.asarray(lab, np.float32), cv2.COLOR_LAB2RGB), np.float32), 0, 1) * 255


def colour_lab(colour: tuple[int, int, int]) -> Floats:
    """Lab of one colour, (3,)."""
    return np.asarray(to_lab(np.array([[colour]], np.uint8))[0, 0], np.float32)


def shrink(picture: NDArray[np.uint8], side_px: int) -> NDArray[np.uint8]:
    """The picture, or mask, reduced so that its longer side is at most side_px; never enlarged."""
    height, width = picture.shape[:2]
    factor = side_px / max(height, width)
    if factor >= 1:
        return picture
    size_wh = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def to_bytes(pixels: Floats) -> NDArray[np.uint8]:
    """Rounded to 0..255, a band of rows at a time to keep the memory down."""
    rounded = np.empty(pixels.shape, np.uint8)
    for top in range(0, len(pixels), _BAND_ROWS):
        rounded[top : top + _BAND_ROWS] = np.clip(pixels[top : top + _BAND_ROWS] + 0.5, 0, 255)
    return rounded
