"""Text as masks."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import EditRefused
from pipeline.providers.local.lettering import Lettering


def test_a_line_is_as_high_as_asked_and_grows_with_its_text() -> None:
    short, long = (Lettering().line(text, size_px=40) for text in ("Sale", "Sale today"))
    rows = np.flatnonzero((short > 0.5).any(axis=1))
    assert 24 <= rows[-1] - rows[0] <= 44
    assert long.shape[1] > 1.8 * short.shape[1]


def test_a_block_breaks_its_lines_to_the_width() -> None:
    block, size_px = Lettering().block("one two three four five six", width_px=200, size_px=40)
    assert block.shape[1] <= 200
    assert block.shape[0] > 2 * size_px


def test_a_word_too_wide_is_set_smaller() -> None:
    block, size_px = Lettering().block("incomprehensibilities", width_px=200, size_px=80)
    assert size_px < 40
    assert block.shape[1] <= 200


@pytest.mark.parametrize("content", [None, b"", b"no font"])
def test_a_font_that_cannot_be_read_says_which_option_to_set(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.ttf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EditRefused, match=r"broken\.ttf cannot be read as a font .* set the option font"):
        Lettering(str(path)).line("Sale", size_px=40)
