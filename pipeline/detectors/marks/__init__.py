"""Brand marks by their look: a small network says where in a picture one is, but not whose it is.

What it was trained on and how well it does is in MODEL_CARD.md; how it is trained again, in ``training``.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.inference import Runtime, open_session, planes
from pipeline.detectors.picture import Picture
from pipeline.values import Box, Detection, Kind, Level

WEIGHTS_PATH = Path(__file__).with_name("marks.onnx")

_LONG_PX = (384, 256, 128)
"""The larger copies show small marks, the smallest one those that fill the picture."""
_CELL_PX = 8
_LEAST_HEAT = 0.1
_MOST = 20
_SAME = 0.4

# A heat that is as likely a mark as not, in a picture without text and with: where something is written, a brand is
# near, and all the more where it is written large. With the steepness, the score is about the share of pictures that do
# have one (our measurement, 2026-11-21, in MODEL_CARD.md).
_EVEN_ALONE, _STEEP_ALONE = 0.459, 18.1
_EVEN_WITH_TEXT, _LARGE_TEXT, _STEEP_WITH_TEXT = 0.405, 0.35, 10.4
_FLAG_SCORE = 0.5
_SURE_SCORE = 0.8

_INSIDE = 0.6
_PART_OF_TEXT = 0.8
_PART_OF_FACE = 1.5
_HOLDS = 0.8
_HEAD = 4.0
"""Times a face's size that a head with its hair may have."""

Sightings = NDArray[np.float32]
"""(count, 5): left, top, right, bottom in the picture's pixels, and heat."""


class MarkFinder:
    """Finds brand marks, known or not.

    Args:
        weights: The network; the one shipped beside this file by default.
        runtime: What runs it.
        flag: The lowest score that is found.
    """

    name = "logos"
    version = "marks/2"

    def __init__(self, weights: Path = WEIGHTS_PATH, *, runtime: Runtime = "cpu", flag: float = _FLAG_SCORE) -> None:
        self._flag = flag
        self._session = open_session(weights, runtime)

    def find(self, picture: Picture, earlier: Sequence[Detection] = ()) -> list[Detection]:
        """The marks in the picture, the surest first.

        Args:
            picture: The picture.
            earlier: What other detectors found in it. An eye is no mark, nor is one letter of a line; and what looks
                like a mark is more likely one where something is written.

        Returns:
            Logos with an empty label, since nobody knows whose they are. The score is the chance that the picture
            has a mark, and less for those that are fainter than the first.
        """
        looks = [_without_parts(self._look(picture, long_side), earlier) for long_side in _LONG_PX]
        evidence = float(np.mean([look[:, 4].max(initial=0) for look in looks]))
        score = _chance(evidence, _boxes(earlier, Kind.TEXT), max(picture.size_wh))
        sightings = _apart(np.concatenate(looks))
        sightings[:, 4] *= score
        return [self._detection(sighting) for sighting in sightings if sighting[4] >= self._flag]

    def _look(self, picture: Picture, long_side: int) -> Sightings:
        copy = picture.copy(long_side)
        heat, size = self._session.run(None, {"pictures": planes(copy)})
        rows, columns = _peaks(heat[0, 0])
        wide, high = size[0][:, rows, columns]
        x, y = (columns + 0.5) * _CELL_PX, (rows + 0.5) * _CELL_PX
        boxes = np.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], axis=1)
        limits = np.array([copy.shape[1], copy.shape[0]] * 2, np.float32)
        boxes = boxes.clip(0, limits) * (np.array(picture.size_wh * 2, np.float32) / limits)
        return np.column_stack([boxes, heat[0, 0][rows, columns]]).astype(np.float32)

    def _detection(self, sighting: NDArray[np.float32]) -> Detection:
        left, top, right, bottom, score = sighting.tolist()
        level = Level.SURE if score >= _SURE_SCORE else Level.FLAG
        return Detection(Kind.LOGO, (left, top, right, bottom), score, level, "", self.name, self.version)


def _chance(heat: float, lines: list[Box], long_side: int) -> float:
    """How likely a picture of that long side, with these lines of text, has a mark."""
    if not lines:
        return _sigmoid(_STEEP_ALONE * (heat - _EVEN_ALONE))
    letters = max(min(right - left, bottom - top) for left, top, right, bottom in lines)
    even = _EVEN_WITH_TEXT - _LARGE_TEXT * math.sqrt(max(0.0, letters) / long_side)
    return _sigmoid(_STEEP_WITH_TEXT * (heat - even))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _boxes(earlier: Sequence[Detection], kind: Kind) -> list[Box]:
    return [each.xyxy for each in earlier if each.kind is kind]


def _peaks(heat: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the cells that are hotter than their neighbours."""
    around = cv2.dilate(heat, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero((heat == around) & (heat >= _LEAST_HEAT))
    return rows, columns


def _without_parts(sightings: Sightings, earlier: Sequence[Detection]) -> Sightings:
    """Those that are no part of a face or of a line of text, and no head."""
    area, parts = _area(sightings), np.zeros(len(sightings), bool)
    for kind, most in ((Kind.FACE, _PART_OF_FACE), (Kind.TEXT, _PART_OF_TEXT)):
        for box in np.array(_boxes(earlier, kind), np.float32).reshape(-1, 4):
            size, shared = _area(box[None]), _shared(sightings, box)
            parts |= (shared > _INSIDE * area) & (area < most * size)
            if kind is Kind.FACE:
                parts |= (shared > _HOLDS * size) & (area < _HEAD * size)
    return sightings[~parts]


def _apart(sightings: Sightings) -> Sightings:
    """The hottest of those that lie on each other, hottest first, their heat as a share of the hottest's."""
    left = sightings[np.argsort(-sightings[:, 4], kind="stable")]
    kept: list[NDArray[np.float32]] = []
    while len(left) and len(kept) < _MOST:
        best, left = left[0], left[1:]
        kept.append(best)
        # By the smaller area: a part of a mark is the same mark.
        left = left[_shared(left, best) < _SAME * np.minimum(_area(left), _area(best[None]))]
    found = np.array(kept, np.float32).reshape(-1, 5)
    found[:, 4] /= found[:1, 4]
    return found


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1), np.float32)


def _shared(boxes: NDArray[np.float32], box: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.minimum(boxes[:, 2:4], box[2:4]) - np.maximum(boxes[:, :2], box[:2])
    return np.asarray(np.prod(sides.clip(0), axis=1), np.float32)
