"""What the local edits work on, and what they have to say about their own work."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.values import Box

Rgb = NDArray[np.uint8]
"""Pixels, (height, width, 3), sRGB."""

Matte = NDArray[np.float32]
"""How much of each pixel is the item, (height, width), in [0, 1]."""

Mask = NDArray[np.bool_]
"""Which pixels are meant, (height, width)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something an edit knows to be doubtful about its own result.

    Attributes:
        rule: Stable name, such as ``fill_large``.
        score: How strongly, in [0, 1].
        note: The measured figure in words.
        xyxy: Where, in pixels of the result; None for the whole picture.
    """

    rule: str
    score: float
    note: str
    xyxy: Box | None = None


@dataclass(frozen=True, slots=True)
class Edited:
    """The result of one operation.

    Attributes:
        rgb: The new pixels.
        alpha: How opaque they are, (height, width) uint8; None for a picture without transparency.
        findings: What a reviewer should look at.
    """

    rgb: Rgb
    alpha: NDArray[np.uint8] | None = None
    findings: tuple[Finding, ...] = ()
