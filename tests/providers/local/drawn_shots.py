"""Product shots with known masks, and grounds, drawn for the tests: shaded, with a soft shadow and sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Mask, Rgb

Floats = NDArray[np.float32]
SIDE_PX = 400


@dataclass(frozen=True)
class Shot:
    """A picture and the pixels that its item covers."""

    rgb: Rgb
    item: Mask

    @property
    def box(self) -> tuple[int, int, int, int]:
        rows, columns = np.nonzero(self.item)
        return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1

    @property
    def alpha(self) -> NDArray[np.uint8]:
        return self.item.astype(np.uint8) * 255


def mug(ground: tuple[int, int, int] = (226, 224, 220), colour: tuple[int, int, int] = (24, 118, 128)) -> Shot:
    """A mug with a see-through handle and a white print."""
    item = _shape(lambda pen: cv2.rectangle(pen, (120, 110), (250, 300), 1, -1))
    ring = _shape(lambda pen: cv2.ellipse(pen, (250, 200), (60, 66), 0, 0, 360, 1, -1))
    hole = _shape(lambda pen: cv2.ellipse(pen, (250, 200), (38, 44), 0, 0, 360, 1, -1))
    body = item | (ring & ~hole)
    label = _shape(lambda pen: cv2.rectangle(pen, (155, 180), (215, 220), 1, -1))
    return _develop(body, colour, ground, prints=[(label, (244, 240, 232))])


def bottle(ground: tuple[int, int, int] = (205, 214, 222)) -> Shot:
    """A brown bottle with a neck."""
    item = _shape(lambda pen: cv2.rectangle(pen, (155, 150), (245, 340), 1, -1))
    item |= _shape(lambda pen: cv2.rectangle(pen, (182, 60), (218, 160), 1, -1))
    return _develop(item, (92, 52, 24), ground)


def carton(ground: tuple[int, int, int] = (240, 240, 240)) -> Shot:
    """A yellow box seen at an angle."""
    corners = np.array([[90, 150], [250, 120], [320, 160], [316, 290], [240, 340], [94, 310]], np.int32)
    return _develop(_shape(lambda pen: cv2.fillPoly(pen, [corners], 1)), (228, 168, 40), ground)


def pebbles(side_px: int = 320, *, seed: int = 5) -> Rgb:
    """A ground of round stones of many greys, without an item."""
    rng = np.random.default_rng(seed)
    picture = np.full((side_px, side_px, 3), 60, np.uint8)
    for _ in range(side_px * 6):
        centre = tuple(int(value) for value in rng.integers(0, side_px, 2))
        grey = int(rng.integers(70, 220))
        axes = (int(rng.integers(4, 10)), int(rng.integers(4, 8)))
        cv2.ellipse(
            picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, (grey, grey - 6, grey - 14), -1, cv2.LINE_AA
        )
    return picture


def room(side_px: int = 320) -> Rgb:
    """A scene with structure up to the frame: a wall, a floor, a window and a table."""
    picture = np.full((side_px, side_px, 3), (188, 172, 150), np.uint8)
    cv2.rectangle(picture, (0, 210), (320, 320), (110, 72, 44), -1)
    for x in range(0, 320, 24):
        cv2.line(picture, (160, 190), (x * 3 - 320, 320), (86, 54, 30), 2, cv2.LINE_AA)
    cv2.rectangle(picture, (20, 0), (130, 120), (150, 196, 228), -1)
    cv2.rectangle(picture, (180, 140), (320, 165), (60, 36, 20), -1)
    cv2.rectangle(picture, (290, 165), (310, 300), (60, 36, 20), -1)
    noise = np.random.default_rng(6).normal(0, 5, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def plain_ground(width: int = 320, height: int = 240, *, noise: float = 1.5) -> Rgb:
    """A seamless backdrop, a little darker to the bottom right."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 228 - 14 * (x / width) - 10 * (y / height)
    grain = np.random.default_rng(8).normal(0, noise, (height, width, 1))
    return np.asarray(np.clip(light[..., None] + np.array((0, -2, -6)) + grain, 0, 255), np.uint8)


def iou(first: Mask, second: Mask) -> float:
    """Intersection over union."""
    return float((first & second).sum() / (first | second).sum())


def _shape(draw: object) -> Mask:
    pen = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    assert callable(draw)
    draw(pen)
    return pen > 0


def _develop(
    item: Mask,
    colour: tuple[int, int, int],
    ground: tuple[int, int, int],
    prints: list[tuple[Mask, tuple[int, int, int]]] | None = None,
) -> Shot:
    y, x = np.mgrid[0:SIDE_PX, 0:SIDE_PX].astype(np.float32) / SIDE_PX
    backdrop = np.array(ground, np.float32) * (1.02 - 0.06 * np.hypot(x - 0.45, y - 0.4))[..., None]
    columns = np.flatnonzero(item.any(axis=0))
    bottom = int(np.flatnonzero(item.any(axis=1))[-1])
    shadow = np.zeros(item.shape, np.float32)
    centre = (int(columns.mean()) + 8, bottom)
    cv2.ellipse(shadow, centre, (len(columns) // 2, 12), 0, 0, 360, 0.4, -1)
    backdrop *= 1 - cv2.GaussianBlur(shadow, (0, 0), 11)[..., None]
    paint = np.broadcast_to(np.array(colour, np.float32), backdrop.shape).copy()
    for mask, tint in prints or []:
        paint[mask] = tint
    paint *= (0.75 + 0.4 * np.cos((x - 0.42) * 4))[..., None]
    soft = cv2.GaussianBlur(item.astype(np.float32), (0, 0), 0.7)[..., None]
    picture = backdrop * (1 - soft) + paint * soft
    picture += np.random.default_rng(4).normal(0, 1.5, picture.shape)
    return Shot(np.asarray(np.clip(picture, 0, 255), np.uint8), item)
