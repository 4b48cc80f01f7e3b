"""Things laid over a picture: captions, badges, memes, posters, and logos."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Edited, Matte, Rgb
from pipeline.providers.local.colours import Rgb8
from pipeline.providers.local.lettering import Lettering
from pipeline.providers.local.refusals import refusal
from pipeline.providers.local.sheet import Sheet

Alpha = NDArray[np.uint8]

_WHITE: Rgb8 = (255, 255, 255)
_BLACK: Rgb8 = (0, 0, 0)
_INK: Rgb8 = (24, 24, 28)
_SUBTITLE_INK: Rgb8 = (90, 86, 82)

_BAR_STRENGTH = 0.68
_POSTER_WIDTH_PX = 1024
_POSTER_RATIO = (4, 5)
_BURST_POINTS = 18
_MARGIN = 0.035
"""Of the shorter side, between a badge or stamp and the edge."""


def caption(rgb: Rgb, text: str, position: str, *, lettering: Lettering, alpha: Alpha | None = None) -> Edited:
    """White text on a darkened bar across the top or the bottom."""
    sheet = _sheet(rgb, alpha)
    width, height = sheet.size_wh
    letters, size = lettering.block(text, width_px=width * 0.9, size_px=min(width, height) * 0.062)
    bar_height = min(height, letters.shape[0] + 2 * round(size * 0.55))
    top = 0 if position == "top" else height - bar_height
    sheet.paint(np.full((bar_height, width), _BAR_STRENGTH, np.float32), (0, top), _BLACK)
    sheet.paint(letters, ((width - letters.shape[1]) / 2, top + (bar_height - letters.shape[0]) / 2), _WHITE)
    return Edited(sheet.rgb, sheet.alpha)


def badge(
    rgb: Rgb, text: str, position: str, colour: Rgb8, *, lettering: Lettering, alpha: Alpha | None = None
) -> Edited:
    """A pill with a short text, in a corner."""
    sheet = _sheet(rgb, alpha)
    short = min(sheet.size_wh)
    letters, size = lettering.block(text, width_px=sheet.size_wh[0] * 0.4, size_px=short * 0.06, weight=760)
    height, width = letters.shape[0] + 2 * round(size * 0.45), letters.shape[1] + 2 * round(size * 0.7)
    pill = _rounded(width, height, height // 2)
    left, top = _corner(sheet.size_wh, (width, height), position)
    _shade(sheet, pill, left, top, short)
    sheet.paint(pill, (left, top), colour)
    sheet.paint(letters, (left + (width - letters.shape[1]) / 2, top + (height - letters.shape[0]) / 2), _on(colour))
    return Edited(sheet.rgb, sheet.alpha)


def burst(
    rgb: Rgb, text: str, position: str, colour: Rgb8, *, lettering: Lettering, alpha: Alpha | None = None
) -> Edited:
    """A star with a short text, in a corner."""
    sheet = _sheet(rgb, alpha)
    short = min(sheet.size_wh)
    radius = max(12, round(short * 0.13))
    star = _star(radius)
    left, top = _corner(sheet.size_wh, (star.shape[1], star.shape[0]), position)
    _shade(sheet, star, left, top, short)
    sheet.paint(star, (left, top), colour)
    letters, _ = lettering.block(text, width_px=radius * 1.4, size_px=radius * 0.5, weight=820)
    middle = (left + (star.shape[1] - letters.shape[1]) / 2, top + (star.shape[0] - letters.shape[0]) / 2)
    sheet.paint(letters, middle, _on(colour))
    return Edited(sheet.rgb, sheet.alpha)


def meme(rgb: Rgb, top: str, bottom: str, *, lettering: Lettering, alpha: Alpha | None = None) -> Edited:
    """Outlined capitals at the top and the bottom."""
    sheet = _sheet(rgb, alpha)
    width, height = sheet.size_wh
    for text, is_top in ((top, True), (bottom, False)):
        if not text.strip():
            continue
        letters, size = lettering.block(
            text.upper(), width_px=width * 0.94, size_px=min(width, height) * 0.105, weight=900
        )
        stroke_px = max(2, round(size * 0.07))
        letters = np.pad(letters, stroke_px + 2)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * stroke_px + 1, 2 * stroke_px + 1))
        outline = np.asarray(cv2.GaussianBlur(cv2.dilate(letters, kernel), (0, 0), 0.6), np.float32)
        gap = round(height * 0.025)
        place = ((width - letters.shape[1]) // 2, gap if is_top else height - letters.shape[0] - gap)
        sheet.paint(outline, place, _BLACK)
        sheet.paint(letters, place, _WHITE)
    return Edited(sheet.rgb, sheet.alpha)


def poster(rgb: Rgb, title: str, subtitle: str, colour: Rgb8, *, lettering: Lettering) -> Edited:
    """The picture framed on paper of a colour, with a title and a line under it."""
    width = _POSTER_WIDTH_PX
    height = width * _POSTER_RATIO[1] // _POSTER_RATIO[0]
    sheet = Sheet(np.full((height, width, 3), colour, np.uint8))
    margin, photo_height = round(width * 0.055), round(height * 0.70)
    sheet.rgb[margin : margin + photo_height, margin : width - margin] = _cover(rgb, width - 2 * margin, photo_height)
    ink = _on(colour)
    top = margin + photo_height + round(height * 0.03)
    letters, _ = lettering.block(title, width_px=width - 2 * margin, size_px=height * 0.075, weight=820, is_left=True)
    sheet.paint(letters, (margin, top), ink if ink == _WHITE else _INK)
    if subtitle.strip():
        top += letters.shape[0] + round(height * 0.02)
        letters, _ = lettering.block(
            subtitle, width_px=width - 2 * margin, size_px=height * 0.028, weight=420, is_left=True
        )
        sheet.paint(letters, (margin, top), ink if ink == _WHITE else _SUBTITLE_INK)
    return Edited(sheet.rgb)


def stamp_logo(
    rgb: Rgb,
    logo: Rgb,
    position: str,
    scale: float,
    opacity: float,
    *,
    logo_alpha: Alpha | None = None,
    alpha: Alpha | None = None,
) -> Edited:
    """A logo at a corner, an edge or the middle, ``scale`` of the picture wide."""
    sheet = _sheet(rgb, alpha)
    width, height = sheet.size_wh
    wide = max(8, round(width * scale))
    high = max(8, round(wide * logo.shape[0] / logo.shape[1]))
    if high > height * 0.95:
        wide, high = max(8, round(wide * height * 0.95 / high)), round(height * 0.95)
    colours, mask = _scaled_logo(logo, logo_alpha, wide, high)
    sheet.paint(mask * np.float32(opacity), _corner(sheet.size_wh, (wide, high), position), colours)
    return Edited(sheet.rgb, sheet.alpha)


def logo_on_item(
    rgb: Rgb,
    logo: Rgb,
    scale: float,
    opacity: float,
    *,
    matte: Matte | None,
    quad: Sequence[float] | None,
    logo_alpha: Alpha | None = None,
    alpha: Alpha | None = None,
) -> Edited:
    """A logo on the item, following its light: on four corners, or in the middle of an item of one part.

    Args:
        rgb: The picture.
        logo: The logo.
        scale: Its width as a share of the item's.
        opacity: How strongly it covers.
        matte: The item; needed without ``quad``.
        quad: Corners x, y of top left, top right, bottom right, bottom left, in pixels.
        logo_alpha: The logo's transparency.
        alpha: The picture's own.

    Raises:
        EditRefused: ``needs_region``: the item has several parts, and nobody said which.
    """
    corners = np.asarray(quad, np.float32).reshape(4, 2) if quad is not None else _middle_of(matte, logo, scale)
    height, width = rgb.shape[:2]
    share = np.ones(logo.shape[:2], np.float32) if logo_alpha is None else logo_alpha.astype(np.float32) / 255
    layer = np.dstack([logo.astype(np.float32) * share[..., None], share])
    shrink = float(np.linalg.norm(corners[1] - corners[0])) / logo.shape[1]
    if shrink < 0.7:
        size = (max(2, round(logo.shape[1] * shrink)), max(2, round(logo.shape[0] * shrink)))
        layer = np.asarray(cv2.resize(layer, size, interpolation=cv2.INTER_AREA), np.float32)
    high, wide = layer.shape[:2]
    start = np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)
    warped = cv2.warpPerspective(layer, cv2.getPerspectiveTransform(start, corners), (width, height))
    cover = np.clip(warped[..., 3:], 0, 1)
    ink = warped[..., :3] / np.maximum(cover, 1e-3)
    strength = cover * np.float32(opacity) * (1 if matte is None else matte[..., None])
    shaded = np.clip(ink * _light(rgb, strength[..., 0]), 0, 255)
    mixed = rgb * (1 - strength) + shaded * strength
    return Edited(np.clip(mixed + 0.5, 0, 255).astype(np.uint8), alpha)


def _light(rgb: Rgb, strength: NDArray[np.float32]) -> NDArray[np.float32]:
    """How the light on the item varies under the logo, so that folds and curves go through it."""
    grey = cv2.GaussianBlur(rgb.astype(np.float32).mean(axis=2), (0, 0), 1.5)
    under = strength > 0.05
    usual = float(np.median(grey[under])) if under.any() else 128.0
    return np.asarray(1 + (np.clip(grey / max(usual, 20.0), 0.35, 1.6) - 1)[..., None] * 0.75, np.float32)


def _middle_of(matte: Matte | None, logo: Rgb, scale: float) -> NDArray[np.float32]:
    item = np.zeros((1, 1), np.uint8) if matte is None else (matte > 0.5).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(item)
    parts = [stats[index] for index in range(1, count) if stats[index][4] > 0.08 * stats[1:, 4].max()]
    if len(parts) != 1:
        raise refusal(
            "needs_region", f"the item has {len(parts)} parts; give the logo's four corners as quad, or a corner word"
        )
    left, top, width, height = (float(number) for number in parts[0][:4])
    wide = width * scale
    high = wide * logo.shape[0] / logo.shape[1]
    x, y = left + width / 2, top + height / 2
    edges = [[x - wide / 2, y - high / 2], [x + wide / 2, y - high / 2]]
    return np.array([*edges, [x + wide / 2, y + high / 2], [x - wide / 2, y + high / 2]], np.float32)


def _sheet(rgb: Rgb, alpha: Alpha | None) -> Sheet:
    return Sheet(rgb.copy(), None if alpha is None else alpha.copy())


def _corner(size_wh: tuple[int, int], thing_wh: tuple[int, int], position: str) -> tuple[int, int]:
    """Left and top of a thing at a corner, an edge or the middle."""
    gap = round(min(size_wh) * _MARGIN)
    words = position.split("-")
    across = {"left": gap, "right": size_wh[0] - thing_wh[0] - gap}
    down = {"top": gap, "bottom": size_wh[1] - thing_wh[1] - gap}
    left = next((across[word] for word in words if word in across), (size_wh[0] - thing_wh[0]) // 2)
    top = next((down[word] for word in words if word in down), (size_wh[1] - thing_wh[1]) // 2)
    return left, top


def _shade(sheet: Sheet, shape: Matte, left: int, top: int, short_px: int) -> None:
    """A soft shadow under something laid on the picture."""
    blur = max(1.0, short_px * 0.006)
    room = round(blur * 3)
    shadow = np.asarray(cv2.GaussianBlur(np.pad(shape, room), (0, 0), blur) * np.float32(0.35), np.float32)
    sheet.paint(shadow, (left - room, top - room + round(blur * 0.8)), _BLACK)


def _rounded(width: int, height: int, radius: int) -> Matte:
    """A rectangle with round corners, drawn at four times its size."""
    big = np.zeros((height * 4, width * 4), np.uint8)
    r = radius * 4
    cv2.rectangle(big, (r, 0), (width * 4 - 1 - r, height * 4 - 1), 255, -1)
    cv2.rectangle(big, (0, r), (width * 4 - 1, height * 4 - 1 - r), 255, -1)
    for x in (r, width * 4 - 1 - r):
        for y in (r, height * 4 - 1 - r):
            cv2.circle(big, (x, y), r, 255, -1)
    return np.asarray(cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def _star(radius: int) -> Matte:
    side = 2 * radius + 8
    angles = np.arange(2 * _BURST_POINTS) * np.pi / _BURST_POINTS
    reach = np.where(np.arange(2 * _BURST_POINTS) % 2 == 0, radius, radius * 0.86) * 2
    points = np.stack([side + reach * np.cos(angles), side + reach * np.sin(angles)], axis=1)
    big = np.zeros((side * 2, side * 2), np.uint8)
    cv2.fillPoly(big, [points.astype(np.int32)], 255, cv2.LINE_AA)
    return np.asarray(cv2.resize(big, (side, side), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def _on(colour: Rgb8) -> Rgb8:
    """White or near-black, whichever reads better on a colour (luma by ITU-R BT.601)."""
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    return _INK if luma > 150 else _WHITE


def _cover(rgb: Rgb, width: int, height: int) -> Rgb:
    scale = max(width / rgb.shape[1], height / rgb.shape[0])
    size = (max(width, round(rgb.shape[1] * scale)), max(height, round(rgb.shape[0] * scale)))
    scaled = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.asarray(scaled[top : top + height, left : left + width], np.uint8)


def _scaled_logo(logo: Rgb, logo_alpha: Alpha | None, width: int, height: int) -> tuple[NDArray[np.float32], Matte]:
    """A logo's colours and mask at a size; transparent pixels do not darken its edge."""
    share = np.ones(logo.shape[:2], np.float32) if logo_alpha is None else logo_alpha.astype(np.float32) / 255
    layer = np.dstack([logo.astype(np.float32) * share[..., None], share])
    how = cv2.INTER_AREA if width < logo.shape[1] else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(layer, (width, height), interpolation=how), np.float32)
    mask = np.clip(scaled[..., 3], 0, 1)
    return np.asarray(scaled[..., :3] / np.maximum(mask, 1e-3)[..., None], np.float32), mask
