"""Turning, mirroring, scaling and the dials, on pictures whose outcome is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.providers.local.adjust import adjust, flip, resize, rotate

CORNERS = np.array([[[10, 0, 0], [20, 0, 0]], [[30, 0, 0], [40, 0, 0]]], np.uint8)


def ramp(low: int, high: int) -> NDArray[np.uint8]:
    """Grey from left to right, 64 x 256."""
    line = np.linspace(low, high, 256).round().astype(np.uint8)
    return np.broadcast_to(line[None, :, None], (64, 256, 3)).copy()


@pytest.mark.parametrize(
    ("degrees", "reds"), [(90, [[30, 10], [40, 20]]), (180, [[40, 30], [20, 10]]), (270, [[20, 40], [10, 30]])]
)
def test_turning_is_clockwise_and_takes_the_transparency_along(degrees: int, reds: list[list[int]]) -> None:
    turned = rotate(CORNERS, degrees, alpha=CORNERS[..., 0])
    assert turned.rgb[..., 0].tolist() == reds
    assert turned.alpha is not None
    assert turned.alpha.tolist() == reds


def test_mirroring_swaps_left_and_right_or_top_and_bottom() -> None:
    assert flip(CORNERS, "horizontal").rgb[..., 0].tolist() == [[20, 10], [40, 30]]
    assert flip(CORNERS, "vertical").rgb[..., 0].tolist() == [[30, 40], [10, 20]]


def test_scaling_lets_nothing_hidden_bleed_into_what_is_seen() -> None:
    """Red under full transparency beside opaque white: the edge stays white."""
    rgb = np.full((40, 40, 3), 255, np.uint8)
    rgb[:, :20] = (255, 0, 0)
    alpha = np.full((40, 40), 255, np.uint8)
    alpha[:, :20] = 0
    scaled = resize(rgb, 10, 10, alpha=alpha)
    assert scaled.rgb.shape == (10, 10, 3)
    assert scaled.alpha is not None
    np.testing.assert_array_equal(scaled.rgb[scaled.alpha > 0], 255)


@pytest.mark.parametrize(("percent", "sign"), [(30, 1), (-30, -1)])
def test_brightness_moves_the_middle_and_neither_black_nor_white(percent: float, sign: int) -> None:
    before, after = ramp(0, 255), adjust(ramp(0, 255), "brightness", percent).rgb
    assert (after[0, 0, 0], after[0, -1, 0]) == (0, 255)
    assert sign * (int(after[0, 128, 0]) - int(before[0, 128, 0])) > 15


@pytest.mark.parametrize("dial", ["brightness", "contrast", "saturation", "warmth", "sharpness"])
def test_no_percent_changes_nothing(dial: str) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(adjust(picture, dial, 0).rgb, picture, atol=1)


def test_the_dials_turn_the_right_way() -> None:
    picture = np.random.default_rng(3).integers(60, 190, (32, 32, 3), dtype=np.uint8)
    assert adjust(picture, "contrast", 40).rgb.std() > 1.3 * picture.std()
    assert np.ptp(adjust(picture, "saturation", -100).rgb.astype(int), axis=2).max() <= 1
    warm = adjust(picture, "warmth", 50).rgb.astype(int) - picture
    assert warm[..., 0].mean() > 2 > -2 > warm[..., 2].mean()
    assert np.abs(np.diff(adjust(picture, "sharpness", 80).rgb.astype(int), axis=1)).mean() > 1.2 * (
        np.abs(np.diff(picture.astype(int), axis=1)).mean()
    )


@pytest.mark.parametrize(
    ("low", "high", "darkest", "lightest"),
    [
        (60, 190, (0, 1), (254, 255)),  # reaches from black to white
        (100, 102, (95, 99), (103, 107)),  # nearly flat: stretched four times and no more, where it is
        (77, 77, (77, 77), (77, 77)),  # flat: as it was
        (0, 20, (0, 1), (75, 85)),  # dark: its black stays black
    ],
)
def test_levels_stretch_what_is_there(low: int, high: int, darkest: tuple[int, int], lightest: tuple[int, int]) -> None:
    after = adjust(ramp(low, high), "levels", 0).rgb
    assert darkest[0] <= after.min() <= darkest[1]
    assert lightest[0] <= after.max() <= lightest[1]
