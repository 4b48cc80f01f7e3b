"""Backgrounds to put an item on. All are drawn here; the numbers were chosen by eye, 2026-11-20 and 21."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.providers.local.canvas import Rgb
from pipeline.providers.local.lab import Floats

Colour = tuple[int, int, int]

_DRAWN_PX = 1024  # soft backdrops are drawn at most this large and enlarged


@dataclass(frozen=True, slots=True)
class _Season:
    sky: Colour
    low: Colour
    light: Colour


_SEASONS = {
    "winter": _Season((205, 222, 240), (120, 150, 190), (255, 255, 255)),
    "christmas": _Season((110, 12, 22), (40, 4, 10), (255, 205, 110)),
    "autumn": _Season((240, 170, 80), (130, 55, 20), (255, 210, 120)),
    "spring": _Season((226, 242, 214), (244, 190, 205), (255, 255, 240)),
    "summer": _Season((120, 205, 240), (250, 226, 170), (255, 255, 255)),
}


def plain(size_wh: tuple[int, int], colour_rgb: Colour) -> Floats:
    """One colour, (height, width, 3), 0..255."""
    return np.full((size_wh[1], size_wh[0], 3), colour_rgb, np.float32)


def gradient(size_wh: tuple[int, int], first: Colour, second: Colour, *, angle_degrees: float = 90) -> Floats:
    """A straight run from one colour to another, (height, width, 3), 0..255.

    Args:
        size_wh: Width and height in pixels.
        first: Where it begins.
        second: Where it ends.
        angle_degrees: Direction; 0 runs to the right, 90 downwards.
    """
    width, height = size_wh
    angle = np.radians(angle_degrees)
    # Rounded, or 90 degrees would leave a trace of the cosine behind and tilt very wide pictures.
    x_part, y_part = round(float(np.cos(angle)), 9), round(float(np.sin(angle)), 9)
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :] * np.float32(x_part)
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None] * np.float32(y_part)
    place = x + y
    place -= place.min()
    place /= max(float(place.max()), 1e-6)
    return _dithered(_mixed(first, second, place))


def studio(size_wh: tuple[int, int]) -> Floats:
    """A light grey cove: a wall that turns into a floor, darker to the corners; (height, width, 3), 0..255."""
    width, height = _drawn_size(size_wh)
    x, y = _unit_grid(width, height)
    floor = _step(y, at=0.74, steepness=26)
    corner = np.clip(np.hypot(x - 0.5, (y - 0.42) * 1.05) - 0.25, 0, 1) ** 1.3
    light = 1 - 0.10 * floor - 0.16 * corner
    drawn = light[..., None].astype(np.float32) * np.array((244, 244, 245), np.float32)
    return _dithered(_enlarged(drawn, size_wh))


def season(size_wh: tuple[int, int], name: str) -> Floats:
    """An abstract seasonal backdrop with lights out of focus over a table; (height, width, 3), 0..255.

    Args:
        size_wh: Width and height in pixels.
        name: winter, christmas, autumn, spring or summer.

    Raises:
        ValueError: There is no such season.
    """
    if name not in _SEASONS:
        raise ValueError(f"no season {name!r}; expected one of {', '.join(_SEASONS)}")
    colours = _SEASONS[name]
    width, height = _drawn_size(size_wh)
    _, y = _unit_grid(width, height)
    drawn = _mixed(colours.sky, colours.low, y)
    light = _lights((width, height), seed=list(_SEASONS).index(name))[..., None]
    drawn += (np.array(colours.light, np.float32) - drawn) * light
    table = np.array(colours.low, np.float32) * 0.72 + np.array(colours.light, np.float32) * 0.18
    cover_part = _step(y, at=0.80, steepness=60)[..., None] * np.float32(0.85)
    drawn += (table - drawn) * cover_part
    return _dithered(_enlarged(drawn.astype(np.float32), size_wh))


def cover(picture: Rgb, size_wh: tuple[int, int]) -> Floats:
    """A picture, scaled and cropped evenly so that it fills the size; (height, width, 3), 0..255."""
    width, height = size_wh
    factor = max(height / picture.shape[0], width / picture.shape[1])
    scaled_wh = (max(width, round(picture.shape[1] * factor)), max(height, round(picture.shape[0] * factor)))
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, scaled_wh, interpolation=interpolation)
    top, left = (scaled_wh[1] - height) // 2, (scaled_wh[0] - width) // 2
    return np.asarray(scaled[top : top + height, left : left + width], np.float32)


def _lights(size_wh: tuple[int, int], *, seed: int) -> Floats:
    """How bright discs out of focus make each pixel, in [0, 1]; groups of twelve share one softness."""
    width, height = size_wh
    rng = np.random.default_rng([20261121, seed])
    side = max(width, height)
    brightest = np.zeros((height, width), np.float32)
    for _ in range(4):
        layer = np.zeros((height, width), np.float32)
        for _ in range(12):
            centre = (int(rng.uniform(0, width)), int(height * rng.beta(1.2, 1.6)))
            cv2.circle(
                layer, centre, int(side * rng.uniform(0.012, 0.06)), float(rng.uniform(0.15, 0.5)), -1, cv2.LINE_AA
            )
        softness = side * (0.002 + 0.004 * rng.uniform())
        brightest = np.maximum(brightest, cv2.GaussianBlur(layer, (0, 0), softness))
    return brightest


def _mixed(first: Colour, second: Colour, place: Floats) -> Floats:
    mixed = np.empty((*place.shape, 3), np.float32)
    for channel in range(3):
        mixed[..., channel] = first[channel] + place * np.float32(second[channel] - first[channel])
    return mixed


def _step(values: Floats, *, at: float, steepness: float) -> Floats:
    return np.asarray(1 / (1 + np.exp(-(values - at) * steepness)), np.float32)


def _unit_grid(width: int, height: int) -> tuple[Floats, Floats]:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j].astype(np.float32)
    return x, y


def _drawn_size(size_wh: tuple[int, int]) -> tuple[int, int]:
    factor = min(1.0, _DRAWN_PX / max(size_wh))
    return max(1, round(size_wh[0] * factor)), max(1, round(size_wh[1] * factor))


def _enlarged(drawn: Floats, size_wh: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(drawn, size_wh, interpolation=cv2.INTER_LINEAR), np.float32)


def _dithered(drawn: Floats) -> Floats:
    """Less than one level of noise, so that rounding to 8 bits leaves no bands."""
    rng = np.random.default_rng(20261121)
    drawn += (rng.random(drawn.shape[:2], np.float32) - np.float32(0.5))[..., None]
    return drawn
