"""Whole-picture styles, on pictures whose outcome can be said beforehand."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.providers.local.operations import STYLES
from pipeline.providers.local.styles import apply_style

Rgb = NDArray[np.uint8]


def disc(ground: tuple[int, int, int], colour: tuple[int, int, int]) -> Rgb:
    """256 x 256, a disc of radius 70 in the middle."""
    picture = np.full((256, 256, 3), ground, np.uint8)
    cv2.circle(picture, (128, 128), 70, colour, -1)
    return picture


@pytest.mark.parametrize("name", STYLES)
def test_a_style_gives_a_picture_of_the_same_size_and_the_same_bytes_again(name: str) -> None:
    picture = disc((220, 200, 180), (40, 90, 160))
    styled = apply_style(picture, name)
    assert styled.shape == picture.shape
    assert styled.dtype == np.uint8
    assert not np.array_equal(styled, picture)
    np.testing.assert_array_equal(apply_style(picture, name), styled)


@pytest.mark.parametrize(
    ("ground", "colour"), [((240, 240, 240), (60, 60, 60)), ((200, 60, 60), (20, 118, 60))], ids=["lighter", "as light"]
)
def test_the_pencil_draws_an_outline_whether_by_light_or_by_colour(
    ground: tuple[int, int, int], colour: tuple[int, int, int]
) -> None:
    drawn = cv2.GaussianBlur(apply_style(disc(ground, colour), "pencil")[..., 0].astype(np.float32), (0, 0), 1.5)
    rim, outside = drawn[128, 56:62].min(), np.median(drawn[:, :40])
    assert rim < outside - 40


def test_the_brush_follows_the_shapes() -> None:
    """Beside a long upright edge the relief changes faster across it than along it."""
    picture = np.full((256, 256, 3), 200, np.uint8)
    picture[:, 128:] = 90
    relief = apply_style(picture, "oil")[..., 1].astype(np.float32)[:, 140:180]
    assert np.abs(np.diff(relief, axis=1)).mean() > 2 * np.abs(np.diff(relief, axis=0)).mean()


def test_watercolour_paper_is_as_coarse_on_a_large_picture_as_on_a_small_one() -> None:
    """Shrunk to the same size, the grain of both is alike in strength."""
    small, large = (
        apply_style(np.full((side, side, 3), (90, 120, 60), np.uint8), "watercolour") for side in (512, 2048)
    )
    shrunk = cv2.resize(large, (512, 512), interpolation=cv2.INTER_AREA)
    assert 0.6 < shrunk[..., 1].std() / small[..., 1].std() < 1.4
