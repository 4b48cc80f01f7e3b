"""What can be measured of a picture that is to go somewhere: its ring, its item, and what it says of its origin."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB."""

_RING = 1 / 64
_PLAIN = 0.6
# What an encoder or a camera leaves on a plain ground; a drop shadow is darker, and counts as item.
_LIKE_GROUND = 12

# A JUMBF description box with the UUID of a C2PA manifest store (C2PA 2.2, 11.1.4.2, read 2026-11-21).
_CREDENTIALS = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"


@dataclass(frozen=True, slots=True)
class Ring:
    """What of a ring around a picture has another colour than it should.

    Attributes:
        share: How much of the ring, in [0, 1].
        colour: The middle of those colours: red, green and blue.
        sides: Where: left, top, right, bottom.
    """

    share: float
    colour: tuple[int, int, int]
    sides: tuple[str, ...]


def rgb_of(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#rrggbb``."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def ring_not(image: Image.Image, colour: tuple[int, int, int], *, ring: float) -> Ring:
    """What of a picture's ring is not exactly that colour; what is transparent is not.

    Args:
        image: RGB or RGBA.
        colour: Red, green and blue.
        ring: The ring's width, as a share of the longer side; at least a pixel.
    """
    rgba = np.asarray(image.convert("RGBA"))
    height, width = rgba.shape[:2]
    thick = min(max(1, round(max(height, width) * ring)), height, width)
    other = (rgba != (*colour, 255)).any(axis=2)
    inside = np.zeros_like(other)
    inside[thick : height - thick, thick : width - thick] = True
    other &= ~inside
    sides = {
        "left": other[:, :thick],
        "top": other[:thick],
        "right": other[:, width - thick :],
        "bottom": other[height - thick :],
    }
    named = tuple(name for name, pixels in sides.items() if pixels.any())
    found = rgba[other][:, :3] if named else np.array([colour])
    red, green, blue = (int(value) for value in np.median(found, axis=0))
    return Ring(float(other.sum() / (~inside).sum()), (red, green, blue), named)


def fill_of(image: Image.Image) -> float | None:
    """How much of a side the item takes, the longer of both shares; None where the ground is not plain.

    Its shadow counts as item where it is darker than the ground by more than 12 of 255.

    Args:
        image: RGB or RGBA; what is transparent is seen on white.
    """
    pixels = _on_white(image)
    ground = _plain_ground(pixels)
    if ground is None:
        return None
    apart = cv2.absdiff(pixels, np.broadcast_to(np.array(ground, np.uint8), pixels.shape)).max(axis=2)
    item = cv2.morphologyEx((apart > _LIKE_GROUND).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, _, width, height = cv2.boundingRect(item)
    return float(max(width / item.shape[1], height / item.shape[0])) if width else None


def has_ground(image: Image.Image, colour: tuple[int, int, int]) -> bool:
    """Whether the picture's ground is plain and has nearly that colour: more of it, added around, would not be seen."""
    ground = _plain_ground(_on_white(image))
    return ground is not None and max(abs(a - b) for a, b in zip(ground, colour, strict=True)) <= 2


def has_credentials(data: bytes) -> bool:
    """Whether a file has a C2PA manifest; whether that holds is another question."""
    return _CREDENTIALS in data


def _on_white(image: Image.Image) -> Pixels:
    if image.mode == "RGBA":
        ground = Image.new("RGB", image.size, "white")
        ground.paste(image, mask=image.getchannel("A"))
        image = ground
    return np.asarray(image.convert("RGB"))


def _plain_ground(pixels: Pixels) -> tuple[int, int, int] | None:
    """The colour of most of the ring; None if it has no such colour."""
    height, width = pixels.shape[:2]
    thick = max(1, round(max(height, width) * _RING))
    ring = np.concatenate(
        [
            pixels[:thick].reshape(-1, 3),
            pixels[-thick:].reshape(-1, 3),
            pixels[:, :thick].reshape(-1, 3),
            pixels[:, -thick:].reshape(-1, 3),
        ]
    ).astype(np.int16)
    colour = np.median(ring, axis=0).astype(np.int16)
    if (np.abs(ring - colour).max(axis=1) <= _LIKE_GROUND).mean() < _PLAIN:
        return None
    red, green, blue = colour.tolist()
    return red, green, blue
