"""The file that goes to a destination."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipeline.destinations.checks import check
from pipeline.destinations.derivatives import Derivative, derive, file_name
from pipeline.destinations.packs import Fill, Ground, Pack, Shape, Size, has_shape, is_large_enough
from pipeline.destinations.preflight import preflight
from pipeline.errors import PictureError
from pipeline.provenance.source_types import named_in
from tests.destinations.drawn import builtin, encoded, pack, shot, xmp

RED = (200, 20, 30)


def opened(made: Derivative) -> Image.Image:
    with Image.open(io.BytesIO(made.data)) as image:
        image.load()
        return image


def reds(image: Image.Image) -> tuple[int, int]:
    """Width and height of what is red."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    red = (pixels[..., 0] > 150) & (pixels[..., 1] < 90)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    return int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)


def small_pack(frame: str, shape: str | None, media_type: str, most_bytes: int) -> Pack:
    rules: list[dict[str, Any]] = [
        {"check": "bytes", "at_most": most_bytes},
        {"check": "format", "media_types": [media_type]},
        {"check": "ending"},
        {"check": "colours"},
        {"check": "size", "most_px": max(map(int, frame.split("x")))},
    ]
    rules += [{"check": "shape", "ratios": [shape]}] if shape else []
    about = {"quote": "So it is", "strength": "own"}
    return Pack.model_validate(
        {
            "name": "shop",
            "title": "Shop",
            "dated": "2026-11-21",
            "making": {"frame": frame, "pad": shape is not None, "media_type": media_type},
            "rules": [{"name": f"rule-{number}", **about, **rule} for number, rule in enumerate(rules)],
        }
    )


SMALL_PACKS = [
    small_pack("120x120", "1:1", "image/jpeg", 4_000),
    small_pack("90x130", "1:1.44", "image/webp", 20_000),
    small_pack("160x160", None, "image/png", 9_000),
    small_pack("60x200", None, "image/jpeg", 100_000),
]


@settings(max_examples=60, deadline=None)
@example(rules=SMALL_PACKS[0], width=105, height=106, kind="PNG", mode="RGB", noise=True)  # a pixel off when reduced
@given(
    rules=st.sampled_from(SMALL_PACKS),
    width=st.integers(16, 300),
    height=st.integers(16, 300),
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    mode=st.sampled_from(["RGB", "RGBA", "L"]),
    noise=st.booleans(),
)
def test_a_derivative_keeps_the_packs_limits_and_the_pictures_shape(
    rules: Pack, width: int, height: int, kind: str, mode: str, noise: bool
) -> None:
    """Whatever the master is, its file passes, is not enlarged, and is the same the next time."""
    image = Image.effect_noise((width, height), 90) if noise else Image.new("RGB", (width, height), RED)
    master = encoded(image.convert("RGB" if kind == "JPEG" and mode == "RGBA" else mode), kind)
    made = derive(master, f"image/{kind.lower()}", rules, asset_id="hat")
    assert check(made.data, made.media_type, rules, name=made.name) == []
    assert derive(master, "image/png", rules, asset_id="hat") == made
    assert (made.width, made.height) == opened(made).size
    frame_w, frame_h = rules.making.frame_wh
    assert made.width <= frame_w
    assert made.height <= frame_h
    if not noise and mode == "RGB":
        wide, high = reds(opened(made))
        assert wide <= width
        assert high <= height
        assert min(abs(wide - high * width / height), abs(high - wide * height / width)) <= 1, "but for rounding"


@pytest.mark.parametrize("name", ["amazon-main", "google-merchant", "ebay", "walmart", "zalando", "shopify", "generic"])
def test_a_good_large_master_becomes_a_file_that_passes(name: str) -> None:
    """An item that fills 88 % of a transparent picture of 1800 x 2600, with a name that no system takes."""
    rules = builtin(name)
    master = encoded(shot((1800, 2600), box=(400, 156, 1400, 2444), ground=(255, 255, 255, 0)))
    made = derive(master, "image/png", rules, asset_id="hat/1", sku="SKU:204")
    assert [
        finding.note for finding in check(made.data, made.media_type, rules, name=made.name) if not finding.is_advice
    ] == []
    assert "transparency laid on #ffffff" in made.steps
    assert made.steps[-1].startswith("encoded as JPEG at quality")
    assert not set(made.name) & set('/:\\*?"<>|')


def test_a_master_that_fits_is_taken_as_it_is() -> None:
    """To the byte; one that is a pixel too wide, grey, too long or of another format is encoded anew."""
    rules = small_pack("160x160", None, "image/jpeg", 9_000)
    fits = encoded(shot((160, 120)), "JPEG", quality=60, xmp=xmp("digitalCapture"))
    made = derive(fits, "image/jpeg", rules)
    assert (made.data, made.steps, made.width, made.height) == (fits, ("taken as it is",), 160, 120)
    noise = Image.effect_noise((160, 120), 90).convert("RGB")
    for other in (
        encoded(shot((161, 120)), "JPEG"),
        encoded(shot((160, 120)).convert("L"), "JPEG"),
        encoded(noise, "JPEG", quality=98),
        encoded(shot((160, 120)), "PNG"),
    ):
        assert derive(other, "image/jpeg", rules).data != other


def test_a_small_master_is_not_enlarged_and_its_size_is_told() -> None:
    rules = builtin("walmart")
    master = encoded(shot((700, 500), box=(70, 70, 630, 430)))
    made = derive(master, "image/png", rules)
    assert (made.width, made.height) == (700, 700)
    assert made.steps == ("padded with #ffffff to 700x700", "encoded as JPEG at quality 92")
    assert [finding.rule.name for finding in preflight(master, "image/png", rules)] == ["zoom", "advised-size"]


def test_bars_that_show_are_told_before_they_are_made() -> None:
    """White added around a white ground is not seen; around a grey one it is."""
    rules = pack("shape", making={"pad": True}, ratios=["1:1"])
    assert preflight(encoded(shot((200, 300))), "image/png", rules) == []
    (bars,) = preflight(encoded(shot((200, 300), ground=(230, 230, 230))), "image/png", rules)
    assert bars.note == "200x300 px, and 1:1 is asked for: padding with #ffffff would show as bars"
    assert preflight(encoded(shot((200, 200), ground=(230, 230, 230))), "image/png", rules) == []


def swapped_profile() -> bytes:
    """sRGB, but that red means blue and blue red: their entries in the table of tags change places (ICC.1, 7.3)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def test_colours_become_srgb_and_the_picture_upright_and_what_it_says_of_itself_is_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    about: dict[str, Any] = {"exif": exif, "icc_profile": swapped_profile(), "xmp": xmp("trainedAlgorithmicMedia")}
    master = encoded(shot((300, 200), item=(250, 10, 10)), "JPEG", **about)
    made = derive(master, "image/jpeg", builtin("generic"))
    image = opened(made)
    red, _, blue = image.getpixel((100, 150))  # type: ignore[misc]
    assert red < 60 < 200 < blue
    assert (made.width, made.height) == (200, 300)
    assert [step.split(" ")[0] for step in made.steps] == ["converted", "rotated", "encoded"]
    assert named_in(made.data) == ("trainedAlgorithmicMedia",)
    assert "icc_profile" not in image.info
    assert not image.getexif()
    cmyk = derive(encoded(shot().convert("CMYK"), "JPEG"), "image/jpeg", builtin("generic"))
    assert opened(cmyk).mode == "RGB"


def test_credentials_that_would_not_hold_are_said_to_be_lost() -> None:
    manifest = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"
    made = derive(encoded(shot().convert("L"), "JPEG") + manifest, "image/jpeg", builtin("generic"))
    assert made.steps[-1].startswith("content credentials not kept")
    fits = encoded(shot(), "JPEG") + manifest
    assert derive(fits, "image/jpeg", builtin("generic")).data == fits


def test_what_cannot_be_short_enough_is_refused() -> None:
    tight = small_pack("600x600", None, "image/png", 1_000)
    noisy = encoded(Image.effect_noise((500, 20), 90).convert("RGB"))
    with pytest.raises(PictureError, match="cannot be made smaller than 1,000 bytes for shop"):
        derive(noisy, "image/png", tight)
    assert [type(finding.rule).__name__ for finding in preflight(noisy, "image/png", tight)] == ["Bytes"]


@pytest.mark.parametrize(
    ("pattern", "about", "name"),
    [
        ("{sku}.MAIN", {"sku": "B00-1", "asset_id": "hat"}, "B00-1.MAIN.jpg"),
        ("{sku}.MAIN", {"asset_id": "hat", "variant": "red"}, "hat--red.MAIN.jpg"),
        ("{asset_id}_{position}", {"asset_id": "a/b", "position": 3}, "a_b_3.jpg"),
        ("{asset_id}", {"asset_id": "con"}, "_con.jpg"),
        ("{asset_id}", {"asset_id": "../../{sku}", "sku": "x"}, "_.._(sku).jpg"),
    ],
)
def test_names_follow_the_packs_pattern(pattern: str, about: dict[str, Any], name: str) -> None:
    assert file_name(pack("ending", making={"name": pattern}), **about) == name


def test_every_rule_that_a_derivative_can_keep_is_kept_by_the_frame() -> None:
    """The numbers of the packs agree with each other; the rest is up to the picture."""
    for name in ("amazon-main", "walmart", "zalando"):
        rules = builtin(name)
        for rule in rules.rules:
            if isinstance(rule, Size):
                assert is_large_enough(rules.making.frame_wh, rule)
            elif isinstance(rule, Shape):
                assert has_shape(rules.making.frame_wh, rule)
            elif isinstance(rule, Ground):
                assert rule.colour == rules.making.ground
            elif isinstance(rule, Fill):
                assert rule.at_least < rules.making.fill < rule.at_most
