"""What a plain background would look like behind the item, from the border of the picture alone."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Mask
from pipeline.providers.local.lab import Floats

BORDER = 0.03
"""The border band is this part of the shorter side (our measurement, 2026-11-20)."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A polynomial of x and y in [-1, 1] for each of three channels.

    Attributes:
        weights: (terms, 3).
        degree: Highest power.
        spread: Robust standard deviation of the points round the surface.
        fitting: Which part of the points lies on it, in [0, 1].
    """

    weights: NDArray[np.float64]
    degree: int
    spread: float
    fitting: float

    def draw(self, size_wh: tuple[int, int]) -> Floats:
        """The surface over a whole picture, (height, width, 3)."""
        width, height = size_wh
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
        x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
        drawn = np.zeros((height, width, 3), np.float32)
        for (x_power, y_power), weight in zip(_powers(self.degree), self.weights.astype(np.float32), strict=True):
            drawn += (x**x_power * y**y_power) * weight
        return drawn


def fit_surface(picture: Floats, where: Mask, *, degree: int = 2, most_points: int = 20_000) -> Surface:
    """The smooth surface that most of the marked pixels lie on; outliers are left out, round by round.

    Args:
        picture: (height, width, 3), Lab or RGB.
        where: The pixels to fit, at least one.
        degree: Highest power of x and y.
        most_points: More pixels than this are thinned evenly.
    """
    rows, columns = np.nonzero(where)
    step = max(1, len(rows) // most_points)
    rows, columns = rows[::step], columns[::step]
    height, width = where.shape
    x = columns * (2 / max(1, width - 1)) - 1
    y = rows * (2 / max(1, height - 1)) - 1
    terms = np.stack([x**i * y**j for i, j in _powers(degree)], axis=1)
    return _fit(terms, picture[rows, columns].astype(np.float64), degree)


def border_band(shape: tuple[int, ...], part: float = BORDER) -> Mask:
    """The outermost pixels, as a part of the shorter side, at least 2 px."""
    height, width = shape[:2]
    band = max(2, int(min(height, width) * part))
    mask = np.ones((height, width), bool)
    mask[band:-band, band:-band] = False
    return mask


def row_ramps(lab: Floats, strip_px: int) -> Floats:
    """Each row runs straight from its left end to its right end."""
    left, right = (_settled(np.median(side, axis=1)) for side in (lab[:, :strip_px], lab[:, -strip_px:]))
    across = np.linspace(0, 1, lab.shape[1], dtype=np.float32)[None, :, None]
    return np.asarray(left[:, None] * (1 - across) + right[:, None] * across, np.float32)


def coons_patch(lab: Floats, strip_px: int) -> Floats:
    """The surface spanned by the four border strips (S. Coons, MIT Project MAC TR-41, 1967)."""
    top, bottom = (_settled(np.median(side, axis=0)) for side in (lab[:strip_px], lab[-strip_px:]))
    left, right = (_settled(np.median(side, axis=1)) for side in (lab[:, :strip_px], lab[:, -strip_px:]))
    height, width = lab.shape[:2]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rows = left[:, None] * (1 - across) + right[:, None] * across
    columns = top[None] * (1 - down) + bottom[None] * down
    corners = [
        (top[0] + left[0]) / 2,
        (top[-1] + right[0]) / 2,
        (bottom[0] + left[-1]) / 2,
        (bottom[-1] + right[-1]) / 2,
    ]
    upper = corners[0] * (1 - across) + corners[1] * across
    lower = corners[2] * (1 - across) + corners[3] * across
    return np.asarray(rows + columns - (upper * (1 - down) + lower * down), np.float32)


def _powers(degree: int) -> list[tuple[int, int]]:
    return [(total - j, j) for total in range(degree + 1) for j in range(total + 1)]


def _fit(terms: NDArray[np.float64], values: NDArray[np.float64], degree: int) -> Surface:
    keep = np.ones(len(values), bool)
    for _ in range(6):
        weights: NDArray[Any] = np.linalg.lstsq(terms[keep], values[keep], rcond=None)[0]
        residual = np.linalg.norm(values - terms @ weights, axis=1)
        # 1.4826 times the median distance estimates a standard deviation (Rousseeuw and Croux, 1993).
        spread = max(1.4826 * float(np.median(residual[keep])), 0.6)
        inside = residual < max(3 * spread, 4)
        if inside.sum() < 0.3 * len(values) or bool((inside == keep).all()):
            break
        keep = inside
    return Surface(weights, degree, spread, float(keep.mean()))


def _settled(strip: Floats) -> Floats:
    """A border strip, (length, 3), in which whatever touches the frame is replaced by the running median."""
    length = len(strip)
    reach = max(9, (length // 8) | 1)
    padded = np.pad(strip, ((reach, reach), (0, 0)), "edge")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0), axis=-1)
    alien = np.linalg.norm(strip - median, axis=1) >= 6
    settled = np.where(alien[:, None], median, strip).astype(np.float32)
    return np.asarray(cv2.blur(settled[None], (5, 1))[0], np.float32)
