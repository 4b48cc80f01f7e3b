"""How alike the same place looks on source and output: as a whole, where it differs most, and in sharpness."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.boxes import area, shared_area
from pipeline.detectors.changes.registration import Matrix, Registration, structure
from pipeline.detectors.picture import Picture
from pipeline.values import Box

_SHORT_PX = 64
_LONG_PX = 640
_LEAST_PX = 6
_MARGIN = 0.12
_LEAST_MARGIN_PX = 3
_BLUR_PX = 0.8
_GAIN = (0.4, 2.5)

Patch = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike one place looks on both pictures, at the coarser one's resolution.

    Attributes:
        whole: Correlation over the place, in [-1, 1]; blind to brightness and contrast.
        worst: The least alike of its parts, in [-1, 1].
        sharpness: Fine detail of the output over that of the source; 1 if as sharp, 0 if blurred away.
        short_px: The shorter side of what was compared, in pixels: there is little to tell in a few.
    """

    whole: float
    worst: float
    sharpness: float
    short_px: int


def likeness(
    source: Picture, output: Picture, registration: Registration, box: Box, *, part: float = 1.0
) -> Likeness | None:
    """How alike the pictures are at a box of the source; None where it is too small to say, or not in both.

    Args:
        source: What was edited.
        output: What came of it.
        registration: How they lie over each other.
        box: In pixels of the source.
        part: How large its parts are, as a share of its shorter side.
    """
    scale = _scale_at(registration, box)
    width, height = box[2] - box[0], box[3] - box[1]
    factor = min(1.0, scale, _SHORT_PX / min(width, height), _LONG_PX / max(width, height))
    core = round(width * factor), round(height * factor)
    if min(core) < _LEAST_PX:
        return None
    margin = max(_LEAST_MARGIN_PX, round(_MARGIN * min(core)))
    to_source = np.array([[1 / factor, 0, box[0]], [0, 1 / factor, box[1]], [0, 0, 1.0]])
    before = _sample(source, to_source, core)
    shifted = to_source @ np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1.0]])
    around = _sample(output, registration.matrix @ shifted, (core[0] + 2 * margin, core[1] + 2 * margin))
    return _compared(before, _best_fit(before, around), part)


def covered(box: Box, size_wh: tuple[int, int]) -> float:
    """Share of a box that lies within a picture of that size."""
    return shared_area(box, (0, 0, *size_wh)) / max(1e-9, area(box))


def _scale_at(registration: Registration, box: Box) -> float:
    placed = registration.on_output(box)
    return float(np.sqrt(max(1e-6, area(placed)) / max(1e-6, area(box))))


def _sample(picture: Picture, matrix: Matrix, size: tuple[int, int]) -> Patch:
    """Grey levels of the picture, blurred a little; the matrix leads from the patch's pixels to the picture's."""
    height, width = picture.pixels.shape[:2]
    matrix = np.diag([width / picture.size_wh[0], height / picture.size_wh[1], 1.0]) @ matrix
    corners = np.array([[0, 0, 1], [size[0], 0, 1], [size[0], size[1], 1], [0, size[1], 1]]) @ matrix.T
    corners = corners[:, :2] / corners[:, 2:]
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, [width - 1, height - 1])
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, low + 1, [width, height])
    part: Any = picture.pixels[low[1] : high[1], low[0] : high[0]]
    stretch = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2]))))
    smaller = max(1, round((high[0] - low[0]) / stretch)), max(1, round((high[1] - low[1]) / stretch))
    if stretch > 1:
        part = cv2.resize(part, smaller, interpolation=cv2.INTER_AREA)
    resized = np.diag([part.shape[1] / (high[0] - low[0]), part.shape[0] / (high[1] - low[1]), 1.0])
    placed = resized @ np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]]) @ matrix
    # A pixel's middle is at half; OpenCV's is at zero.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    patch = cv2.warpPerspective(
        grey,
        np.linalg.inv(half) @ placed @ half,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(cv2.GaussianBlur(patch.astype(np.float32), (0, 0), _BLUR_PX), np.float32)


def _best_fit(before: Patch, around: Patch) -> Patch:
    """The part of what lies around that looks most like it: a registration is off by a pixel or two."""
    scores = cv2.matchTemplate(around, before, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(np.nan_to_num(scores))
    return around[y : y + before.shape[0], x : x + before.shape[1]]


def _compared(before: Patch, after: Patch, part: float) -> Likeness:
    spread = float(before.std() * after.std())
    covariance = float(((before - before.mean()) * (after - after.mean())).mean())
    gain = float(np.clip(before.std() / max(after.std(), 1e-3), *_GAIN))
    matched = (after - after.mean()) * gain + before.mean()
    size = max(_LEAST_PX, round(part * min(before.shape)))
    alike = structure(before, matched.astype(np.float32), size)
    return Likeness(
        whole=covariance / spread if spread > 1 else 1.0,
        worst=float(alike.min()),
        sharpness=_detail(matched) / max(_detail(before), 1e-3),
        short_px=min(before.shape),
    )


def _detail(patch: NDArray[Any]) -> float:
    return float(np.abs(cv2.Laplacian(np.asarray(patch, np.float32), cv2.CV_32F)).mean()) + 0.2
