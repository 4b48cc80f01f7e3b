"""One picture for all detectors: decoded once, scaled once for each size that is asked for."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""(height, width, 3), RGB."""

_STAGE_PX = 1024


class Picture:
    """A picture with smaller copies.

    Args:
        image: RGB or RGBA, upright; what is transparent is seen on white.
    """

    def __init__(self, image: Image.Image) -> None:
        if image.mode == "RGBA":
            ground = Image.new("RGB", image.size, "white")
            ground.paste(image, mask=image.getchannel("A"))
            image = ground
        self.rgb: Pixels = np.asarray(image.convert("RGB"))
        self._copies: dict[tuple[int, int], Pixels] = {}

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def fitted(self, long_side: int, *, multiple: int) -> tuple[Pixels, float, float]:
        """A copy whose sides are multiples, for a network that wants them so; never larger than the picture.

        Args:
            long_side: Longest side in pixels, before rounding.
            multiple: What both sides are rounded to.

        Returns:
            The copy, and how much smaller it is in x and in y.
        """
        width, height = self.size_wh
        scale = min(1.0, long_side / max(width, height))
        size = _rounded(width * scale, multiple), _rounded(height * scale, multiple)
        return self._scaled(size), size[0] / width, size[1] / height

    def _scaled(self, size_wh: tuple[int, int]) -> Pixels:
        if size_wh == self.size_wh:
            return self.rgb
        if size_wh not in self._copies:
            stage = self._stage() if max(size_wh) < _STAGE_PX else self.rgb
            shrinks = size_wh[0] < stage.shape[1]
            how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            self._copies[size_wh] = _as_pixels(cv2.resize(stage, size_wh, interpolation=how))
        return self._copies[size_wh]

    def _stage(self) -> Pixels:
        """A copy of about a megapixel: the small ones are made from it at a fraction of the work."""
        width, height = self.size_wh
        scale = _STAGE_PX / max(width, height)
        if scale >= 0.75:
            return self.rgb
        return self._scaled((round(width * scale), round(height * scale)))


def _rounded(side: float, multiple: int) -> int:
    return max(multiple, round(side / multiple) * multiple)


def _as_pixels(array: Any) -> Pixels:  # noqa: ANN401 - OpenCV's stubs say any dtype
    pixels: Pixels = array
    return pixels
