"""Crop, pad and extend."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Edited, Rgb

ExtendMode = Literal["auto", "plain", "patch", "blur", "mirror"]


def crop_to_ratio(rgb: Rgb, ratio: float, *, alpha: NDArray[np.uint8] | None = None) -> Edited:
    """Crop to width / height = ratio without cutting the item."""
    raise NotImplementedError


def pad(
    rgb: Rgb,
    margin: float,
    *,
    colour: tuple[int, int, int] | None = None,
    alpha: NDArray[np.uint8] | None = None,
) -> Edited:
    """Add a margin on every side."""
    raise NotImplementedError


def extend_to_ratio(rgb: Rgb, ratio: float, *, mode: ExtendMode = "auto") -> Edited:
    """Grow the canvas to width / height = ratio and fill what is new."""
    raise NotImplementedError
