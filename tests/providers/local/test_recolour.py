"""The item changes its colour; its print, its shading and its surroundings do not."""

import cv2
import numpy as np
import pytest

from pipeline.errors import EditRefused
from pipeline.providers.local.lab import to_lab
from pipeline.providers.local.recolour import match_colours, recolour
from tests.providers.local import drawn_shots as drawn

RED = (200, 24, 36)
BODY = np.s_[240:290, 130:240]
PRINT = np.s_[188:212, 165:205]


def test_the_item_takes_the_colour_and_keeps_its_print() -> None:
    """The teal mug's body is red, the white label is as it was within a few levels, the ground is untouched."""
    shot = drawn.mug()
    edited = recolour(shot.rgb, RED)
    body = edited.rgb[BODY].reshape(-1, 3).astype(float).mean(axis=0)
    assert body[0] > 120
    assert body[1] < 80
    np.testing.assert_allclose(edited.rgb[PRINT].mean(axis=(0, 1)), shot.rgb[PRINT].mean(axis=(0, 1)), atol=4)
    np.testing.assert_array_equal(edited.rgb[:90], shot.rgb[:90])


def test_shading_stays() -> None:
    """Light and dark columns of the body keep their order."""
    shot = drawn.mug()
    before, after = (to_lab(one)[BODY][..., 0].mean(axis=0) for one in (shot.rgb, recolour(shot.rgb, RED).rgb))
    assert np.corrcoef(before, after)[0, 1] > 0.95


@pytest.mark.parametrize(("colour", "low", "high"), [((28, 28, 30), 0, 40), ((245, 245, 245), 75, 100)])
def test_black_and_white_are_reached(colour: tuple[int, int, int], low: int, high: int) -> None:
    """The body's median lightness is that of the colour, from a middle one."""
    lightness = float(np.median(to_lab(recolour(drawn.mug().rgb, colour).rgb)[BODY][..., 0]))
    assert low <= lightness <= high


def two_coloured() -> drawn.Shot:
    """A carton whose left part is blue."""
    shot = drawn.carton()
    left = shot.item.copy()
    left[:, 180:] = False
    picture = shot.rgb.copy()
    picture[left] = np.clip(shot.rgb[left] * np.array((0.15, 0.45, 4.0)), 0, 255)
    return drawn.Shot(picture, shot.item)


def test_several_colours_are_reported() -> None:
    """The larger one moves, and the finding asks which was meant."""
    shot = two_coloured()
    edited = recolour(shot.rgb, (30, 140, 60), alpha=shot.alpha)
    assert "recolour_multi" in [one.rule for one in edited.findings]
    assert edited.rgb[240, 280, 1] > edited.rgb[240, 280, 0]


def test_a_named_source_colour_decides() -> None:
    """The blue part turns red and the yellow one stays."""
    shot = two_coloured()
    edited = recolour(shot.rgb, RED, source_colour=(35, 75, 160), alpha=shot.alpha)
    assert edited.rgb[240, 130, 0] > edited.rgb[240, 130, 2] + 40
    np.testing.assert_allclose(edited.rgb[200:280, 220:300], shot.rgb[200:280, 220:300], atol=6)
    assert "recolour_multi" not in [one.rule for one in edited.findings]


def test_a_source_colour_that_is_not_there_is_refused() -> None:
    """A teal mug has no yellow."""
    with pytest.raises(EditRefused, match="#f0d020") as caught:
        recolour(drawn.mug().rgb, RED, source_colour=(240, 208, 32))
    assert caught.value.code == "needs_region"


def test_a_print_that_would_vanish_is_reported() -> None:
    """White paint on a mug with a white label."""
    edited = recolour(drawn.mug().rgb, (244, 240, 232))
    assert "recolour_merges" in [one.rule for one in edited.findings]


def test_a_mask_does_not_become_transparency() -> None:
    """The mask says where the item is; the result stays opaque."""
    shot = drawn.mug()
    assert recolour(shot.rgb, RED, alpha=shot.alpha).alpha is None


def test_a_mood_is_taken_over_by_half() -> None:
    """The mean moves half way to the reference's; the finding tells of the cast."""
    picture, reference = drawn.room(), cv2.convertScaleAbs(drawn.pebbles(), alpha=0.6)
    reference = (reference * np.array((0.5, 0.8, 1.0))).astype(np.uint8)
    before, goal = to_lab(picture).mean(axis=(0, 1)), to_lab(reference).mean(axis=(0, 1))
    edited = match_colours(picture, reference, strength=0.5)
    after = to_lab(edited.rgb).mean(axis=(0, 1))
    np.testing.assert_allclose(after, (before + goal) / 2, atol=3)
    assert [one.rule for one in edited.findings] == ["colour_cast"]


def test_the_own_mood_changes_nothing() -> None:
    """A picture as its own reference stays within one level."""
    picture = drawn.room()
    difference = match_colours(picture, picture, strength=1).rgb.astype(int) - picture
    assert np.abs(difference).max() <= 1


def test_the_same_call_gives_the_same_bytes() -> None:
    """K-means is seeded."""
    shot = drawn.mug()
    np.testing.assert_array_equal(recolour(shot.rgb, RED).rgb, recolour(shot.rgb, RED).rgb)
