"""Reading a given place of a picture, with the real weights."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors.picture import Picture
from pipeline.detectors.reading import LineReader, Reading
from pipeline.errors import ModelsMissing

pytestmark = pytest.mark.models

BOX = (50, 130, 420, 230)


@pytest.fixture(scope="module")
def reader(weights_cache: Path) -> LineReader:
    return LineReader(weights_cache)


def lettered(text: str, size: tuple[int, int] = (640, 400)) -> Image.Image:
    image = Image.new("RGB", size, (225, 228, 224))
    ImageDraw.Draw(image).text((60, 140), text, fill=(25, 30, 60), font=ImageFont.load_default(size=64))
    return image


def test_a_box_is_read(reader: LineReader) -> None:
    reading = reader.read(Picture(lettered("Summer Sale")), BOX)
    assert reading.label.replace(" ", "") == "SummerSale"
    assert reading.score > 0.9


def test_letters_far_larger_than_the_network_reads_are_read(reader: LineReader) -> None:
    image = Image.new("RGB", (1900, 700), (225, 228, 224))
    ImageDraw.Draw(image).text((60, 100), "Offer", fill=(25, 30, 60), font=ImageFont.load_default(size=480))
    assert reader.read(Picture(image), (20, 120, 1500, 640)).label == "Offer"


def test_four_points_are_read_in_any_order_and_turned_upright(reader: LineReader) -> None:
    left, top, right, bottom = BOX
    picture = Picture(lettered("Summer Sale").rotate(-90, expand=True))
    turned = [(400 - y, x) for x, y in [(right, top), (left, bottom), (left, top), (right, bottom)]]
    assert reader.read(picture, turned).label.replace(" ", "") == "SummerSale"


def test_a_line_upside_down_is_read_when_told_so(reader: LineReader) -> None:
    picture = Picture(lettered("Summer Sale").rotate(180))
    left, top, right, bottom = BOX
    turned = (640 - right, 400 - bottom, 640 - left, 400 - top)
    reading = reader.read(picture, turned, upside_down=True)
    assert reading.label.replace(" ", "") == "SummerSale"
    assert 0.5 < reading.weakest <= reading.score
    assert reader.read(picture, turned).score < reading.score


def test_the_box_is_in_pixels_of_the_picture_however_large(reader: LineReader) -> None:
    large = lettered("Summer Sale").resize((6400, 4000))
    reading = reader.read(Picture(large), [10 * side for side in BOX])
    assert reading.label.replace(" ", "") == "SummerSale"


def test_where_there_is_nothing_nothing_is_read(reader: LineReader) -> None:
    assert reader.read(Picture(lettered("")), BOX) == Reading("", 0.0, 0.0)


def test_a_place_outside_the_picture_is_its_border(reader: LineReader) -> None:
    assert reader.read(Picture(lettered("Summer Sale")), (-90, -80, -10, -20)).label == ""


def test_anything_but_a_box_or_four_points_is_a_wrong_call(reader: LineReader) -> None:
    with pytest.raises(ValueError, match="four points"):
        reader.read(Picture(lettered("Summer Sale")), [(1, 2), (3, 4)])


def test_without_weights_it_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(ModelsMissing, match="models install"):
        LineReader(tmp_path).read(Picture(lettered("Summer Sale")), BOX)
