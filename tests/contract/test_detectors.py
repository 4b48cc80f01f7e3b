"""What every detector keeps to, whoever wrote it."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.detectors import BUILT_IN, Detector, load_detector
from pipeline.detectors.picture import Picture
from pipeline.errors import UsageError
from pipeline.values import Detection, Kind, Level

pytestmark = pytest.mark.models


@pytest.fixture(params=sorted(BUILT_IN), scope="module")
def detector(request: pytest.FixtureRequest, weights_cache: Path) -> Detector:
    return load_detector(request.param, {"cache_dir": str(weights_cache)})


def drawn() -> Image.Image:
    image = Image.new("RGB", (480, 360), (220, 222, 215))
    draw = ImageDraw.Draw(image)
    draw.text((40, 60), "Heineken", fill=(20, 90, 30), font=ImageFont.load_default(size=56))
    draw.ellipse((280, 160, 440, 330), fill=(225, 180, 150))
    for x in (325, 390):
        draw.ellipse((x - 8, 220, x + 8, 236), fill=(30, 30, 30))
    return image


EARLIER = (Detection(Kind.TEXT, (40, 60, 290, 130), 0.9, Level.SURE, "Heineken", "text", "1"),)


def test_it_says_what_it_is(detector: Detector) -> None:
    assert isinstance(detector, Detector)
    assert detector.name in BUILT_IN
    assert detector.version


def test_what_it_finds_lies_in_the_picture_and_bears_its_name(detector: Detector) -> None:
    for found in detector.detect(Picture(drawn()), EARLIER):
        left, top, right, bottom = found.xyxy
        assert 0 <= left < right <= 480
        assert 0 <= top < bottom <= 360
        assert 0 <= found.score <= 1
        assert (found.detector, found.version) == (detector.name, detector.version)


def test_it_finds_the_same_again(detector: Detector) -> None:
    assert detector.detect(Picture(drawn()), EARLIER) == detector.detect(Picture(drawn()), EARLIER)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 700)])
def test_it_takes_the_smallest_and_the_narrowest(detector: Detector, size: tuple[int, int]) -> None:
    assert detector.detect(Picture(Image.new("RGBA", size)), ()) == []


def test_an_unknown_detector_is_a_wrong_call_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="faces, text, logos"):
        load_detector("tigers", {})
