"""A mark that was laid over the whole picture again and again."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_LONG_PX = 384
"""Of what is compared. Copies of 512 pixels found no more (our measurement, 2026-11-21)."""

# The least likeness one step further; the least contrast of what was added, its spread over the picture's tiles, and
# the most that the tone may differ, in levels of 255. Chosen on 126 photographs, half of them on a pale ground, with
# tiled words of 10 to 35 % opacity (likeness over .67 for nine in ten; white on pale over .48), patterned grounds (tone
# over 12, or the likeness under .5 where they are as pale as before) and harmless edits (our measurement, 2026-11-21).
_REPEATS = 0.6
_CONTRAST = 0.9
_SPREAD = 0.6
_OTHER_TONE = 9.0

_NOISE_PX = 1.0
_FINE = 6 / 512
_NEAREST = 30 / 512
_MOST = 12.0
_COARSE_PX = 24
_TILES = 6
_FAINT_TILE = 0.15
_OWN_REPEATS = 0.5
_AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class Tiling:
    """Something that is over a picture and repeats.

    Attributes:
        likeness: Correlation of what was laid over with itself, one step further; about 1 for an exact repetition.
        step: To the right and down, as shares of the longer side.
    """

    likeness: float
    step: tuple[float, float]


def find_tiling(output: NDArray[np.uint8], source: NDArray[np.uint8]) -> Tiling | None:
    """A faint pattern over the whole output that repeats, with the source still to be seen beneath it.

    The fine structure of the source is taken out of the output's; what is left is compared with itself shifted. A new
    ground of bricks repeats too, but is lighter or darker than the old; a source of bricks repeats by itself.

    Args:
        output: Brightness, (height, width).
        source: The same of the source, of the same size.
    """
    fine, before = _fine(output), _fine(source)
    added = np.clip(_without(fine, before), -_MOST, _MOST)
    if added.std() < _CONTRAST or _spread(added) < _SPREAD or _other_tone(output, source) > _OTHER_TONE:
        return None
    repeats = _autocorrelation(added)
    row, column = np.unravel_index(int(np.argmax(repeats)), repeats.shape)
    likeness = float(repeats[row, column])
    if likeness < _REPEATS or _autocorrelation(np.clip(before, -_MOST, _MOST))[row, column] > _OWN_REPEATS * likeness:
        return None
    step = int(column) - repeats.shape[1] // 2, int(row)
    twice = 2 * step[1], column + step[0]
    if twice[0] < repeats.shape[0] and 0 <= twice[1] < repeats.shape[1] and repeats[twice] < _AGAIN * likeness:
        return None
    longer = max(fine.shape)
    return Tiling(min(1.0, likeness), (step[0] / longer, step[1] / longer))


def _fine(grey: NDArray[np.uint8]) -> Plane:
    scale = min(1.0, _LONG_PX / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    calm = cv2.GaussianBlur(small, (0, 0), _NOISE_PX)
    return np.asarray(calm - cv2.GaussianBlur(calm, (0, 0), max(small.shape) * _FINE), np.float32)


def _without(plane: Plane, other: Plane) -> Plane:
    """What is left of a plane when its share of another is taken out."""
    energy = float((other**2).sum())
    return plane - float((plane * other).sum()) / energy * other if energy else plane


def _other_tone(output: NDArray[np.uint8], source: NDArray[np.uint8]) -> float:
    """How far light and dark lie elsewhere than in the source: far for another ground, not for what is laid over."""
    scale = _COARSE_PX / max(output.shape)
    size = tuple(max(1, round(side * scale)) for side in output.shape[::-1])
    planes = (cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float32) for each in (output, source))
    coarse, before = (plane - plane.mean() for plane in planes)
    return float(_without(coarse, before).std())


def _spread(added: Plane) -> float:
    """The share of the picture's tiles that have about as much of it as the whole."""
    energy = cv2.resize(added**2, (_TILES, _TILES), interpolation=cv2.INTER_AREA)
    return float((energy > _FAINT_TILE**2 * energy.mean()).mean())


def _autocorrelation(plane: Plane) -> NDArray[Any]:
    """Correlation with itself, shifted down by the row and right by the column less half the columns; -1 nearby.

    By the power spectrum of the faded plane, with the fading's own share taken out.
    """
    height, width = plane.shape
    down, right = height // 2, width // 2
    padded = np.zeros((cv2.getOptimalDFTSize(height + down), cv2.getOptimalDFTSize(width + right)), np.float32)
    padded[:height, :width] = (plane - plane.mean()) * np.outer(_fade(height), _fade(width))
    spectrum = cv2.dft(padded)
    shifted = cv2.dft(cv2.mulSpectrums(spectrum, spectrum, 0, conjB=True), flags=cv2.DFT_INVERSE | cv2.DFT_SCALE)
    found = np.concatenate([shifted[:down, -right:], shifted[:down, :right]], axis=1) / max(1e-6, shifted[0, 0])
    across = _own_share(width, right)
    own = np.outer(_own_share(height, down), np.concatenate([[across[-1]], across[:0:-1], across]))
    rows, columns = np.mgrid[:down, -right:right]
    near = np.hypot(rows, columns) < max(height, width) * _NEAREST
    return np.where(near | ((rows == 0) & (columns < 0)), -1.0, found / np.maximum(own, 0.15))


def _fade(length: int) -> Plane:
    return np.hanning(length + 2)[1:-1].astype(np.float32)


def _own_share(length: int, shifts: int) -> Plane:
    """How much of the fading is left at each shift."""
    fade = _fade(length)
    own = np.correlate(fade, fade, "full")[length - 1 :]
    return np.asarray(own[:shifts] / own[0], np.float32)
