"""What can be seen of an output without any network: each finding is a rule that it breaks, with the figures."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.picture import Picture, Pixels
from pipeline.detectors.quality.margins import find_border, off_white_ground, ring_colour, was_added
from pipeline.detectors.quality.overlay import find_tiling
from pipeline.detectors.quality.rules import OF_THE_FRAME, Doubt, QualityRules, score_of
from pipeline.detectors.quality.sameness import Difference, difference
from pipeline.detectors.quality.sharpness import WIDEST, edge_width
from pipeline.values import Detection, Kind, Level

__all__ = ["OF_THE_FRAME", "VERSION", "QualityRules", "judge"]

NAME = "quality"
VERSION = "1"
"""Counts changes to what any rule finds."""

_SURE = 0.5

_SAME_ASPECT = 0.01
"""Pictures whose shapes differ by less are taken to show the same section."""

_SMALL_PX = 256
_MIDDLE_PX = 512
_LARGE_PX = 1024

# The plainest of 757 photographs has 40 (our measurement, 2026-11-21).
_LEAST_CONTRAST = 12

# Edges that are no wider are sharp, however sharp the source: half of 757 photographs have .83, 95 % less than 1.2.
_SHARP_PX = 1.2
# Without a source: at 512 pixels none of 757 photographs has more than 1.75 (both our measurement, 2026-11-21).
_BLURRED_ALONE_PX = 2.5

_SAME_GROUND = 4


def judge(
    output: Picture, *, source: Picture | None, others: Sequence[Picture] = (), rules: QualityRules
) -> list[Detection]:
    """The rules that an output breaks, at most once each.

    Args:
        output: What to look at.
        source: What it was made from; None to look at a picture by itself.
        others: The outputs of the same edit that come before it, so that of two alike only the later is told.
        rules: The desk's thresholds, and what is off.
    """
    doubts = [*_size(output, source, rules), *_shape(output, source, rules), *_content(output, source, others, rules)]
    return [_detection(doubt, output) for doubt in doubts if doubt.rule not in rules.off]


def _detection(doubt: Doubt, output: Picture) -> Detection:
    width, height = output.size_wh
    level = Level.SURE if doubt.score >= _SURE else Level.FLAG
    whole = (0.0, 0.0, float(width), float(height))
    label = f"{doubt.rule}: {doubt.note}"
    return Detection(Kind.QUALITY, doubt.xyxy or whole, doubt.score, level, label, NAME, VERSION)


# By size alone.


def _size(output: Picture, source: Picture | None, rules: QualityRules) -> Iterator[Doubt]:
    (width, height), asked = output.size_wh, []
    if rules.min_side_px and min(width, height) < rules.min_side_px:
        asked.append(f"at least {rules.min_side_px:.0f} px on the shorter side")
    if rules.min_long_side_px and max(width, height) < rules.min_long_side_px:
        asked.append(f"at least {rules.min_long_side_px:.0f} px on the longer side")
    if asked:
        yield Doubt("too_small", 1.0, f"{width}x{height} px (rule: {' and '.join(asked)})")
    elif source is not None and max(width, height) < rules.enough_px:
        part = width * height / (source.size_wh[0] * source.size_wh[1])
        if part < rules.least_pixels:
            rule = f"at least {rules.least_pixels:.0%}, or {rules.enough_px:.0f} px on the longer side"
            note = f"{width}x{height} px, {part:.0%} of the source's pixels (rule: {rule})"
            yield Doubt("too_small", min(1.0, 0.4 * rules.least_pixels / part), note)


def _shape(output: Picture, source: Picture | None, rules: QualityRules) -> Iterator[Doubt]:
    width, height = output.size_wh
    if rules.aspects:
        if all(_apart(output, _ratio(aspect)) > rules.shape_change for aspect in rules.aspects):
            note = f"{width}x{height} px is {width / height:.2f}:1 (rule: {' or '.join(rules.aspects)})"
            yield Doubt("other_shape", 1.0, note)
    elif source is not None and (apart := _apart(output, source.size_wh[0] / source.size_wh[1])) > rules.shape_change:
        was = f"{source.size_wh[0]}x{source.size_wh[1]}"
        note = f"{width}x{height} px where the source has {was} (rule: within {rules.shape_change:.0%} of its shape)"
        yield Doubt("other_shape", score_of(apart / rules.shape_change), note)


def _ratio(aspect: str) -> float:
    width, height = aspect.split(":")
    return float(width) / float(height)


def _apart(picture: Picture, ratio: float) -> float:
    """By what share the picture's shape differs; less than a pixel's rounding counts as nothing."""
    width, height = picture.size_wh
    if abs(width - height * ratio) < 1 or abs(height - width / ratio) < 1:
        return 0.0
    own = width / height
    return max(own / ratio, ratio / own) - 1


# By what is to be seen.


class _View:
    """Copies of a picture, each made from the next larger one.

    Args:
        picture: The picture.
        size_wh: The size that the copies have, or are scaled down from: its own, or that of a smaller picture of the
            same shape, so that both have equal copies.
    """

    def __init__(self, picture: Picture, size_wh: tuple[int, int]) -> None:
        self.pixels = picture.pixels
        self.size_wh = size_wh

    @cached_property
    def grey(self) -> NDArray[np.uint8]:
        return _fitted(_grey(self.pixels), self.size_wh, _LARGE_PX)

    @cached_property
    def middle(self) -> Pixels:
        return _fitted(self.pixels, self.size_wh, _MIDDLE_PX)

    @cached_property
    def small(self) -> Pixels:
        return _fitted(self.middle, self.size_wh, _SMALL_PX)

    @cached_property
    def contrast(self) -> int:
        """The most that neighbouring spots differ by."""
        grey = _fitted(_grey(self.small), self.size_wh, _SMALL_PX // 2)
        window = np.ones((3, 3), np.uint8)
        return int(cv2.subtract(cv2.dilate(grey, window), cv2.erode(grey, window)).max())


def _content(
    output: Picture, source: Picture | None, others: Sequence[Picture], rules: QualityRules
) -> Iterator[Doubt]:
    if source is None:
        seen, before = _whole_view(output), None
    elif _is_same_shape(output, source):
        seen, before = _views(output, source)
    else:
        seen, before = _whole_view(output), _whole_view(source)
    if seen.contrast < _LEAST_CONTRAST:
        if before is None or before.contrast >= _LEAST_CONTRAST:
            rule = f"at least {_LEAST_CONTRAST} of 255 somewhere"
            yield Doubt("blank", 1.0, f"neighbouring spots differ by {seen.contrast} at most (rule: {rule})")
        return
    yield from _near_duplicate(output, others)
    yield from _margins(output, seen, before)
    if source is None or before is None or seen.size_wh != before.size_wh:
        yield from _blurred_alone(seen)
        return
    worse = [
        doubt for doubt in (*_blurred(seen, before, rules), *_watermark(seen, before)) if doubt.rule not in rules.off
    ]
    yield from worse or _unchanged(output, source, difference(seen.small, before.small))


def _near_duplicate(output: Picture, others: Sequence[Picture]) -> Iterator[Doubt]:
    for number, other in enumerate(others, start=1):
        if not _is_same_shape(output, other):
            continue
        first, second = _views(output, other)
        found = difference(first.small, second.small)
        if found.is_hard_to_see:
            differ = f"{found.changed:.1%} of the spots differ to the eye, and the tone by {found.tone:.1f} of 255"
            yield Doubt("near_duplicate", 0.9, f"as output {number} of this edit: {differ} (rule: .5% or 3)")
            return


def _unchanged(output: Picture, source: Picture, found: Difference) -> Iterator[Doubt]:
    if not found.is_encoding_only:
        return
    if output.size_wh != source.size_wh:
        sizes = " instead of ".join(f"{width}x{height} px" for width, height in (output.size_wh, source.size_wh))
        yield Doubt("unchanged", 0.4, f"the source again, but for its size, {sizes} (rule: an edit shows)")
    elif np.array_equal(output.pixels, source.pixels):
        yield Doubt("unchanged", 1.0, "every pixel is as in the source (rule: an edit shows)")
    else:
        differ = f"no spot differs by more than {found.spot:.0f} of 255, and the tone by {found.tone:.1f}"
        yield Doubt("unchanged", 0.9, f"{differ}, as after another encoding (rule: an edit shows)")


def _blurred(output: _View, source: _View, rules: QualityRules) -> Iterator[Doubt]:
    before = edge_width(source.grey)
    if before is None:
        return
    after = edge_width(output.grey) or WIDEST
    if after > rules.blur * before and after > _SHARP_PX:
        height, width = output.grey.shape
        figures = f"edges are {after:.1f} px wide where the source's are {before:.1f}, at {width}x{height} px"
        yield Doubt("blurred", score_of(after / before / rules.blur), f"{figures} (rule: {rules.blur:g} times at most)")


def _blurred_alone(output: _View) -> Iterator[Doubt]:
    grey = _grey(output.middle)
    width = edge_width(grey) or WIDEST
    if width > _BLURRED_ALONE_PX:
        figures = f"edges are {width:.1f} px wide at {grey.shape[1]}x{grey.shape[0]} px"
        note = f"{figures} (rule, without a source to compare: {_BLURRED_ALONE_PX:g})"
        yield Doubt("blurred", score_of(width / _BLURRED_ALONE_PX), note)


def _margins(output: Picture, seen: _View, before: _View | None) -> Iterator[Doubt]:
    border = find_border(seen.pixels)
    if border is None:
        yield from _off_white(output, seen, before)
        return
    if before is None:
        if border.is_all_round:
            return
    elif not was_added(border, seen.pixels, before.pixels):
        return
    scale = output.size_wh[0] / seen.pixels.shape[1]
    names = zip(("left", "top", "right", "bottom"), border.sides, strict=True)
    sides = ", ".join(f"{name} {round(width * scale)} px" for name, width in names if width)
    rule = "no frame" if before is None else "no frame that the source does not have"
    yield Doubt("border", 0.4 if before is None else 0.9, f"{sides}, colour {border.colour} (rule: {rule})")


def _off_white(output: Picture, seen: _View, before: _View | None) -> Iterator[Doubt]:
    ground = off_white_ground(seen.small)
    if ground is None:
        return
    if before is not None and np.abs(ring_colour(seen.small) - ring_colour(before.small)).max() <= _SAME_GROUND:
        return
    width, height = output.size_wh
    left, top, right, bottom = ground.box
    note = f"{ground.share:.0%} of the border is about {ground.colour} (rule: a white ground is (255, 255, 255))"
    box = (left * width, top * height, right * width, bottom * height)
    yield Doubt("off_white", min(1.0, 0.4 + ground.share / 2), note, box)


def _watermark(output: _View, source: _View) -> Iterator[Doubt]:
    tiling = find_tiling(_grey(output.middle), _grey(source.middle))
    if tiling is not None:
        across, down = (100 * step for step in tiling.step)
        where = f"every {abs(across):.0f} % of the longer side across and {down:.0f} % down"
        note = f"a faint pattern over the whole picture repeats {where} (rule: nothing laid over the source)"
        yield Doubt("watermark", tiling.likeness, note)


# Copies.


def _is_same_shape(one: Picture, other: Picture) -> bool:
    width, height = other.size_wh
    return _apart(one, width / height) <= _SAME_ASPECT


def _whole_view(picture: Picture) -> _View:
    return _View(picture, _pixels_wh(picture))


def _views(one: Picture, other: Picture) -> tuple[_View, _View]:
    """Both at the size of the smaller."""
    size_wh = min(_pixels_wh(one), _pixels_wh(other))
    return _View(one, size_wh), _View(other, size_wh)


def _pixels_wh(picture: Picture) -> tuple[int, int]:
    return picture.pixels.shape[1], picture.pixels.shape[0]


def _grey(pixels: Pixels) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _fitted(pixels: NDArray[np.uint8], size_wh: tuple[int, int], long_px: int) -> NDArray[np.uint8]:
    """The picture at this size, or smaller if that is longer than `long_px`."""
    scale = min(1.0, long_px / max(size_wh))
    width, height = (max(1, round(side * scale)) for side in size_wh)
    if (width, height) == (pixels.shape[1], pixels.shape[0]):
        return pixels
    how = cv2.INTER_AREA if width < pixels.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), np.uint8)
