"""Which places of a heat map are boxes, and which are looked at closer; the map is drawn, the weights are real."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors.finding import HeatMap, TextFinder
from pipeline.detectors.picture import Picture


def heat_map(*spots: tuple[int, int, int, int, float]) -> HeatMap:
    """384 × 384 of a picture of 768 × 768; each spot is left, top, right, bottom and its heat."""
    values = np.zeros((384, 384), np.float32)
    for left, top, right, bottom, heat in spots:
        values[top:bottom, left:right] = heat
    return HeatMap(values, np.array([2, 2], np.float32))


COPY_WH = (768, 768)


def test_a_hot_spot_is_a_box_in_pixels_of_the_picture() -> None:
    (box,) = heat_map((100, 200, 160, 210, 0.9)).boxes()
    assert box.score == pytest.approx(0.9)
    assert box.is_line
    left, top = box.corners.min(axis=0)
    right, bottom = box.corners.max(axis=0)
    assert 150 < left < 200 < 320 < right < 350
    assert 380 < top < 400 < 420 < bottom < 440


def test_warm_spots_are_looked_at_with_what_is_around_them() -> None:
    places = heat_map((100, 200, 160, 210, 0.02)).warm_places(COPY_WH)
    # in the copy it is twice as large, from 200 to 320 and from 400 to 420: cells 6 to 9 and 12 to 13, and two around
    assert places == [(slice(32 * 10, 32 * 16), slice(32 * 4, 32 * 12))]


def test_places_that_overlap_are_looked_at_together() -> None:
    near = heat_map((100, 200, 110, 210, 0.02), (120, 220, 130, 230, 0.02))
    far = heat_map((40, 40, 50, 50, 0.02), (300, 300, 310, 310, 0.02))
    assert len(near.warm_places(COPY_WH) or ()) == 1
    assert len(far.warm_places(COPY_WH) or ()) == 2


def test_what_is_warm_nearly_everywhere_is_looked_at_in_two_halves_that_share_their_border() -> None:
    (upper, across), (lower, again) = heat_map((0, 0, 384, 300, 0.2)).warm_places(COPY_WH)
    assert across == again == slice(0, COPY_WH[0])
    assert (upper.start, lower.stop) == (0, COPY_WH[1])
    assert upper.stop - lower.start == 64
    assert heat_map().warm_places(COPY_WH) == []


def test_where_too_much_is_lukewarm_only_what_is_warmer_is_looked_at() -> None:
    heat = heat_map((0, 0, 384, 384, 0.03), (100, 200, 160, 210, 0.06))
    assert heat.warm_places(COPY_WH) == [(slice(320, 512), slice(128, 384))]


def test_what_was_read_is_not_looked_at_again() -> None:
    heat = heat_map((100, 200, 160, 210, 0.9), (40, 40, 60, 50, 0.02))
    rest = heat.without(heat.boxes())
    assert rest.boxes() == []
    assert len(rest.warm_places(COPY_WH) or ()) == 1
    assert len(heat.boxes()) == 1


@pytest.mark.models
def test_a_place_looked_at_by_itself_shows_what_the_whole_shows(weights_cache: Path) -> None:
    image = Image.new("RGB", (736, 736), (225, 228, 224))
    ImageDraw.Draw(image).text((200, 340), "Summer Offer", fill=(25, 30, 60), font=ImageFont.load_default(size=32))
    picture, finder = Picture(image), TextFinder(weights_cache)
    place = (slice(256, 448), slice(128, 544))
    whole, part = finder.look(picture, picture.copy(736)), finder.look_at(picture, (736, 736), [place])
    (expected,), (found,) = whole.boxes(), part.boxes()
    for edge in (np.min, np.max):
        assert np.allclose(edge(found.corners, axis=0), edge(expected.corners, axis=0), atol=6)
    assert not part.values[:256].any()
