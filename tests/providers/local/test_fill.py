"""What is removed is gone, what is round it goes on, and what would smear is refused."""

import cv2
import numpy as np
import pytest

from pipeline.errors import EditRefused
from pipeline.providers.local.canvas import Mask, Rgb
from pipeline.providers.local.fill import erase, fill_patches, text_strokes
from pipeline.providers.local.patches import NoTexture
from tests.providers.local import drawn_shots as drawn


def disc(shape: tuple[int, ...], centre: tuple[int, int], radius: int) -> Mask:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return np.asarray(np.hypot(x - centre[0], y - centre[1]) < radius)


def lettered(picture: Rgb, text: str = "SALE 30") -> tuple[Rgb, Mask]:
    """The picture with dark lettering, and the lettering's pixels."""
    with_text = picture.copy()
    cv2.putText(with_text, text, (60, 130), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (40, 30, 60), 4, cv2.LINE_AA)
    return with_text, np.asarray(np.abs(with_text.astype(int) - picture).max(axis=2) > 40)


def test_a_spot_on_a_smooth_ground_leaves_no_trace() -> None:
    """The mended ground is within its own noise of the ground before the spot, and brings no finding."""
    clean = drawn.plain_ground()
    spot = disc(clean.shape, (160, 120), 20)
    dirty = clean.copy()
    dirty[spot] = (20, 60, 30)
    edited = erase(dirty, spot)
    smooth = (cv2.GaussianBlur(one, (0, 0), 3).astype(float) for one in (edited.rgb, clean))
    assert np.abs(next(smooth) - next(smooth)).max() < 4
    grains = [np.diff(one.astype(float), axis=1)[spot[:, 1:]].std() for one in (edited.rgb, clean)]
    assert grains[0] == pytest.approx(grains[1], rel=0.4)
    assert not edited.findings


def test_only_the_hole_and_its_rim_change() -> None:
    """Three pixels away, every byte is as before."""
    picture = drawn.pebbles()
    hole = disc(picture.shape, (100, 180), 25)
    edited = erase(picture, hole)
    far = ~disc(picture.shape, (100, 180), 29)
    np.testing.assert_array_equal(edited.rgb[far], picture[far])


def test_texture_is_continued_and_reported() -> None:
    """A red disc on pebbles is gone, the contrast is the ground's within a third, and a person is asked to look."""
    picture = drawn.pebbles()
    hole = disc(picture.shape, (160, 160), 30)
    picture[hole] = (220, 10, 20)
    edited = erase(picture, hole)
    inside = edited.rgb[hole].astype(int)
    assert (inside[:, 0] - inside[:, 2]).max() < 60
    assert inside.std() == pytest.approx(picture[~hole].std(), rel=0.33)
    assert "fill_complex" in [one.rule for one in edited.findings]
    box = edited.findings[0].xyxy
    assert box is not None
    assert box[0] == pytest.approx(129, abs=3)
    assert box[3] == pytest.approx(191, abs=3)


def test_a_scratch_is_diffused() -> None:
    """A line two pixels wide through a room takes the colours beside it."""
    clean = drawn.room()
    scratched = clean.copy()
    line = np.zeros(clean.shape[:2], bool)
    line[150:152, 20:170] = True
    scratched[line] = 255
    edited = erase(scratched, line)
    assert np.abs(edited.rgb[line].astype(int) - clean[line]).mean() < 12


def test_a_large_hole_is_reported_and_a_larger_one_refused() -> None:
    """On pebbles 8 % is filled with a finding, 30 % is not."""
    picture = drawn.pebbles()
    rules = [one.rule for one in erase(picture, disc(picture.shape, (160, 160), 50)).findings]
    assert "fill_large" in rules
    with pytest.raises(EditRefused, match="20%") as caught:
        erase(picture, disc(picture.shape, (160, 160), 100))
    assert caught.value.code == "fill_would_smear"


def test_an_empty_hole_and_a_whole_one_are_refused() -> None:
    """There is nothing to do, or nothing to do it from."""
    picture = drawn.room()
    with pytest.raises(EditRefused) as caught:
        erase(picture, np.zeros(picture.shape[:2], bool))
    assert caught.value.code == "needs_region"
    with pytest.raises(EditRefused) as caught:
        erase(picture, np.ones(picture.shape[:2], bool))
    assert caught.value.code == "fill_would_smear"


def test_two_holes_are_judged_apart() -> None:
    """One on the smooth ground brings no finding, the one on the item does."""
    shot = drawn.mug()
    hole = disc(shot.rgb.shape, (340, 60), 10) | disc(shot.rgb.shape, (185, 180), 12)
    boxes = [one.xyxy for one in erase(shot.rgb, hole).findings]
    assert boxes
    assert all(box is not None and box[0] < 250 for box in boxes)


def test_strokes_are_found_inside_the_box_only() -> None:
    """Nearly all of the lettering is marked, and not the whole box."""
    picture, letters = lettered(drawn.plain_ground())
    marked = text_strokes(picture, [(55, 95, 250, 140)])
    assert (marked & letters).sum() > 0.97 * letters.sum()
    assert marked.sum() < 2.6 * letters.sum()
    assert not marked[:85].any()


def test_lettering_is_removed_from_a_smooth_ground() -> None:
    """What is left differs from the clean ground by no more than its noise."""
    clean = drawn.plain_ground()
    picture, letters = lettered(clean)
    edited = erase(picture, text_strokes(picture, [(55, 95, 250, 140)]), is_text=True)
    assert np.abs(edited.rgb[letters].astype(int) - clean[letters]).mean() < 4


def test_patches_come_only_from_where_they_may() -> None:
    """Left is green, right is red; a hole between them is filled from the usable green."""
    picture = drawn.pebbles(160)
    picture[:, :80, (0, 2)] //= 4
    picture[:, 80:, 1:] //= 4
    hole = disc(picture.shape, (80, 80), 14)
    usable = np.zeros(hole.shape, bool)
    usable[:, :60] = True
    filled = fill_patches(picture, hole, usable=usable)[hole].astype(int)
    assert (filled[:, 1] > filled[:, 0]).mean() > 0.95


def test_without_texture_there_is_no_filling() -> None:
    """Nothing usable is known."""
    picture = drawn.pebbles(64)
    hole = disc(picture.shape, (32, 32), 10)
    with pytest.raises(NoTexture):
        fill_patches(picture, hole, usable=np.zeros(hole.shape, bool))


def test_the_same_call_gives_the_same_bytes() -> None:
    """Search and grain are without chance."""
    picture = drawn.pebbles(160)
    hole = disc(picture.shape, (80, 80), 20)
    np.testing.assert_array_equal(erase(picture, hole).rgb, erase(picture, hole).rgb)
