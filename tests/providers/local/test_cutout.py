"""Items are cut out where that is sure, and nothing is guessed."""

import numpy as np
import pytest

from pipeline.errors import EditRefused
from pipeline.providers.local.canvas import Rgb
from pipeline.providers.local.cutout import cut_out
from tests.providers.local import drawn_shots as drawn

SHOTS = {
    "mug": drawn.mug(),
    "bottle": drawn.bottle(),
    "carton": drawn.carton(),
    "light mug on black": drawn.mug((30, 32, 36), (230, 226, 220)),
    "red mug on green": drawn.mug((120, 170, 120), (200, 40, 40)),
    "bottle on nearly white": drawn.bottle((250, 250, 250)),
    "mug on clipped white": drawn.mug((255, 255, 255)),
}


@pytest.mark.parametrize("name", SHOTS)
def test_an_item_on_plain_ground_is_found(name: str) -> None:
    """The matte agrees with the drawn mask to more than nine tenths, and the shadow stays behind."""
    shot = SHOTS[name]
    found = cut_out(shot.rgb)
    assert drawn.iou(found.matte > 0.5, shot.item) > 0.9
    assert found.is_verified
    assert set(found.gate) == {"plain", "touch", "edge", "stability", "cover"}


def test_the_ground_shows_through_the_handle() -> None:
    """A see-through hole belongs to the background."""
    found = cut_out(drawn.mug().rgb)
    assert float(found.matte[200, 270]) < 0.05


@pytest.mark.parametrize(
    "picture", [drawn.pebbles(), drawn.room(), drawn.plain_ground()], ids=["pebbles", "room", "empty"]
)
def test_a_busy_or_empty_picture_is_refused_with_the_figures(picture: Rgb) -> None:
    """The message carries the five figures and says what to do."""
    with pytest.raises(EditRefused) as caught:
        cut_out(picture)
    assert caught.value.code == "needs_plain_background"
    for word in ("plain border", "frame", "edges", "stability", "cover", "give a box", "generative provider"):
        assert word in str(caught.value)


def test_a_given_transparency_is_used_as_it_stands() -> None:
    """No cut-out is made where one is there, even on a busy ground."""
    picture = drawn.room()
    alpha = np.zeros(picture.shape[:2], np.uint8)
    alpha[50:200, 60:220] = 128
    found = cut_out(picture, alpha=alpha)
    np.testing.assert_allclose(found.matte, alpha / 255, atol=1e-6)
    np.testing.assert_array_equal(found.foreground, picture.astype(np.float32))


def test_an_opaque_transparency_says_nothing() -> None:
    """An alpha channel of 255 throughout is no cut-out: the background decides."""
    shot = drawn.mug()
    found = cut_out(shot.rgb, alpha=np.full(shot.item.shape, 255, np.uint8))
    assert drawn.iou(found.matte > 0.5, shot.item) > 0.9


def test_an_empty_transparency_is_refused() -> None:
    """Nothing is opaque, so there is no item."""
    shot = drawn.mug()
    with pytest.raises(EditRefused) as caught:
        cut_out(shot.rgb, alpha=np.zeros(shot.item.shape, np.uint8))
    assert caught.value.code == "needs_region"


def test_a_box_cuts_out_of_a_busy_ground_and_says_that_nobody_checked() -> None:
    """GrabCut finds a red disc on pebbles, and the finding asks for a look."""
    picture = drawn.pebbles()
    y, x = np.mgrid[0:320, 0:320]
    disc = np.hypot(x - 160, y - 150) < 60
    picture[disc] = (200, 30, 40)
    found = cut_out(picture, region=(92, 82, 228, 218))
    assert drawn.iou(found.matte > 0.5, disc) > 0.9
    assert not found.is_verified
    assert [one.rule for one in found.findings] == ["cutout_unverified"]
    assert found.findings[0].xyxy == (92, 82, 228, 218)


def test_a_box_outside_the_picture_is_refused() -> None:
    """The message names the box."""
    with pytest.raises(EditRefused, match=r"\(500, 500, 600, 600\)"):
        cut_out(drawn.room(), region=(500, 500, 600, 600))


def test_an_item_that_runs_out_of_the_frame_is_said_to() -> None:
    """A mask that touches the frame brings a finding."""
    shot = drawn.mug()
    alpha = shot.alpha
    alpha[:, :160] = 255
    rules = [one.rule for one in cut_out(shot.rgb, alpha=alpha).findings]
    assert rules == ["clipped_item"]


def test_the_rim_has_the_colours_of_the_item() -> None:
    """On the soft rim of a dark bottle, light ground has been taken out of the foreground."""
    shot = drawn.bottle((250, 250, 250))
    found = cut_out(shot.rgb)
    rim = (found.matte > 0.05) & (found.matte < 0.95)
    assert rim.sum() > 100
    assert found.foreground[rim].mean() < shot.rgb[rim].mean() - 20


def test_the_same_picture_gives_the_same_bytes() -> None:
    """GrabCut is seeded, and so is everything else."""
    shot = drawn.mug()
    np.testing.assert_array_equal(cut_out(shot.rgb).matte, cut_out(shot.rgb).matte)
    first, second = (cut_out(drawn.room(), region=(150, 120, 319, 310)).matte for _ in range(2))
    np.testing.assert_array_equal(first, second)
