"""The frame moves; the item stays whole."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import EditRefused
from pipeline.providers.local import framing
from pipeline.providers.local.canvas import Rgb
from tests.providers.local import drawn_shots as drawn


def holds(outer: Rgb, inner: Rgb) -> bool:
    """Whether the inner picture occurs in the outer one, pixel for pixel."""
    found = cv2.matchTemplate(outer, inner, cv2.TM_SQDIFF)
    _, _, (left, top), _ = cv2.minMaxLoc(found)
    return bool((outer[top : top + inner.shape[0], left : left + inner.shape[1]] == inner).all())


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.8, 1.0, 1.5, 2.5])
def test_a_crop_never_cuts_the_item(ratio: float) -> None:
    """The mug's box is found again in the result, whole, at every ratio."""
    shot = drawn.mug()
    left, top, right, bottom = shot.box
    edited = framing.crop_to_ratio(shot.rgb, ratio)
    height, width = edited.rgb.shape[:2]
    assert width / height == pytest.approx(ratio, rel=0.02)
    assert holds(edited.rgb, shot.rgb[top:bottom, left:right])


def test_an_item_that_does_not_fit_makes_the_picture_grow() -> None:
    """A narrow crop of a mug becomes a taller picture, and says so."""
    edited = framing.crop_to_ratio(drawn.mug().rgb, 0.4)
    assert edited.rgb.shape == (1000, 400, 3)
    assert [one.rule for one in edited.findings] == ["crop_extended"]


def test_a_crop_without_an_item_is_marked() -> None:
    """Nobody knows what must stay in."""
    edited = framing.crop_to_ratio(drawn.room(), 1.5)
    assert [one.rule for one in edited.findings] == ["crop_unverified"]


def test_transparency_is_cropped_along() -> None:
    """Where the mask says the item is, the crop goes."""
    picture = drawn.room()
    alpha = np.zeros(picture.shape[:2], np.uint8)
    alpha[20:300, 10:90] = 255
    edited = framing.crop_to_ratio(picture, 0.5, alpha=alpha)
    assert edited.alpha is not None
    assert edited.alpha.shape == edited.rgb.shape[:2] == (320, 160)
    assert int((edited.alpha > 0).sum()) == 280 * 80


def test_a_coloured_margin_has_its_width() -> None:
    """A tenth of the longer side of 320 is 32 px on each side."""
    picture = drawn.room()
    edited = framing.pad(picture, 0.1, colour=(1, 2, 3))
    assert edited.rgb.shape == (384, 384, 3)
    assert (edited.rgb[:32] == (1, 2, 3)).all()
    np.testing.assert_array_equal(edited.rgb[32:-32, 32:-32], picture)


def test_a_margin_without_a_colour_continues_a_plain_ground_only() -> None:
    """The mug's ground goes on; the room's cannot."""
    shot = drawn.mug()
    edited = framing.pad(shot.rgb, 0.1)
    np.testing.assert_array_equal(edited.rgb[40:-40, 40:-40], shot.rgb)
    with pytest.raises(EditRefused) as caught:
        framing.pad(drawn.room(), 0.1)
    assert caught.value.code == "needs_plain_background"


def test_a_margin_round_transparency_is_transparent() -> None:
    """Unless it has a colour: then it is opaque."""
    shot = drawn.mug()
    clear, solid = (framing.pad(shot.rgb, 0.1, colour=colour, alpha=shot.alpha).alpha for colour in (None, (9, 9, 9)))
    assert clear is not None
    assert solid is not None
    assert int(clear[:40].max()) == 0
    assert int(solid[:40].min()) == 255


@pytest.mark.parametrize("ratio", [2.0, 0.5])
def test_a_plain_ground_goes_on_without_a_step(ratio: float) -> None:
    """Beside the seam the mean changes by less than two levels, and the grain is kept within a third."""
    picture = drawn.plain_ground(300, 300, noise=3)
    edited = framing.extend_to_ratio(picture, ratio)
    wide = edited.rgb if ratio > 1 else np.swapaxes(edited.rgb, 0, 1)
    assert wide.shape[:2] == (300, 600)
    steps = np.abs(wide[:, 145:150].astype(float).mean(axis=1) - wide[:, 150:155].astype(float).mean(axis=1))
    assert steps.mean() < 2
    new, old = (np.diff(part.astype(float), axis=0).std() for part in (wide[:, :150], wide[:, 150:450]))
    assert new == pytest.approx(old, rel=0.33)
    assert not edited.findings


def test_texture_goes_on_with_a_finding() -> None:
    """Pebbles stay pebbles: as much contrast in the new part as in the old, within a third."""
    picture = drawn.pebbles(200)
    edited = framing.extend_to_ratio(picture, 1.3)
    assert edited.rgb.shape == (200, 260, 3)
    np.testing.assert_array_equal(edited.rgb[:, 30:230], picture)
    assert edited.rgb[:, :28].std() == pytest.approx(picture.std(), rel=0.33)
    assert [one.rule for one in edited.findings] == ["extend_patch"]


def test_more_growth_than_texture_carries_is_refused() -> None:
    """The message says how much was asked for and how much would do."""
    with pytest.raises(EditRefused, match=r"100%.*35%") as caught:
        framing.extend_to_ratio(drawn.pebbles(), 2)
    assert caught.value.code == "fill_would_smear"


def test_the_plain_mode_does_not_pretend() -> None:
    """A room's sides are not plain."""
    with pytest.raises(EditRefused) as caught:
        framing.extend_to_ratio(drawn.room(), 1.2, mode="plain")
    assert caught.value.code == "needs_plain_background"


def test_blur_lays_the_picture_over_itself() -> None:
    """The source is in the middle, untouched, and the rest is smooth."""
    picture = drawn.pebbles()
    edited = framing.extend_to_ratio(picture, 9 / 16, mode="blur")
    assert edited.rgb.shape == (569, 320, 3)
    np.testing.assert_array_equal(edited.rgb[124:444], picture)
    assert edited.rgb[:100].std() < picture.std() / 2


def test_mirror_reflects_and_warns() -> None:
    """The first new column equals the second old one."""
    picture = drawn.room()
    edited = framing.extend_to_ratio(picture, 1.25, mode="mirror")
    assert edited.rgb.shape == (320, 400, 3)
    np.testing.assert_array_equal(edited.rgb[:, 39], picture[:, 1])
    assert [one.rule for one in edited.findings] == ["extend_mirror"]


def test_a_giant_is_refused_before_it_is_made() -> None:
    """10,000 × 10,000 px would be 100 million."""
    narrow = np.full((10_000, 20, 3), 200, np.uint8)
    with pytest.raises(EditRefused) as caught:
        framing.extend_to_ratio(narrow, 1.0, mode="blur")
    assert caught.value.code == "too_large"


@settings(max_examples=25, deadline=None)
@given(ratio=st.floats(0.2, 5), width=st.integers(24, 90), height=st.integers(24, 90))
def test_blur_always_reaches_the_ratio_and_keeps_the_source(ratio: float, width: int, height: int) -> None:
    """Within the rounding of one pixel."""
    picture = drawn.plain_ground(width, height)
    grown = framing.extend_to_ratio(picture, ratio, mode="blur").rgb
    new_height, new_width = grown.shape[:2]
    assert abs(new_width - new_height * ratio) <= max(1.0, ratio)
    assert holds(grown, picture)
