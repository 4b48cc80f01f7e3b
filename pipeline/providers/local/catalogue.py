"""Catalogue work: the item on another ground, alone, or in another picture."""

from collections.abc import Callable
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import EditRefused
from pipeline.providers.local import backdrops
from pipeline.providers.local.canvas import Edited, Finding, Matte, Rgb
from pipeline.providers.local.cutout import WORK_PX, Cutout, Region, cut_out
from pipeline.providers.local.lab import Floats, from_lab, shrink, to_bytes, to_lab

Backdrop = Callable[[tuple[int, int]], Floats]
"""Draws (height, width, 3), 0..255, for a width and height."""

Shadow = Literal["natural", "soft", "none"]
"""The item's own shadow, taken over from the picture; a drawn one under it; or none."""

_BAND_ROWS = 512
_PAPER = 0.985  # ground this close to its surface is ground, not shadow
_BLUR_PX = 1024


def replace_background(
    rgb: Rgb,
    backdrop: Backdrop,
    *,
    shadow: Shadow,
    alpha: NDArray[np.uint8] | None = None,
    region: Region | None = None,
) -> Edited:
    """The item on another background, of the same size.

    Args:
        rgb: The picture.
        backdrop: Draws the new background.
        shadow: Which shadow the item throws; a natural one needs a plain background to take it from.
        alpha: The item's transparency, if it is known.
        region: A box round the item, if its background is not plain.

    Raises:
        EditRefused: As `cutout.cut_out`.
    """
    cutout = cut_out(rgb, alpha=alpha, region=region)
    light, findings = _light_on_ground(rgb, cutout, shadow)
    height, width = rgb.shape[:2]
    if light is not None:
        light = _resized(light, (width, height))
    laid = _lay(cutout.foreground, cutout.matte, backdrop((width, height)), light)
    return Edited(laid, findings=(*cutout.findings, *findings))


def blur_background(rgb: Rgb, *, alpha: NDArray[np.uint8] | None = None, region: Region | None = None) -> Edited:
    """The item sharp, what is behind it out of focus; the item's colours do not bleed into it.

    Raises:
        EditRefused: As `cutout.cut_out`.
    """
    cutout = cut_out(rgb, alpha=alpha, region=region)
    small = shrink(rgb, _BLUR_PX).astype(np.float32)
    small_wh = (small.shape[1], small.shape[0])
    behind = (1 - _resized(cutout.matte, small_wh, cv2.INTER_AREA)).clip(0, 1) ** 4
    sigma = max(small_wh) / 40
    weight = cv2.GaussianBlur(behind, (0, 0), sigma)[..., None]
    blurred = cv2.GaussianBlur(small * behind[..., None], (0, 0), sigma) / np.maximum(weight, 1e-4)
    blurred = np.where(weight > 1e-4, blurred, small).astype(np.float32)
    laid = _lay(cutout.foreground, cutout.matte, _resized(blurred, (rgb.shape[1], rgb.shape[0])), None)
    return Edited(laid, findings=cutout.findings)


def remove_background(rgb: Rgb, *, alpha: NDArray[np.uint8] | None = None, region: Region | None = None) -> Edited:
    """The item alone, with transparency; under fully transparent pixels nothing of the background is left.

    Raises:
        EditRefused: As `cutout.cut_out`.
    """
    cutout = cut_out(rgb, alpha=alpha, region=region)
    opacity = np.clip(cutout.matte * 255 + 0.5, 0, 255).astype(np.uint8)
    pixels = to_bytes(cutout.foreground)
    pixels[opacity == 0] = 255
    return Edited(pixels, opacity, cutout.findings)


def standardise(
    rgb: Rgb,
    *,
    size_wh: tuple[int, int] = (1024, 1024),
    least_wh: tuple[int, int] | None = None,
    margin: float = 0.08,
    colour: tuple[int, int, int] = (255, 255, 255),
    shadow: Shadow = "natural",
    alpha: NDArray[np.uint8] | None = None,
    region: Region | None = None,
) -> Edited:
    """The item centred on a frame of one colour, as large as the margin leaves it; the edge has that very colour.

    Args:
        rgb: The picture.
        size_wh: Width and height of the result in pixels.
        least_wh: So small it may become, in the same shape, rather than enlarge the item; None for ``size_wh``.
        margin: Free part of a side on either side of the item, along the side that the item fills most.
        colour: The ground.
        shadow: Which shadow the item throws.
        alpha: The item's transparency, if it is known.
        region: A box round the item, if its background is not plain.

    Raises:
        EditRefused: As `cutout.cut_out`.
    """
    cutout = cut_out(rgb, alpha=alpha, region=region)
    left, top, right, bottom = cutout.box
    factor = (1 - 2 * margin) * min(size_wh[0] / (right - left), size_wh[1] / (bottom - top))
    least = 1 if least_wh is None else max(least_wh[0] / size_wh[0], least_wh[1] / size_wh[1])
    smaller = min(1, max(least, 1 / factor))
    factor *= smaller
    width, height = size_wh = round(size_wh[0] * smaller), round(size_wh[1] * smaller)
    matte, foreground = _scaled_item(cutout, factor)
    x, y = (width - matte.shape[1]) // 2, (height - matte.shape[0]) // 2
    frame = backdrops.plain(size_wh, colour)
    light, findings = _light_on_ground(rgb, cutout, shadow)
    if light is not None:
        moved = _moved(light, rgb.shape, factor, (x - left * factor, y - top * factor), size_wh)
        frame *= (1 - (1 - moved) * _fading_to_frame(size_wh))[..., None]
    spot = np.s_[y : y + matte.shape[0], x : x + matte.shape[1]]
    frame[spot] += (foreground - frame[spot]) * matte[..., None]
    return Edited(to_bytes(frame), findings=(*_carried(cutout, (x, y), factor), *findings, *_enlarged(factor)))


def insert_item(
    scene: Rgb,
    item: Rgb,
    *,
    box: Region,
    item_alpha: NDArray[np.uint8] | None = None,
    harmonise: float = 0.5,
) -> Edited:
    """Put the item of one picture into a box of another: standing on its lower side, with a soft shadow.

    Perspective and the direction of light are not matched.

    Args:
        scene: The picture that receives it.
        item: The picture of the item.
        box: Where it may stand, inside the scene.
        item_alpha: The item's transparency, if it is known.
        harmonise: How far its mean colour moves to that of its new surroundings, in [0, 1].

    Raises:
        EditRefused: ``needs_region`` if the box is not inside the scene; else as `cutout.cut_out` for the item.
    """
    left, top, right, bottom = box
    height, width = scene.shape[:2]
    if not (0 <= left < left + 8 <= right <= width and 0 <= top < top + 8 <= bottom <= height):
        message = f"the box {box} does not lie inside the {width} × {height} picture; give left, top, right, bottom"
        raise EditRefused("needs_region", message)
    cutout = cut_out(item, alpha=item_alpha)
    x0, y0, x1, y1 = cutout.box
    factor = min((right - left) / (x1 - x0), (bottom - top) / (y1 - y0))
    matte, foreground = _scaled_item(cutout, factor)
    spare = max(8, (right - left) // 4, (bottom - top) // 4)
    view = np.s_[max(0, top - spare) : bottom + spare, max(0, left - spare) : right + spare]
    ground = scene[view].astype(np.float32)
    foreground = _harmonised(foreground, matte, ground, harmonise)
    x = left + (right - left - matte.shape[1]) // 2 - view[1].start
    y = bottom - matte.shape[0] - view[0].start
    spot = np.s_[y : y + matte.shape[0], x : x + matte.shape[1]]
    height, width = ground.shape[:2]
    placed = np.zeros((height, width), np.float32)
    placed[spot] = matte
    ground *= _resized(_drawn_shade(placed), (width, height))[..., None]
    ground[spot] += (foreground - ground[spot]) * matte[..., None]
    result = scene.copy()
    result[view] = to_bytes(ground)
    where = (left, bottom - matte.shape[0], right, bottom)
    placed_note = Finding("placed_item", 0.5, "perspective and direction of light were not matched", where)
    own = tuple(Finding(one.rule, one.score, f"inserted item: {one.note}", where) for one in cutout.findings)
    return Edited(result, findings=(placed_note, *own, *_enlarged(factor)))


def _lay(foreground: Floats, matte: Matte, ground: Floats, light: Floats | None) -> Rgb:
    """The foreground over the ground, a band of rows at a time to keep the memory down."""
    laid = np.empty(foreground.shape, np.uint8)
    for top in range(0, len(laid), _BAND_ROWS):
        rows = np.s_[top : top + _BAND_ROWS]
        under = ground[rows] if light is None else ground[rows] * light[rows][..., None]
        laid[rows] = to_bytes(under + (foreground[rows] - under) * matte[rows][..., None])
    return laid


def _light_on_ground(rgb: Rgb, cutout: Cutout, shadow: Shadow) -> tuple[Floats | None, tuple[Finding, ...]]:
    """How much light reaches the ground, in [0, 1], reduced to the working size."""
    if shadow == "none":
        return None, ()
    if shadow == "soft":
        return _drawn_shade(cutout.matte), ()
    if cutout.background is None:
        note = "the item's own shadow could not be taken over without a plain background; a generic one was drawn"
        return _drawn_shade(cutout.matte), (Finding("shadow_drawn", 0.4, note),)
    return _natural_shade(rgb, cutout.matte, cutout.background), ()


def _natural_shade(rgb: Rgb, matte: Matte, background: Floats) -> Floats:
    """Picture over modelled background, beside the item; carried on under it."""
    small_wh = (background.shape[1], background.shape[0])
    lightness = shrink(rgb, max(small_wh)).mean(axis=2, dtype=np.float32)
    ratio = np.clip((lightness + 1) / (background.mean(axis=2) + 1) / _PAPER, 0, 1)
    item = _resized(matte, small_wh, cv2.INTER_AREA) > 0.02
    beside = (cv2.dilate(item.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0).astype(np.float32)
    shade = np.ones_like(ratio)
    for sigma in (24.0, 6.0, 2.0):
        weight = cv2.GaussianBlur(beside, (0, 0), sigma)
        near = cv2.GaussianBlur(ratio * beside, (0, 0), sigma) / np.maximum(weight, 1e-3)
        part = np.clip(weight * 4, 0, 1)
        shade = shade * (1 - part) + near * part
    return np.asarray(np.clip(shade, 0, 1), np.float32)


def _drawn_shade(matte: Matte) -> Floats:
    """A soft shadow under each part of the item, as from a large light above and in front."""
    factor = min(1.0, WORK_PX / max(matte.shape))
    small = _resized(matte, (round(matte.shape[1] * factor), round(matte.shape[0] * factor)), cv2.INTER_AREA)
    dark = np.zeros_like(small)
    _, labels, stats, _ = cv2.connectedComponentsWithStats((small > 0.5).astype(np.uint8))
    for label in range(1, len(stats)):
        left, top, width, height, area = (int(value) for value in stats[label])
        if area < 0.0005 * small.size:
            continue
        blob = np.zeros(small.shape, bool)
        blob[top : top + height, left : left + width] = labels[top : top + height, left : left + width] == label
        dark = np.maximum(dark, _foot_shadow(blob, bottom=top + height, extent=max(width, height)))
    return 1 - dark


def _foot_shadow(blob: NDArray[np.bool_], *, bottom: int, extent: int) -> Floats:
    """Darkness along the lower outline, as far as it is near the ground, once wide and soft and once close and dark."""
    height = len(blob)
    lowest = height - np.argmax(blob[::-1], axis=0)
    rise = np.where(blob.any(axis=0), bottom - lowest, height)
    nearness = np.clip(1 - rise / (0.16 * extent), 0, 1).astype(np.float32)
    rows = np.arange(height)[:, None]
    dark = np.zeros(blob.shape, np.float32)
    for strength, thickness, softness in ((0.40, 0.05, 0.035), (0.45, 0.016, 0.011)):
        strip = np.abs(rows - lowest[None]) <= max(1.0, thickness * extent)
        layer = strip * (nearness * np.float32(strength))[None]
        dark += cv2.GaussianBlur(layer.astype(np.float32), (0, 0), max(0.8, softness * extent))
    return np.minimum(dark, 0.7)


def _scaled_item(cutout: Cutout, factor: float) -> tuple[Matte, Floats]:
    """The item's box at another scale, scaled with its opacity so that nothing from outside it leaks in."""
    left, top, right, bottom = cutout.box
    size_wh = (max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor)))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    opacity = cutout.matte[top:bottom, left:right]
    weighted = cutout.foreground[top:bottom, left:right] * opacity[..., None]
    matte = np.clip(_resized(opacity, size_wh, interpolation), 0, 1)
    foreground = _resized(weighted, size_wh, interpolation) / np.maximum(matte, 1e-3)[..., None]
    return matte, np.clip(foreground, 0, 255)


def _moved(
    light: Floats, shape: tuple[int, ...], factor: float, offset: tuple[float, float], size_wh: tuple[int, int]
) -> Floats:
    """Light on the source's ground, as it falls on the frame after scaling by factor and moving by offset."""
    x_factor, y_factor = factor * shape[1] / light.shape[1], factor * shape[0] / light.shape[0]
    # Both grids have their pixel centres at a half.
    matrix = np.array(
        [
            [x_factor, 0, offset[0] + 0.5 * x_factor - 0.5],
            [0, y_factor, offset[1] + 0.5 * y_factor - 0.5],
        ],
        np.float32,
    )
    moved = cv2.warpAffine(light, matrix, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.clip(moved, 0, 1), np.float32)


def _fading_to_frame(size_wh: tuple[int, int]) -> Floats:
    """1 inside, 0 along the edge: what lies there must be the ground's very colour, also after JPEG's blocks of 8."""
    bare, fading = max(16.0, 0.02 * max(size_wh)), 0.04 * max(size_wh)
    width, height = size_wh
    across, down = _inwards(width), _inwards(height)
    return np.clip((np.minimum(down[:, None], across[None, :]) - bare) / fading, 0, 1)


def _inwards(length: int) -> Floats:
    """How far each place of a side lies from its nearer end."""
    place = np.arange(length, dtype=np.float32)
    return np.minimum(place, length - 1 - place)


def _harmonised(foreground: Floats, matte: Matte, ground: Floats, strength: float) -> Floats:
    """Moved towards the mean colour of the ground; lightness less than colour."""
    if strength <= 0 or not bool((matte > 0.5).any()):
        return foreground
    lab = to_lab(foreground)
    step = (to_lab(ground).mean(axis=(0, 1)) - lab[matte > 0.5].mean(axis=0)) * strength
    return from_lab(lab + step * np.array((0.25, 0.35, 0.35), np.float32))


def _carried(cutout: Cutout, corner: tuple[int, int], factor: float) -> tuple[Finding, ...]:
    """The cut-out's findings, with their boxes carried to the square."""
    left, top, _, _ = cutout.box
    moved = []
    for one in cutout.findings:
        box = one.xyxy
        if box is not None:
            box = (
                corner[0] + (box[0] - left) * factor,
                corner[1] + (box[1] - top) * factor,
                corner[0] + (box[2] - left) * factor,
                corner[1] + (box[3] - top) * factor,
            )
        moved.append(Finding(one.rule, one.score, one.note, box))
    return tuple(moved)


def _enlarged(factor: float) -> tuple[Finding, ...]:
    if factor <= 1.5:
        return ()
    return (Finding("enlarged", min(1.0, factor / 4), f"the item was enlarged {factor:.1f} times and may look soft"),)


def _resized(values: Floats, size_wh: tuple[int, int], interpolation: int = cv2.INTER_LINEAR) -> Floats:
    return np.asarray(cv2.resize(values, size_wh, interpolation=interpolation), np.float32)
