"""Tokens of a request before it is sent: what the price will depend on.

Output tokens: the formula of OpenAI's own calculator, ``GptImageTokenCalculator`` (a copy with its sha256 stands in a
public repository), checked against 48 published prices per picture and 4 measured replies on 2026-11-20. For
gpt-image-2.6 no grid is published: 2.5's, and four times the tokens at its lowest two, is an upper bound after
laozhang's comparison ("low and medium use 3-4 times the tokens of 2.5, high and above the same", read 2026-11-20),
so it counts as an estimate, and the reply's usage is the truth.

Input tokens of a picture are published nowhere for these models: one for each 32 x 32 pixels, at most 1,536, fits
the difference between published edit and generation prices for five of six sizes (LiteLLM's fal rows, 2026-11-20).
"""

import math
from collections.abc import Mapping

SHAPES_OF_AUTO = ((1024, 1024), (1536, 1024), (1024, 1536))
"""The sizes that ``auto`` chooses among (openai 3.52.0, image_edit_params.py)."""

_GRID_2 = {"low": 16, "medium": 48, "high": 96}
_GRID_2_5 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
_NEWEST = "gpt-image-2.6"
_TIMES_2_6 = {"low": 4, "medium": 4}
"""How often the tokens of 2.5."""

# gpt-image-1 and its kin: fixed counts at three sizes, from OpenAI's image guide of 2025.
_FIXED = {"low": (272, 408), "medium": (1056, 1584), "high": (4160, 6240)}

_MAX_INPUT = 1536
_PATCH = 32

INPUT_MARGIN = 2
"""The count is inferred: a reservation takes it twice, so that a budget holds even if half of it is missing."""

_CHARACTERS_PER_TOKEN = 3
"""English has about 4 (OpenAI's tokenizer page); 3 leaves room, and text is the smallest part of the price."""


def grid(ai_model: str) -> Mapping[str, int] | None:
    """By quality, into how many cells the long side is cut; None for models with fixed counts."""
    if ai_model.startswith(("gpt-image-2.5", _NEWEST)):
        return _GRID_2_5
    if ai_model.startswith("gpt-image-2"):
        return _GRID_2
    return None


def output_tokens(ai_model: str, quality: str, size_wh: tuple[int, int]) -> int | None:
    """Tokens of one output picture; None if this model or quality has no known count."""
    width, height = size_wh
    cells = grid(ai_model)
    if cells is None:
        if quality not in _FIXED:
            return None
        square, oblong = _FIXED[quality]
        return square if width == height else oblong
    if quality not in cells:
        return None
    across = cells[quality]
    long, short = max(size_wh), min(size_wh)
    # Python's round is half to even, as the calculator's.
    tokens = math.ceil(across * round(across * short / long) * (2_000_000 + width * height) / 4_000_000)
    return tokens * _TIMES_2_6.get(quality, 1) if ai_model.startswith(_NEWEST) else tokens


def input_image_tokens(size_wh: tuple[int, int] | None) -> int:
    """Tokens of one input picture; the most there can be if its size is not known."""
    if size_wh is None:
        return _MAX_INPUT
    width, height = size_wh
    return min(_MAX_INPUT, math.ceil(width / _PATCH) * math.ceil(height / _PATCH))


def text_tokens(prompt: str) -> int:
    """Tokens of an instruction, rather too many than too few: other scripts have more bytes to a letter."""
    return math.ceil(len(prompt.encode()) / _CHARACTERS_PER_TOKEN) + 1
