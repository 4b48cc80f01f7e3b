"""What lies around a picture: a ground that is nearly white, or a frame."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.picture import Pixels

_RING = 1 / 64
# Of 757 photographs 37 have a ring that is meant to be white by these, and 32 of those are white (our measurement,
# 2026-11-21). Amazon wants 255; the last two levels are left to encoders.
_LIGHTEST = 225
_GREYEST = 16
_MEANT_WHITE = 0.75
_WHITE = 253
_NOT_WHITE = 0.25

# Of a border: how far its pixels may lie from its colour, by two measures; the share of a line that must, so that the
# line is border, and the most that may where the picture begins; over how many lines an encoder smears that step.
_TOLERANCE = 14
_EXACT_TOLERANCE = 6
_LINE = 0.98
_FRAME = 0.9
_PICTURE = 0.5
_BLENDED = 0.01
_BLOCK_PX = 8
_THINNEST = 3
_SLIVER = 0.03
_THUMB = (64, 64)
_SAME_SCENE = 0.7
_STEP = 20
_STEPPED = 1.5
_SAME_SIDE = 0.03


@dataclass(frozen=True, slots=True)
class Ground:
    """A ring around a picture that is light, grey and not white.

    Attributes:
        colour: Red, green and blue: the middle of what is not white.
        share: How much of the ring that is.
        box: Where, as shares of width and height: left, top, right, bottom.
    """

    colour: tuple[int, int, int]
    share: float
    box: tuple[float, float, float, float]


def ring_colour(small: Pixels) -> NDArray[np.int16]:
    """The middle of the colours around a picture: red, green and blue."""
    return np.median(small[_ring(small)], axis=0).astype(np.int16)


def off_white_ground(small: Pixels) -> Ground | None:
    """The ground, if it is meant to be white and is not: red, green and blue 255, as Amazon's main picture needs.

    Args:
        small: A copy of about 256 pixels; a pixel of it is the mean of many, so noise and encoding are gone.
    """
    inside = _ring(small)
    ring = small[inside].astype(np.int16)
    darkest, brightest = ring.min(axis=1), ring.max(axis=1)
    light = (darkest >= _LIGHTEST) & (brightest - darkest <= _GREYEST)
    tinted = light & (darkest < _WHITE)
    if light.mean() < _MEANT_WHITE or tinted.mean() < _NOT_WHITE:
        return None
    rows, columns = (axis[tinted] for axis in np.nonzero(inside))
    height, width = small.shape[:2]
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    box = (float(left / width), float(top / height), float(right / width), float(bottom / height))
    red, green, blue = (round(float(value)) for value in np.median(ring[tinted], axis=0))
    return Ground((red, green, blue), float(tinted.mean()), box)


def _ring(small: Pixels) -> NDArray[np.bool_]:
    height, width = small.shape[:2]
    thick = max(1, round(max(height, width) * _RING))
    inside = np.ones((height, width), np.bool_)
    inside[thick : height - thick, thick : width - thick] = False
    return inside


@dataclass(frozen=True, slots=True)
class Border:
    """Bars or a frame of one colour around a picture.

    Attributes:
        sides: Widths at the left, top, right and bottom in pixels; 0 where there is none.
        colour: Red, green and blue.
    """

    sides: tuple[int, int, int, int]
    colour: tuple[int, int, int]

    @property
    def is_all_round(self) -> bool:
        """Whether it could as well be the ground around something rectangular."""
        return all(self.sides)


def find_border(pixels: Pixels) -> Border | None:
    """Bars at two opposite sides, or a frame at all four: lines of one colour that end in one straight line.

    A product on a plain ground has such lines too, but there only few pixels of the next line differ. What is
    rectangular and photographed from the front looks the same as a frame: only the source can tell (`was_added`).
    """
    corners = np.stack([pixels[y, x] for y in (0, -1) for x in (0, -1)]).astype(np.int16)
    colour = np.median(corners, axis=0).astype(np.int16)
    if np.abs(corners - colour).max() > _TOLERANCE:
        return None
    alike = _near(pixels, colour, _TOLERANCE)
    exact = _near(pixels, colour, _EXACT_TOLERANCE)
    height, width = alike.shape
    top, bottom = _uniform_ends(cv2.reduce(alike, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / width)
    left, right = _uniform_ends(cv2.reduce(alike, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() / height)
    if top + bottom >= height or left + right >= width:
        return None
    across = _is_pair(exact[top : height - bottom].T, left, right)
    down = _is_pair(exact[:, left : width - right], top, bottom)
    # A bottle is straight at the left and right, too: bars there reach from the top to the bottom.
    if not (across or down) or (not across and left + right > _SLIVER * width):
        return None
    if not down and top + bottom > _SLIVER * height:
        return None
    red, green, blue = colour.tolist()
    sides = (left * across, top * down, right * across, bottom * down)
    return Border(sides, (red, green, blue))


def _near(pixels: Pixels, colour: NDArray[np.int16], tolerance: int) -> NDArray[np.uint8]:
    """1 where a pixel has the colour, 0 elsewhere."""
    low, high = (tuple(np.clip(colour + way * tolerance, 0, 255).tolist()) for way in (-1, 1))
    return np.asarray(cv2.inRange(pixels, low, high) & 1, np.uint8)


def _uniform_ends(shares: NDArray[np.float64]) -> tuple[int, int]:
    """How many lines at the start and at the end are of the frame's colour."""
    broken = np.flatnonzero(shares < _LINE)
    return (int(broken[0]), int(len(shares) - 1 - broken[-1])) if broken.size else (len(shares), len(shares))


def _is_pair(exact: NDArray[np.uint8], first: int, last: int) -> bool:
    return _ends_at_once(exact, first) and _ends_at_once(exact[::-1], last)


def _ends_at_once(exact: NDArray[np.uint8], width: int) -> bool:
    """Whether the frame is these first rows, and within few rows is not, nearly everywhere.

    Few, because an encoder smears the step over its blocks, and a ground that darkens evenly takes many.
    """
    if width < _THINNEST:
        return False
    smeared = max(_BLOCK_PX, round(len(exact) * _BLENDED))
    before, behind = exact[max(0, width - 1 - smeared)], exact[width : width + smeared]
    return bool(before.mean() >= _FRAME and (behind.mean(axis=1) <= _PICTURE).any())


def was_added(border: Border, output: Pixels, source: Pixels) -> bool:
    """Whether the edit put the border there: within it is the whole source, or the source's part of that place.

    In the second case the source must go on where the border begins; otherwise a product with straight edges was
    given another ground.
    """
    own = find_border(source)
    if own is not None and _is_same(border, output, own, source):
        return False
    left, top, right, bottom = border.sides
    height, width = output.shape[:2]
    inner = output[top : height - bottom, left : width - right]
    y, x = source.shape[0] / height, source.shape[1] / width
    place = round(left * x), round(top * y), round((width - right) * x), round((height - bottom) * y)
    whole = _correlation(inner, source)
    part = _correlation(inner, source[place[1] : place[3], place[0] : place[2]])
    if max(whole, part) < _SAME_SCENE:
        return False
    return whole > part or not _has_edges_at(source, place)


def _is_same(one: Border, output: Pixels, other: Border, source: Pixels) -> bool:
    colours = np.abs(np.subtract(one.colour, other.colour))
    sides = np.abs(_shares(one, output) - _shares(other, source))
    return bool(colours.max() <= 2 * _TOLERANCE and sides.max() <= _SAME_SIDE)


def _shares(border: Border, pixels: Pixels) -> NDArray[np.float64]:
    height, width = pixels.shape[:2]
    return np.array(border.sides) / (width, height, width, height)


def _correlation(one: Pixels, other: Pixels) -> float:
    """Of the brightness of two pictures, whatever their shapes; 0 if one of them is plain."""
    thumbs = [
        cv2.resize(cv2.cvtColor(each, cv2.COLOR_RGB2GRAY), _THUMB, interpolation=cv2.INTER_AREA)
        for each in (one, other)
    ]
    first, second = (thumb.astype(np.float32) - thumb.mean() for thumb in thumbs)
    norm = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / norm if norm else 0.0


def _has_edges_at(source: Pixels, place: tuple[int, int, int, int]) -> bool:
    """Whether the brightness changes along the outline of a place in the picture, and more than a little inside it."""
    grey = cv2.cvtColor(source, cv2.COLOR_RGB2GRAY).astype(np.int16)
    left, top, right, bottom = place
    reach = max(2, max(grey.shape) // 100)
    further = 3 * reach
    outline = _step_along(grey, place, reach)
    inside = _step_along(grey, (left + further, top + further, right - further, bottom - further), reach)
    return outline > max(_STEP, _STEPPED * inside)


def _step_along(grey: NDArray[np.int16], place: tuple[int, int, int, int], reach: int) -> float:
    """How much the brightness changes across the outline, in the middle; 0 if it is the picture's own edge."""
    left, top, right, bottom = place
    views = (
        (grey.T, left, top, bottom),
        (grey.T, right, top, bottom),
        (grey, top, left, right),
        (grey, bottom, left, right),
    )
    steps = [
        np.abs(lines[at - reach, start:end] - lines[at + reach, start:end])
        for lines, at, start, end in views
        if reach <= at < len(lines) - reach and start < end
    ]
    return float(np.median(np.concatenate(steps))) if steps else 0.0
