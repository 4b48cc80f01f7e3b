"""Whether two pictures of one shape are the same picture."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.detectors.picture import Pixels

_GRID = 8
_SEEN = 24


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two pictures are apart; tone and spot in levels of 255.

    Attributes:
        tone: The mean difference over a coarse grid, of the channel that differs most: what tinting changes.
        gain: By how much more, or less, light and dark are apart, as a share: what grading changes.
        spot: The most at any spot: what a small repair changes.
        changed: The share of spots that anybody can see to differ.
    """

    tone: float
    gain: float
    spot: float
    changed: float

    @property
    def is_encoding_only(self) -> bool:
        """Whether it is no more than another encoding makes.

        True for 98 % of 252 photographs after JPEG 70, and for 97 % after JPEG 50; for none with a word of 3 % of the
        longer side or with 8 % more brightness, one with a spot repaired and one tinted by 5 levels; for 2 % with 5 %
        more contrast (our measurement, 2026-11-21).
        """
        return self.tone <= 1.5 and abs(self.gain) <= 0.02 and self.spot <= 36

    @property
    def is_hard_to_see(self) -> bool:
        """Whether a person must look twice to tell the pictures apart."""
        return self.tone <= 3 and self.changed <= 0.005 and self.spot <= 64


def difference(one: Pixels, other: Pixels) -> Difference:
    """Compare copies of one size, of about 256 pixels, each pixel the mean of many."""
    size = max(1, one.shape[1] // _GRID), max(1, one.shape[0] // _GRID)
    first, second = (cv2.resize(each, size, interpolation=cv2.INTER_AREA).astype(np.float32) for each in (one, other))
    tone = np.abs(first - second).reshape(-1, 3).mean(axis=0).max()
    first, second = first - first.mean(), second - second.mean()
    gain = float((first * second).sum()) / max(1.0, float((first**2).sum())) - 1
    spots = cv2.absdiff(cv2.blur(one, (3, 3)), cv2.blur(other, (3, 3)))
    return Difference(float(tone), gain, float(spots.max()), float((spots > _SEEN).mean()))
