"""Text: PP-OCRv6 small finds boxes, and what can be read in them says how likely they are text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from pipeline.detectors.graphs import FINDER_MEAN
from pipeline.detectors.inference import NetworkOptions, open_session, planes
from pipeline.detectors.options import Share, read_options
from pipeline.detectors.picture import Picture, Pixels
from pipeline.detectors.reading import LineReader, Reading
from pipeline.detectors.weights import weights_path
from pipeline.values import Detection, Kind, Level

_LONG_PX = 736
# A picture without text that is smaller than this is looked at again, at twice its size at most.
_SMALL_PX = 640
_ENLARGE = 2.0
_BOX_SCORE = 0.3
_MOST_BOXES = 6
_MIN_SIDE_PX = 3
# How much DB boxes grow: Liao et al. 2020, arXiv 1911.08947, and our measurement of 2026-11-20.
_UNCLIP = 1.6

# A line's score is the probability that its picture has text, by logistic regression on the best line of each of 731
# pictures: recall .94 at precision .96 with .5, against .905 at .964 for the root of the box's score times the
# reading's. Fitted and its threshold chosen on one half for a precision of .955, it had .928 at .949 on the other (mean
# of 16). Of 100 pictures that score .5 to .7, 76 have text; .7 to .9, 87 (our measurement, 2026-11-21).
_CONSTANT = -8.9
_BY_WEAKEST_LETTER = 3.4
_BY_BOX = 2.1
_BY_LETTERS = 1.8  # different ones, three at most: "88" and "0000" are patterns more often than text
_BY_SHARE = -1.0  # of the picture: five times that, one at most
_BY_AGREEMENT = 2.4  # of what is read in a box slightly larger and slightly smaller
_BY_ENLARGING = -1.2
_MOST_LETTERS = 3
_FLAG_SCORE = 0.5
_SURE_SCORE = 0.8

# A line that reads badly is read upside down; on the same pictures.
_BADLY_READ = 0.8
_TURNED_AGREEMENT = 0.7
_LARGER, _SMALLER = 0.15, -0.1  # of the box's height, on each side
# A box like a line that is as sure as this is text even if nobody can read it: on 437 pictures without text it was seen
# twice, in 294 with text 149 times (our measurement, 2026-11-21).
_SURE_BOX = 0.92
_LINE_LONG = 3.0
_LARGE_SHARE = 0.15
_UNREAD_SCORE = 0.5


@dataclass(frozen=True, slots=True)
class _TextBox:
    """A place that looks like text.

    Attributes:
        corners: (4, 2), in pixels of the picture.
        score: The finder's.
        share: Of the picture's area.
        is_line: Long and not high.
    """

    corners: NDArray[np.float32]
    score: float
    share: float
    is_line: bool


@dataclass(frozen=True, kw_only=True)
class TextOptions(NetworkOptions):
    """The table ``[detector_options.text]``.

    Attributes:
        flag: The lowest score that counts.
    """

    flag: Share = _FLAG_SCORE


class TextDetector:
    """Finds text and reads it; 50 languages in Latin, Chinese and Japanese script. What it cannot read it calls ""."""

    name = "text"
    version = "ppocrv6-small-rapidocr-3.10.0/4"
    options_type = TextOptions
    reads_earlier = False

    def __init__(self, options: Mapping[str, Any]) -> None:
        read = read_options(TextOptions, options, self.name)
        folder = Path(read.cache_dir)
        self._flag = read.flag
        self._finder = open_session(weights_path(folder, "text_det.onnx"), read.runtime)
        self._reader = LineReader(folder, read.runtime)
        self._reader.load()

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Text, best box first. Scores do not depend on the threshold in use, so that one can be chosen by them."""
        found = self._look(picture, picture.copy(_LONG_PX), by_size=0.0)
        if max(picture.size_wh) <= _SMALL_PX and not any(each.score >= _FLAG_SCORE for each in found):
            found += self._look(picture, picture.copy(_LONG_PX, enlarge=_ENLARGE), by_size=_BY_ENLARGING)
        return [each for each in found if each.score >= self._flag]

    def _look(self, picture: Picture, pixels: Pixels, *, by_size: float) -> list[Detection]:
        found = []
        for box in self._find(picture, pixels)[:_MOST_BOXES]:
            label, score = self._judge(picture, box, by_size)
            if score >= min(self._flag, _FLAG_SCORE):
                found.append(self._detection(picture, box, label, score))
        return found

    def _find(self, picture: Picture, pixels: Pixels) -> list[_TextBox]:
        name = self._finder.get_inputs()[0].name
        heat = self._finder.run(None, {name: planes(pixels, FINDER_MEAN)})[0][0, 0]
        width, height = picture.size_wh
        ratio = np.array([width / pixels.shape[1], height / pixels.shape[0]], np.float32)
        mask = (heat > _BOX_SCORE).astype(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        boxes = [box for outline in outlines[:1000] if (box := _box(outline, heat, ratio)) is not None]
        return sorted(boxes, key=lambda box: -box.score)

    def _judge(self, picture: Picture, box: _TextBox, by_size: float) -> tuple[str, float]:
        """What the box says and how likely it is text; read again only where that can change the answer."""
        reading = self._reader.read(picture, box.corners)
        label = reading.label
        score = _score(box, reading, by_size, agreement=1.0)
        if score >= _FLAG_SCORE > _score(box, reading, by_size, agreement=0.0):
            score = _score(box, reading, by_size, agreement=self._agreement(picture, box, label))
        if box.is_line and reading.score < _BADLY_READ:
            turned = self._reader.read(picture, box.corners, upside_down=True)
            if turned.score >= max(_BADLY_READ, reading.score + 0.2):
                label, score = turned.label, _score(box, turned, by_size, agreement=_TURNED_AGREEMENT)
        if score < _FLAG_SCORE and box.is_line and box.score >= _SURE_BOX and box.share < _LARGE_SHARE:
            return "", _UNREAD_SCORE
        return label, score

    def _agreement(self, picture: Picture, box: _TextBox, label: str) -> float:
        again = [self._reader.read(picture, _grown(box.corners, by)).label for by in (_LARGER, _SMALLER)]
        return sum(fuzz.ratio(_told(label), _told(other)) for other in again) / 200

    def _detection(self, picture: Picture, box: _TextBox, label: str, score: float) -> Detection:
        width, height = picture.size_wh
        low, high = np.maximum(box.corners.min(axis=0), 0), np.minimum(box.corners.max(axis=0), [width, height])
        xyxy = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        level = Level.SURE if score >= _SURE_SCORE else Level.FLAG
        return Detection(Kind.TEXT, xyxy, score, level, label, self.name, self.version)


def _score(box: _TextBox, reading: Reading, by_size: float, *, agreement: float) -> float:
    letters = len(set(_told(reading.label)))
    if not letters:
        return 0.0
    odds = (
        _CONSTANT
        + _BY_WEAKEST_LETTER * reading.weakest
        + _BY_BOX * box.score
        + _BY_LETTERS * min(letters, _MOST_LETTERS)
        + _BY_SHARE * min(1.0, 5 * box.share)
        + _BY_AGREEMENT * agreement
        + by_size
    )
    return 1 / (1 + math.exp(-odds))


def _told(label: str) -> str:
    """The letters and digits."""
    return "".join(letter for letter in label.casefold() if letter.isalnum())


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
    corners = np.asarray(cv2.boxPoints((middle, (width + grown, height + grown), angle)), np.float32)
    is_line = max(width, height) >= _LINE_LONG * min(width, height)
    return _TextBox(corners * ratio, score, width * height / heat.size, is_line)


def _grown(corners: NDArray[np.float32], by: float) -> NDArray[np.float32]:
    """The rectangle with each side moved outwards by that part of its shorter side."""
    along, across = corners[1] - corners[0], corners[3] - corners[0]
    long, high = float(np.linalg.norm(along)), float(np.linalg.norm(across))
    step = by * min(long, high)
    along, across = along / max(long, 1e-3) * step, across / max(high, 1e-3) * step
    return corners + np.array([-along - across, along - across, along + across, -along + across], np.float32)
