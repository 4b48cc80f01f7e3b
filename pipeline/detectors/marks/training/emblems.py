"""Draws marks of several colours and of relief: pieces coloured apart, chrome, shields and crests, symbols made up."""

import random

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.marks.training.art import (
    Art,
    Cupboard,
    Mask,
    any_colour,
    any_name,
    cropped,
    cut,
    fitted,
    over,
    set_type,
)

_SIDE_PX = 256
_SHIELDS = (
    ((0.05, 0.04), (0.95, 0.04), (0.93, 0.5), (0.75, 0.8), (0.5, 0.99), (0.25, 0.8), (0.07, 0.5)),
    ((0.5, 0.01), (0.7, 0.08), (0.97, 0.1), (0.94, 0.55), (0.8, 0.82), (0.5, 0.99)),
    ((0.02, 0.1), (0.5, 0.02), (0.98, 0.1), (0.86, 0.6), (0.5, 0.98), (0.14, 0.6)),
    ((0.25, 0.02), (0.75, 0.02), (0.98, 0.5), (0.75, 0.98), (0.25, 0.98), (0.02, 0.5)),
    ((0.5, 0.02), (0.98, 0.5), (0.5, 0.98), (0.02, 0.5)),
)
"""Outlines in parts of width and height; one that ends in the middle goes on mirrored."""


def draw_emblem(cupboard: Cupboard, dice: random.Random) -> Art:
    """One mark: a shield, disc or oval with fields, rim, symbol and by chance a name; or a symbol of many colours."""
    symbol = dice.choice(cupboard.masks) if dice.random() < 0.7 else draw_symbol(dice)
    if dice.random() < 0.45:
        mask = np.asarray(np.pad(fitted(symbol, _SIDE_PX), 10), np.uint8)
        colours = _chrome(mask, dice) if dice.random() < 0.4 else _in_pieces(mask, dice)
        return cut(_with_depth(colours, mask, dice))
    outline = _outline(round(_SIDE_PX * dice.uniform(0.7, 1.6)), _SIDE_PX, dice)
    colours = _in_bands(outline, dice)
    high, wide = outline.shape
    if dice.random() < 0.4:
        word = set_type(any_name(dice)[:9], dice.choice(cupboard.display), dice, spread=0)
        _print(colours, _scaled(word, wide * 0.55, high * 0.18), dice.choice((0.2, 0.5, 0.5)), dice)
    if dice.random() < 0.5:
        inner = _outline(round(wide * 0.42), round(high * 0.45), dice)
        _print(colours, inner, 0.55, dice)
        _print(colours, _scaled(symbol, wide * 0.3, high * 0.34), 0.55, dice)
    else:
        _print(colours, _scaled(symbol, wide * 0.6, high * dice.uniform(0.4, 0.62)), 0.53, dice)
    colours = _rimmed(colours, outline, dice)
    if dice.random() < 0.6:
        colours = colours + _light(colours.mean(axis=-1), dice)[..., None] * dice.uniform(0.3, 1.0)
    return cut(_with_depth(colours, outline, dice))


def draw_symbol(dice: random.Random) -> Mask:
    """A mask (256, 256) of strokes, rings and wedges, mirrored or turned round its middle as made-up marks are."""
    mask = np.zeros((_SIDE_PX, _SIDE_PX), np.uint8)
    for _ in range(dice.randint(2, 4)):
        ink, kind = dice.choice((255, 255, 255, 0)), dice.random()
        points = np.array([(dice.uniform(20, 236), dice.uniform(20, 236)) for _ in range(dice.choice((3, 3, 4)))])
        if kind < 0.4:
            cv2.fillPoly(mask, [_curve(points, closed=True)], ink, cv2.LINE_AA)
        elif kind < 0.75:
            cv2.polylines(mask, [_curve(points, closed=False)], False, 255, dice.randint(10, 36), cv2.LINE_AA)
        else:
            axes = dice.randint(30, 118), dice.randint(30, 118)
            cv2.ellipse(mask, (128, 128), axes, 0, 0, 360, 255, dice.randint(8, 24), cv2.LINE_AA)
    kind = dice.random()
    if kind < 0.5:
        mask = np.maximum(mask, mask[:, ::-1])
    elif kind < 0.8:
        count = dice.choice((2, 3, 3, 4, 5, 6))
        turns = (cv2.getRotationMatrix2D((128, 128), 360 * step / count, 0.9) for step in range(count))
        mask = np.maximum.reduce([np.asarray(cv2.warpAffine(mask, turn, mask.shape), np.uint8) for turn in turns])
    found = cropped(mask)
    share = float(found.mean()) / 255
    return found if 0.08 < share < 0.85 and min(found.shape) > 40 else draw_symbol(dice)


def _curve(points: NDArray[np.float64], *, closed: bool) -> NDArray[np.int32]:
    """Corners cut three times (Chaikin), or the bare polygon where there are four."""
    for _ in range(3 if len(points) == 3 else 0):
        after = np.roll(points, -1, axis=0) if closed else points[1:]
        before = points if closed else points[:-1]
        points = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1).reshape(-1, 2)
    return points.astype(np.int32)


def _outline(width: int, height: int, dice: random.Random) -> Mask:
    mask = np.zeros((height, width), np.uint8)
    if dice.random() < 0.4:
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2 - 2, height // 2 - 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
        return mask
    shape = dice.choice(_SHIELDS)
    half = [(1 - x, y) for x, y in reversed(shape)] if shape[0][0] == shape[-1][0] == 0.5 else []
    points = np.array([(x * width, y * height) for x, y in (*shape, *half)])
    if dice.random() < 0.6:
        points = np.concatenate(
            [points * 0.85 + np.roll(points, -1, 0) * 0.15, points * 0.15 + np.roll(points, -1, 0) * 0.85], 1
        ).reshape(-1, 2)
    cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    return mask


def _in_bands(mask: Mask, dice: random.Random) -> NDArray[np.float32]:
    """Bands, quarters or sectors of a few colours."""
    palette = np.array([any_colour(dice) for _ in range(dice.choice((1, 2, 2, 3, 4)))], np.float32)
    y, x = np.mgrid[0 : mask.shape[0], 0 : mask.shape[1]].astype(np.float32)
    x, y, turn = x / mask.shape[1] - 0.5, y / mask.shape[0] - 0.5, dice.choice((0.0, 1.5708, dice.uniform(0, 3.1)))
    kind = dice.random()
    if kind < 0.45:
        along = (x * np.cos(turn) + y * np.sin(turn) + 0.5 + dice.uniform(-0.08, 0.08) * np.sin(6 * x)) * dice.randint(
            2, 7
        )
    elif kind < 0.75:
        along = np.floor(x + 1) + 2.0 * np.floor(y + 1) + (x > 0)
        along = np.where((x > 0) == (y > 0), 0, 1)
    else:
        along = (np.arctan2(y, x) + 3.15 + turn) / 6.3 * dice.choice((3, 4, 6, 8))
    return palette[np.floor(along).astype(np.int64) % len(palette)]


def _in_pieces(mask: Mask, dice: random.Random) -> NDArray[np.float32]:
    """Each letter or piece in a colour of its own; bands across where the mark is of one piece."""
    count, pieces = cv2.connectedComponents((mask > 64).astype(np.uint8))
    if count < 3 or dice.random() < 0.25:
        return _in_bands(mask, dice)
    palette = np.array([any_colour(dice) for _ in range(dice.randint(2, 5))], np.float32)
    return palette[cv2.dilate(pieces.astype(np.uint16), np.ones((5, 5), np.uint8)).astype(np.int64) % len(palette)]


def _chrome(mask: Mask, dice: random.Random) -> NDArray[np.float32]:
    """Bevelled metal: how bright a slope is depends on where it looks, by a curve with several bright bands."""
    inside = cv2.distanceTransform((mask > 128).astype(np.uint8), cv2.DIST_L2, 3)
    bevel = dice.uniform(4, 40)
    height = np.sqrt(1 - (1 - np.minimum(inside, bevel) / bevel) ** 2) * bevel
    height = cv2.GaussianBlur(np.asarray(height, np.float32), (0, 0), dice.uniform(0.8, 2.5))
    across, down = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    steep = np.sqrt(across**2 + down**2 + 1)
    turn = dice.uniform(0, 6.3)
    looks = (across * np.cos(turn) + down * np.sin(turn)) / steep
    looks = looks + np.linspace(-0.4, 0.4, mask.shape[0], dtype=np.float32)[:, None] * dice.uniform(0, 1)
    bright = np.interp(looks, np.linspace(-1.2, 1.2, 7), [dice.uniform(0.1, 1.35) for _ in range(7)])
    base = dice.choice(((205, 208, 214), (205, 208, 214), (60, 62, 66), (214, 178, 98), any_colour(dice)))
    return np.asarray(np.array(base, np.float32) * bright[..., None], np.float32)


def _rimmed(colours: NDArray[np.float32], outline: Mask, dice: random.Random) -> NDArray[np.float32]:
    for _ in range(dice.choice((0, 1, 1, 2))):
        wide = 2 * dice.randint(3, 11) + 1
        inner = cv2.erode(np.pad(outline, 1), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (wide, wide)))[1:-1, 1:-1]
        rim = np.asarray(np.minimum(outline, 255 - inner), np.uint8)
        flat = np.broadcast_to(np.array(any_colour(dice), np.float32), colours.shape)
        colours = over(colours, _chrome(rim, dice) if dice.random() < 0.5 else flat, rim.astype(np.float32) / 255)
        outline = np.asarray(inner, np.uint8)
    return colours


def _print(colours: NDArray[np.float32], mask: Mask, down: float, dice: random.Random) -> None:
    """Lays the mask in one colour, unlike what is there, or in chrome across the middle, at that height."""
    top = min(max(0, round(colours.shape[0] * down - mask.shape[0] / 2)), colours.shape[0] - mask.shape[0])
    left = (colours.shape[1] - mask.shape[1]) // 2
    place = colours[top : top + mask.shape[0], left : left + mask.shape[1]]
    there = place.mean(axis=(0, 1))
    inks = [any_colour(dice) for _ in range(4)]
    ink = max(inks, key=lambda each: float(np.abs(np.array(each) - there).sum()))
    above = _chrome(mask, dice) if dice.random() < 0.2 else np.broadcast_to(np.array(ink, np.float32), place.shape)
    place[:] = over(place, np.asarray(above, np.float32), mask.astype(np.float32) / 255)


def _scaled(mask: Mask, width: float, height: float) -> Mask:
    scale = min(width / mask.shape[1], height / mask.shape[0])
    size = max(2, round(mask.shape[1] * scale)), max(2, round(mask.shape[0] * scale))
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)


def _light(height: NDArray[np.float32], dice: random.Random) -> NDArray[np.float32]:
    """How much lighter slopes are that look to one side."""
    soft, turn = cv2.GaussianBlur(height, (0, 0), dice.uniform(0.8, 3)), dice.uniform(0, 6.3)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    return np.asarray(across * np.cos(turn) + down * np.sin(turn), np.float32)


def _with_depth(colours: NDArray[np.float32], mask: Mask, dice: random.Random) -> Art:
    """By chance with the sides of letters cut from a board, or with a glow behind."""
    kind, far = dice.random(), dice.randint(4, 14)
    padded = np.asarray(np.pad(mask, 2 * far), np.uint8)
    whole = np.pad(colours, ((2 * far, 2 * far), (2 * far, 2 * far), (0, 0)))
    alpha = padded.astype(np.float32) / 255
    behind = alpha
    if kind < 0.15:
        x, y = dice.choice((-1, 0, 1)), dice.choice((0.5, 1))
        steps = (np.array([[1, 0, x * step], [0, 1, y * step]], np.float32) for step in range(far))
        behind = np.maximum.reduce([cv2.warpAffine(alpha, step, alpha.shape[::-1]) for step in steps])
        whole = over(np.broadcast_to(np.array(any_colour(dice), np.float32) * 0.5, whole.shape), whole, alpha)
    elif kind < 0.25:
        behind = np.maximum(alpha, cv2.GaussianBlur(alpha, (0, 0), far / 1.5) * dice.uniform(0.3, 0.8))
        whole = over(np.full_like(whole, dice.choice((0, 235, 255))), whole, alpha)
    return np.dstack([whole, behind * 255]).clip(0, 255).astype(np.uint8)
