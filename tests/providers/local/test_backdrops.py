"""Backdrops have the size that was asked for, and look the same each time."""

import numpy as np
import pytest

from pipeline.providers.local import backdrops
from pipeline.providers.local.canvas import Rgb

SEASONS = ["winter", "christmas", "autumn", "spring", "summer"]


def test_plain_is_one_colour() -> None:
    """Width 5, height 3."""
    drawn = backdrops.plain((5, 3), (10, 20, 30))
    assert drawn.shape == (3, 5, 3)
    assert (drawn == (10, 20, 30)).all()


def test_a_gradient_runs_downwards_unless_told() -> None:
    """Rows change and columns do not, but for the dither of less than one level."""
    drawn = backdrops.gradient((40, 60), (0, 0, 0), (200, 100, 50))
    np.testing.assert_allclose(drawn[0], np.broadcast_to((0, 0, 0), (40, 3)), atol=0.5)
    np.testing.assert_allclose(drawn[-1], np.broadcast_to((200, 100, 50), (40, 3)), atol=0.5)


def test_a_gradient_of_no_degrees_runs_to_the_right() -> None:
    """The left column has the first colour, the right one the second."""
    drawn = backdrops.gradient((60, 40), (0, 0, 0), (200, 100, 50), angle_degrees=0)
    np.testing.assert_allclose(drawn[:, 0], np.broadcast_to((0, 0, 0), (40, 3)), atol=0.5)
    np.testing.assert_allclose(drawn[:, -1], np.broadcast_to((200, 100, 50), (40, 3)), atol=0.5)


def test_studio_is_light_and_nearly_neutral() -> None:
    """A cove has no colour of its own."""
    drawn = backdrops.studio((300, 200))
    assert drawn.shape == (200, 300, 3)
    assert drawn.min() > 160
    assert np.ptp(drawn, axis=2).max() < 3


@pytest.mark.parametrize("name", SEASONS)
def test_a_season_is_the_same_each_time(name: str) -> None:
    """Drawn twice, not one value differs, and it fits a picture."""
    first, second = backdrops.season((160, 120), name), backdrops.season((160, 120), name)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (120, 160, 3)
    assert first.min() > -1
    assert first.max() < 256


def test_seasons_differ() -> None:
    """No two have the same mean colour."""
    means = [backdrops.season((80, 60), name).mean(axis=(0, 1)).round().tolist() for name in SEASONS]
    assert len({tuple(mean) for mean in means}) == len(SEASONS)


def test_an_unknown_season_is_a_wrong_call() -> None:
    """The message names those that exist."""
    with pytest.raises(ValueError, match=r"monsoon.*winter"):
        backdrops.season((10, 10), "monsoon")


@pytest.mark.parametrize(("width", "height"), [(50, 90), (90, 50), (33, 33), (400, 10)])
def test_cover_fills_the_size_from_the_middle(width: int, height: int) -> None:
    """A picture that is red left and blue right keeps its middle in the middle."""
    picture: Rgb = np.zeros((60, 100, 3), np.uint8)
    picture[:, :50, 0] = 255
    picture[:, 50:, 2] = 255
    covered = backdrops.cover(picture, (width, height))
    assert covered.shape == (height, width, 3)
    assert covered[height // 2, 1, 0] > 250
    assert covered[height // 2, -2, 2] > 250
