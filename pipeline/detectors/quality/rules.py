"""The rules that outputs are held against, and their thresholds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pipeline.detectors.options import DetectorOptions, read_options
from pipeline.errors import UsageError
from pipeline.values import Box

RuleName = Literal[
    "too_small",
    "other_shape",
    "blank",
    "unchanged",
    "near_duplicate",
    "blurred",
    "off_white",
    "border",
    "watermark",
]

RULES: tuple[str, ...] = get_args(RuleName)

OF_THE_FRAME: tuple[RuleName, ...] = ("too_small", "other_shape", "border")
"""Rules that an edit does not break that was asked for another size or shape."""

_ASPECT = re.compile(r"[1-9]\d*(\.\d+)?:[1-9]\d*(\.\d+)?")

Pixels = Annotated[float, (0, 100_000)]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A rule that an output breaks.

    Attributes:
        rule: Its name.
        score: How clearly, in [0, 1].
        note: The figures, and the rule in words.
        xyxy: Where, in pixels of the output; None for the whole picture.
    """

    rule: RuleName
    score: float
    note: str
    xyxy: Box | None = None


@dataclass(frozen=True, kw_only=True)
class QualityRules(DetectorOptions):
    """The table ``[detector_options.quality]``.

    Attributes:
        off: Rules that are not looked at.
        min_side_px: The shorter side must have so many pixels, 0 for any; Google Merchant wants 500 from 2027-01-31
            (support.google.com/merchants/answer/6324350, read 2026-11-20).
        min_long_side_px: The longer side must have so many, 0 for any; eBay wants 500 (its help page 4370,
            read 2026-11-20).
        aspects: Width to height must be one of these, such as ``1:1.44``, which Zalando wants; Walmart wants ``1:1``.
        shape_change: By how much width to height may differ from the source, or from ``aspects``, as a share.
        least_pixels: So many of the source's pixels an output must have, as a share.
        enough_px: A longer side of so many pixels is enough, however large the source: what Amazon wants for its zoom.
        blur: How many times as wide as the source's an output's edges may be.
    """

    off: tuple[RuleName, ...] = ()
    min_side_px: Pixels = 0
    min_long_side_px: Pixels = 0
    aspects: tuple[str, ...] = ()
    shape_change: Annotated[float, (0.001, 0.999)] = 0.02
    least_pixels: Annotated[float, (0.001, 1)] = 0.5
    enough_px: Pixels = 1000
    blur: Annotated[float, (1.01, 100)] = 1.5

    def check(self) -> None:
        """Refuse a ratio that is none."""
        for aspect in self.aspects:
            if not _ASPECT.fullmatch(aspect):
                raise UsageError(f"aspects: found {aspect!r}; expected width to height, such as 1:1.44")

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "QualityRules":
        """The rules of a desk.

        Args:
            options: The desk's table ``[detector_options.quality]``.

        Raises:
            UsageError: A key or a value is wrong; says which, and what there is.
        """
        return read_options(cls, options, "quality")


def score_of(ratio: float) -> float:
    """A score for something that is so many times its threshold: .4 at 1, and 1 from 2.5."""
    return min(1.0, 0.4 * ratio)
