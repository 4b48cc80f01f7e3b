"""Edits drawn on photographs, whose effect is known: some leave everything alone, some change one thing.

For measuring whether the comparison of source and output says so. Every edit is repeatable by its seed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from pipeline.values import Box

Random = np.random.Generator
Pixels = NDArray[np.uint8]

_WORDS = ("SALE", "Fresh", "Oat biscuits", "Summer", "NEW", "Organic", "Limited", "2 for 1", "Handmade", "Original")
_PLACES = 40
_LETTERS = "ABCDEFGHKLMNOPRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class DrawnEdit:
    """An output and what is known of it.

    Attributes:
        name: Which edit.
        source: What was edited.
        output: What came of it.
        place: The box that was changed, the same on both; None if nothing was.
    """

    name: str
    source: Image.Image
    output: Image.Image
    place: Box | None = None


# Edits that change nothing that was found.


def re_encode(image: Image.Image, random: Random) -> DrawnEdit:
    """JPEG of a low to a good quality."""
    return DrawnEdit("re-encode", image, _jpeg(image, int(random.integers(40, 90))))


def brighten(image: Image.Image, random: Random) -> DrawnEdit:
    """Darker or lighter by up to a quarter, and a little other contrast."""
    lit = ImageEnhance.Brightness(image).enhance(float(random.uniform(0.75, 1.25)))
    return DrawnEdit("brightness", image, _jpeg(ImageEnhance.Contrast(lit).enhance(float(random.uniform(0.85, 1.15)))))


def resize(image: Image.Image, random: Random) -> DrawnEdit:
    """Half to one and a half times the size."""
    scale = float(random.uniform(0.5, 1.5))
    size = max(32, round(image.width * scale)), max(32, round(image.height * scale))
    return DrawnEdit("resize", image, _jpeg(image.resize(size, Image.Resampling.LANCZOS)))


def crop(image: Image.Image, found: Sequence[Box], random: Random) -> DrawnEdit:
    """Up to a quarter of each side cut off, and nothing that was found."""
    left, top, right, bottom = _around(found, image.size, margin=0.02)
    wanted = random.uniform(0.04, 0.25, 4) * [image.width, image.height, image.width, image.height]
    box = (
        int(min(left, wanted[0])),
        int(min(top, wanted[1])),
        int(max(right, image.width - wanted[2])),
        int(max(bottom, image.height - wanted[3])),
    )
    part = image.crop(box)
    scale = float(random.uniform(0.7, 1.3))
    size = max(32, round(part.width * scale)), max(32, round(part.height * scale))
    return DrawnEdit("crop", image, _jpeg(part.resize(size, Image.Resampling.LANCZOS)))


def extend(image: Image.Image, random: Random) -> DrawnEdit:
    """A plain or a blurred ground added around."""
    edges = (random.uniform(0.08, 0.4, 4) * [image.width, image.height, image.width, image.height]).astype(int)
    size = image.width + int(edges[0] + edges[2]), image.height + int(edges[1] + edges[3])
    if random.random() < 0.5:
        ground = Image.new("RGB", size, tuple(int(level) for level in random.integers(0, 256, 3)))
    else:
        ground = image.resize(size).filter(ImageFilter.GaussianBlur(max(size) / 25))
    ground.paste(image, (int(edges[0]), int(edges[1])))
    return DrawnEdit("extend", image, _jpeg(ground))


def replace_background(image: Image.Image, found: Sequence[Box], random: Random) -> DrawnEdit:
    """Another ground around all that was found and the picture's middle."""
    middle = (image.width * 0.25, image.height * 0.25, image.width * 0.75, image.height * 0.75)
    kept = Image.new("L", image.size, 0)
    pen = ImageDraw.Draw(kept)
    for left, top, right, bottom in (middle, *found):
        rim = 0.15 * min(right - left, bottom - top) + 6
        pen.rounded_rectangle((left - rim, top - rim, right + rim, bottom + rim), radius=rim, fill=255)
    kept = kept.filter(ImageFilter.GaussianBlur(2))
    corners = random.integers(0, 256, (2, 2, 3)).astype(np.uint8)
    ground = Image.fromarray(corners).resize(image.size, Image.Resampling.BICUBIC)
    return DrawnEdit("background replaced", image, _jpeg(Image.composite(image, ground, kept)))


# Edits that change one thing.


def remove(name: str, image: Image.Image, place: Box) -> DrawnEdit:
    """What stands there is painted over with its surroundings."""
    return DrawnEdit(name, image, _jpeg(_painted_over(image, place)), place)


def mirror(image: Image.Image) -> DrawnEdit:
    """Turned the wrong way round."""
    return DrawnEdit("mirrored", image, _jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))


def add_text(image: Image.Image, found: Sequence[Box], random: Random) -> DrawnEdit | None:
    """A word where nothing was found; None if there is no room."""
    word = str(random.choice(_WORDS))
    font = ImageFont.load_default(size=float(random.uniform(0.035, 0.12)) * max(image.size))
    box = font.getbbox(word)
    place = _free_place(image, (box[2] - box[0], box[3] - box[1]), found, random)
    if place is None:
        return None
    output = image.copy()
    ink = _contrasting(image, place)
    ImageDraw.Draw(output).text((place[0] - box[0], place[1] - box[1]), word, fill=ink, font=font)
    return DrawnEdit("text added", image, _jpeg(output), place)


def garble_text(image: Image.Image, place: Box, random: Random) -> DrawnEdit:
    """The text's letters become others: mirrored, cut up and swapped, or written anew."""
    left, top, right, bottom = _whole(place, image.size)
    pixels = np.array(image)
    part = pixels[top:bottom, left:right]
    is_upright = part.shape[0] > 1.5 * part.shape[1]
    line = np.rot90(part) if is_upright else part
    way = int(random.integers(3))
    if way == 0:
        line = line[:, ::-1]
    elif way == 1:
        pieces = np.array_split(line, max(4, line.shape[1] // max(4, line.shape[0] // 2)), axis=1)
        order = np.roll(np.arange(len(pieces)), int(random.integers(1, len(pieces))))
        line = np.concatenate([pieces[index][::-1] if index % 2 else pieces[index] for index in order], axis=1)
    else:
        return _rewritten(image, place, random)
    pixels[top:bottom, left:right] = np.rot90(line, -1) if is_upright else line
    return DrawnEdit("text garbled", image, _jpeg(Image.fromarray(pixels)), place)


def swap_face(image: Image.Image, place: Box, other: Image.Image, random: Random) -> DrawnEdit:
    """Another person's face, in the old one's light.

    Args:
        image: What is edited.
        place: The face.
        other: A picture cut to another face.
        random: Mirrors the new face, or does not.
    """
    left, top, right, bottom = _whole(place, image.size)
    width, height = right - left, bottom - top
    pixels = np.array(image, np.float32)
    old = pixels[top:bottom, left:right]
    new = np.asarray(other.resize((width, height), Image.Resampling.LANCZOS), np.float32)
    new = new[:, ::-1] if random.random() < 0.5 else new
    new = (new - new.mean((0, 1))) * (old.std() / max(new.std(), 1)) + old.mean((0, 1))
    oval = Image.new("L", (width, height), 0)
    ImageDraw.Draw(oval).ellipse((width * 0.06, height * 0.03, width * 0.94, height * 0.97), fill=255)
    share = np.asarray(oval.filter(ImageFilter.GaussianBlur(width * 0.04)), np.float32)[..., None] / 255
    pixels[top:bottom, left:right] = old * (1 - share) + new * share
    return DrawnEdit("face swapped", image, _jpeg(Image.fromarray(pixels.clip(0, 255).astype(np.uint8))), place)


def blur_face(image: Image.Image, place: Box, random: Random) -> DrawnEdit:
    """The face blurred by 6 to 12 % of its width."""
    left, top, right, bottom = _whole(place, image.size)
    output = image.copy()
    part = image.crop((left, top, right, bottom))
    output.paste(part.filter(ImageFilter.GaussianBlur((right - left) * float(random.uniform(0.06, 0.12)))), (left, top))
    return DrawnEdit("face blurred", image, _jpeg(output), place)


def paste_logo(image: Image.Image, logo: Image.Image, found: Sequence[Box], random: Random) -> DrawnEdit | None:
    """A logo where nothing was found, turned a little; None if there is no room."""
    width = round(float(random.uniform(0.16, 0.32)) * max(image.size))
    mark = logo.resize((width, round(width * logo.height / logo.width)), Image.Resampling.LANCZOS)
    mark = mark.rotate(float(random.uniform(-12, 12)), expand=True, resample=Image.Resampling.BICUBIC)
    place = _free_place(image, mark.size, found, random)
    if place is None:
        return None
    output = image.copy()
    ink = Image.new("RGB", mark.size, _contrasting(image, place))
    output.paste(ink, (int(place[0]), int(place[1])), mark.getchannel("A"))
    return DrawnEdit("logo pasted", image, _jpeg(output), place)


def warp(name: str, image: Image.Image, place: Box, random: Random) -> DrawnEdit:
    """What stands there is drawn out and twisted, as an edit that paints it anew would."""
    left, top, right, bottom = _whole(place, image.size)
    part = np.asarray(image)[top:bottom, left:right]
    height, width = part.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = (x - width / 2) / (width / 2), (y - height / 2) / (height / 2)
    angle = float(random.choice([-1, 1]) * random.uniform(0.5, 0.9)) * np.clip(1 - np.hypot(across, down), 0, 1)
    phase = float(random.uniform(0, 6))
    wave = 0.06 * np.sin(2 * np.pi * across + phase)
    from_x = (np.cos(angle) * across - np.sin(angle) * down) * width / 2 + width / 2
    from_y = (np.sin(angle) * across + np.cos(angle) * down + wave) * height / 2 + height / 2
    twisted = cv2.remap(
        part, from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    pixels = np.array(image)
    pixels[top:bottom, left:right] = twisted
    return DrawnEdit(name, image, _jpeg(Image.fromarray(pixels)), place)


def _rewritten(image: Image.Image, place: Box, random: Random) -> DrawnEdit:
    left, top, right, bottom = place
    output = _painted_over(image, place)
    height = bottom - top
    size = max(8.0, min(height, right - left) * 0.8)
    font = ImageFont.load_default(size=size)
    count = max(3, round((right - left) / (size * 0.65)))
    word = "".join(random.choice(list(_LETTERS), count).tolist())
    ImageDraw.Draw(output).text(
        ((left + right) / 2, (top + bottom) / 2), word, fill=_contrasting(output, place), font=font, anchor="mm"
    )
    return DrawnEdit("text garbled", image, _jpeg(output), place)


def _painted_over(image: Image.Image, place: Box) -> Image.Image:
    left, top, right, bottom = _whole(place, image.size)
    rim = max(3, (bottom - top) // 10)
    hole = np.zeros((image.height, image.width), np.uint8)
    hole[max(0, top - rim) : bottom + rim, max(0, left - rim) : right + rim] = 255
    painted: Any = cv2.inpaint(np.asarray(image), hole, 4, cv2.INPAINT_TELEA)
    return Image.fromarray(painted)


def _free_place(image: Image.Image, mark_wh: Sequence[float], found: Sequence[Box], random: Random) -> Box | None:
    """The calmest of many places where nothing was found: what is added must be legible."""
    width, height = image.size
    if mark_wh[0] >= 0.95 * width or mark_wh[1] >= 0.95 * height:
        return None
    grey = np.asarray(image.convert("L"), np.float32)
    free: list[tuple[float, Box]] = []
    for _ in range(_PLACES):
        left = float(random.uniform(0.02 * width, width * 0.98 - mark_wh[0]))
        top = float(random.uniform(0.02 * height, height * 0.98 - mark_wh[1]))
        place = (left, top, left + mark_wh[0], top + mark_wh[1])
        if not any(_touch(place, box) for box in found):
            free.append((float(grey[int(top) : int(place[3]), int(left) : int(place[2])].std()), place))
    return min(free)[1] if free else None


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _around(found: Sequence[Box], size_wh: tuple[int, int], *, margin: float) -> Box:
    if not found:
        return size_wh[0] * 0.4, size_wh[1] * 0.4, size_wh[0] * 0.6, size_wh[1] * 0.6
    rim = margin * max(size_wh)
    return (
        max(0.0, min(box[0] for box in found) - rim),
        max(0.0, min(box[1] for box in found) - rim),
        min(float(size_wh[0]), max(box[2] for box in found) + rim),
        min(float(size_wh[1]), max(box[3] for box in found) + rim),
    )


def _contrasting(image: Image.Image, place: Box) -> tuple[int, int, int]:
    part = np.asarray(image.crop(_whole(place, image.size)).convert("L"), np.float32)
    return (20, 24, 40) if part.mean() > 120 else (245, 240, 225)


def _whole(place: Box, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
    left, top = max(0, int(place[0])), max(0, int(place[1]))
    return left, top, min(size_wh[0], max(left + 2, int(place[2]))), min(size_wh[1], max(top + 2, int(place[3])))


def _jpeg(image: Image.Image, quality: int = 88) -> Image.Image:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    with Image.open(io.BytesIO(buffer.getvalue())) as read:
        return read.convert("RGB")
