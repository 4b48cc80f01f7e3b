"""Crop, pad and extend: the frame moves, the item stays whole."""

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import EditRefused
from pipeline.providers.local import backdrops
from pipeline.providers.local.canvas import Edited, Finding, Mask, Rgb
from pipeline.providers.local.cutout import WORK_PX, Region, box_of
from pipeline.providers.local.ground import border_band, fit_surface
from pipeline.providers.local.lab import Floats, shrink, to_bytes, to_lab
from pipeline.providers.local.patches import NoTexture, fill_patches
from pipeline.providers.local.silhouette import find_silhouette

ExtendMode = Literal["auto", "plain", "patch", "blur", "mirror"]

MAX_PIXELS = 50_000_000
MAX_PATCH_GROWTH = 0.35
"""Patch filling repeats itself visibly beyond this part of a side (our measurement, 2026-11-20)."""

_OPAQUE = 250
_STRIP = 0.03
_SEED = 3


def crop_to_ratio(rgb: Rgb, ratio: float, *, alpha: NDArray[np.uint8] | None = None) -> Edited:
    """Crop to width / height = ratio. The item is never cut: where it does not fit, the picture is extended instead.

    Args:
        rgb: The picture.
        ratio: Width over height of the result.
        alpha: Its transparency, which shows where the item is and is cropped along.

    Raises:
        EditRefused: ``needs_plain_background`` or ``fill_would_smear`` if the item does not fit and the picture
            cannot be extended.
    """
    height, width = rgb.shape[:2]
    crop_wh = (
        (width, max(1, round(width / ratio))) if width / ratio <= height else (max(1, round(height * ratio)), height)
    )
    box = _item_box(rgb, alpha)
    if box is None:
        left, top = _liveliest_corner(rgb, crop_wh)
        note = "no item was found on a plain background, so the crop follows contrast"
        findings: tuple[Finding, ...] = (Finding("crop_unverified", _lost(rgb, crop_wh), note),)
    elif box[2] - box[0] > crop_wh[0] or box[3] - box[1] > crop_wh[1]:
        return _extended_instead(rgb, ratio, alpha)
    else:
        left = _start(box[0], box[2], crop_wh[0], width)
        top = _start(box[1], box[3], crop_wh[1], height)
        findings = ()
    view = np.s_[top : top + crop_wh[1], left : left + crop_wh[0]]
    return Edited(rgb[view].copy(), None if alpha is None else alpha[view].copy(), findings)


def pad(
    rgb: Rgb,
    margin: float,
    *,
    colour: tuple[int, int, int] | None = None,
    alpha: NDArray[np.uint8] | None = None,
) -> Edited:
    """Add a margin on every side.

    Args:
        rgb: The picture.
        margin: Width of the margin as a part of the longer side.
        colour: Of the margin; None continues a plain background, or transparency.
        alpha: Its transparency.

    Raises:
        EditRefused: ``needs_plain_background`` if there is no colour and no plain background to continue.
    """
    px = max(1, round(margin * max(rgb.shape[:2])))
    _check_size(rgb.shape[1] + 2 * px, rgb.shape[0] + 2 * px)
    if colour is None and alpha is None:
        wider = _continue_plain(rgb, px, px, axis=1)
        return Edited(_continue_plain(wider, px, px, axis=0))
    fill = (255, 255, 255) if colour is None else colour
    padded = np.asarray(cv2.copyMakeBorder(rgb, px, px, px, px, cv2.BORDER_CONSTANT, value=fill), np.uint8)
    if alpha is None:
        return Edited(padded)
    opacity = 0 if colour is None else 255
    return Edited(padded, np.pad(alpha, px, constant_values=opacity))


def extend_to_ratio(rgb: Rgb, ratio: float, *, mode: ExtendMode = "auto") -> Edited:
    """Grow the canvas evenly to width / height = ratio and fill what is new.

    Args:
        rgb: The picture.
        ratio: Width over height of the result.
        mode: ``plain`` continues a plain background without a trace; ``patch`` continues natural texture and always
            brings a finding; ``blur`` lays the picture over itself, enlarged and blurred; ``mirror`` reflects it;
            ``auto`` takes plain where the background is, else patch.

    Raises:
        EditRefused: ``needs_plain_background`` for plain, ``fill_would_smear`` for patch or mirror beyond what
            they can carry, ``too_large``.
    """
    height, width = rgb.shape[:2]
    new_wh = (max(width, round(height * ratio)), max(height, round(width / ratio)))
    _check_size(*new_wh)
    grown_w, grown_h = new_wh[0] - width, new_wh[1] - height
    if not grown_w and not grown_h:
        return Edited(rgb.copy())
    if mode == "blur":
        return _over_blur(rgb, new_wh)
    axis, grown = (1, grown_w) if grown_w else (0, grown_h)
    before, after = grown // 2, grown - grown // 2
    if mode == "mirror":
        return _mirrored(rgb, before, after, axis=axis)
    if mode == "plain" or (mode == "auto" and _is_plain(rgb, axis=axis)):
        return Edited(_continue_plain(rgb, before, after, axis=axis))
    return _patched(rgb, before, after, axis=axis)


def _item_box(rgb: Rgb, alpha: NDArray[np.uint8] | None) -> Region | None:
    if alpha is not None and int(alpha.min()) < _OPAQUE and bool((alpha > 25).any()):
        return box_of(alpha > 25)
    small = shrink(rgb, WORK_PX)
    found = find_silhouette(small)
    if not found.is_trusted:
        return None
    left, top, right, bottom = box_of(found.mask)
    height, width = rgb.shape[:2]
    x_factor, y_factor = width / small.shape[1], height / small.shape[0]
    # Two pixels of room at the working size: the soft rim belongs to the item.
    return (
        max(0, int((left - 2) * x_factor)),
        max(0, int((top - 2) * y_factor)),
        min(width, int(np.ceil((right + 2) * x_factor))),
        min(height, int(np.ceil((bottom + 2) * y_factor))),
    )


def _lost(rgb: Rgb, crop_wh: tuple[int, int]) -> float:
    return float(np.clip(1.5 * (1 - crop_wh[0] * crop_wh[1] / (rgb.shape[0] * rgb.shape[1])), 0.2, 1))


def _start(low: int, high: int, length: int, limit: int) -> int:
    """Where a window of that length begins so that the span lies in its middle, or as near as the picture allows."""
    return min(max(0, (low + high - length) // 2), limit - length)


def _extended_instead(rgb: Rgb, ratio: float, alpha: NDArray[np.uint8] | None) -> Edited:
    note = "the item does not fit into the crop, so the picture was extended instead"
    finding = Finding("crop_extended", 0.4, note)
    if alpha is None:
        extended = extend_to_ratio(rgb, ratio)
        return Edited(extended.rgb, None, (finding, *extended.findings))
    height, width = rgb.shape[:2]
    new_w, new_h = max(width, round(height * ratio)), max(height, round(width / ratio))
    _check_size(new_w, new_h)
    sides = ((new_h - height) // 2, -(-(new_h - height) // 2)), ((new_w - width) // 2, -(-(new_w - width) // 2))
    wider = np.pad(rgb, (*sides, (0, 0)), constant_values=255)
    return Edited(wider, np.pad(alpha, sides, constant_values=0), (finding,))


def _liveliest_corner(rgb: Rgb, crop_wh: tuple[int, int]) -> tuple[int, int]:
    """Left and top of the crop that holds most of what differs from the border, drawn towards a usual place."""
    small = shrink(rgb, 256)
    lab = to_lab(small)
    surface = fit_surface(lab, border_band(small.shape)).draw((small.shape[1], small.shape[0]))
    energy = cv2.GaussianBlur(np.linalg.norm(lab - surface, axis=2), (0, 0), 4) ** 1.5
    height, width = rgb.shape[:2]
    left = _best_start(energy.sum(axis=0), crop_wh[0], width, rest_at=0.5)
    # Heads and horizons lie above the middle.
    return left, _best_start(energy.sum(axis=1), crop_wh[1], height, rest_at=0.25)


def _best_start(profile: Floats, length: int, limit: int, *, rest_at: float) -> int:
    starts = np.unique(np.linspace(0, limit - length, 41).astype(np.intp))
    total = np.concatenate([[0.0], np.cumsum(profile, dtype=np.float64)])
    places = np.linspace(0, limit, len(total))
    held = np.interp(starts + length, places, total) - np.interp(starts, places, total)
    away = np.abs(starts - rest_at * (limit - length)) / limit
    return int(starts[np.argmax(held / max(total[-1], 1e-9) - 0.4 * away)])


def _side_strips(shape: tuple[int, ...], *, axis: int) -> Mask:
    strips = np.zeros(shape[:2], bool)
    width_px = max(2, int(shape[axis] * _STRIP))
    for side in (slice(None, width_px), slice(-width_px, None)):
        strips[(slice(None), side) if axis else (side, slice(None))] = True
    return strips


def _is_plain(rgb: Rgb, *, axis: int) -> bool:
    """Whether the two sides that will grow show nothing but plain ground."""
    small = shrink(rgb, 320)
    lab = np.asarray(cv2.bilateralFilter(to_lab(small), 5, 5, 3), np.float32)
    surface = fit_surface(lab, _side_strips(small.shape, axis=axis))
    return surface.fitting >= 0.97 and surface.spread < 4


def _continue_plain(rgb: Rgb, before: int, after: int, *, axis: int) -> Rgb:
    """The picture with its ground carried on along one axis, with the same grain."""
    if not _is_plain(rgb, axis=axis):
        message = (
            "the picture's sides are not plain, so they cannot be continued without a trace; "
            "give a colour for a margin, or extend by texture or blur, or choose a generative provider"
        )
        raise EditRefused("needs_plain_background", message)
    upright = rgb if axis == 1 else np.swapaxes(rgb, 0, 1)
    parts = [_ground_strip(upright[:, ::-1], before, seed=_SEED)[:, ::-1], upright]
    parts.append(_ground_strip(upright, after, seed=_SEED + 1))
    grown = np.concatenate(parts, axis=1)
    return np.ascontiguousarray(grown if axis == 1 else np.swapaxes(grown, 0, 1))


def _ground_strip(rgb: Rgb, width_px: int, *, seed: int) -> Rgb:
    """Ground to the right of the picture: its last columns, turning into their smooth course, with their grain."""
    height, width = rgb.shape[:2]
    edge = np.ascontiguousarray(rgb[:, -max(4, int(width * 0.02)) :]).astype(np.float32)
    course = np.median(edge, axis=1)
    near = cv2.GaussianBlur(course[:, None], (1, 0), sigmaX=0.1, sigmaY=max(1.0, height / 100))
    rows = np.linspace(-1, 1, height)
    far = np.stack([np.polyval(np.polyfit(rows, channel, 3), rows) for channel in course.T], axis=1)
    towards = np.clip(np.arange(width_px) / max(1.0, 0.2 * max(height, width)), 0, 1).astype(np.float32)[None, :, None]
    strip = near.reshape(height, 1, 3) * (1 - towards) + far[:, None].astype(np.float32) * towards
    # A Gaussian of 1.2 px leaves 0.91 of white noise's deviation in the difference.
    grain = 1.4826 * float(np.median(np.abs(edge - cv2.GaussianBlur(edge, (0, 0), 1.2)))) / 0.91
    noise = np.random.default_rng(seed).normal(0, 1, (height, width_px, 1)).astype(np.float32)
    return to_bytes(strip.astype(np.float32) + noise * np.float32(grain))


def _patched(rgb: Rgb, before: int, after: int, *, axis: int) -> Edited:
    length = rgb.shape[axis]
    growth = (before + after) / length
    if growth > MAX_PATCH_GROWTH:
        message = (
            f"the picture would grow by {growth:.0%}, and its texture carries {MAX_PATCH_GROWTH:.0%}; "
            "choose a ratio nearer to its own, extend by blur, or choose a generative provider"
        )
        raise EditRefused("fill_would_smear", message)
    upright = np.ascontiguousarray(rgb if axis == 1 else np.swapaxes(rgb, 0, 1))
    left = _texture_strip(upright[:, ::-1], before)[:, ::-1]
    grown = np.concatenate([left, upright, _texture_strip(upright, after)], axis=1)
    grown = np.ascontiguousarray(grown if axis == 1 else np.swapaxes(grown, 0, 1))
    note = f"{growth:.0%} was added from the picture's own texture; repeated or broken structures may show"
    return Edited(grown, findings=(Finding("extend_patch", min(1.0, growth / MAX_PATCH_GROWTH), note),))


def _texture_strip(rgb: Rgb, width_px: int) -> Rgb:
    """Texture to the right of the picture, from the part next to it."""
    if not width_px:
        return rgb[:, :0]
    height, width = rgb.shape[:2]
    near = min(width, max(96, 2 * width_px, height // 4))
    window = np.pad(rgb[:, width - near :], ((0, 0), (0, width_px), (0, 0)), mode="edge")
    hole = np.zeros(window.shape[:2], bool)
    hole[:, near:] = True
    try:
        return fill_patches(window, hole)[:, near:]
    except NoTexture as exc:
        raise EditRefused("fill_would_smear", "the picture is too small to continue its texture") from exc


def _over_blur(rgb: Rgb, new_wh: tuple[int, int]) -> Edited:
    """The picture over itself, enlarged, darkened and out of focus; both are drawn small, for nothing sharp is left."""
    factor = min(1.0, 512 / max(new_wh))
    small_wh = (max(1, round(new_wh[0] * factor)), max(1, round(new_wh[1] * factor)))
    behind = cv2.GaussianBlur(backdrops.cover(shrink(rgb, 1024), small_wh), (0, 0), max(small_wh) / 24)
    dark = to_bytes(np.asarray(behind * np.float32(0.86), np.float32))
    canvas = np.asarray(cv2.resize(dark, new_wh, interpolation=cv2.INTER_CUBIC), np.uint8)
    height, width = rgb.shape[:2]
    left, top = (new_wh[0] - width) // 2, (new_wh[1] - height) // 2
    canvas[top : top + height, left : left + width] = rgb
    return Edited(canvas)


def _mirrored(rgb: Rgb, before: int, after: int, *, axis: int) -> Edited:
    if max(before, after) >= rgb.shape[axis]:
        message = "the picture would have to be mirrored more than once; choose a ratio nearer to its own"
        raise EditRefused("fill_would_smear", message)
    sides = [(0, 0), (0, 0), (0, 0)]
    sides[axis] = (before, after)
    growth = (before + after) / rgb.shape[axis]
    finding = Finding("extend_mirror", min(1.0, growth), "what lies near the edge appears twice")
    return Edited(np.pad(rgb, sides, mode="reflect"), findings=(finding,))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        message = f"the result would have {width} × {height} px, more than {MAX_PIXELS // 1_000_000} million"
        raise EditRefused("too_large", f"{message}; resize the picture first")
