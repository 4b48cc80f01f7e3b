"""The rules that outputs are held against, and their thresholds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

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

Aspect = Annotated[str, Field(pattern=r"^[1-9]\d*(\.\d+)?:[1-9]\d*(\.\d+)?$")]
"""Width to height, such as ``1:1.44``."""


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


@checked_dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class QualityRules:
    """The table ``[detector_options.quality]``.

    Attributes:
        off: Rules that are not looked at.
        min_side_px: The shorter side must have so many pixels; Google Merchant wants 500 from 2027-01-31
            (support.google.com/merchants/answer/6324350, read 2026-11-20).
        min_long_side_px: The longer side must have so many; eBay wants 500 (its help page 4370, read 2026-11-20).
        aspects: Width to height must be one of these; Zalando wants ``1:1.44``, Walmart ``1:1``.
        shape_change: By how much width to height may differ from the source, or from ``aspects``, as a share.
        least_pixels: So many of the source's pixels an output must have, as a share.
        enough_px: A longer side of so many pixels is enough, however large the source: what Amazon wants for its zoom.
        blur: How many times as wide as the source's an output's edges may be.
    """

    off: tuple[RuleName, ...] = ()
    min_side_px: int | None = Field(default=None, ge=1)
    min_long_side_px: int | None = Field(default=None, ge=1)
    aspects: tuple[Aspect, ...] = ()
    shape_change: float = Field(default=0.02, gt=0, lt=1)
    least_pixels: float = Field(default=0.5, gt=0, le=1)
    enough_px: int = Field(default=1000, ge=1)
    blur: float = Field(default=1.5, gt=1, allow_inf_nan=False)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "QualityRules":
        """The rules of a desk.

        Args:
            options: The desk's table ``[detector_options.quality]``.

        Raises:
            UsageError: A key or a value is wrong; says which, and what there is.
        """
        known = list(cls.__dataclass_fields__)
        unknown = [key for key in options if key not in known]
        if unknown:
            raise UsageError(f"detector_options.quality: unknown {', '.join(unknown)}; there are: {', '.join(known)}")
        try:
            return TypeAdapter(cls).validate_python(dict(options))
        except ValidationError as exc:
            problems = "; ".join(
                f"detector_options.quality.{'.'.join(map(str, error['loc']))}: found {error['input']!r}; {error['msg']}"
                for error in exc.errors()
            )
            raise UsageError(f"{problems}. Mend it in picturedesk.toml") from exc


def score_of(ratio: float) -> float:
    """A score for something that is so many times its threshold: .4 at 1, and 1 from 2.5."""
    return min(1.0, 0.4 * ratio)
