"""What the text detector makes of lines that are hard to read, with its real weights."""

import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors.picture import Picture
from pipeline.detectors.text import TextDetector
from pipeline.values import Detection, Level

pytestmark = pytest.mark.models

INK = (25, 30, 60)


@pytest.fixture(scope="module")
def detector(weights_cache: Path) -> TextDetector:
    return TextDetector({"cache_dir": str(weights_cache)})


def paper(size: tuple[int, int] = (640, 400)) -> Image.Image:
    return Image.new("RGB", size, (225, 228, 224))


def lettered(text: str, size: tuple[int, int] = (640, 400), *, letters_px: int = 64) -> Image.Image:
    image = paper(size)
    where = (size[0] // 10, size[1] // 3)
    ImageDraw.Draw(image).text(where, text, fill=INK, font=ImageFont.load_default(size=letters_px))
    return image


def in_no_script(letters: int) -> Image.Image:
    """A line of invented letters, strokes and an arc each."""
    image = paper()
    draw = ImageDraw.Draw(image)
    at = random.Random(3)
    for left in range(60, 60 + 36 * letters, 36):
        for _ in range(3):
            ends = [(left + at.randint(0, 24), 150 + at.randint(0, 44)) for _ in range(2)]
            draw.line(ends, fill=INK, width=5)
        draw.arc((left, 150 + at.randint(0, 20), left + 24, 190), at.randint(0, 180), at.randint(181, 360), INK, 5)
    return image


def found(detector: TextDetector, image: Image.Image) -> list[Detection]:
    return detector.detect(Picture(image), ())


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_line_is_read_whichever_way_it_runs(detector: TextDetector, turned: int) -> None:
    texts = found(detector, lettered("Discount").rotate(turned, expand=True))
    assert [text.label for text in texts] == ["Discount"]


def test_a_script_that_nobody_can_read_is_text_without_a_label(detector: TextDetector) -> None:
    (text,) = found(detector, in_no_script(14))
    assert (text.label, text.level) == ("", Level.FLAG)
    left, top, right, bottom = text.xyxy
    assert 30 < left < 75
    assert 130 < top < 160
    assert 530 < right < 590
    assert 185 < bottom < 215


def test_a_higher_threshold_leaves_out_what_cannot_be_read(weights_cache: Path) -> None:
    strict = TextDetector({"cache_dir": str(weights_cache), "flag": 0.9})
    assert found(strict, in_no_script(14)) == []
    assert [text.level for text in found(strict, lettered("Summer Offer"))] == [Level.SURE]


@pytest.mark.parametrize("letters_px", [7, 9])
def test_small_letters_in_a_small_picture_are_text(detector: TextDetector, letters_px: int) -> None:
    assert found(detector, lettered("Summer Offer", (200, 120), letters_px=letters_px))


def test_a_pattern_of_dots_is_no_text(detector: TextDetector) -> None:
    image = paper()
    draw = ImageDraw.Draw(image)
    for x in range(40, 600, 40):
        for y in range(40, 360, 40):
            draw.ellipse((x, y, x + 12, y + 12), fill=INK)
    assert found(detector, image) == []


def test_more_different_letters_are_surer(detector: TextDetector) -> None:
    scores = [found(detector, lettered(text))[0].score for text in ("W", "B4", "B4X")]
    assert scores == sorted(scores)


def test_small_print_in_a_large_picture_is_found_beside_a_headline(detector: TextDetector) -> None:
    image = lettered("Summer Offer", (1024, 1024), letters_px=96)
    small = ImageFont.load_default(size=18)
    ImageDraw.Draw(image).text((600, 900), "two for the price of one", fill=INK, font=small)
    assert {text.label for text in found(detector, image)} == {"Summer Offer", "two for the price of one"}


def test_a_line_that_is_seen_from_afar_and_from_near_is_told_once(detector: TextDetector) -> None:
    image = in_no_script(14).resize((1280, 800))
    assert len(found(detector, image)) == 1
