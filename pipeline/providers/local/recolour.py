"""Another colour for the item, or another mood for the picture."""

import numpy as np
from numpy.typing import NDArray

from pipeline.providers.local.canvas import Edited, Rgb


def recolour(
    rgb: Rgb,
    colour: tuple[int, int, int],
    *,
    source_colour: tuple[int, int, int] | None = None,
    alpha: NDArray[np.uint8] | None = None,
    region: tuple[int, int, int, int] | None = None,
) -> Edited:
    """The item in another colour; prints and shading stay."""
    raise NotImplementedError


def match_colours(rgb: Rgb, reference: Rgb, *, strength: float = 0.5) -> Edited:
    """The picture with the colour mood of another."""
    raise NotImplementedError
