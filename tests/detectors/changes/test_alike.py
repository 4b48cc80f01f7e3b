"""How alike one place looks on both pictures."""

import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from pipeline.detectors.changes.alike import Likeness, covered, likeness
from pipeline.detectors.changes.registration import register
from pipeline.detectors.picture import Picture

WORD = (80.0, 40.0, 330.0, 110.0)


def lettered(scene: Image.Image, word: str) -> Image.Image:
    image = scene.copy()
    ImageDraw.Draw(image).text((90, 40), word, fill=(30, 30, 60), font=ImageFont.load_default(size=64))
    return image


def compared(source: Image.Image, output: Image.Image) -> Likeness:
    registration = register(Picture(source), Picture(output))
    assert registration is not None
    found = likeness(Picture(source), Picture(output), registration, WORD, part=0.75)
    assert found is not None
    return found


@pytest.mark.parametrize("light", [0.75, 1.2])
def test_light_and_size_change_nothing(scene: Image.Image, light: float) -> None:
    before = lettered(scene, "MARKET")
    after = ImageEnhance.Brightness(before.resize((512, 512), Image.Resampling.LANCZOS)).enhance(light)
    found = compared(before, after)
    assert found.worst > 0.85
    assert found.whole > 0.97
    assert found.sharpness > 0.85


def test_one_letter_makes_its_part_unlike_and_leaves_the_whole_alike(scene: Image.Image) -> None:
    found = compared(lettered(scene, "MARKET"), lettered(scene, "MARNET"))
    assert found.worst < 0.5
    assert found.whole > 0.7


def test_what_is_gone_or_new_is_unlike(scene: Image.Image) -> None:
    with_word = lettered(scene, "MARKET")
    assert compared(with_word, scene).worst < 0.2
    assert compared(scene, with_word).worst < 0.2


def test_a_blurred_place_is_as_alike_and_not_as_sharp(scene: Image.Image) -> None:
    before = lettered(scene, "MARKET")
    box = (80, 40, 330, 110)
    after = before.copy()
    after.paste(before.crop(box).filter(ImageFilter.GaussianBlur(4)), box)
    found = compared(before, after)
    assert found.sharpness < 0.6


def test_a_place_of_no_size_cannot_be_compared(scene: Image.Image) -> None:
    registration = register(Picture(scene), Picture(scene))
    assert registration is not None
    assert likeness(Picture(scene), Picture(scene), registration, (10, 10, 14, 400)) is None


def test_how_much_of_a_box_lies_in_a_picture() -> None:
    assert covered((10, 10, 20, 20), (100, 100)) == 1
    assert covered((-10, 0, 10, 10), (100, 100)) == 0.5
    assert covered((200, 0, 210, 10), (100, 100)) == 0
    assert covered((5, 5, 5, 5), (100, 100)) == 0
