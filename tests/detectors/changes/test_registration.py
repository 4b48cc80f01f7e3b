"""Where a place of the source is in the output."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from pipeline.detectors.changes.registration import register
from pipeline.detectors.picture import Picture
from pipeline.values import Box
from tests.detectors.changes.conftest import opened

PLACE = (300.0, 300.0, 460.0, 420.0)


def assert_found(source: Image.Image, output: Image.Image, expected: Box, *, within: float = 2.0) -> None:
    """The place lies where it must, and comes back to where it was."""
    found = register(Picture(source), Picture(output))
    assert found is not None
    assert 0 < found.confidence <= 1
    assert found.on_output(PLACE) == pytest.approx(expected, abs=within)
    assert found.on_source(found.on_output(PLACE)) == pytest.approx(PLACE, abs=1)


def test_the_same_frame_is_found_in_another_light_and_size(scene: Image.Image) -> None:
    assert_found(scene, scene, PLACE, within=0.01)
    assert_found(scene, ImageEnhance.Brightness(scene).enhance(0.7), PLACE, within=0.01)
    assert_found(scene, scene.resize((384, 384)), (150, 150, 230, 210))
    assert_found(scene.resize((384, 384)), scene, (600, 600, 920, 840))


def test_a_crop_is_found(scene: Image.Image) -> None:
    part = scene.crop((120, 90, 680, 720))
    assert_found(scene, part, (180, 210, 340, 330))
    assert_found(scene, part.resize((1120, 1260), Image.Resampling.LANCZOS), (360, 420, 680, 660), within=4)


def test_an_extended_frame_is_found(scene: Image.Image) -> None:
    wider = Image.new("RGB", (1200, 900), (236, 236, 240))
    wider.paste(scene, (210, 60))
    assert_found(scene, wider, (510, 360, 670, 480))


def test_a_turned_and_a_slanted_picture_is_found(scene: Image.Image) -> None:
    turned = scene.rotate(8, resample=Image.Resampling.BICUBIC, center=(380, 360), fillcolor="white")
    found = register(Picture(scene), Picture(turned))
    assert found is not None
    left, top, right, bottom = found.on_output((360, 340, 400, 380))
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((380, 360), abs=2)


def test_a_mirrored_picture_is_found_and_said_to_be_one(scene: Image.Image) -> None:
    turned = scene.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert_found(scene, turned, (308, 300, 468, 420), within=0.01)
    assert_found(scene, turned.crop((60, 40, 700, 740)), (248, 260, 408, 380))
    mirrored, straight = register(Picture(scene), Picture(turned)), register(Picture(scene), Picture(scene))
    assert mirrored is not None
    assert mirrored.is_mirrored
    assert straight is not None
    assert not straight.is_mirrored


def test_another_background_leaves_the_item_where_it_is(scene: Image.Image) -> None:
    kept = Image.new("L", scene.size, 0)
    ImageDraw.Draw(kept).rectangle((230, 150, 600, 680), fill=255)
    ground = Image.effect_noise(scene.size, 80).convert("RGB").filter(ImageFilter.GaussianBlur(3))
    assert_found(scene, Image.composite(scene, ground, kept), PLACE)


@pytest.mark.parametrize("other", ["lamp", "bowl", "tote"])
def test_another_picture_is_not_laid_over(scene: Image.Image, other: str) -> None:
    assert register(Picture(scene), Picture(opened(other))) is None


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (3, 700)])
def test_pictures_without_anything_to_see_cannot_be_laid_over(scene: Image.Image, size: tuple[int, int]) -> None:
    plain = Picture(Image.new("RGB", size, (200, 200, 200)))
    assert register(plain, plain) is None
    assert register(Picture(scene), plain) is None
    assert register(plain, Picture(scene)) is None


def test_noise_is_not_its_own_like() -> None:
    noise = [np.random.default_rng(seed).integers(0, 255, (300, 400, 3)).astype(np.uint8) for seed in (1, 2)]
    assert register(*(Picture(Image.fromarray(pixels)) for pixels in noise)) is None
