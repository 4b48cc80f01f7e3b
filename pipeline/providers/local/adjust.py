"""Turning, mirroring, scaling, and the simple dials of a photograph."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Edited, Rgb

Alpha = NDArray[np.uint8]

_SHARPEN_RADIUS = 0.0015
"""Of the longest side: two pixels at 1,300."""

_CLIPPED_SHARE = 0.5
"""Percent of pixels that auto-levels may send to black and to white."""

_MOST_STRETCHED = 4.0
"""So far auto-levels stretches at most: more would draw a flat picture's noise."""


def rotate(rgb: Rgb, degrees: int, *, alpha: Alpha | None = None) -> Edited:
    """Turn clockwise by 90, 180 or 270 degrees."""
    turns = {90: -1, 180: 2, 270: 1}[degrees]
    turned = np.ascontiguousarray(np.rot90(rgb, turns))
    return Edited(turned, None if alpha is None else np.ascontiguousarray(np.rot90(alpha, turns)))


def flip(rgb: Rgb, direction: str, *, alpha: Alpha | None = None) -> Edited:
    """Mirror ``horizontal``: left becomes right; or ``vertical``."""
    axis = 1 if direction == "horizontal" else 0
    flipped = np.ascontiguousarray(np.flip(rgb, axis))
    return Edited(flipped, None if alpha is None else np.ascontiguousarray(np.flip(alpha, axis)))


def resize(rgb: Rgb, width: int, height: int, *, alpha: Alpha | None = None) -> Edited:
    """Scale to that many pixels; what is hidden under transparency does not bleed into what is seen."""
    how = cv2.INTER_AREA if width < rgb.shape[1] else cv2.INTER_CUBIC
    if alpha is None:
        return Edited(_bytes(cv2.resize(rgb, (width, height), interpolation=how)))
    share = alpha.astype(np.float32)[..., None] / 255
    scaled = cv2.resize(np.dstack([rgb * share, share]), (width, height), interpolation=how)
    opacity = np.clip(scaled[..., 3:], 0, 1)
    colours = scaled[..., :3] / np.maximum(opacity, 1e-3)
    return Edited(_bytes(colours), _bytes(opacity[..., 0] * 255))


def adjust(rgb: Rgb, what: str, percent: float, *, alpha: Alpha | None = None) -> Edited:
    """Change one dial by percent: brightness, contrast, saturation, warmth or sharpness; or stretch the levels."""
    return Edited(_bytes(_DIALS[what](rgb.astype(np.float32), percent / 100)), alpha)


def _brightness(values: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    """By gamma, so that neither black nor white moves."""
    gamma = 1 / (1 + amount) if amount >= 0 else 1 - amount
    return np.float32(255) * (values / np.float32(255)) ** np.float32(gamma)


def _contrast(values: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    middle = np.float32(values.mean())
    return (values - middle) * np.float32(1 + amount) + middle


def _saturation(values: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    grey = (values @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]
    return grey + (values - grey) * np.float32(1 + amount)


def _warmth(values: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    """Towards red or towards blue, at the same brightness."""
    return values * np.array([1 + 0.5 * amount, 1 + 0.05 * amount, 1 - 0.5 * amount], np.float32)


def _sharpness(values: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    blurred = cv2.GaussianBlur(values, (0, 0), max(0.8, _SHARPEN_RADIUS * max(values.shape[:2])))
    return values + (values - blurred) * np.float32(4 * amount)


def _levels(values: NDArray[np.float32], _: float) -> NDArray[np.float32]:
    """Stretches what there is over the whole range, a nearly flat picture about its middle and four times at most."""
    low, high = np.percentile(values, (_CLIPPED_SHARE, 100 - _CLIPPED_SHARE))
    middle = (low + high) / 2
    gain = min(_MOST_STRETCHED, 255 / max(1.0, high - low))
    reach = gain * (high - low) / 2
    target = np.clip(middle, reach, 255 - reach)
    return (values - np.float32(middle)) * np.float32(gain) + np.float32(target)


_DIALS = {
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "warmth": _warmth,
    "sharpness": _sharpness,
    "levels": _levels,
}


def _bytes(values: object) -> NDArray[np.uint8]:
    return np.clip(np.asarray(values, np.float32) + 0.5, 0, 255).astype(np.uint8)
