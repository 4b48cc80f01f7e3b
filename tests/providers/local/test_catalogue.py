"""Catalogue work keeps the item and changes the ground."""

import numpy as np
import pytest

from pipeline.errors import EditRefused
from pipeline.providers.local import backdrops, catalogue
from pipeline.providers.local.lab import Floats
from tests.providers.local import drawn_shots as drawn


def green(size_wh: tuple[int, int]) -> Floats:
    return backdrops.plain(size_wh, (40, 160, 80))


def test_the_ground_changes_and_the_item_does_not() -> None:
    """Well inside the item every pixel stays within one level; far outside all is the new colour."""
    shot = drawn.mug()
    edited = catalogue.replace_background(shot.rgb, green, shadow="none")
    np.testing.assert_allclose(edited.rgb[150:170, 130:150], shot.rgb[150:170, 130:150], atol=1)
    assert (edited.rgb[:60] == (40, 160, 80)).all()
    assert edited.alpha is None


def test_a_natural_shadow_is_taken_over_and_a_soft_one_drawn() -> None:
    """Just under the item the ground is darker than far from it, for both kinds, and is not without one."""
    shot = drawn.mug()
    under = np.s_[303:308, 160:220]
    means = {
        "natural": catalogue.replace_background(shot.rgb, green, shadow="natural").rgb[under].mean(),
        "soft": catalogue.replace_background(shot.rgb, green, shadow="soft").rgb[under].mean(),
        "none": catalogue.replace_background(shot.rgb, green, shadow="none").rgb[under].mean(),
    }
    assert means["natural"] < means["none"] - 8
    assert means["soft"] < means["none"] - 8


def test_without_a_plain_ground_the_shadow_is_drawn_and_said_to_be() -> None:
    """A given mask brings no model of the ground, so there is no own shadow to take over."""
    shot = drawn.mug()
    edited = catalogue.replace_background(shot.rgb, green, shadow="natural", alpha=shot.alpha)
    assert [one.rule for one in edited.findings] == ["shadow_drawn"]


def test_removing_the_background_leaves_nothing_of_it() -> None:
    """Transparent pixels are white underneath, and opaque ones are the item."""
    shot = drawn.carton()
    edited = catalogue.remove_background(shot.rgb)
    assert edited.alpha is not None
    assert drawn.iou(edited.alpha > 127, shot.item) > 0.95
    assert (edited.rgb[edited.alpha == 0] == 255).all()


def test_a_blurred_background_loses_its_detail_and_the_item_keeps_its_own() -> None:
    """Pebbles round a red disc become smooth; the disc stays."""
    picture = drawn.pebbles()
    y, x = np.mgrid[0:320, 0:320]
    disc = np.hypot(x - 160, y - 160) < 60
    picture[disc] = (200, 30, 40)
    edited = catalogue.blur_background(picture, alpha=disc.astype(np.uint8) * 255)
    corner = np.s_[:60, :60]
    assert edited.rgb[corner].std() < picture[corner].std() / 2.5
    assert (edited.rgb[160, 130:190] == (200, 30, 40)).all()
    ring = (np.hypot(x - 160, y - 160) > 64) & (np.hypot(x - 160, y - 160) < 72)
    colours = edited.rgb[ring].astype(float).mean(axis=0)
    assert colours[0] - colours[1] < 20, "the disc's red must not bleed into the ground"


@pytest.mark.parametrize("size", [300, 640])
def test_the_standard_square_is_centred_with_its_margin(size: int) -> None:
    """The item's longer side fills all but two margins, and the frame is pure white."""
    edited = catalogue.standardise(drawn.bottle().rgb, size_wh=(size, size), margin=0.1)
    assert edited.rgb.shape == (size, size, 3)
    dark = edited.rgb.mean(axis=2) < 130
    rows, columns = np.nonzero(dark)
    assert rows.max() - rows.min() == pytest.approx(size * 0.8, abs=size * 0.02)
    assert (columns.max() + columns.min()) / 2 == pytest.approx(size / 2, abs=size * 0.03)
    for side in (edited.rgb[0], edited.rgb[-1], edited.rgb[:, 0], edited.rgb[:, -1]):
        assert (side == 255).all()


def test_a_strong_enlargement_is_said() -> None:
    """A 280 px bottle blown up to fill 1,600 px brings a finding."""
    edited = catalogue.standardise(drawn.bottle().rgb, size_wh=(1600, 1600))
    assert "enlarged" in [one.rule for one in edited.findings]


def test_a_standard_square_refuses_a_busy_ground() -> None:
    """There is no fallback."""
    with pytest.raises(EditRefused) as caught:
        catalogue.standardise(drawn.room())
    assert caught.value.code == "needs_plain_background"


def test_an_inserted_item_stands_in_its_box() -> None:
    """Outside the box and its shadow the scene is untouched; inside stands the bottle."""
    scene, shot = drawn.room(), drawn.bottle()
    edited = catalogue.insert_item(scene, shot.rgb, box=(200, 40, 260, 150), harmonise=0)
    changed = (edited.rgb != scene).any(axis=2)
    assert not changed[:, :150].any()
    assert not changed[200:].any()
    bottle = edited.rgb[130:145, 222:238].astype(float).mean(axis=(0, 1))
    assert bottle[0] > bottle[2] + 20
    assert "placed_item" in [one.rule for one in edited.findings]


def test_harmonising_moves_the_item_towards_the_scene() -> None:
    """In a blue scene the item's mean gets bluer."""
    scene = np.full((320, 320, 3), (60, 90, 200), np.uint8)
    plain, moved = (
        catalogue.insert_item(scene, drawn.carton().rgb, box=(60, 60, 260, 260), harmonise=strength).rgb[
            150:200, 120:180
        ]
        for strength in (0.0, 1.0)
    )
    assert moved[..., 2].mean() > plain[..., 2].mean() + 10


@pytest.mark.parametrize("box", [(-5, 0, 50, 50), (0, 0, 400, 50), (10, 10, 12, 50)])
def test_a_box_outside_the_scene_is_refused(box: tuple[int, int, int, int]) -> None:
    """Nothing is clipped quietly."""
    with pytest.raises(EditRefused) as caught:
        catalogue.insert_item(drawn.room(), drawn.mug().rgb, box=box)
    assert caught.value.code == "needs_region"


def test_the_same_call_gives_the_same_bytes() -> None:
    """With noise, seasons and shadows."""
    shot = drawn.mug()
    first, second = (
        catalogue.replace_background(shot.rgb, lambda size_wh: backdrops.season(size_wh, "winter"), shadow="soft")
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.rgb, second.rgb)
