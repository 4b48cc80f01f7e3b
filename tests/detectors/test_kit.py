"""The user's own logos, by their look."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.detectors.kit import SURE_SCORE, BrandKit
from pipeline.detectors.picture import Picture
from pipeline.errors import UsageError
from tests.products import logo as drawn_logo


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> BrandKit:
    folder = tmp_path_factory.mktemp("kit")
    for name in ("oskelby", "tarnquill"):
        (folder / f"{name}.png").write_bytes(drawn_logo(name))
    (folder / "words.txt").write_text("Oskelby\n")
    return BrandKit(folder)


def ground(seed: int = 1) -> Image.Image:
    """A soft, uneven backdrop."""
    noise = np.random.default_rng(seed).normal(0, 1, (9, 9, 3))
    small = Image.fromarray((205 + 25 * noise).clip(0, 255).astype(np.uint8))
    return small.resize((900, 700), Image.Resampling.BICUBIC)


def logo(name: str, width: int) -> Image.Image:
    image = Image.open(io.BytesIO(drawn_logo(name))).convert("RGBA")
    return image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)


@pytest.mark.parametrize("name", ["oskelby", "tarnquill"])
@pytest.mark.parametrize("turned", [0, 20, 90])
def test_a_stamped_logo_is_found_where_it_is(kit: BrandKit, name: str, turned: int) -> None:
    picture = ground()
    mark = logo(name, 180).rotate(turned, expand=True, resample=Image.Resampling.BICUBIC)
    picture.paste(mark, (600, 420), mark)
    (seen,) = kit.find(Picture(picture))
    assert seen.label == name
    assert seen.score >= SURE_SCORE
    left, top, right, bottom = seen.xyxy
    assert abs((left + right) / 2 - (600 + mark.width / 2)) < 25
    assert abs((top + bottom) / 2 - (420 + mark.height / 2)) < 25


def test_a_light_logo_on_a_dark_item_is_the_same_logo(kit: BrandKit) -> None:
    picture = Image.new("RGB", (900, 700), (20, 70, 80))
    mark = logo("oskelby", 260)
    picture.paste(Image.new("RGB", mark.size, (235, 235, 230)), (300, 250), mark)
    assert [seen.label for seen in kit.find(Picture(picture))] == ["oskelby"]


def test_a_white_logo_on_nothing_is_a_reference_too(tmp_path: Path) -> None:
    mark = logo("tarnquill", 300)
    white = Image.new("RGBA", mark.size, (255, 255, 255, 0))
    white.putalpha(mark.getchannel("A"))
    white.save(tmp_path / "white.png")
    picture = Image.new("RGB", (900, 700), (30, 40, 90))
    picture.paste(white, (200, 200), white)
    assert [seen.label for seen in BrandKit(tmp_path).find(Picture(picture))] == ["white"]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_found_where_there_is_nothing(kit: BrandKit, seed: int) -> None:
    assert kit.find(Picture(ground(seed))) == []
    noise = np.random.default_rng(seed).integers(0, 255, (400, 500, 3)).astype(np.uint8)
    assert kit.find(Picture(Image.fromarray(noise))) == []


def test_several_references_of_a_brand_are_one_label(tmp_path: Path) -> None:
    (tmp_path / "tarnquill").mkdir()
    for path, name in (("oskelby.png", "oskelby"), ("oskelby-2.png", "oskelby"), ("tarnquill/black.png", "tarnquill")):
        (tmp_path / path).write_bytes(drawn_logo(name))
    picture = ground()
    for name, place in (("oskelby", (100, 100)), ("tarnquill", (500, 400))):
        mark = logo(name, 260)
        picture.paste(mark, place, mark)
    assert {seen.label for seen in BrandKit(tmp_path).find(Picture(picture))} == {"oskelby", "tarnquill"}


def test_a_logo_beside_many_others_is_still_found(tmp_path: Path) -> None:
    for number in range(60):
        tile = np.random.default_rng(number).integers(0, 2, (8, 8)).astype(np.uint8) * 255
        Image.fromarray(tile).resize((240, 240), Image.Resampling.NEAREST).save(tmp_path / f"tile{number}.png")
    (tmp_path / "oskelby.png").write_bytes(drawn_logo("oskelby"))
    picture = ground()
    mark = logo("oskelby", 260)
    picture.paste(mark, (300, 250), mark)
    assert [seen.label for seen in BrandKit(tmp_path).find(Picture(picture))] == ["oskelby"]


def test_another_logo_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "oskelby.png").write_bytes(drawn_logo("oskelby"))
    picture = ground()
    mark = logo("tarnquill", 300)
    picture.paste(mark, (300, 250), mark)
    assert BrandKit(tmp_path).find(Picture(picture)) == []


def stroke(size: int) -> Image.Image:
    """A tick with one long arm, on nothing."""
    image = Image.new("RGBA", (4 * size, 2 * size))
    corners = [(0, 0.9), (0.5, 0.6), (1.2, 1.3), (4, 0), (1.3, 2)]
    ImageDraw.Draw(image).polygon([(x * size, y * size) for x, y in corners], fill="black")
    return image.crop(image.getbbox())


@pytest.mark.parametrize("turned", [0, 35, 180])
def test_a_mark_of_one_plain_shape_is_found(tmp_path: Path, turned: int) -> None:
    stroke(150).save(tmp_path / "stroke.png")
    kit = BrandKit(tmp_path)
    assert kit.unfindable() == []
    mark = stroke(60).rotate(turned, expand=True, resample=Image.Resampling.BICUBIC)
    picture = ground()
    picture.paste(mark, (500, 300), mark)
    (seen,) = kit.find(Picture(picture))
    left, top, right, bottom = seen.xyxy
    assert abs((left + right) / 2 - (500 + mark.width / 2)) < 20
    assert abs((top + bottom) / 2 - (300 + mark.height / 2)) < 20
    for seed in range(4):
        assert kit.find(Picture(ground(seed))) == []


def stripes(size: int) -> Image.Image:
    """Three slanted bars, each longer than the one before, on nothing."""
    image = Image.new("RGBA", (4 * size, 3 * size))
    for left, top in ((0.1, 2.0), (1.2, 1.2), (2.3, 0.4)):
        corners = [(left, top), (left + 0.6, top - 0.3), (left + 1.5, 2.8), (left + 0.5, 2.8)]
        ImageDraw.Draw(image).polygon([(x * size, y * size) for x, y in corners], fill="black")
    return image.crop(image.getbbox())


@pytest.mark.parametrize("size", [30, 120])
@pytest.mark.parametrize("turned", [0, 35])
def test_a_mark_of_several_areas_is_one_mark(tmp_path: Path, turned: int, size: int) -> None:
    stripes(100).save(tmp_path / "stripes.png")
    kit = BrandKit(tmp_path)
    assert kit.unfindable() == []
    mark = stripes(size).rotate(turned, expand=True, resample=Image.Resampling.BICUBIC)
    picture = ground()
    picture.paste(mark, (200, 100), mark)
    (seen,) = kit.find(Picture(picture))
    left, top, right, bottom = seen.xyxy
    assert abs((left + right) / 2 - (200 + mark.width / 2)) < 20
    assert abs((top + bottom) / 2 - (100 + mark.height / 2)) < 20


def test_references_that_are_too_simple_are_said_to_be_unfindable(tmp_path: Path, kit: BrandKit) -> None:
    disc = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(disc).ellipse((20, 20, 180, 180), fill="black")
    disc.save(tmp_path / "disc.png")
    Image.new("RGB", (200, 200), "red").save(tmp_path / "red.png")
    (tmp_path / "oskelby.png").write_bytes(drawn_logo("oskelby"))
    assert BrandKit(tmp_path).unfindable() == ["disc", "red"]
    assert kit.unfindable() == []


@pytest.mark.parametrize("end", [(60, 80, 140), (150, 120, 90), (250, 250, 240)])
def test_nothing_is_found_in_a_smooth_gradient(kit: BrandKit, end: tuple[int, int, int]) -> None:
    ramp = Image.linear_gradient("L").rotate(35, expand=True).resize((1100, 900))
    plain = Image.composite(Image.new("RGB", ramp.size, end), Image.new("RGB", ramp.size, (30, 40, 60)), ramp)
    assert kit.find(Picture(plain)) == []


def test_an_empty_kit_finds_nothing(tmp_path: Path) -> None:
    assert BrandKit(tmp_path).find(Picture(ground())) == []


def test_a_broken_reference_is_named(tmp_path: Path) -> None:
    (tmp_path / "ours.png").write_bytes(b"no picture")
    with pytest.raises(UsageError, match=r"ours\.png"):
        BrandKit(tmp_path)
