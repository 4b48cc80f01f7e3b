"""What changed outside the part of the picture that an edit was asked to change."""

import io
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.detectors.changes.registration import Matrix, Registration, structure
from pipeline.detectors.picture import Picture
from pipeline.values import AskedArea, Box, Detection, Kind, Level

NAME = "unasked"
VERSION = "1"

_LONG_PX = 320
_ROOM = 0.02
"""What was asked for may spill over its rim by this share of the longer side."""

# CIE 1976 units. Re-encoding, other light and re-sampling stay below them once the light is matched and one pixel of
# misregistration forgiven (our measurement, 2026-11-21: `picturedesk evaluate-flags --changes`).
_COLOUR = 9.0
_SURE_COLOUR = 24.0
_STRUCTURE = 0.3
_TEXTURE = 5.0
_WINDOW_PX = 9
_LEAST_REGION = 0.0006
_LEAST_SHARE = 0.0006
_MOST_REGIONS = 6

_PLAIN_GROUND = 8.0
_PLAIN_SHARE = 0.85
_DARKEST_SHADOW = 45.0
_SHADOW_TINT = 6.0
_SHADOW_SLOPE = 3.0

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def unasked_changes(source: Picture, output: Picture, registration: Registration, asked: AskedArea) -> list[Detection]:
    """The regions of the output that changed though nobody asked, the largest first; each says the whole share.

    Args:
        source: What was edited.
        output: What came of it.
        registration: How they lie over each other.
        asked: What the edit was asked to change.
    """
    after = _small(output)
    height, width = after.shape[:2]
    to_small = np.diag([width / output.size_wh[0], height / output.size_wh[1], 1.0]) @ registration.matrix
    before, is_inside = _laid(source, to_small, (width, height))
    may_change = _asked(source, asked, to_small, (width, height))
    if may_change is None:
        return []
    kept = is_inside & ~may_change
    if not kept.any():
        return []
    changed = _difference(before, _matched(after, before, kept)) * kept
    return _regions(changed, output.size_wh)


def _small(picture: Picture) -> Floats:
    """CIE Lab at most `_LONG_PX` long, blurred a little."""
    height, width = picture.pixels.shape[:2]
    scale = min(1.0, _LONG_PX / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return _lab(cv2.resize(picture.pixels, size, interpolation=cv2.INTER_AREA))


def _lab(pixels: Any) -> Floats:  # noqa: ANN401 - OpenCV's
    lab = cv2.cvtColor(np.asarray(pixels, np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(cv2.GaussianBlur(lab, (0, 0), 0.8), np.float32)


def _laid(source: Picture, matrix: Matrix, size: tuple[int, int]) -> tuple[Floats, Mask]:
    """The source in the output's small frame, and where it is."""
    height, width = source.pixels.shape[:2]
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2])))) * source.size_wh[0] / width
    smaller = max(1, round(width * min(1.0, scale))), max(1, round(height * min(1.0, scale)))
    pixels = cv2.resize(source.pixels, smaller, interpolation=cv2.INTER_AREA)
    matrix = matrix @ np.diag([source.size_wh[0] / smaller[0], source.size_wh[1] / smaller[1], 1.0])
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    matrix = np.linalg.inv(half) @ matrix @ half
    laid = cv2.warpPerspective(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpPerspective(np.full(pixels.shape[:2], 255, np.uint8), matrix, size, flags=cv2.INTER_LINEAR)
    is_inside = cv2.erode(covered, np.ones((5, 5), np.uint8), borderValue=255) == 255
    return _lab(laid), np.asarray(is_inside, np.bool_)


def _matched(after: Floats, before: Floats, where: Mask) -> Floats:
    """The output in the source's light: a gain and a shift of each channel, by what most pixels agree on."""
    matched = after.copy()
    for channel in range(3):
        x, y = after[where][:, channel], before[where][:, channel]
        gain, shift = 1.0, float(np.median(y - x))
        for _ in range(3):
            rest = np.abs(gain * x + shift - y)
            near = rest <= max(2.0, float(np.median(rest)) * 2)
            if x[near].std() < 1:
                gain, shift = 1.0, float(np.median(y[near] - x[near]))
                break
            gain, shift = (float(value) for value in np.polyfit(x[near], y[near], 1))
            gain = float(np.clip(gain, 0.5, 2))
        matched[..., channel] = gain * after[..., channel] + shift
    return matched


def _difference(before: Floats, after: Floats) -> Floats:
    """How far each pixel changed, in units of the least change that counts; what a pixel's shift explains is none."""
    around = np.ones((3, 3), np.uint8)
    over = np.maximum(after - cv2.dilate(before, around), 0) + np.maximum(cv2.erode(before, around) - after, 0)
    colour = np.asarray(np.linalg.norm(over, axis=2) / _COLOUR, np.float32)
    alike = structure(before[..., 0], after[..., 0], _WINDOW_PX)
    spread = np.maximum(_spread(before[..., 0]), _spread(after[..., 0]))
    is_other_shape = (alike < _STRUCTURE) & (spread > _TEXTURE)
    return np.maximum(colour, is_other_shape * np.float32(1))


def _spread(values: Floats) -> Floats:
    size = (_WINDOW_PX, _WINDOW_PX)
    return np.asarray(np.sqrt(np.maximum(cv2.blur(values**2, size) - cv2.blur(values, size) ** 2, 0)), np.float32)


def _regions(changed: Floats, size_wh: tuple[int, int]) -> list[Detection]:
    mask = cv2.morphologyEx((changed >= 1).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    whole = mask.size
    large = [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= _LEAST_REGION * whole]
    share = sum(int(mask[labels == n].sum()) for n in large) / whole
    if share < _LEAST_SHARE:
        return []
    large.sort(key=lambda n: -int(stats[n, cv2.CC_STAT_AREA]))
    ratio = size_wh[0] / mask.shape[1], size_wh[1] / mask.shape[0]
    return [_detection(stats[n], float(changed[labels == n].max()), share, ratio) for n in large[:_MOST_REGIONS]]


def _detection(stats: Any, most: float, share: float, ratio: tuple[float, float]) -> Detection:  # noqa: ANN401
    left, top, width, height, _ = (int(value) for value in stats)
    box: Box = (left * ratio[0], top * ratio[1], (left + width) * ratio[0], (top + height) * ratio[1])
    level = Level.SURE if most * _COLOUR >= _SURE_COLOUR else Level.FLAG
    label = f"unasked_change: {share:.1%} of the picture changed outside what was asked"
    return Detection(Kind.QUALITY, box, min(1.0, most / 4), level, label, NAME, VERSION)


# What was asked.


def _asked(source: Picture, asked: AskedArea, matrix: Matrix, size: tuple[int, int]) -> Mask | None:
    """Where the output may differ; None if that cannot be told."""
    height, width = source.pixels.shape[:2]
    area = np.zeros((height, width), np.uint8)
    for left, top, right, bottom in asked.boxes:
        x, y = width / source.size_wh[0], height / source.size_wh[1]
        area[max(0, int(top * y)) : int(np.ceil(bottom * y)), max(0, int(left * x)) : int(np.ceil(right * x))] = 255
    if asked.mask is not None:
        with Image.open(io.BytesIO(asked.mask)) as image:
            alpha = np.array(image.convert("RGBA").getchannel("A").resize((width, height)))
        area[alpha < 255] = 255
    if asked.ground:
        ground = _plain_ground(source)
        if ground is None:
            return None
        area |= cv2.resize(ground, (width, height), interpolation=cv2.INTER_NEAREST)
    matrix = matrix @ np.diag([source.size_wh[0] / width, source.size_wh[1] / height, 1.0])
    laid = cv2.warpPerspective(area, matrix, size, flags=cv2.INTER_NEAREST)
    room = 2 * max(1, round(_ROOM * max(size))) + 1
    return np.asarray(cv2.dilate(laid, np.ones((room, room), np.uint8)) > 0, np.bool_) if area.any() else laid > 0


def _plain_ground(source: Picture) -> NDArray[np.uint8] | None:
    """255 where the ground is, if it is plain and reaches the border all around; None otherwise."""
    lab = _small(source)
    rim = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    colour = np.median(rim, axis=0)
    near = (np.linalg.norm(lab - colour, axis=2) <= _PLAIN_GROUND) | _is_shadow(lab, colour)
    if float((np.linalg.norm(rim - colour, axis=1) <= _PLAIN_GROUND).mean()) < _PLAIN_SHARE:
        return None
    _, labels = cv2.connectedComponents(near.astype(np.uint8))
    at_rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.where(np.isin(labels, at_rim[at_rim > 0]), 255, 0).astype(np.uint8)


def _is_shadow(lab: Floats, ground: Any) -> Mask:  # noqa: ANN401 - three floats
    """Where the ground may lie in a soft shadow: darker, of its tint, without an edge."""
    darker = ground[0] - lab[..., 0]
    tint = np.linalg.norm(lab[..., 1:] - ground[1:], axis=2)
    slope = np.hypot(cv2.Sobel(lab[..., 0], cv2.CV_32F, 1, 0), cv2.Sobel(lab[..., 0], cv2.CV_32F, 0, 1)) / 8
    is_shadow = (darker >= 0) & (darker <= _DARKEST_SHADOW) & (tint <= _SHADOW_TINT) & (slope <= _SHADOW_SLOPE)
    return np.asarray(is_shadow, np.bool_)
