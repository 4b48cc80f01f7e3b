"""Findings that need no network, on product shots and scenes that are drawn here."""

import io
import pickle
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from pipeline.detectors.picture import Picture
from pipeline.detectors.quality import VERSION, QualityRules, judge
from pipeline.detectors.quality.rules import RULES
from pipeline.drawn_products import PRODUCTS
from pipeline.errors import UsageError
from pipeline.values import Detection, Kind, Level
from tests import products

WHITE = (255, 255, 255)


@cache
def product(name: str = "mug") -> Image.Image:
    """A shot of 1024 × 1024 on a grey or coloured backdrop."""
    with Image.open(io.BytesIO(products.product(name))) as image:
        return image.convert("RGB")


@cache
def scene(seed: int = 1, size: tuple[int, int] = (600, 400)) -> Image.Image:
    """Overlapping coloured shapes from edge to edge."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, (120, 140, 150))
    draw = ImageDraw.Draw(image)
    for _ in range(150):
        x, y = (int(rng.integers(-60, side)) for side in size)
        box = (x, y, x + int(rng.integers(20, 140)), y + int(rng.integers(20, 140)))
        draw.ellipse(box, fill=tuple(int(value) for value in rng.integers(20, 235, 3)))
    return image


def judged(
    output: Image.Image, source: Image.Image | None = None, *others: Image.Image, **options: Any
) -> list[Detection]:
    rules = QualityRules.from_options(options)
    before = None if source is None else Picture(source)
    return judge(Picture(output), source=before, others=[Picture(other) for other in others], rules=rules)


def broken(output: Image.Image, source: Image.Image | None = None, *others: Image.Image, **options: Any) -> list[str]:
    """The names of the rules that an output breaks."""
    return [found.label.split(":")[0] for found in judged(output, source, *others, **options)]


def encoded(image: Image.Image, quality: int = 70) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def lettered(image: Image.Image, words: str) -> Image.Image:
    image = image.copy()
    size = image.height // 12
    ImageDraw.Draw(image).text((size, size), words, fill=(200, 30, 30), font=ImageFont.load_default(size=size))
    return image


def on_ground(colour: tuple[int, int, int], *, size: int = 512) -> Image.Image:
    """A round product, far from the edges, on one colour."""
    image = Image.new("RGB", (size, size), colour)
    image.paste(scene(size=(size // 2, size // 2)), (size // 4, size // 4), _disc(size // 2))
    return image


def _disc(size: int) -> Image.Image:
    mask = Image.new("L", (size, size))
    ImageDraw.Draw(mask).ellipse((0, 0, size - 1, size - 1), fill=255)
    return mask


def tiled(image: Image.Image, *, opacity: float, colour: str = "white") -> Image.Image:
    """A word over and over, faint, in rows that are set off."""
    word = "PREVIEW"
    size = max(image.size) // 20
    font = ImageFont.load_default(size=size)
    mask = Image.new("L", image.size)
    draw = ImageDraw.Draw(mask)
    step = int(font.getlength(word) * 1.5)
    for row, y in enumerate(range(0, image.height, size * 3)):
        for x in range(-step + (row % 2) * step // 2, image.width, step):
            draw.text((x, y), word, fill=round(255 * opacity), font=font)
    return Image.composite(Image.new("RGB", image.size, colour), image, mask)


# What it says.


def test_a_finding_names_its_rule_its_figures_and_where() -> None:
    (found,) = judged(scene().filter(ImageFilter.GaussianBlur(4)), scene())
    assert (found.kind, found.level) == (Kind.QUALITY, Level.SURE)
    assert (found.detector, found.version) == ("quality", VERSION)
    assert list(found.xyxy) == [0, 0, 600, 400]
    assert found.label.startswith("blurred: edges are ")
    assert found.label.endswith("at 600x400 px (rule: 1.5 times at most)")


@pytest.mark.parametrize("name", sorted(PRODUCTS))
def test_a_good_edit_of_a_product_shot_breaks_no_rule(name: str) -> None:
    edited = ImageEnhance.Color(product(name)).enhance(0.7)
    assert broken(edited, product(name)) == []
    assert broken(encoded(edited), product(name)) == []
    assert set(broken(product(name))) <= {"off_white"}


def test_a_rule_that_is_off_is_not_told() -> None:
    assert broken(scene(), scene(), off=["unchanged"]) == []
    faint = tiled(scene(), opacity=0.12)
    assert broken(faint, scene()) == ["watermark"]
    assert broken(faint, scene(), off=["watermark"]) == ["unchanged"]


# Size and shape.


def test_an_output_with_less_than_half_of_the_pixels_is_too_small() -> None:
    edited = lettered(scene(), "SALE")
    assert broken(scaled(edited, 0.75), scene()) == []
    (found,) = judged(scaled(edited, 0.5), scene())
    assert found.label == (
        "too_small: 300x200 px, 25% of the source's pixels (rule: at least 50%, or 1000 px on the longer side)"
    )


def test_what_is_large_enough_for_a_shop_is_not_too_small_however_large_the_source() -> None:
    large = scene(size=(3000, 2000))
    assert broken(lettered(scaled(large, 0.4), "SALE"), large) == []


def test_the_desk_sets_the_least_size() -> None:
    assert broken(scene(), min_side_px=400, min_long_side_px=600) == []
    (found,) = judged(scene(), min_side_px=500, min_long_side_px=1000)
    assert "600x400 px (rule: at least 500 px on the shorter side and at least 1000 px on the longer" in found.label


def test_an_output_in_another_shape_says_both() -> None:
    (found,) = judged(scene().crop((0, 0, 500, 400)), scene())
    assert found.label == "other_shape: 500x400 px where the source has 600x400 (rule: within 2% of its shape)"


def test_the_desk_sets_the_shapes_instead() -> None:
    assert broken(scene(size=(400, 400)), aspects=["4:5", "1:1"]) == []
    assert broken(scene(), aspects=["4:5", "1:1"]) == ["other_shape"]
    assert "other_shape" not in broken(scene().crop((0, 0, 400, 400)), scene(), aspects=["1:1"])


@settings(deadline=None, max_examples=40)
@given(st.integers(20, 900), st.integers(20, 900), st.floats(0.05, 3))
def test_rounding_a_scaled_side_is_no_other_shape(width: int, height: int, factor: float) -> None:
    size = max(1, round(width * factor)), max(1, round(height * factor))
    source = Image.new("RGB", (width, height))
    assert "other_shape" not in broken(Image.new("RGB", size), source) or min(size) < 2


# Blank.


@pytest.mark.parametrize(
    "output",
    [
        Image.new("RGB", (600, 400), WHITE),
        Image.new("RGB", (600, 400)),
        Image.new("RGBA", (600, 400)),
        Image.linear_gradient("L").resize((600, 400)).convert("RGB"),
        encoded(Image.effect_noise((600, 400), 8).convert("RGB")),
    ],
    ids=["white", "black", "transparent", "gradient", "noise"],
)
def test_a_picture_without_anything_in_it_is_blank_and_nothing_else(output: Image.Image) -> None:
    assert broken(output, scene()) == ["blank"]
    assert broken(output) == ["blank"]


def test_a_blank_source_may_stay_blank() -> None:
    assert broken(Image.new("RGB", (600, 400), "red"), Image.new("RGB", (600, 400), "white")) == []


def test_a_small_pale_thing_on_white_is_not_blank() -> None:
    image = Image.new("RGB", (1000, 1000), WHITE)
    ImageDraw.Draw(image).ellipse((480, 480, 520, 520), fill=(215, 215, 215))
    assert broken(image) == []


# Unchanged and alike.


def test_an_edit_that_changed_nothing_is_told() -> None:
    (found,) = judged(scene(), scene())
    assert (found.label, found.score) == ("unchanged: every pixel is as in the source (rule: an edit shows)", 1.0)
    (found,) = judged(encoded(scene()), scene())
    assert "as after another encoding" in found.label
    assert found.level is Level.SURE


def test_the_source_in_another_size_is_told_less_surely() -> None:
    (found,) = judged(scaled(scene(), 0.8), scene())
    assert found.level is Level.FLAG
    assert "but for its size, 480x320 px instead of 600x400 px" in found.label


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: lettered(image, "A"),
        lambda image: ImageEnhance.Brightness(image).enhance(1.08),
        lambda image: ImageEnhance.Contrast(image).enhance(0.9),
        lambda image: ImageChops.offset(image, 6, 0),
        ImageOps.mirror,
    ],
    ids=["a letter", "brighter", "flatter", "shifted", "mirrored"],
)
def test_a_small_edit_is_an_edit(edit: Any) -> None:
    assert broken(encoded(edit(scene()), 90), scene()) == []


def test_of_two_outputs_that_are_alike_the_later_says_which_it_repeats() -> None:
    first, second = lettered(scene(), "ONE"), scene(7)
    (found,) = judged(encoded(second), scene(), first, second)
    assert found.label.startswith("near_duplicate: as output 2 of this edit: ")
    assert broken(second, scene(), first) == []
    assert broken(lettered(scene(), "TWO"), scene(), first) == []


# Blur.


@pytest.mark.parametrize("sigma", [2, 4, 8])
def test_a_blurred_output_is_told_after_another_encoding_too(sigma: int) -> None:
    blurred = scene().filter(ImageFilter.GaussianBlur(sigma))
    assert broken(blurred, scene()) == ["blurred"]
    assert broken(encoded(blurred), scene()) == ["blurred"]


def test_a_source_that_is_blurred_may_stay_so() -> None:
    soft = scene().filter(ImageFilter.GaussianBlur(4))
    assert broken(lettered(soft, "SALE"), soft) == []


def test_a_blurred_ground_behind_a_sharp_thing_is_no_blur() -> None:
    mask = Image.new("L", scene().size)
    ImageDraw.Draw(mask).ellipse((200, 80, 420, 330), fill=255)
    edited = Image.composite(scene(), scene().filter(ImageFilter.GaussianBlur(6)), mask)
    assert broken(edited, scene()) == []


def test_without_a_source_only_extreme_blur_counts() -> None:
    assert broken(scene().filter(ImageFilter.GaussianBlur(1.5))) == []
    assert broken(scene().filter(ImageFilter.GaussianBlur(7))) == ["blurred"]


def test_the_desk_may_allow_more_blur() -> None:
    assert "blurred" not in broken(scene().filter(ImageFilter.GaussianBlur(2)), scene(), blur=6)


# A ground that is not white.


@pytest.mark.parametrize("colour", [(250, 249, 247), (240, 240, 240), (252, 252, 244)])
def test_a_ground_that_is_nearly_white_says_what_it_is(colour: tuple[int, int, int]) -> None:
    (found,) = judged(on_ground(colour), scene(3, (512, 512)))
    assert found.label == f"off_white: 100% of the border is about {colour} (rule: a white ground is (255, 255, 255))"


@pytest.mark.parametrize("colour", [WHITE, (200, 200, 200), (250, 235, 205), (60, 90, 160)])
def test_white_and_other_colours_are_left_alone(colour: tuple[int, int, int]) -> None:
    assert broken(on_ground(colour), scene(3, (512, 512))) == []
    assert broken(encoded(on_ground(colour)), scene(3, (512, 512))) == []


def test_a_shade_at_one_side_says_where() -> None:
    image = on_ground(WHITE)
    image.paste((242, 242, 242), (0, 0, 100, 512))
    (found,) = judged(image, scene(3, (512, 512)))
    assert list(found.xyxy) == [0, 0, 100, 512]


def test_a_ground_that_the_source_has_is_left_alone() -> None:
    ground = on_ground((240, 240, 240))
    assert broken(lettered(ground, "SALE"), ground) == []


# A border.


def framed(image: Image.Image, border: tuple[int, int, int, int], colour: Any = "black") -> Image.Image:
    """The picture, shrunk into what these widths at the left, top, right and bottom leave."""
    left, top, right, bottom = border
    out = Image.new("RGB", image.size, colour)
    out.paste(image.resize((image.width - left - right, image.height - top - bottom)), (left, top))
    return out


@pytest.mark.parametrize(
    ("border", "colour", "said"),
    [
        ((0, 40, 0, 40), "black", "top 40 px, bottom 40 px, colour (0, 0, 0)"),
        ((60, 0, 60, 0), "white", "left 60 px, right 60 px, colour (255, 255, 255)"),
        ((20, 20, 20, 20), "red", "left 20 px, top 20 px, right 20 px, bottom 20 px, colour (255, 0, 0)"),
    ],
)
def test_bars_and_frames_say_how_wide_they_are(border: tuple[int, int, int, int], colour: str, said: str) -> None:
    (found,) = judged(framed(scene(), border, colour), scene())
    assert found.label == f"border: {said} (rule: no frame that the source does not have)"


def test_a_picture_padded_to_another_shape_has_bars() -> None:
    square = Image.new("RGB", (600, 600), "white")
    square.paste(scene(), (0, 100))
    assert broken(square, scene()) == ["other_shape", "border"]


def test_a_frame_laid_over_the_picture_is_a_border() -> None:
    output = scene().copy()
    ImageDraw.Draw(output).rectangle((0, 0, 599, 399), outline=(180, 20, 30), width=12)
    assert broken(output, scene()) == ["border"]


def test_bars_that_the_source_has_are_left_alone() -> None:
    source = framed(scene(), (0, 40, 0, 40))
    assert broken(ImageEnhance.Color(source).enhance(0.3), source) == []


def test_a_poster_on_a_new_white_ground_has_no_border() -> None:
    poster, table = scene().resize((420, 280)), scene(5).copy()
    ground = Image.new("RGB", (600, 400), WHITE)
    for image in (table, ground):
        image.paste(poster, (90, 60))
    assert broken(ground, table) == []
    assert broken(ground) == []


def test_a_bottle_on_white_has_no_bars() -> None:
    image = Image.new("RGB", (600, 800), WHITE)
    ImageDraw.Draw(image).rounded_rectangle((200, 80, 400, 740), radius=60, fill=(30, 90, 60))
    assert broken(image) == []


# A watermark.


@pytest.mark.parametrize("opacity", [0.12, 0.25, 0.4])
def test_a_faint_word_laid_over_the_whole_picture_is_a_watermark(opacity: float) -> None:
    marked = tiled(scene(), opacity=opacity)
    assert broken(marked, scene()) == ["watermark"]
    assert broken(encoded(marked), scene()) == ["watermark"]
    assert broken(ImageEnhance.Contrast(marked).enhance(1.1), scene()) == ["watermark"]


@pytest.mark.parametrize("name", sorted(PRODUCTS))
def test_a_product_shot_can_have_a_watermark(name: str) -> None:
    assert broken(tiled(product(name), opacity=0.2, colour="black"), product(name)) == ["watermark"]


def test_a_watermark_says_how_it_repeats() -> None:
    (found,) = judged(tiled(scene(), opacity=0.25), scene())
    assert found.label.startswith("watermark: a faint pattern over the whole picture repeats every ")


def test_one_word_a_patterned_ground_and_a_patterned_source_are_no_watermark() -> None:
    assert broken(lettered(product(), "PREVIEW"), product()) == []
    bricks = Image.new("RGB", (1024, 1024), (150, 70, 50))
    draw = ImageDraw.Draw(bricks)
    for row, y in enumerate(range(0, 1024, 64)):
        draw.line((0, y, 1024, y), fill=(200, 190, 180), width=6)
        for x in range((row % 2) * 64, 1024, 128):
            draw.line((x, y, x, y + 64), fill=(200, 190, 180), width=6)
    behind = bricks.copy()
    behind.paste(product().crop((300, 300, 724, 724)), (300, 300))
    assert broken(behind, product()) == []
    assert broken(ImageEnhance.Contrast(bricks).enhance(0.8), bricks) == []
    assert broken(bricks) == []


# Rules.


def test_a_desk_without_options_has_the_defaults() -> None:
    assert QualityRules.from_options({}) == QualityRules()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sharp": 1, "blur": 2}, "no option 'sharp'; there are: aspects, blur, enough_px, least_pixels"),
        ({"off": ["blurry"]}, "quality.off: found 'blurry'; expected one of too_small, other_shape"),
        ({"aspects": ["square"]}, "aspects: found 'square'; expected width to height"),
        ({"min_side_px": -1}, "quality.min_side_px: found -1"),
        ({"blur": float("nan")}, "quality.blur: found nan"),
        ({"least_pixels": 2}, "quality.least_pixels: found 2"),
    ],
)
def test_a_wrong_option_says_which_and_what_there_is(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        QualityRules.from_options(options)


def test_rules_travel_to_another_process_and_into_a_fingerprint() -> None:
    rules = QualityRules.from_options({"off": ["watermark"], "aspects": ["1:1"]})
    assert pickle.loads(pickle.dumps(rules)) == rules
    assert len({rules, replace(rules)}) == 1
    assert asdict(rules)["off"] == ("watermark",)


# Anything at all.

sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


def anything(size: tuple[int, int], seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, st.integers(0, 9), st.booleans())
def test_any_two_pictures_give_findings_that_lie_in_the_output(
    size: tuple[int, int], other: tuple[int, int], seed: int, is_same: bool
) -> None:
    output = anything(size, seed)
    found = judged(output, output if is_same else anything(other, seed + 1), anything(other, seed))
    for each in found:
        left, top, right, bottom = each.xyxy
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert 0 < each.score <= 1
        assert each.label.split(":")[0] in RULES
    assert len({each.label.split(":")[0] for each in found}) == len(found)
    assert judged(output, output if is_same else anything(other, seed + 1), anything(other, seed)) == found
