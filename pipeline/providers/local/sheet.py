"""A picture that can be painted on, with or without transparency."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Matte, Rgb
from pipeline.providers.local.colours import Rgb8


@dataclass(slots=True)
class Sheet:
    """Pixels to paint on; the arrays are its own and are changed.

    Attributes:
        rgb: (height, width, 3) uint8.
        alpha: (height, width) uint8, or None for a picture without transparency.
    """

    rgb: Rgb
    alpha: NDArray[np.uint8] | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def paint(self, mask: Matte, left_top: tuple[float, float], colour: Rgb8 | NDArray[np.float32]) -> None:
        """Lay a colour, or a picture of the mask's size, over what is there, as strongly as the mask says."""
        left, top = int(left_top[0]), int(left_top[1])
        width, height = self.size_wh
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + mask.shape[1]), min(height, top + mask.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        over = mask[inside][..., None]
        paint = np.asarray(colour, np.float32)
        if paint.ndim == 3:
            paint = paint[inside]
        spot = np.s_[y0:y1, x0:x1]
        under = np.ones_like(over) if self.alpha is None else self.alpha[spot][..., None].astype(np.float32) / 255
        total = over + under * (1 - over)
        mixed = (paint * over + self.rgb[spot] * under * (1 - over)) / np.maximum(total, 1e-6)
        self.rgb[spot] = np.where(total > 0, np.clip(mixed + 0.5, 0, 255), self.rgb[spot]).astype(np.uint8)
        if self.alpha is not None:
            self.alpha[spot] = np.clip(total[..., 0] * 255 + 0.5, 0, 255).astype(np.uint8)
