"""Finds places that look like text, by PP-OCRv6 small: a heat map, and the boxes in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.graphs import FINDER_MEAN
from pipeline.detectors.inference import Runtime, open_session, planes
from pipeline.detectors.picture import Picture, Pixels
from pipeline.detectors.weights import weights_path

_HOT = 0.3
_MIN_SIDE_PX = 3
# How much DB boxes grow: Liao et al. 2020, arXiv 1911.08947, and our measurement of 2026-11-20.
_UNCLIP = 1.6
_LINE_LONG = 3.0
_MOST_OUTLINES = 1000

# How hot a place is that is looked at closer: the first that leaves out so much of the picture, or else the last.
_WARM = (0.005, 0.01, 0.02, 0.05, 0.1)
_MUCH = 0.5
_MOST = 0.6
_EDGE_PX = 9  # of what was read: as warm as small text
_CELL_PX = 32  # the finder takes multiples of it

Place = tuple[slice, slice]
"""Rows and columns of a copy, in multiples of 32."""


@dataclass(frozen=True, slots=True)
class TextBox:
    """A place that looks like text.

    Attributes:
        corners: (4, 2), in pixels of the picture.
        score: The mean heat in it, in [0, 1].
        share: Of the picture's area.
        is_line: Long and not high.
    """

    corners: NDArray[np.float32]
    score: float
    share: float
    is_line: bool


@dataclass(frozen=True, slots=True)
class HeatMap:
    """How likely each pixel of a copy is text.

    Attributes:
        values: (height, width), in [0, 1].
        ratio: How many pixels of the picture a pixel of the copy is wide and high.
    """

    values: NDArray[np.float32]
    ratio: NDArray[np.float32]

    def boxes(self) -> list[TextBox]:
        """What is hot, best first."""
        mask = (self.values > _HOT).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        boxes = [box for outline in outlines[:_MOST_OUTLINES] if (box := self._box(outline)) is not None]
        return sorted(boxes, key=lambda box: -box.score)

    def without(self, boxes: Iterable[TextBox]) -> "HeatMap":
        """The same, cold in these boxes and at their edges."""
        values = self.values.copy()
        for box in boxes:
            corners = np.round(box.corners / self.ratio).astype(np.int32)
            cv2.fillConvexPoly(values, corners, 0)
            cv2.polylines(values, [corners], isClosed=True, color=0, thickness=_EDGE_PX)
        return HeatMap(values, self.ratio)

    def warm_places(self, size_wh: tuple[int, int]) -> list[Place]:
        """Where a copy of that size may show text that is too small for this one; two halves if nearly everywhere."""
        columns, rows = (side // _CELL_PX for side in size_wh)
        for least in _WARM:
            warm = (self.values > least).astype(np.float32)
            cells = (cv2.resize(warm, (columns, rows), interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
            spread = np.asarray(cv2.dilate(cells, np.ones((5, 5), np.uint8)), np.uint8)
            boxes = _apart(cv2.connectedComponentsWithStats(spread)[2][1:, :4].tolist())
            share = sum(width * height for _, _, width, height in boxes) / (rows * columns)
            if share <= _MUCH:
                break
        if share > _MOST:
            return _halves(columns, rows)
        return [(_cells(top, height), _cells(left, width)) for left, top, width, height in boxes]

    def _box(self, outline: Any) -> TextBox | None:  # noqa: ANN401
        middle, (width, height), angle = cv2.minAreaRect(outline)
        if min(width, height) < _MIN_SIDE_PX:
            return None
        x, y, w, h = cv2.boundingRect(outline)
        inside = np.zeros((h, w), np.uint8)
        cv2.drawContours(inside, [outline - np.array([[x, y]])], -1, 1, -1)
        score = float(cv2.mean(self.values[y : y + h, x : x + w], inside)[0])
        if score < _HOT:
            return None
        grown = width * height * _UNCLIP / (width + height)
        corners = np.asarray(cv2.boxPoints((middle, (width + grown, height + grown), angle)), np.float32)
        is_line = max(width, height) >= _LINE_LONG * min(width, height)
        return TextBox(corners * self.ratio, score, width * height / self.values.size, is_line)


class TextFinder:
    """Looks for text on copies of a picture.

    Args:
        cache_dir: Folder of the weights.
        runtime: What runs the network.

    Raises:
        ModelsMissing: They are not installed.
    """

    def __init__(self, cache_dir: Path, runtime: Runtime = "cpu") -> None:
        self._session = open_session(weights_path(cache_dir, "text_det.onnx"), runtime)
        self._input = self._session.get_inputs()[0].name

    def look(self, picture: Picture, pixels: Pixels) -> HeatMap:
        """The heat of a copy of the picture, whose sides are multiples of 32."""
        return HeatMap(self._heat(pixels), _ratio(picture.size_wh, (pixels.shape[1], pixels.shape[0])))

    def look_at(self, picture: Picture, size_wh: tuple[int, int], places: Iterable[Place]) -> HeatMap:
        """The heat of some places in a copy of that size, which is not made elsewhere; there the heat is 0."""
        values = np.zeros(size_wh[::-1], np.float32)
        to_pixels = _ratio((picture.pixels.shape[1], picture.pixels.shape[0]), size_wh)
        for rows, columns in places:
            part = picture.pixels[_scaled(rows, to_pixels[1]), _scaled(columns, to_pixels[0])]
            part_size = (columns.stop - columns.start, rows.stop - rows.start)
            heat = self._heat(np.asarray(cv2.resize(part, part_size, interpolation=cv2.INTER_AREA)))
            values[rows, columns] = np.maximum(values[rows, columns], heat)
        return HeatMap(values, _ratio(picture.size_wh, size_wh))

    def _heat(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        heat = self._session.run(None, {self._input: planes(pixels, FINDER_MEAN)})[0][0, 0]
        return np.asarray(heat, np.float32)


def _ratio(whole_wh: tuple[int, int], copy_wh: tuple[int, int]) -> NDArray[np.float32]:
    return np.array([whole_wh[0] / copy_wh[0], whole_wh[1] / copy_wh[1]], np.float32)


def _halves(columns: int, rows: int) -> list[Place]:
    """All of it, in two parts that share what lies between them: one after the other, they take half the memory."""
    whole, middle = _cells(0, columns), rows // 2
    return [(_cells(0, middle + 1), whole), (_cells(middle - 1, rows - middle + 1), whole)]


def _scaled(span: slice, by: float) -> slice:
    return slice(round(by * span.start), round(by * span.stop))


def _cells(start: int, count: int) -> slice:
    return slice(_CELL_PX * start, _CELL_PX * (start + count))


def _apart(boxes: Iterable[Sequence[int]]) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of the same boxes, with those that overlap put into one."""
    apart: list[tuple[int, int, int, int]] = []
    for left, top, width, height in boxes:
        box = (left, top, width, height)
        while (other := next((each for each in apart if _overlap(each, box)), None)) is not None:
            apart.remove(other)
            box = _around(box, other)
        apart.append(box)
    return apart


def _overlap(one: Sequence[int], other: Sequence[int]) -> bool:
    return all(max(one[i], other[i]) < min(one[i] + one[i + 2], other[i] + other[i + 2]) for i in (0, 1))


def _around(one: Sequence[int], other: Sequence[int]) -> tuple[int, int, int, int]:
    left, top = min(one[0], other[0]), min(one[1], other[1])
    right, bottom = max(one[0] + one[2], other[0] + other[2]), max(one[1] + one[3], other[1] + other[3])
    return (left, top, right - left, bottom - top)
