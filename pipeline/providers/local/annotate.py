"""Rings, arrows and notes on a photograph."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Edited, Matte, Rgb
from pipeline.providers.local.colours import Rgb8
from pipeline.providers.local.lettering import Lettering
from pipeline.providers.local.sheet import Sheet

IntBox = tuple[int, int, int, int]

_WHITE: Rgb8 = (255, 255, 255)
_INK: Rgb8 = (25, 25, 28)
_ROOM = 0.58
"""Half a ring's side, in sides of its box: it goes round the damage, not through it."""
_EDGE_PX = 8
_FINER = 2


@dataclass(frozen=True, slots=True)
class _Ring:
    x: float
    y: float
    half_width: float
    half_height: float


@dataclass(frozen=True, slots=True)
class _Label:
    left: float
    top: float
    width: int
    height: int
    letters: Matte


def annotate(
    rgb: Rgb,
    boxes: Sequence[IntBox],
    notes: Sequence[str],
    shape: str,
    colour: Rgb8,
    *,
    lettering: Lettering,
    alpha: NDArray[np.uint8] | None = None,
) -> Edited:
    """Ring each box, and write its note beside it on the side with most room, with an arrow.

    Args:
        rgb: The picture.
        boxes: Left, top, right, bottom in pixels.
        notes: One for each box; missing and empty ones are left out.
        shape: ``ellipse`` or ``rectangle``.
        colour: Of rings, arrows and frames.
        lettering: Sets the notes.
        alpha: The picture's transparency, kept.
    """
    height, width = rgb.shape[:2]
    thick = max(3, round(min(width, height) * 0.007))
    rings = [_ring(box) for box in boxes]
    labels: dict[int, _Label] = {}
    for number, ring in enumerate(rings):
        note = notes[number].strip() if number < len(notes) else ""
        if note:
            text = f"{number + 1}. {note}" if len(rings) > 1 else note
            labels[number] = _placed(text, ring, rings, list(labels.values()), (width, height), lettering)
    sheet = Sheet(rgb.copy(), None if alpha is None else alpha.copy())
    lines = _lines(rings, labels, shape, thick, (width, height))
    halo = cv2.GaussianBlur(cv2.dilate(lines, np.ones((5, 5))), (0, 0), 1.2) * np.float32(0.85)
    sheet.paint(np.asarray(halo, np.float32), (0, 0), _WHITE)
    sheet.paint(lines, (0, 0), colour)
    for label in labels.values():
        _write(sheet, label, colour, thick)
    return Edited(sheet.rgb, sheet.alpha)


def _ring(box: IntBox) -> _Ring:
    left, top, right, bottom = box
    return _Ring((left + right) / 2, (top + bottom) / 2, (right - left) * _ROOM, (bottom - top) * _ROOM)


def _placed(
    text: str,
    ring: _Ring,
    rings: Sequence[_Ring],
    others: Sequence[_Label],
    size_wh: tuple[int, int],
    lettering: Lettering,
) -> _Label:
    """The label above, below, right or left of its ring: where it covers least and moves least."""
    width, height = size_wh
    size_px = max(15.0, min(size_wh) * 0.032)
    letters, size_px = lettering.block(text, width_px=width * 0.34, size_px=size_px, is_left=True)
    wide, high = letters.shape[1] + round(size_px), letters.shape[0] + round(size_px)
    wishes = (
        (ring.x - wide / 2, ring.y - ring.half_height - high - 0.06 * height),
        (ring.x - wide / 2, ring.y + ring.half_height + 0.06 * height),
        (ring.x + ring.half_width + 0.06 * width, ring.y - high / 2),
        (ring.x - ring.half_width - wide - 0.06 * width, ring.y - high / 2),
    )
    best: tuple[float, float, float] | None = None
    for wish in wishes:
        left = min(max(wish[0], _EDGE_PX), width - wide - _EDGE_PX)
        top = min(max(wish[1], _EDGE_PX), height - high - _EDGE_PX)
        covered = sum(_shared(left, top, wide, high, *_bounds(other)) for other in rings)
        covered += sum(_shared(left, top, wide, high, o.left, o.top, o.width, o.height) for o in others)
        cost = covered * 10 + abs(left - wish[0]) + abs(top - wish[1])
        if best is None or cost < best[0]:
            best = cost, left, top
    assert best is not None
    return _Label(best[1], best[2], wide, high, letters)


def _bounds(ring: _Ring) -> tuple[float, float, float, float]:
    return ring.x - ring.half_width, ring.y - ring.half_height, 2 * ring.half_width, 2 * ring.half_height


def _shared(
    left: float, top: float, wide: float, high: float, left_2: float, top_2: float, wide_2: float, high_2: float
) -> float:
    across = min(left + wide, left_2 + wide_2) - max(left, left_2)
    down = min(top + high, top_2 + high_2) - max(top, top_2)
    return max(0.0, across) * max(0.0, down)


def _lines(
    rings: Sequence[_Ring], labels: dict[int, _Label], shape: str, thick: int, size_wh: tuple[int, int]
) -> Matte:
    """Rings and arrows as one mask, drawn at twice its size."""
    big = np.zeros((size_wh[1] * _FINER, size_wh[0] * _FINER), np.uint8)
    for number, ring in enumerate(rings):
        left, top, wide, high = (round(edge * _FINER) for edge in _bounds(ring))
        if shape == "ellipse":
            middle = (left + wide // 2, top + high // 2)
            cv2.ellipse(
                big, middle, (max(1, wide // 2), max(1, high // 2)), 0, 0, 360, 255, thick * _FINER, cv2.LINE_AA
            )
        else:
            cv2.rectangle(big, (left, top), (left + wide, top + high), 255, thick * _FINER, cv2.LINE_AA)
        if number in labels:
            _draw_arrow(big, labels[number], ring, shape, thick)
    return np.asarray(cv2.resize(big, size_wh, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def _draw_arrow(big: NDArray[np.uint8], label: _Label, ring: _Ring, shape: str, thick: int) -> None:
    start = np.array(
        [
            min(max(ring.x, label.left), label.left + label.width),
            min(max(ring.y, label.top), label.top + label.height),
        ]
    )
    towards = np.array([ring.x, ring.y]) - start
    length = float(np.linalg.norm(towards))
    if length < 1:
        return
    across, down = towards / length
    if shape == "ellipse":
        reach = 1 / np.hypot(across / max(ring.half_width, 1), down / max(ring.half_height, 1))
    else:
        reach = min(ring.half_width / max(abs(across), 1e-6), ring.half_height / max(abs(down), 1e-6))
    tip = start + towards / length * (length - reach - thick)
    way = float(np.linalg.norm(tip - start))
    if length - reach - thick < thick * 4:
        return
    ends = [tuple(int(edge) for edge in np.rint(point * _FINER)) for point in (start, tip)]
    cv2.arrowedLine(big, ends[0], ends[1], 255, thick * _FINER, cv2.LINE_AA, 0, min(0.35, thick * 5 / way))


def _write(sheet: Sheet, label: _Label, colour: Rgb8, thick: int) -> None:
    frame = max(2, thick // 2)
    place = (label.left, label.top)
    sheet.paint(np.ones((label.height, label.width), np.float32), place, colour)
    inner = np.ones((label.height - 2 * frame, label.width - 2 * frame), np.float32)
    sheet.paint(inner, (int(label.left) + frame, int(label.top) + frame), _WHITE)
    across, down = (label.width - label.letters.shape[1]) / 2, (label.height - label.letters.shape[0]) / 2
    sheet.paint(label.letters, (label.left + across, label.top + down), _INK)
