"""Text: PP-OCRv6 small finds boxes, and only boxes that it can also read count."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.inference import NetworkOptions, open_session
from pipeline.detectors.options import Share, read_options
from pipeline.detectors.picture import Picture
from pipeline.detectors.reading import LineReader
from pipeline.detectors.weights import weights_path
from pipeline.values import Detection, Kind, Level

_LONG_PX = 736
_BOX_SCORE = 0.3
# A line's score is its reading's times the root of its box's: on 757 pictures, at .47, recall .905 at precision
# .964, where the reading alone, at .6 and 640 pixels, had .884 at .959 (our measurement, 2026-11-21).
_FLAG_SCORE = 0.47
_SURE_SCORE = 0.7
_MOST_BOXES = 6
_MIN_SIDE_PX = 3
# How much DB boxes grow: Liao et al. 2020, arXiv 1911.08947, and the same measurement.
_UNCLIP = 1.6
# ImageNet; better than the .5 that rapidocr uses: boxes .953 at false alarms .351, against .905 at .393 (same day).
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, slots=True)
class _TextBox:
    """A place that looks like text; corners (4, 2) in pixels of the picture."""

    corners: NDArray[np.float32]
    score: float


@dataclass(frozen=True, kw_only=True)
class TextOptions(NetworkOptions):
    """The table ``[detector_options.text]``.

    Attributes:
        flag: The lowest score that counts.
    """

    flag: Share = _FLAG_SCORE


class TextDetector:
    """Finds text and reads it; 50 languages in Latin, Chinese and Japanese script."""

    name = "text"
    version = "ppocrv6-small-rapidocr-3.10.0/3"
    options_type = TextOptions

    def __init__(self, options: Mapping[str, Any]) -> None:
        read = read_options(TextOptions, options, self.name)
        folder = Path(read.cache_dir)
        self._flag = read.flag
        self._finder = open_session(weights_path(folder, "text_det.onnx"), read.runtime)
        self._reader = LineReader(folder, read.runtime)

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Text that was read, best box first."""
        found = []
        for box in self._find(picture)[:_MOST_BOXES]:
            reading = self._reader.read(picture, box.corners)
            score = reading.score * box.score**0.5
            if score >= self._flag and len(re.findall(r"[^\W_]", reading.label)) >= 2:
                found.append(self._detection(picture, box, reading.label, score))
        return found

    def _find(self, picture: Picture) -> list[_TextBox]:
        pixels = picture.copy(_LONG_PX)
        planes = ((pixels[:, :, ::-1] / np.float32(255) - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None]
        name = self._finder.get_inputs()[0].name
        heat = self._finder.run(None, {name: np.ascontiguousarray(planes, np.float32)})[0][0, 0]
        width, height = picture.size_wh
        ratio = np.array([width / pixels.shape[1], height / pixels.shape[0]], np.float32)
        mask = (heat > _BOX_SCORE).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        boxes = [box for outline in outlines[:1000] if (box := _box(outline, heat, ratio)) is not None]
        return sorted(boxes, key=lambda box: -box.score)

    def _detection(self, picture: Picture, box: _TextBox, label: str, score: float) -> Detection:
        width, height = picture.size_wh
        low, high = np.maximum(box.corners.min(axis=0), 0), np.minimum(box.corners.max(axis=0), [width, height])
        xyxy = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        level = Level.SURE if score >= _SURE_SCORE else Level.FLAG
        return Detection(Kind.TEXT, xyxy, score, level, label, self.name, self.version)


def _box(outline: Any, heat: NDArray[np.float32], ratio: NDArray[np.float32]) -> _TextBox | None:  # noqa: ANN401
    middle, (width, height), angle = cv2.minAreaRect(outline)
    if min(width, height) < _MIN_SIDE_PX:
        return None
    x, y, w, h = cv2.boundingRect(outline)
    inside = np.zeros((h, w), np.uint8)
    cv2.drawContours(inside, [outline - np.array([[x, y]])], -1, 1, -1)
    score = float(cv2.mean(heat[y : y + h, x : x + w], inside)[0])
    if score < _BOX_SCORE:
        return None
    grown = width * height * _UNCLIP / (width + height)
    corners = cv2.boxPoints((middle, (width + grown, height + grown), angle))
    return _TextBox(np.asarray(corners, np.float32) * ratio, score)
