"""Draws things to put into pictures: brand marks in many looks, and what is easily taken for one.

All of them are arrays (height, width, 4), uint8, RGBA, cropped to what is drawn. What a mark and a plain thing have in
common (plates, metal, outlines, print) is drawn by the same functions for both, so that it tells nothing.
"""

import csv
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Art = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Colour = tuple[int, int, int]

_DISPLAY = (
    *("Lobster", "Dancing", "Kaushan", "Leckerli", "League", "Bebas", "Black", "Heavy", "ExtraBold", "BoldItalic"),
    *("Comfortaa-Bold", "Quicksand-Bold", "Blankenburg", "Jura"),
)
_FONT_PX = 96
_LEAST_APART = 70.0
_SCRIPTS = {
    "Fallback": (0x4E00, 0x9F00),
    "Devanagari": (0x0905, 0x0939),
    "Thai": (0x0E01, 0x0E2E),
    "Arabic": (0x0627, 0x063A),
    "Hebrew": (0x05D0, 0x05EA),
    "Armenian": (0x0531, 0x0556),
    "Georgian": (0x10D0, 0x10F0),
}
"""Parts of fonts' names, and the letters that they are used for."""
_WORDS = """
    the and for with from your this that open closed push pull exit entrance sale summer winter offer new price size
    made in cotton wash warm keep dry do not bend total cash change date time street road avenue north south
    platform station please wait here no smoking parking staff only welcome menu coffee tea bread milk fresh orange
    apple soft natural best before see bottom net weight ingredients water sugar salt organic family pack free two
    three first last page chapter figure table hello world happy birthday love home school library museum hotel
    restaurant kills tiredness short break could save life shoe repairs available while you halt stop slow ahead men
    work
"""
_SYLLABLES = "ka lo mi ra ven tor el na so qui fy zen bra do lux pri mo ta xi ve ro gan hel pa no vi ster nox ly cor"


@dataclass
class Cupboard:
    """What the pack holds, in memory.

    Attributes:
        marks: Slug, title and colour of each mark.
        masks: Mask of each mark, in the same order, cropped.
        grounds: Pictures, RGB.
        objects: Cut-outs of things that are no marks, RGBA.
        display: Paths of fonts that wordmarks are set in.
        plain: Paths of fonts that text is set in.
        foreign: Those among them of scripts other than Latin.
    """

    marks: list[tuple[str, str, str]]
    masks: list[Mask]
    grounds: list[NDArray[np.uint8]]
    objects: list[Art]
    display: list[Path]
    plain: list[Path]
    foreign: list[Path]


def open_cupboard(pack: Path) -> Cupboard:
    """Reads the whole pack."""
    with (pack / "marks.csv").open(encoding="utf-8", newline="") as file:
        marks = [(row["slug"], row["title"], row["hex"]) for row in csv.DictReader(file)]
    masks = [cropped(np.asarray(Image.open(pack / "marks" / f"{slug}.png"))) for slug, _, _ in marks]
    grounds = [np.asarray(Image.open(path).convert("RGB")) for path in sorted((pack / "grounds").glob("*.jpg"))]
    objects = [np.asarray(Image.open(path).convert("RGBA")) for path in sorted((pack / "objects").glob("*.png"))]
    fonts = sorted((pack / "fonts").glob("*.[to]tf"))
    display = [path for path in fonts if any(part in path.name for part in _DISPLAY)]
    plain = [path for path in fonts if path not in display and "Thin" not in path.name and "Hair" not in path.name]
    foreign = [path for path in plain if any(part in path.name for part in _SCRIPTS)]
    return Cupboard(marks, masks, grounds, [each for each in objects if _is_motley(each)], display, plain, foreign)


def _is_motley(art: Art) -> bool:
    """Of several colours: a silhouette of one colour looks like a mark, and may not be called none."""
    seen = art[art[..., 3] > 128][:, :3]
    return len(seen) > 900 and float(seen.std(axis=0).max()) > 35


# Marks ---------------------------------------------------------------------------------------------------------------


def draw_mark(cupboard: Cupboard, dice: random.Random) -> Art:
    """One brand mark: a symbol, a wordmark, both, or a badge."""
    index = dice.randrange(len(cupboard.masks))
    mask, (_, title, hexadecimal) = cupboard.masks[index], cupboard.marks[index]
    own: Colour = (int(hexadecimal[:2], 16), int(hexadecimal[2:4], 16), int(hexadecimal[4:], 16))
    ink = own if dice.random() < 0.5 else any_colour(dice)
    name = title if dice.random() < 0.6 else any_name(dice)
    kind = dice.random()
    if kind < 0.45:
        return finish(mask, ink, dice, plate=0.35)
    word = set_type(name[:14], dice.choice(cupboard.display), dice, spread=0.25)
    if kind < 0.65:
        return finish(_styled_word(word, dice), ink, dice, plate=0.4)
    if kind < 0.85:
        return finish(_beside(mask, word, dice), ink, dice, plate=0.3)
    return _badge(mask, name, cupboard, dice)


def any_colour(dice: random.Random) -> Colour:
    """Black or white as often as all others together."""
    kind = dice.random()
    if kind < 0.25:
        level = dice.randint(225, 255)
        return level, level, level
    if kind < 0.5:
        level = dice.randint(0, 40)
        return level, level, level
    return dice.randint(0, 255), dice.randint(0, 255), dice.randint(0, 255)


def finish(mask: Mask, ink: Colour, dice: random.Random, *, plate: float) -> Art:
    """Gives a mask colour, and by chance an outline, a look of metal, or a plate below it.

    Args:
        mask: What is covered.
        ink: Its colour.
        dice: Chance.
        plate: How often a plate is laid below it.
    """
    mask = np.asarray(np.pad(mask, 10), np.uint8)
    colour = _fill(mask, ink, dice)
    alpha = mask.astype(np.float32) / 255
    if dice.random() < 0.2:
        width = dice.choice((5, 9, 13))
        wider = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
        colour = over(np.asarray(any_colour(dice), np.float32), colour, alpha)
        alpha = wider.astype(np.float32) / 255
    art = np.dstack([colour, alpha * 255])
    if dice.random() < plate:
        art = _on_plate(art, ink, dice)
    return cut(np.asarray(art.clip(0, 255), np.uint8))


def _fill(mask: Mask, ink: Colour, dice: random.Random) -> NDArray[np.float32]:
    flat = np.empty((*mask.shape, 3), np.float32)
    flat[:] = ink
    kind = dice.random()
    if kind < 0.62:
        return flat
    down = np.linspace(0, 1, mask.shape[0], dtype=np.float32)[:, None, None]
    if kind < 0.74:
        return np.asarray(flat + (np.asarray(any_colour(dice), np.float32) - flat) * down, np.float32)
    if kind < 0.8:
        other = np.asarray(any_colour(dice), np.float32)
        return np.where((np.arange(mask.shape[1]) > mask.shape[1] * dice.uniform(0.3, 0.7))[None, :, None], other, flat)
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), dice.uniform(1.5, 5))
    light = cv2.Sobel(soft, cv2.CV_32F, 1, 0) + cv2.Sobel(soft, cv2.CV_32F, 0, 1)
    bands = np.sin(down * dice.uniform(2, 9) + dice.uniform(0, 6)) * dice.uniform(10, 60)
    base = flat if dice.random() < 0.4 else np.full_like(flat, dice.uniform(90, 225))
    return np.asarray(base + bands + light[..., None] * dice.uniform(80, 260), np.float32)


def _on_plate(art: NDArray[np.float32], ink: Colour, dice: random.Random) -> NDArray[np.float32]:
    height, width = art.shape[:2]
    margin = round(max(height, width) * dice.uniform(0.05, 0.3))
    art = np.pad(art, ((margin, margin), (margin, margin), (0, 0)))
    if dice.random() < 0.5 and max(height, width) < 1.6 * min(height, width):
        art = _squared(art)
    ink_alpha = art[..., 3:] / 255
    for _ in range(6):
        plate = draw_plate(art.shape[1], art.shape[0], _unlike(ink, dice), dice).astype(np.float32)
        apart = np.abs(plate[..., :3] - art[..., :3]).max(axis=-1)[art[..., 3] > 128]
        if apart.size and float(apart.mean()) > _LEAST_APART:
            break
    plate[..., :3] += (art[..., :3] - plate[..., :3]) * ink_alpha
    plate[..., 3] = np.maximum(plate[..., 3], art[..., 3])
    return plate


def _squared(art: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = art.shape[:2]
    side = max(height, width)
    up, left = (side - height) // 2, (side - width) // 2
    return np.pad(art, ((up, side - height - up), (left, side - width - left), (0, 0)))


def draw_plate(width: int, height: int, colour: Colour, dice: random.Random) -> Art:
    """An ellipse, rounded rectangle, shield or rectangle, flat, rimmed or of metal."""
    mask = np.zeros((height, width), np.uint8)
    kind = dice.random()
    if kind < 0.4:
        cv2.ellipse(mask, (width // 2, height // 2), (width // 2 - 1, height // 2 - 1), 0, 0, 360, 255, -1, cv2.LINE_AA)
    elif kind < 0.5:
        points = [(0.05, 0.04), (0.95, 0.04), (0.93, 0.5), (0.75, 0.8), (0.5, 0.99), (0.25, 0.8), (0.07, 0.5)]
        cv2.fillPoly(mask, [np.array([(x * width, y * height) for x, y in points], np.int32)], 255, cv2.LINE_AA)
    else:
        radius = dice.choice((0.0, 0.08, 0.2, 0.45)) * min(width, height)
        image = Image.new("L", (width, height))
        ImageDraw.Draw(image).rounded_rectangle((1, 1, width - 2, height - 2), radius, fill=255)
        mask = np.array(image)
    fill = _fill(mask, colour, dice)
    if dice.random() < 0.4:
        rim = max(3, round(min(width, height) * dice.uniform(0.02, 0.08)))
        padded = np.pad(mask, 1)
        inner = cv2.erode(padded, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1)))[1:-1, 1:-1]
        fill = over(np.asarray(any_colour(dice), np.float32), fill, inner.astype(np.float32) / 255)
    return np.dstack([fill.clip(0, 255), mask]).astype(np.uint8)


def _unlike(ink: Colour, dice: random.Random) -> Colour:
    for _ in range(8):
        colour = any_colour(dice)
        if sum(abs(one - other) for one, other in zip(ink, colour, strict=True)) > 180:
            return colour
    return 255 - ink[0], 255 - ink[1], 255 - ink[2]


def _badge(mask: Mask, name: str, cupboard: Cupboard, dice: random.Random) -> Art:
    """A round plate with the symbol, and the name running around it."""
    side, ink = 280, any_colour(dice)
    plate = np.zeros((side, side, 4), np.float32)
    ring, middle = _unlike(ink, dice), any_colour(dice)
    cv2.circle(plate, (side // 2, side // 2), side // 2 - 2, (*ring, 255), -1, cv2.LINE_AA)
    if dice.random() < 0.7:
        cv2.circle(plate, (side // 2, side // 2), round(side * 0.33), (*middle, 255), -1, cv2.LINE_AA)
        cv2.circle(plate, (side // 2, side // 2), round(side * 0.33), (*ink, 255), dice.choice((2, 4, 6)), cv2.LINE_AA)
    else:
        middle = ring
    words = set_type(f"{name[:12]} {any_name(dice)}".upper(), dice.choice(cupboard.display), dice, spread=0)
    strip = np.zeros((side // 2, 720), np.uint8)
    tall = round(side * 0.11)
    wide = min(700, round(words.shape[1] * tall / words.shape[0]))
    strip[round(side * 0.025) : round(side * 0.025) + tall, :wide] = cv2.resize(words, (wide, tall))
    polar = np.ascontiguousarray(strip[::-1].T)
    flags = cv2.WARP_INVERSE_MAP | cv2.WARP_POLAR_LINEAR
    around = cv2.warpPolar(polar, (side, side), (side / 2, side / 2), side / 2, flags)
    turned = cv2.rotate(around, dice.choice((cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180)))
    plate[..., :3] = over(plate[..., :3], np.asarray(ink, np.float32), turned.astype(np.float32) / 255)
    inner = round(side * 0.42)
    symbol = fitted(mask, inner)
    at = ((side - symbol.shape[0]) // 2, (side - symbol.shape[1]) // 2)
    place = plate[at[0] : at[0] + symbol.shape[0], at[1] : at[1] + symbol.shape[1], :3]
    place[:] = over(place, np.asarray(_unlike(middle, dice), np.float32), symbol.astype(np.float32) / 255)
    return cut(plate.clip(0, 255).astype(np.uint8))


def _beside(mask: Mask, word: Mask, dice: random.Random) -> Mask:
    gap = dice.randint(6, 30)
    if dice.random() < 0.5:
        tall = round(word.shape[0] * dice.uniform(1.0, 2.2))
        parts = [fitted(mask, tall), word]
        if dice.random() < 0.25:
            parts.reverse()
        high = max(part.shape[0] for part in parts)
        return np.hstack([_centred(parts[0], high, 0), np.zeros((high, gap), np.uint8), _centred(parts[1], high, 0)])
    parts = [fitted(mask, round(word.shape[1] * dice.uniform(0.35, 0.9))), word]
    wide = max(part.shape[1] for part in parts)
    return np.vstack([_centred(parts[0], 0, wide), np.zeros((gap, wide), np.uint8), _centred(parts[1], 0, wide)])


def _centred(mask: Mask, height: int, width: int) -> Mask:
    down, across = max(0, height - mask.shape[0]), max(0, width - mask.shape[1])
    return np.pad(mask, ((down // 2, down - down // 2), (across // 2, across - across // 2)))


def fitted(mask: Mask, side: int) -> Mask:
    """The mask with that long side, in pixels."""
    scale = max(8, side) / max(mask.shape)
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)


def _styled_word(word: Mask, dice: random.Random) -> Mask:
    """By chance slanted, arched or underlined with a swoosh."""
    kind = dice.random()
    height, width = word.shape
    if kind < 0.2:
        slant = np.array([[1, -dice.uniform(0.1, 0.4), height * 0.3], [0, 1, 0]], np.float32)
        return np.asarray(cv2.warpAffine(word, slant, (width + round(height * 0.4), height)), np.uint8)
    if kind < 0.4:
        rise = height * dice.uniform(0.1, 0.5)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height + round(rise), dtype=np.float32))
        arch = rise * (2 * x / width - 1) ** 2
        return np.asarray(cv2.remap(word, x, y - (arch if dice.random() < 0.7 else rise - arch), 1), np.uint8)
    if kind < 0.55:
        word = np.pad(word, ((0, round(height * 0.5)), (0, 0)))
        bottom = np.array([(0, height * 1.35), (width * 0.5, height * 1.1), (width, height * 1.05)])
        points = np.vstack([bottom, bottom[::-1] + np.array([0, height * dice.uniform(0.05, 0.2)])])
        cv2.fillPoly(word, [points.astype(np.int32)], 255, cv2.LINE_AA)
    return word


def any_name(dice: random.Random) -> str:
    """A name of a few syllables that nobody has, or hardly."""
    name = "".join(dice.choice(_SYLLABLES.split()) for _ in range(dice.randint(2, 3)))
    return dice.choice((name.upper(), name.capitalize(), name))


# What is no mark -----------------------------------------------------------------------------------------------------


def draw_plain_text(cupboard: Cupboard, dice: random.Random) -> Art:
    """One to eight lines in a text face, by chance on a sign; Latin, digits, Chinese or Devanagari."""
    path = dice.choice(cupboard.plain if dice.random() < 0.7 else cupboard.foreign)
    if dice.random() < 0.4 and cupboard.foreign:
        path = dice.choice([each for each in cupboard.foreign if "Fallback" in each.name] or cupboard.foreign)
    count = dice.choice((1, 1, 1, 2, 3, 5, 8))
    masks = [set_type(_plain_line(path.name, dice), path, dice, spread=0) for _ in range(count)]
    if path in cupboard.foreign and dice.random() < 0.5:  # these have few weights
        pen = np.ones((3, 3), np.uint8)
        masks = [
            np.asarray(cv2.dilate(np.pad(mask, 4), pen, iterations=dice.choice((1, 2))), np.uint8) for mask in masks
        ]
    high = _FONT_PX // 2
    lines = [cv2.resize(mask, (max(2, round(mask.shape[1] * high / mask.shape[0])), high)) for mask in masks]
    wide = max(line.shape[1] for line in lines)
    gap = np.zeros((dice.randint(6, 26), wide), np.uint8)
    rows = [row for line in lines for row in (np.pad(line, ((0, 0), (0, wide - line.shape[1]))), gap)]
    mask = np.vstack(rows)
    ink = any_colour(dice)
    if dice.random() < 0.75:
        return cut(np.dstack([np.full((*mask.shape, 3), ink, np.uint8), mask]))
    return finish(mask, ink, dice, plate=0.8)


def _plain_line(font_name: str, dice: random.Random) -> str:
    for part, letters in _SCRIPTS.items():
        if part in font_name:
            return "".join(chr(dice.randint(*letters)) for _ in range(dice.randint(1, 9)))
    if dice.random() < 0.25:
        return "".join(dice.choice("0123456789.,:-$% ") for _ in range(dice.randint(2, 10))).strip() or "75"
    line = " ".join(dice.choice(_WORDS.split()) for _ in range(dice.randint(1, 5)))
    return dice.choice((line, line.upper(), line.capitalize(), line.title()))


def draw_plain_thing(cupboard: Cupboard, dice: random.Random) -> Art:
    """A thing that stands alone as a mark does: a drawn object, an empty plate, a shape, a button, a wheel, a clock."""
    kind = dice.random()
    if kind < 0.3 and cupboard.objects:
        return dice.choice(cupboard.objects)
    if kind < 0.4:
        return _eye(dice)
    if kind < 0.55:
        return _pattern(cupboard, dice)
    if kind < 0.65:
        return draw_plate(dice.randint(60, 300), dice.randint(60, 220), any_colour(dice), dice)
    if kind < 0.77:
        return _turned_square(dice)
    return _round_thing(dice)


def _eye(dice: random.Random) -> Art:
    """An eye of a person or an animal: iris, pupil and a glint between two lids, with soft edges."""
    wide, high = 200, dice.randint(70, 190)
    art, middle = np.zeros((200, 200, 3), np.float32), (100 + dice.randint(-25, 25), 100)
    skin = np.array([1.0, dice.uniform(0.6, 0.9), dice.uniform(0.4, 0.85)], np.float32) * dice.uniform(20, 230)
    art[:] = np.asarray((dice.uniform(120, 255),) * 3, np.float32)
    iris = dice.randint(35, 80)
    cv2.circle(art, middle, iris, (*any_colour(dice),), -1, cv2.LINE_AA)
    cv2.circle(art, middle, iris, (15, 15, 15), dice.choice((0, 3, 8)) or 1, cv2.LINE_AA)
    cv2.circle(art, middle, round(iris * dice.uniform(0.3, 0.7)), (8, 8, 8), -1, cv2.LINE_AA)
    cv2.circle(art, (middle[0] - 14, middle[1] - 16), dice.randint(4, 12), (245, 245, 245), -1, cv2.LINE_AA)
    lids = np.zeros((200, 200), np.uint8)
    cv2.ellipse(lids, (100, 100), (wide // 2 - 14, high // 2), 0, 0, 360, 255, -1, cv2.LINE_AA)
    edge = cv2.GaussianBlur(cv2.dilate(lids, np.ones((7, 7), np.uint8)), (0, 0), dice.uniform(2, 8)).astype(np.float32)
    art = over(np.broadcast_to(skin * dice.uniform(0.2, 0.6), art.shape), art, lids.astype(np.float32) / 255)
    return np.dstack([art.clip(0, 255), edge]).astype(np.uint8)


def _pattern(cupboard: Cupboard, dice: random.Random) -> Art:
    """A patch of printed cloth, a tie or a flag: bands, or one small thing again and again; cut as a plate is."""
    width, height = dice.randint(60, 300), dice.randint(60, 220)
    plate = draw_plate(width, height, any_colour(dice), dice)
    if dice.random() < 0.3 or not cupboard.objects:
        bands, turned = dice.choice((2, 3, 3, 5, 9)), dice.random() < 0.5
        colours = [any_colour(dice) for _ in range(3)]
        side = width if turned else height
        for band in range(bands):
            part = slice(band * side // bands, (band + 1) * side // bands)
            plate[(slice(None), part) if turned else (part, slice(None))][..., :3] = colours[band % len(colours)]
        return plate
    motif = dice.choice(cupboard.objects) if dice.random() < 0.6 else _turned_square(dice)
    side = dice.randint(10, 40)
    motif = cv2.resize(
        motif, (side, max(4, round(side * motif.shape[0] / motif.shape[1]))), interpolation=cv2.INTER_AREA
    )
    high, pace = motif.shape[0], round(side * dice.uniform(1, 2))
    for row, top in enumerate(range(0, height - high, max(high, pace))):
        for left in range(row % 2 * pace // 2, width - side, pace):
            place = plate[top : top + high, left : left + side, :3]
            place[:] = over(place.astype(np.float32), motif[..., :3].astype(np.float32), motif[..., 3] / 255)
    return plate


def _turned_square(dice: random.Random) -> Art:
    mask = np.zeros((200, 200), np.uint8)
    corners = dice.choice((3, 4, 4, 4, 5, 6))
    turn, radius = dice.uniform(0, 6.3), dice.uniform(50, 96)
    angles = turn + np.arange(corners) * 2 * np.pi / corners
    points = np.stack([100 + radius * np.cos(angles), 100 + radius * dice.uniform(0.5, 1) * np.sin(angles)], 1)
    cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
    if dice.random() < 0.3:
        cv2.polylines(mask, [points.astype(np.int32)], isClosed=True, color=255, thickness=dice.randint(2, 12))
    return finish(mask, any_colour(dice), dice, plate=0.15)


def _round_thing(dice: random.Random) -> Art:
    """Rings, spokes, holes or hands in a disc, lit from one side."""
    side = 200
    art = np.zeros((side, side, 4), np.float32)
    base = any_colour(dice)
    cv2.circle(art, (100, 100), 97, (*base, 255), -1, cv2.LINE_AA)
    ink = (*_unlike(base, dice), 255)
    for _ in range(dice.randint(0, 3)):
        cv2.circle(
            art, (100, 100), dice.randint(8, 92), (*any_colour(dice), 255), dice.choice((-1, 2, 4, 8)), cv2.LINE_AA
        )
    spokes, turn = dice.choice((0, 0, 2, 4, 5, 6, 8, 12, 12)), dice.uniform(0, 6.3)
    inner, outer, width = (*dice.choice(((0, 90), (75, 90), (20, 60))), dice.choice((2, 5, 9)))
    for spoke in range(spokes):
        way = np.array([np.cos(turn + spoke * 6.2832 / spokes), np.sin(turn + spoke * 6.2832 / spokes)])
        start, end = (100 + way * inner).astype(int), (100 + way * outer).astype(int)
        cv2.line(art, tuple(start.tolist()), tuple(end.tolist()), ink, width, cv2.LINE_AA)
    x, y = np.meshgrid(np.linspace(-1, 1, side, dtype=np.float32), np.linspace(-1, 1, side, dtype=np.float32))
    light = np.exp(-((x - dice.uniform(-0.5, 0.5)) ** 2 + (y + dice.uniform(0, 0.5)) ** 2) * dice.uniform(0.3, 4))
    art[..., :3] *= dice.uniform(0.3, 0.8) + light[..., None] * dice.uniform(0.2, 0.8)
    return art.clip(0, 255).astype(np.uint8)


# Setting type --------------------------------------------------------------------------------------------------------


def set_type(text: str, path: Path, dice: random.Random, *, spread: float) -> Mask:
    """The text's mask, in a case of chance for names, cropped; letters wide apart in ``spread`` of the cases."""
    font = ImageFont.truetype(str(path), _FONT_PX)
    text = dice.choice((text, text.upper(), text)) if spread else text
    if dice.random() < spread:
        text = "\u200a".join(text)
    width = min(4000, max(8, round(font.getlength(text)) + 40))
    image = Image.new("L", (width, _FONT_PX * 2))
    ImageDraw.Draw(image).text((20, 20), text, fill=255, font=font)
    return cropped(np.array(image))


def cropped(mask: Mask) -> Mask:
    """What is covered, without the margin."""
    rows, columns = np.flatnonzero(mask.max(axis=1) > 64), np.flatnonzero(mask.max(axis=0) > 64)
    if not len(rows) or not len(columns):
        return np.full((8, 8), 255, np.uint8)
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def cut(art: Art) -> Art:
    """What is seen, without the margin."""
    alpha = art[..., 3]
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 64), np.flatnonzero(alpha.max(axis=0) > 64)
    if not len(rows) or not len(columns):
        return art
    return art[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def over(below: NDArray[np.float32], above: NDArray[np.float32], alpha: NDArray[Any]) -> NDArray[np.float32]:
    """Colours (height, width, 3) laid over others, where alpha (height, width), in [0, 1], says so."""
    return np.asarray(below + (above - below) * alpha[..., None], np.float32)
