"""Text: PP-OCRv6 small finds boxes, and what can be read in them says how likely they are text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz

from pipeline.detectors.finding import HeatMap, TextBox, TextFinder
from pipeline.detectors.inference import NetworkOptions
from pipeline.detectors.options import Share, read_options
from pipeline.detectors.picture import Picture
from pipeline.detectors.reading import LineReader, Reading
from pipeline.values import Detection, Kind, Level

# A picture larger than the second is looked at in a small copy, and then in one of the third size, but only where the
# small one was warm and nothing could be read. A smaller picture without text is looked at again at twice its size.
# Recall and precision on 757 pictures are .952 and .952, and .942 and .962 where each is looked at whole in the third
# size at once, which takes twice the time on lines of text in 1024 × 1024 (our measurement, 2026-11-21).
_GLANCE_PX = 384
_SMALL_PX = 640
_LONG_PX = 736
_ENLARGE = 2.0
_MOST_BOXES = 6
_SEEN_FROM_AFAR = 0.7  # in a small copy; what is less sure is looked at closer before it is read
# On the same pictures, of 607 boxes below .4 none said text, of 115 between .4 and .5 nine did; of 158 badly read lines
# below .8 none was upside down. Cut tighter, 3 pictures with text are found that were not, and 4 without.
_WORTH_READING = 0.45
_WORTH_TURNING = 0.8
_WORTH_TIGHTER, _TIGHTER = 0.7, -0.15  # the second of the box's height, on each side

# A line's score is the probability that its picture has text, by logistic regression on the best line of each of 731
# pictures: recall .94 at precision .96 with .5, against .905 at .964 for the root of the box's score times the
# reading's. Fitted and its threshold chosen on one half for a precision of .955, it had .928 at .949 on the other (mean
# of 16); with two looks and this formula a threshold so chosen has .946 at .955 (mean of 64). Of 100 pictures that
# score .5 to .7, 76 have text; .7 to .9, 87 (our measurement, 2026-11-21).
_CONSTANT = -8.9
_BY_WEAKEST_LETTER = 3.4
_BY_BOX = 2.1
_BY_LETTERS = 1.8  # different ones, three at most: "88" and "0000" are patterns more often than text
_BY_SHARE = -1.0  # of the picture: five times that, one at most
_BY_AGREEMENT = 2.4  # of what is read in a box slightly larger and slightly smaller
_BY_ENLARGING = -1.2
_MOST_LETTERS = 3
_FLAG_SCORE = 0.48
_SURE_SCORE = 0.8

# A line that reads badly is read upside down; on the same pictures.
_BADLY_READ = 0.8
_TURNED_AGREEMENT = 0.7
_LARGER, _SMALLER = 0.15, -0.1  # of the box's height, on each side
# A box that is as sure as this is text even if nobody can read it (our measurement, 2026-11-21).
_SURE_BOX = 0.94
_LARGE_SHARE = 0.15
_UNREAD_SCORE = 0.5
_SAME_PLACE = 0.5


@dataclass(frozen=True, slots=True)
class _Line:
    """What a box says, and how likely it is text."""

    box: TextBox
    label: str
    score: float


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
    version = "ppocrv6-small-rapidocr-3.10.0/5"
    options_type = TextOptions
    reads_earlier = False

    def __init__(self, options: Mapping[str, Any]) -> None:
        read = read_options(TextOptions, options, self.name)
        folder = Path(read.cache_dir)
        self._flag = read.flag
        self._finder = TextFinder(folder, read.runtime)
        self._reader = LineReader(folder, read.runtime)
        self._reader.load()

    def detect(self, picture: Picture, earlier: Sequence[Detection]) -> list[Detection]:
        """Text. Scores do not depend on the threshold in use, so that one can be chosen by them."""
        is_small = max(picture.size_wh) <= _SMALL_PX
        far = picture.copy(_LONG_PX if is_small else _GLANCE_PX)
        heat = self._finder.look(picture, far)
        least = _WORTH_READING if is_small else _SEEN_FROM_AFAR
        found = self._judge_all(picture, heat, _MOST_BOXES, least=least, by_size=0.0)
        read = [each.box for each in found if each.label and each.score >= _FLAG_SCORE]
        if is_small and not read:
            heat = self._finder.look(picture, picture.copy(_LONG_PX, enlarge=_ENLARGE))
            found += self._judge_all(picture, heat, _MOST_BOXES, least=_WORTH_READING, by_size=_BY_ENLARGING)
        elif not is_small and len(read) < _MOST_BOXES:
            heat = self._look_closer(picture, heat.without(read)).without(read)
            found += self._judge_all(picture, heat, _MOST_BOXES - len(read), least=_WORTH_READING, by_size=0.0)
        return [self._detection(picture, each) for each in _once(found) if each.score >= self._flag]

    def _look_closer(self, picture: Picture, heat: HeatMap) -> HeatMap:
        size_wh = picture.copy_size_wh(_LONG_PX)
        return self._finder.look_at(picture, size_wh, heat.warm_places(size_wh))

    def _judge_all(self, picture: Picture, heat: HeatMap, most: int, *, least: float, by_size: float) -> list[_Line]:
        boxes = [box for box in heat.boxes()[:most] if box.score >= least]
        return [_Line(box, *self._judge(picture, box, by_size)) for box in boxes]

    def _judge(self, picture: Picture, box: TextBox, by_size: float) -> tuple[str, float]:
        """What the box says and how likely it is text; what cannot be read is read again, cut tighter."""
        label, score = self._read(picture, box, by_size)
        if score >= _FLAG_SCORE:
            return label, score
        if box.score >= _SURE_BOX and box.share < _LARGE_SHARE:
            return "", _UNREAD_SCORE
        if label and box.score >= _WORTH_TIGHTER:
            tight = replace(box, corners=_grown(box.corners, _TIGHTER))
            return max((label, score), self._read(picture, tight, by_size), key=lambda said: said[1])
        return label, score

    def _read(self, picture: Picture, box: TextBox, by_size: float) -> tuple[str, float]:
        """What the box says and how likely that is; read again only where it can change the answer."""
        reading = self._reader.read(picture, box.corners)
        label = reading.label
        score = _score(box, reading, by_size, agreement=1.0)
        if score >= _FLAG_SCORE > _score(box, reading, by_size, agreement=0.0):
            score = _score(box, reading, by_size, agreement=self._agreement(picture, box, label))
        if box.is_line and box.score >= _WORTH_TURNING and reading.score < _BADLY_READ:
            turned = self._reader.read(picture, box.corners, upside_down=True)
            if turned.score >= max(_BADLY_READ, reading.score + 0.2):
                label, score = turned.label, _score(box, turned, by_size, agreement=_TURNED_AGREEMENT)
        return label, score

    def _agreement(self, picture: Picture, box: TextBox, label: str) -> float:
        again = [self._reader.read(picture, _grown(box.corners, by)).label for by in (_LARGER, _SMALLER)]
        return sum(fuzz.ratio(_told(label), _told(other)) for other in again) / 200

    def _detection(self, picture: Picture, line: _Line) -> Detection:
        width, height = picture.size_wh
        corners = line.box.corners
        low, high = np.maximum(corners.min(axis=0), 0), np.minimum(corners.max(axis=0), [width, height])
        xyxy = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        level = Level.SURE if line.score >= _SURE_SCORE else Level.FLAG
        return Detection(Kind.TEXT, xyxy, line.score, level, line.label, self.name, self.version)


def _once(lines: list[_Line]) -> list[_Line]:
    """Best first, without those that lie mostly in a better one: a place may be looked at twice."""
    kept: list[_Line] = []
    for line in sorted(lines, key=lambda line: -line.score):
        if not any(_is_same_place(line.box.corners, better.box.corners) for better in kept):
            kept.append(line)
    return kept


def _is_same_place(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    common, _ = cv2.intersectConvexConvex(one, other)
    return common > _SAME_PLACE * min(cv2.contourArea(one), cv2.contourArea(other))


def _score(box: TextBox, reading: Reading, by_size: float, *, agreement: float) -> float:
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


def _grown(corners: NDArray[np.float32], by: float) -> NDArray[np.float32]:
    """The rectangle with each side moved outwards by that part of its shorter side."""
    along, across = corners[1] - corners[0], corners[3] - corners[0]
    long, high = float(np.linalg.norm(along)), float(np.linalg.norm(across))
    step = by * min(long, high)
    along, across = along / max(long, 1e-3) * step, across / max(high, 1e-3) * step
    return corners + np.array([-along - across, along - across, along + across, -along + across], np.float32)
