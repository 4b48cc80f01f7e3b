"""Draws composites: marks, and things easily taken for marks, laid over grounds; with a box for each mark.

Writes ``pictures.npy`` (count, 256, 256, 3) and ``boxes.npy`` (count, 4, 4): left, top, right, bottom of up to four
marks in pixels, the rest nan. A seed and a pack give the same composites.
"""

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.detectors.marks.training.art import (
    Art,
    Cupboard,
    any_colour,
    draw_mark,
    draw_plain_text,
    draw_plain_thing,
    open_cupboard,
)
from pipeline.detectors.marks.training.emblems import draw_emblem

SIDE_PX = 256
MOST_MARKS = 4
_LEAST_CONTRAST = 16.0
_IN_RELIEF = 0.07
_QUIET = 22.0
"""How much a ground may vary where a mark of its own colour is still to be seen."""
Pixels = NDArray[np.uint8]


@dataclass
class Composite:
    """A picture as it is drawn; floats in [0, 255], and the boxes of the marks on it."""

    pixels: NDArray[np.float32]
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)


def draw_composite(cupboard: Cupboard, seed: int) -> tuple[Pixels, NDArray[np.float32]]:
    """One picture (256, 256, 3) and its boxes (4, 4), unused ones nan."""
    dice, noise = random.Random(seed), np.random.default_rng(seed)
    picture = Composite(_ground(cupboard, dice, noise))
    if dice.random() < 0.3:
        return _finished(_portrayed(cupboard, dice, noise), dice, noise)
    if dice.random() < 0.35:
        _lay(picture, _carrier(dice), dice, at_least=110, at_most=330)
    for _ in range(dice.choice((0, 0, 1, 1, 2, 3))):
        drawn = draw_plain_text if dice.random() < 0.45 else draw_plain_thing
        _lay(picture, drawn(cupboard, dice), dice, at_least=14, at_most=230)
    for _ in range(dice.choice((0, 0, 0, 1, 1, 1, 1, 1, 2, 3))):
        least = 90 if dice.random() < 0.25 else 15
        box = _lay(picture, _any_mark(cupboard, dice), dice, at_least=least, at_most=250, apart=True)
        if box is not None:
            picture.boxes.append(box)
    return _finished(picture, dice, noise)


def _portrayed(cupboard: Cupboard, dice: random.Random, noise: np.random.Generator) -> Composite:
    """A mark or a plain text that fills the picture, or nearly, on a quiet ground; now and then its edges are cut."""
    maker = dice.choice((_gradient, _gradient, _cloth, _clouds))
    picture = Composite(maker(dice, noise))
    if dice.random() < 0.6:
        _lay(picture, draw_plain_text(cupboard, dice), dice, at_least=110, at_most=330)
        return picture
    for _ in range(3):
        box = _lay(picture, _any_mark(cupboard, dice), dice, at_least=110, at_most=330)
        if box is not None:
            picture.boxes.append(box)
            break
    return picture


def _any_mark(cupboard: Cupboard, dice: random.Random) -> Art:
    return draw_emblem(cupboard, dice) if dice.random() < 0.35 else draw_mark(cupboard, dice)


def _finished(
    picture: Composite, dice: random.Random, noise: np.random.Generator
) -> tuple[Pixels, NDArray[np.float32]]:
    pixels = _photographed(picture.pixels, dice, noise)
    boxes = np.full((MOST_MARKS, 4), np.nan, np.float32)
    boxes[: len(picture.boxes)] = np.array(picture.boxes, np.float32).reshape(-1, 4)
    return pixels, boxes


def draw_unmarked(cupboard: Cupboard, things: list[Art], seed: int) -> Pixels:
    """A picture (256, 256, 3) of a ground with these things on it, none of which is a mark."""
    dice, noise = random.Random(seed), np.random.default_rng(seed)
    picture = Composite(_ground(cupboard, dice, noise))
    for thing in things:
        _lay(picture, thing, dice, at_least=14, at_most=230)
    return _photographed(picture.pixels, dice, noise)


# Laying one thing over the picture -----------------------------------------------------------------------------------


def _lay(
    picture: Composite, art: Art, dice: random.Random, *, at_least: int, at_most: int, apart: bool = False
) -> tuple[float, float, float, float] | None:
    """Puts the art somewhere, seen from somewhere, lit as the ground is; gives its box, or None if it is unseen.

    Args:
        picture: Is drawn on, unless None is given back.
        art: What to put there.
        dice: Chance.
        at_least: The least long side, in pixels; sizes are even on a logarithmic scale.
        at_most: The largest long side.
        apart: Keep off the marks that are there.
    """
    side = float(np.exp(dice.uniform(np.log(at_least), np.log(at_most))))
    bent = _bent(_scaled(art, side), dice)
    layer, inside = _warped(bent, dice)
    alpha = np.asarray(layer[..., 3] / 255, np.float32)
    box = _box_of(alpha)
    if box is None or alpha.sum() < 0.6 * inside or (apart and any(_overlap(box, other) for other in picture.boxes)):
        return None
    alpha *= dice.choice((1.0, 1.0, 1.0, dice.uniform(0.6, 1)))
    seen = alpha > 0.4
    if not seen.any():
        return None
    if dice.random() < _IN_RELIEF and float(picture.pixels[seen].std(axis=0).mean()) < _QUIET:
        drawn = _pressed(picture.pixels, alpha, dice)
    else:
        drawn = picture.pixels + (_lit(layer[..., :3], picture.pixels, dice) - picture.pixels) * alpha[..., None]
    changed = np.abs(drawn - picture.pixels)[seen].max(axis=-1)
    if float(np.sort(changed)[len(changed) * 2 // 3 :].mean()) < _LEAST_CONTRAST:
        return None
    if dice.random() < 0.25 and side < 100:
        soft = cv2.GaussianBlur(drawn, (0, 0), dice.uniform(0.4, 1.2))
        drawn = np.where(cv2.dilate(alpha, np.ones((5, 5)))[..., None] > 0, soft, drawn)
    picture.pixels = np.asarray(drawn, np.float32)
    return box


def _pressed(ground: NDArray[np.float32], alpha: NDArray[np.float32], dice: random.Random) -> NDArray[np.float32]:
    """The ground itself pressed, cast or stitched into that shape: edges catch the light, the tone hardly differs."""
    soft, turn = cv2.GaussianBlur(alpha, (0, 0), dice.uniform(0.7, 2.5)), dice.uniform(0, 6.3)
    across, down = cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    light = (across * np.cos(turn) + down * np.sin(turn)) * dice.uniform(0.25, 0.8)
    tone = alpha * dice.uniform(-0.4, 0.4)
    if dice.random() < 0.3:
        y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
        tone = tone + alpha * np.sin(x * dice.uniform(-1.5, 1.5) + y * dice.uniform(-1.5, 1.5)) * dice.uniform(
            0.05, 0.2
        )
    return np.asarray(((ground + 25) * (1 + light + tone)[..., None] - 25).clip(0, 255), np.float32)


def _scaled(art: Art, side: float) -> Art:
    scale = side / max(art.shape[:2])
    size = max(2, round(art.shape[1] * scale)), max(2, round(art.shape[0] * scale))
    return np.asarray(cv2.resize(art, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8)


def _bent(art: Art, dice: random.Random) -> Art:
    """By chance as on a bottle or a bulging cloth."""
    if dice.random() > 0.18 or min(art.shape[:2]) < 8:
        return art
    height, width = art.shape[:2]
    x, y = np.meshgrid(np.linspace(-1, 1, width, dtype=np.float32), np.arange(height, dtype=np.float32))
    most = dice.uniform(0.5, 1.3)
    around = np.arcsin(np.clip(x * np.sin(most), -1, 1)) / most
    sag = np.cos(np.arcsin(np.clip(x * np.sin(most), -1, 1))) * height * dice.uniform(-0.15, 0.15)
    bent = cv2.remap(art, ((around + 1) / 2 * (width - 1)).astype(np.float32), (y - sag).astype(np.float32), 1)
    bent[..., :3] = bent[..., :3] * (1 - dice.uniform(0, 0.6) * x[..., None] ** 2)
    return np.asarray(bent, np.uint8)


def _warped(art: Art, dice: random.Random) -> tuple[NDArray[np.float32], float]:
    """The art turned, sheared and seen from aside, on a layer of the picture's size; and how much of it there is."""
    height, width = art.shape[:2]
    turn = dice.gauss(0, 0.12) if dice.random() < 0.8 else dice.uniform(-3.1, 3.1)
    aside = dice.uniform(0, 0.22) if dice.random() < 0.6 else 0.0
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)], np.float32) / 2
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)
    turned: NDArray[Any] = corners @ rotation
    turned = np.asarray(
        turned * (1 + np.array([[dice.uniform(-aside, aside), dice.uniform(-aside, aside)] for _ in range(4)])),
        np.float32,
    )
    middle = np.array([dice.uniform(0.06, 0.94) * SIDE_PX, dice.uniform(0.06, 0.94) * SIDE_PX], np.float32)
    if max(width, height) > 150:
        middle = np.asarray((middle + SIDE_PX) / 3, np.float32)
    source = corners + np.array([width, height], np.float32) / 2
    view = cv2.getPerspectiveTransform(source, (turned + middle).astype(np.float32))
    premultiplied = art.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    layer: NDArray[np.float32] = cv2.warpPerspective(premultiplied, view, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR)
    np.divide(layer[..., :3], np.maximum(layer[..., 3:], 1) / 255, out=layer[..., :3])
    x, y = turned[:, 0], turned[:, 1]
    area = 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    return layer, area * float(art[..., 3].mean()) / 255


def _lit(colours: NDArray[np.float32], ground: NDArray[np.float32], dice: random.Random) -> NDArray[np.float32]:
    """Takes on the light of the ground, and by chance its grain, as print does; or stitches, as embroidery has."""
    grey = ground.mean(axis=-1)
    soft = cv2.GaussianBlur(cv2.resize(grey, (64, 64)), (0, 0), 4)
    light = cv2.resize(soft, (SIDE_PX, SIDE_PX)) / max(20.0, float(soft.mean()))
    lit = colours * (light[..., None] ** dice.uniform(0, 0.7)).clip(0.3, 1.7)
    if dice.random() < 0.4:
        grain = grey - cv2.GaussianBlur(grey, (0, 0), 2)
        lit = lit + grain[..., None] * dice.uniform(0.3, 0.9)
    if dice.random() < 0.1:
        x, y = np.meshgrid(np.arange(SIDE_PX, dtype=np.float32), np.arange(SIDE_PX, dtype=np.float32))
        stitches = np.sin(x * dice.uniform(-2, 2) + y * dice.uniform(-2, 2))
        lit = lit * (1 + stitches[..., None] * dice.uniform(0.05, 0.25))
    return np.asarray(lit.clip(0, 255), np.float32)


def _box_of(alpha: NDArray[np.float32]) -> tuple[float, float, float, float] | None:
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.3), np.flatnonzero(alpha.max(axis=0) > 0.3)
    if len(rows) < 4 or len(columns) < 4:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    across, down = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return across > 0 and down > 0


# Grounds -------------------------------------------------------------------------------------------------------------


def _ground(cupboard: Cupboard, dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    if dice.random() < 0.55 and cupboard.grounds:
        return _photograph(dice.choice(cupboard.grounds), dice)
    makers: tuple[Callable[[random.Random, np.random.Generator], NDArray[np.float32]], ...]
    makers = (_gradient, _gradient, _cloth, _stripes, _panes, _clouds, _shelf, _portrait)
    return dice.choice(makers)(dice, noise)


def _photograph(ground: Pixels, dice: random.Random) -> NDArray[np.float32]:
    least = min(ground.shape[:2])
    side = dice.randint(min(110, least), least)
    top, left = dice.randint(0, ground.shape[0] - side), dice.randint(0, ground.shape[1] - side)
    cut = cv2.resize(ground[top : top + side, left : left + side], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    if dice.random() < 0.5:
        cut = cut[:, ::-1]
    if dice.random() < 0.2:
        cut = cv2.GaussianBlur(cut, (0, 0), dice.uniform(1, 6))
    return np.ascontiguousarray(cut, np.float32)


def _gradient(dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32) / SIDE_PX
    if dice.random() < 0.3:
        along = np.hypot(x - dice.random(), y - dice.random())
    else:
        turn = dice.uniform(0, 6.3)
        along = x * np.cos(turn) + y * np.sin(turn)
    along = (along - along.min()) / max(1e-3, float(np.ptp(along)))
    first, second = (np.asarray(any_colour(dice), np.float32) for _ in range(2))
    share = dice.choice((0.0, 0.3, 1.0))
    return np.asarray(first + (second - first) * share * along[..., None], np.float32)


def _cloth(dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    pace, turn = dice.uniform(0.6, 2.5), dice.uniform(0, 6.3)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    weave = np.sin(u * pace) * np.sin(v * pace) * dice.uniform(2, 25)
    folds = _waves(noise, 5) * dice.uniform(10, 70)
    return np.asarray(np.asarray(any_colour(dice), np.float32) + (weave + folds)[..., None], np.float32).clip(0, 255)


def _stripes(dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    """Stripes, plaid or dots."""
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32)
    pace, turn = dice.uniform(0.04, 0.6), dice.uniform(0, 6.3)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kind = dice.random()
    wave = np.sin(u * pace) if kind < 0.4 else np.sin(u * pace) + np.sin(v * pace) * (1 if kind < 0.7 else 0.6)
    hard = 1 / (1 + np.exp(-(wave - dice.uniform(-0.3, 1.2)) * 12))
    first, second = (np.asarray(any_colour(dice), np.float32) for _ in range(2))
    shade = _waves(noise, 4) * dice.uniform(0, 40)
    return np.asarray(first + (second - first) * hard[..., None] + shade[..., None], np.float32).clip(0, 255)


def _panes(dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    """Windows of a house, bricks or tiles."""
    picture = np.empty((SIDE_PX, SIDE_PX, 3), np.float32)
    picture[:] = any_colour(dice)
    across, down = dice.randint(14, 90), dice.randint(14, 90)
    gap, colour = dice.uniform(0.05, 0.5), np.asarray(any_colour(dice), np.float32)
    shift = across // 2 if dice.random() < 0.4 else 0
    for row, top in enumerate(range(0, SIDE_PX, down)):
        for left in range(-across + (shift if row % 2 else 0), SIDE_PX, across):
            cell = (left, top), (left + round(across * (1 - gap)), top + round(down * (1 - gap)))
            cv2.rectangle(picture, *cell, tuple((colour + noise.normal(0, 18)).tolist()), -1)
    return np.asarray((picture + _waves(noise, 24)[..., None] * 12).clip(0, 255), np.float32)


def _clouds(dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    """Soft blotches of a few colours at several sizes, as leaves, stone, fur or a crowd far off have them."""
    picture = np.empty((SIDE_PX, SIDE_PX, 3), np.float32)
    picture[:] = any_colour(dice)
    for cells in (3, 8, 20, 50, 110):
        strength = dice.uniform(0, 45)
        together = _waves(noise, cells)[..., None] * strength
        apart = np.dstack([_waves(noise, cells) for _ in range(3)]) * strength * dice.uniform(0, 0.5)
        picture += together + apart
    return picture.clip(0, 255)


def _shelf(dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    """Rows of boxes and bottles without print."""
    picture = _gradient(dice, noise)
    tall = dice.randint(50, 130)
    for bottom in range(tall, SIDE_PX + tall, tall + dice.randint(4, 20)):
        left = -dice.randint(0, 30)
        while left < SIDE_PX:
            wide, high = dice.randint(18, 70), round(tall * dice.uniform(0.6, 0.95))
            colour = np.asarray(any_colour(dice), np.float32)
            across = np.linspace(-1, 1, wide, dtype=np.float32)[None, :, None]
            body = np.broadcast_to(colour * (1 - dice.uniform(0, 0.5) * across**2), (high, wide, 3))
            top, right = max(0, bottom - high), min(SIDE_PX, left + wide)
            if right > max(0, left) and top < min(SIDE_PX, bottom):
                area = body[: min(SIDE_PX, bottom) - top, max(0, -left) : right - left]
                picture[top : top + area.shape[0], max(0, left) : right] = area
            left += wide + dice.randint(0, 8)
    return picture


def _portrait(dice: random.Random, noise: np.random.Generator) -> NDArray[np.float32]:
    """A head before a soft ground: skin, hair, eyes, mouth and shoulders as blurred ellipses."""
    picture = cv2.GaussianBlur(_clouds(dice, noise), (0, 0), dice.uniform(1, 8))
    scale, x, y = dice.uniform(20, 110), dice.uniform(60, 196), dice.uniform(60, 170)
    skin = np.array([1.0, 0.74, 0.58]) * dice.uniform(90, 245)
    hair = np.array([1.0, 0.8, 0.6]) * dice.uniform(10, 160)

    def ellipse(across: float, down: float, wide: float, high: float, colour: NDArray[np.float64]) -> None:
        centre = round(x + across * scale), round(y + down * scale)
        axes = max(1, round(wide * scale)), max(1, round(high * scale))
        cv2.ellipse(picture, centre, axes, 0, 0, 360, tuple(colour.tolist()), -1, cv2.LINE_AA)

    ellipse(0, 2.6, 1.9, 1.3, np.asarray(any_colour(dice), np.float64))
    ellipse(0, -0.25, 0.95, dice.uniform(1.1, 1.8), hair)
    ellipse(0, 1.1, 0.4, 0.6, skin * 0.85)
    ellipse(0, 0, 0.78, 1.02, skin)
    for side in (-0.32, 0.32):
        ellipse(side, -0.15, 0.16, 0.08, np.full(3, 235.0))
        ellipse(side, -0.15, 0.07, 0.07, hair * 0.5)
        ellipse(side, -0.35, 0.2, 0.04, hair)
    ellipse(0, 0.25, 0.1, 0.14, skin * 0.88)
    ellipse(0, 0.55, 0.28, dice.uniform(0.04, 0.12), np.array([185.0, 70.0, 75.0]))
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.6, scale * dice.uniform(0.01, 0.06)))
    return np.asarray((soft + _waves(noise, 12)[..., None] * 10).clip(0, 255), np.float32)


def _waves(noise: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Smooth noise of unit strength with about so many blotches a side."""
    small = noise.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    return np.asarray(cv2.resize(small, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC), np.float32)


def _carrier(dice: random.Random) -> Art:
    """A bare thing that may bear a mark: a box, a can, a shirt, a sign, a panel; shaded from side to side."""
    height, width = dice.randint(120, 300), dice.randint(120, 300)
    mask = np.zeros((height, width), np.uint8)
    kind = dice.random()
    if kind < 0.4:
        cv2.rectangle(mask, (0, 0), (width, height), 255, -1)
    elif kind < 0.6:
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2, height // 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
    else:
        right = [(0.6, 0.08), (0.75, 0), (1, 0.3), (0.85, 0.42), (0.77, 0.33), (0.78, 1)]
        shirt = [*right, *((1 - x, y) for x, y in reversed(right))]
        cv2.fillPoly(mask, [np.array([(x * width, y * height) for x, y in shirt], np.int32)], 255, cv2.LINE_AA)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    shade = 1 - dice.uniform(0, 0.6) * (x - dice.uniform(-0.6, 0.6)) ** 2
    colours = np.broadcast_to(np.asarray(any_colour(dice), np.float32) * shade, (height, width, 3))
    return np.dstack([colours.clip(0, 255), mask]).astype(np.uint8)


# The camera ----------------------------------------------------------------------------------------------------------


def _photographed(pixels: NDArray[Any], dice: random.Random, noise: np.random.Generator) -> Pixels:
    """Light, blur, noise, a lack of colour and JPEG."""
    if dice.random() < 0.3:
        y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32) / SIDE_PX
        spot = np.exp(-((x - dice.random()) ** 2 + (y - dice.random()) ** 2) * dice.uniform(2, 30))
        pixels = pixels + spot[..., None] * dice.uniform(-120, 140)
    pixels = pixels * np.array([dice.gauss(1, 0.06) for _ in range(3)], np.float32) * dice.uniform(0.55, 1.15)
    if dice.random() < 0.35:
        pixels = cv2.GaussianBlur(pixels, (0, 0), dice.uniform(0.4, 1.6))
    if dice.random() < 0.06:
        streak = np.zeros((9, 9), np.float32)
        cv2.line(streak, (0, dice.randint(0, 8)), (8, dice.randint(0, 8)), 1.0)
        pixels = cv2.filter2D(pixels, -1, streak / streak.sum())
    if dice.random() < 0.5:
        pixels = pixels + noise.normal(0, dice.uniform(1, 9), pixels.shape)
    if dice.random() < 0.12:
        pixels = np.repeat(pixels.mean(axis=-1, keepdims=True), 3, axis=-1)
    whole = np.asarray(pixels.clip(0, 255), np.uint8)
    if dice.random() < 0.6:
        _, data = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, dice.randint(35, 95)])
        whole = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return whole


def draw_many(cupboard: Cupboard, out: Path, *, count: int, seed: int) -> None:
    """Writes ``pictures.npy`` and ``boxes.npy``."""
    out.mkdir(parents=True, exist_ok=True)
    shape = (count, SIDE_PX, SIDE_PX, 3)
    pictures = np.lib.format.open_memmap(out / "pictures.npy", mode="w+", dtype=np.uint8, shape=shape)
    boxes = np.empty((count, MOST_MARKS, 4), np.float32)
    for index in range(count):
        pictures[index], boxes[index] = draw_composite(cupboard, seed + index)
    pictures.flush()
    np.save(out / "boxes.npy", boxes)


def main() -> None:
    """Draws so many composites."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    draw_many(open_cupboard(given.pack), given.out, count=given.count, seed=given.seed)


if __name__ == "__main__":
    main()
