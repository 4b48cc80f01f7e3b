"""Text, by PP-OCRv6 small (PaddleOCR, Apache-2.0): boxes from one network, and what they say from another.

The box network alone takes any isolated thing for text (false alarms on 35 % of pictures without); a box counts only
if it can be read. Its input is normalised by ImageNet's mean and deviation, which does better than the packaged 0.5
(recall .953 against .905 at the same threshold; our measurement, 2026-11-20).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.network import Network
from pipeline.detectors.picture import Picture, Pixels
from pipeline.detectors.weights import weights_path
from pipeline.values import Detection, Kind, Level

FLAG = 0.6
SURE = 0.8

UNREADABLE = "text in a script that cannot be read"

_LONG_SIDE_PX = 640
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
_PIXEL_THRESHOLD = 0.3
_BOX_THRESHOLD = 0.3
_MIN_SIDE_PX = 3
_UNCLIP = 1.6
"""Boxes are found shrunk; this grows them back (DB, https://arxiv.org/abs/1911.08947)."""
_MAX_READ = 6
_LINE_HEIGHT_PX = 48
_MAX_LINE_WIDTH_PX = 480
_SINGLE_CHARACTER = 0.9
"""A single character counts only if it was read this surely."""

Quad = NDArray[np.float32]
"""Four corners, (4, 2), x and y in pixels."""


@dataclass(frozen=True, slots=True)
class TextBox:
    """A place that may hold text.

    Attributes:
        quad: Its corners, in pixels of the picture.
        score: How much the network thinks so.
    """

    quad: Quad
    score: float


class TextDetector:
    """Finds lines of text and reads them.

    Args:
        options: ``cache_dir`` says where the weights are; ``flag`` and ``sure`` change the thresholds.
    """

    name = "text"

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._flag = float(options.get("flag", FLAG))
        self._sure = float(options.get("sure", SURE))
        self.version = f"pp-ocrv6-small-1/{self._flag}/{self._sure}"
        cache_dir = Path(options["cache_dir"])
        self._finder = Network(weights_path(cache_dir, "text_det.onnx"))
        self._reader = Network(weights_path(cache_dir, "text_rec.onnx"))
        self._characters = ["", *self._reader.metadata()["character"].splitlines(), " "]

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Lines of text, best first; of many, only the clearest are read."""
        found = []
        for box in sorted(self.find(picture), key=lambda box: -box.score)[:_MAX_READ]:
            words, score = self.read(picture.rgb, box.quad)
            if counts_as_text(words, score, self._flag):
                found.append(self._detection(box, words, score, picture))
        return sorted(found, key=lambda detection: -detection.score)

    def find(self, picture: Picture) -> list[TextBox]:
        """Places that may hold text."""
        pixels, scale_x, scale_y = picture.fitted(_LONG_SIDE_PX, multiple=32)
        normal = (pixels[:, :, ::-1].astype(np.float32) / 255 - _MEAN) / _DEVIATION
        likely = self._finder.run(normal.transpose(2, 0, 1)[None])[0][0, 0]
        contours, _ = cv2.findContours(
            (likely > _PIXEL_THRESHOLD).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE
        )
        boxes = (_text_box(likely, contour) for contour in contours)
        scale = np.array([scale_x, scale_y], np.float32)
        return [TextBox(box.quad / scale, box.score) for box in boxes if box is not None]

    def read(self, rgb: Pixels, quad: Quad) -> tuple[str, float]:
        """What stands in a box, and how surely it was read; "" and 0 for nothing."""
        line = _straightened(rgb, quad)
        if line is None:
            return "", 0.0
        height, width = line.shape[:2]
        target = int(np.clip(round(_LINE_HEIGHT_PX * width / height / 8) * 8, 16, _MAX_LINE_WIDTH_PX))
        scaled = cv2.resize(line, (target, _LINE_HEIGHT_PX))[:, :, ::-1].astype(np.float32) / 127.5 - 1
        padded = np.zeros((_LINE_HEIGHT_PX, max(target, _LINE_HEIGHT_PX), 3), np.float32)
        padded[:, :target] = scaled
        return self._decode(self._reader.run(padded.transpose(2, 0, 1)[None])[0][0])

    def _decode(self, likely: NDArray[np.float32]) -> tuple[str, float]:
        """Greedy CTC: repeated characters are one, and number 0 is between characters."""
        best = likely.argmax(axis=1)
        is_start = (best != 0) & (best != np.concatenate(([0], best[:-1])))
        if not is_start.any():
            return "", 0.0
        words = "".join(self._characters[index] for index in best[is_start] if index < len(self._characters))
        return words, float(likely.max(axis=1)[is_start].mean())

    def _detection(self, box: TextBox, words: str, score: float, picture: Picture) -> Detection:
        width, height = picture.size_wh
        left, top = np.clip(box.quad.min(axis=0), 0, (width, height))
        right, bottom = np.clip(box.quad.max(axis=0), 0, (width, height))
        edges = (float(left), float(top), float(right), float(bottom))
        level = Level.SURE if score >= self._sure else Level.FLAG
        return Detection(Kind.TEXT, edges, score, level, words.strip(), self.name, self.version)


def counts_as_text(words: str, score: float, threshold: float) -> bool:
    """Whether a reading is text: two word characters, or one that is beyond doubt."""
    characters = len(re.findall(r"[^\W_]", words))
    return (characters >= 2 and score >= threshold) or (characters == 1 and score >= _SINGLE_CHARACTER)


def _text_box(likely: NDArray[np.float32], contour: Any) -> TextBox | None:  # noqa: ANN401 - OpenCV's
    middle, (width, height), angle = cv2.minAreaRect(contour)
    if min(width, height) < _MIN_SIDE_PX:
        return None
    left, top, wide, high = cv2.boundingRect(contour)
    mask = np.zeros((high, wide), np.uint8)
    cv2.drawContours(mask, [contour - np.array([[left, top]])], -1, 1, -1)
    score = float(cv2.mean(likely[top : top + high, left : left + wide], mask)[0])
    if score < _BOX_THRESHOLD:
        return None
    margin = width * height * _UNCLIP / (2 * (width + height))
    grown = (middle, (width + 2 * margin, height + 2 * margin), angle)
    return TextBox(np.asarray(cv2.boxPoints(grown), np.float32), score)


def _straightened(rgb: Pixels, quad: Quad) -> Pixels | None:
    """The box cut out and turned so that its line runs from left to right."""
    corners = np.asarray(cv2.boxPoints(cv2.minAreaRect(quad.astype(np.float32))), np.float32)
    by_x = corners[np.argsort(corners[:, 0])]
    top_left, bottom_left = by_x[:2][np.argsort(by_x[:2, 1])]
    top_right, bottom_right = by_x[2:][np.argsort(by_x[2:, 1])]
    width = int(max(np.linalg.norm(top_left - top_right), np.linalg.norm(bottom_left - bottom_right)))
    height = int(max(np.linalg.norm(top_left - bottom_left), np.linalg.norm(top_right - bottom_right)))
    if width < 2 or height < 2:
        return None
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    transform = cv2.getPerspectiveTransform(np.stack([top_left, top_right, bottom_right, bottom_left]), target)
    line: Any = cv2.warpPerspective(
        rgb, transform, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    straight: Pixels = np.rot90(line) if height >= 1.5 * width else line
    return straight
