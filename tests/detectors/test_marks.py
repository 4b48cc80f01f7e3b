import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors.marks import WEIGHTS_PATH, MarkFinder
from pipeline.detectors.picture import Picture
from pipeline.values import Detection, Kind, Level
from tests.products import logo as drawn_logo


@pytest.fixture(scope="module")
def finder() -> MarkFinder:
    return MarkFinder()


def find(finder: MarkFinder, image: Image.Image) -> list[Detection]:
    return finder.find(Picture(image))


def logo(name: str, width: int) -> Image.Image:
    with Image.open(io.BytesIO(drawn_logo(name))) as opened:
        return opened.resize((width, round(opened.height * width / opened.width)))


def ground(colour: tuple[int, int, int], size: tuple[int, int] = (640, 480)) -> Image.Image:
    return Image.new("RGB", size, colour)


@pytest.mark.parametrize("name", ["tarnquill", "oskelby"])
@pytest.mark.parametrize("colour", [(238, 236, 230), (120, 170, 200)])
def test_a_mark_is_found_where_it_is(finder: MarkFinder, name: str, colour: tuple[int, int, int]) -> None:
    image, mark = ground(colour), logo(name, 160)
    image.paste(mark, (380, 240), mark)
    left, top, right, bottom = find(finder, image)[0].xyxy
    assert left < 380 + 80 < right
    assert top < 240 + mark.height / 2 < bottom
    assert right - left < 320
    assert bottom - top < 320


def test_a_finding_is_a_logo_without_a_name_and_a_box_in_the_picture(finder: MarkFinder) -> None:
    image, mark = ground((238, 236, 230)), logo("oskelby", 200)
    image.paste(mark, (-40, -30), mark)
    image.paste(mark, (480, 330), mark)
    found = find(finder, image)
    assert found
    for detection in found:
        left, top, right, bottom = detection.xyxy
        assert 0 <= left < right <= 640
        assert 0 <= top < bottom <= 480
        assert 0 <= detection.score <= 1
        assert (detection.kind, detection.label, detection.detector) == (Kind.LOGO, "", "logos")
    assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (180, 40, 60), (128, 128, 128)])
def test_a_plain_ground_has_no_mark(finder: MarkFinder, colour: tuple[int, int, int]) -> None:
    assert not find(finder, ground(colour))


def test_noise_has_no_mark(finder: MarkFinder) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    assert not find(finder, Image.fromarray(noise))


def test_a_page_of_plain_text_has_no_mark(finder: MarkFinder) -> None:
    page = ground((250, 250, 248))
    for line in range(12):
        text = "The quick brown fox jumps over the lazy dog, and on."
        ImageDraw.Draw(page).text((30, 20 + 36 * line), text, fill=(30, 30, 30), font=ImageFont.load_default(size=22))
    assert not find(finder, page)


def test_the_same_picture_gives_the_same_findings(finder: MarkFinder) -> None:
    image, mark = ground((238, 236, 230)), logo("tarnquill", 140)
    image.paste(mark, (100, 100), mark)
    assert find(finder, image) == find(finder, image)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 900), (2500, 60)])
def test_pictures_of_any_shape_are_looked_at(finder: MarkFinder, size: tuple[int, int]) -> None:
    for detection in find(finder, ground((200, 30, 30), size)):
        left, top, right, bottom = detection.xyxy
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]


def earlier(kind: Kind, *xyxy: float) -> Detection:
    left, top, right, bottom = xyxy
    return Detection(kind, (left, top, right, bottom), 0.9, Level.SURE, "", "other", "1")


def test_a_mark_is_likelier_where_something_is_written_and_all_the_more_where_it_is_large() -> None:
    image, mark = ground((238, 236, 230)), logo("oskelby", 120)
    image.paste(mark, (400, 300), mark)
    anyhow = MarkFinder(flag=0)

    def score(*before: Detection) -> float:
        return anyhow.find(Picture(image), before)[0].score

    small, large = earlier(Kind.TEXT, 10, 10, 60, 18), earlier(Kind.TEXT, 10, 10, 300, 120)
    assert score() < score(small) < score(large) == score(small, large)


def test_a_head_is_no_mark_but_what_is_worn_beside_it_is() -> None:
    """A drawn mark stands for the head: where another detector saw a face in it, it is left out, with its hair."""
    image, mark = ground((238, 236, 230)), logo("oskelby", 160)
    image.paste(mark, (100, 100), mark)
    face, elsewhere = earlier(Kind.FACE, 115, 115, 245, 90 + mark.height), earlier(Kind.FACE, 500, 10, 600, 120)
    anyhow = MarkFinder(flag=0)

    def on_it(found: list[Detection]) -> list[Detection]:
        return [each for each in found if each.xyxy[0] < 180 < each.xyxy[2] and each.score > 0.5]

    assert on_it(anyhow.find(Picture(image), [elsewhere]))
    assert not on_it(anyhow.find(Picture(image), [face]))


def test_the_weights_are_small_enough_to_ship() -> None:
    assert WEIGHTS_PATH.stat().st_size < 6_000_000
    assert Path(WEIGHTS_PATH).parent.joinpath("MODEL_CARD.md").is_file()
