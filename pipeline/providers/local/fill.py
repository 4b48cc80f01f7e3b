"""Continue the ground over a hole."""

from collections.abc import Sequence

from pipeline.providers.local.canvas import Edited, Mask, Rgb


def fill_patches(rgb: Rgb, hole: Mask, *, usable: Mask | None = None) -> Rgb:
    """Fill a hole with texture from elsewhere in the picture."""
    raise NotImplementedError


def erase(rgb: Rgb, hole: Mask, *, is_text: bool = False) -> Edited:
    """Remove what is in the hole and continue what is round it."""
    raise NotImplementedError


def text_strokes(rgb: Rgb, boxes: Sequence[tuple[int, int, int, int]]) -> Mask:
    """The strokes of the lettering in the boxes."""
    raise NotImplementedError
