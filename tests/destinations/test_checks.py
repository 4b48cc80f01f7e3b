"""Each rule at its edge: the picture that just keeps it, and the one that just does not."""

from typing import Any

import pytest
from PIL import Image

from pipeline.destinations.checks import DETECTOR, as_flags, check
from pipeline.destinations.packs import Pack
from pipeline.errors import PictureError
from pipeline.flag_lines import flag_line
from pipeline.values import Change, Flag, Kind, Level
from tests.destinations.drawn import builtin, encoded, flag, pack, shot, xmp


def broken(picture: Image.Image | bytes, rules: Pack, *flags: Flag, media_type: str = "image/png", **more: Any) -> str:
    """What the one rule says; "" if it is kept."""
    data = picture if isinstance(picture, bytes) else encoded(picture)
    return "; ".join(finding.note for finding in check(data, media_type, rules, flags, **more))


@pytest.mark.parametrize(
    ("limits", "kept", "not_kept", "said"),
    [
        ({"short_px": 100}, (100, 300), (99, 300), "99x300 px, and the shorter side at least 100"),
        ({"long_px": 300}, (100, 300), (100, 299), "100x299 px, and the longer side at least 300"),
        ({"most_px": 300}, (100, 300), (100, 301), "100x301 px, and at most 300 on the longer side"),
        ({"frame": "100x300"}, (100, 300), (300, 299), "300x299 px, and at least 100x300"),
    ],
)
def test_sizes(limits: dict[str, Any], kept: tuple[int, int], not_kept: tuple[int, int], said: str) -> None:
    making = {"frame": "120x300"}
    assert broken(Image.new("RGB", kept), pack("size", making=making, **limits)) == ""
    assert said in broken(Image.new("RGB", not_kept), pack("size", making=making, **limits))


@pytest.mark.parametrize(
    ("ratio", "kept", "not_kept"),
    [("1:1", (200, 201), (200, 203)), ("1:1.44", (762, 1100), (762, 1120)), ("1:1.44", (1801, 2600), (1801, 2625))],
)
def test_shapes(ratio: str, kept: tuple[int, int], not_kept: tuple[int, int]) -> None:
    """1 % may be missing."""
    rules = pack("shape", making={"frame": "200x200" if ratio == "1:1" else "762x1100", "pad": True}, ratios=[ratio])
    assert broken(Image.new("L", kept), rules) == ""
    assert f"and {ratio} is asked for" in broken(Image.new("L", not_kept), rules)


def test_megapixels_and_bytes() -> None:
    rules = pack("megapixels", making={"frame": "100x100"}, at_most=0.01)
    assert broken(Image.new("RGB", (100, 100)), rules) == ""
    assert broken(Image.new("RGB", (100, 101)), rules) == "0.0101 megapixels, and at most 0.01 is taken"
    data = encoded(Image.effect_noise((60, 60), 50).convert("RGB"))
    assert broken(data, pack("bytes", at_most=len(data))) == ""
    assert broken(data, pack("bytes", at_most=len(data) - 1)).startswith(f"{len(data):,} bytes")


def test_formats_are_told_by_the_bytes() -> None:
    rules = pack("format", media_types=["image/jpeg", "image/gif"])
    assert broken(encoded(shot(), "JPEG"), rules, media_type="image/png") == ""
    assert broken(encoded(shot(), "WEBP"), rules, media_type="image/jpeg").startswith("WEBP, and one of these")
    frames = [Image.new("L", (20, 20), number) for number in (0, 100, 200)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert "holds 3 pictures" in broken(moving, rules)
    with pytest.raises(PictureError, match="not a picture"):
        broken(b"hello", rules)


def test_the_ending_must_fit_the_format() -> None:
    jpeg, rules = encoded(shot(), "JPEG"), pack("ending")
    for name in ("hat.jpg", "HAT.JPEG", "SKU.MAIN.jpg"):
        assert broken(jpeg, rules, media_type="image/jpeg", name=name) == ""
    assert broken(jpeg, rules, name="hat.png") == "the name ends in '.png', and the file is JPEG"
    assert broken(jpeg, rules, name="hat") == "the name ends in 'nothing', and the file is JPEG"
    assert broken(jpeg, rules, media_type="image/jpeg") == ""
    assert broken(jpeg, rules, media_type="image/png") == "said to be PNG, and is JPEG"


def test_colours() -> None:
    rules = pack("colours", bits=8)
    assert broken(shot(), rules) == ""
    assert broken(shot().convert("L"), rules).startswith("the file has grey")
    assert broken(encoded(shot().convert("CMYK"), "JPEG"), rules).startswith("the file has CMYK")
    assert broken(Image.new("I;16", (20, 20)), rules).startswith("the file has grey")


def test_the_ground_is_exactly_white_or_it_is_not() -> None:
    """One pixel of 254 in the ring is enough; further in nothing is looked at. JPEG leaves white blocks white."""
    rules = pack("ground")
    assert broken(shot(), rules) == ""
    assert broken(encoded(shot(box=(20, 20, 180, 180)), "JPEG", quality=85), rules, media_type="image/jpeg") == ""
    image = shot()
    image.putpixel((0, 100), (255, 255, 254))
    assert broken(image, rules) == "under 0.1 % of the border is not (255, 255, 255) but about (255, 255, 254) (left)"
    image = shot(box=(40, 40, 160, 160))
    image.putpixel((3, 100), (200, 200, 200))
    assert broken(image, rules) == ""
    grey = broken(shot(ground=(250, 250, 250)), rules)
    assert grey == "100.0 % of the border is not (255, 255, 255) but about (250, 250, 250) (left, top, right, bottom)"
    assert broken(shot(box=(100, 50, 200, 150)), rules).endswith("about (160, 40, 40) (right)")
    assert broken(shot(ground=(255, 255, 255, 254)), rules).startswith("100.0 %"), "what shines through is not white"


def test_the_fill_is_of_the_side_that_is_filled_most() -> None:
    rules = pack("fill", making={"fill": 0.9}, at_least=0.85, at_most=0.95)
    assert broken(shot(box=(90, 15, 110, 185)), rules) == ""
    assert broken(shot(box=(15, 90, 185, 110)), rules) == ""
    assert broken(shot(box=(15, 90, 184, 110)), rules).startswith("the item takes 84.5% of the side, and 85% to 95%")
    assert broken(shot(box=(4, 90, 196, 110)), rules).startswith("the item takes 96.0%")
    speck = shot(box=(15, 15, 185, 185))
    speck.putpixel((196, 196), (0, 0, 0))
    assert broken(speck, rules) == "", "a lone pixel is no item"
    assert broken(Image.effect_noise((200, 200), 200), rules) == "", "without a plain ground nobody can say"


def test_what_the_edit_added_is_told_by_the_flags() -> None:
    """What the product had already is no business of the rule."""
    rules = pack("added", what=["text", "logo", "border"])
    was_there = [
        flag(Kind.TEXT, Change.KEPT, label="ACME"),
        flag(Kind.LOGO, Change.LOST),
        flag(Kind.FACE, Change.INTRODUCED),
    ]
    assert broken(shot(), rules, *was_there, flag(Kind.QUALITY, Change.INTRODUCED, label="watermark: all over")) == ""
    assert broken(shot(), rules, flag(Kind.TEXT, Change.INTRODUCED, label="SALE")) == "text introduced: SALE, 0.90"
    assert broken(shot(), rules, flag(Kind.LOGO, Change.ALTERED, label="ACME")) == "logo ACME altered"
    assert broken(shot(), rules, flag(Kind.QUALITY, Change.INTRODUCED, label="border: 4 px")) == "border: 4 px"
    five = [flag(Kind.TEXT, Change.INTRODUCED, label=str(number)) for number in range(5)]
    assert broken(shot(), rules, *five).endswith("text introduced: 2, 0.90 and 2 more")


def test_the_masters_origin_must_be_in_the_file() -> None:
    rules = pack("metadata", keeps=["source_type", "credentials"])
    said = encoded(shot(), "JPEG", xmp=xmp("compositeWithTrainedAlgorithmicMedia"))
    bare = encoded(shot(), "JPEG")
    manifest = b"jumdc2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x008\x9bq"
    kept: dict[str, Any] = {"media_type": "image/jpeg"}
    assert broken(bare, rules, **kept) == broken(bare, rules, master=bare, **kept) == ""
    assert broken(said, rules, master=said, **kept) == ""
    assert "compositeWithTrainedAlgorithmicMedia, and the file says nothing" in broken(bare, rules, master=said, **kept)
    assert broken(bare, rules, master=bare + manifest, **kept).endswith("credentials, and the file has none")


def test_a_generated_picture_must_say_so_when_it_leaves() -> None:
    rules = pack("source-type", names=["trainedAlgorithmicMedia"])
    good, other, bare = (
        encoded(shot(), "JPEG", xmp=said) for said in (xmp("trainedAlgorithmicMedia"), xmp("digitalCapture"), b"")
    )
    assert broken(bare, rules) == broken(good, rules, is_generated=True) == ""
    assert "says digitalCapture of its origin" in broken(other, rules, is_generated=True)
    assert "says nothing of its origin" in broken(bare, rules, is_generated=True)


def test_a_broken_rule_is_a_flag_that_quotes_it_and_advice_is_none() -> None:
    rules = builtin("amazon-main")
    findings = check(encoded(shot((400, 400), box=(190, 20, 210, 380), ground=(250, 250, 250))), "image/png", rules)
    assert [finding.rule.name for finding in findings] == ["zoom", "smallest", "white-ground"]
    zoom = as_flags(findings, rules, (400, 400))[0]
    assert (zoom.detection.kind, zoom.change, zoom.detection.level) == (Kind.QUALITY, Change.INTRODUCED, Level.SURE)
    assert (zoom.detection.detector, zoom.detection.version) == (DETECTOR, "2026-11-21")
    assert zoom.detection.xyxy == (0.0, 0.0, 400.0, 400.0)
    assert flag_line(zoom) == (
        "amazon-main zoom: 400x400 px, and the longer side at least 1000 is asked for "
        '(official rule: "Images should be 1,000 pixels or larger on the longest side. '
        'This minimum size requirement enables the zoom function on the website.")'
    )
    advice = check(encoded(shot((600, 600), box=(60, 60, 540, 540))), "image/png", builtin("google-merchant"))
    assert [finding.rule.name for finding in advice] == ["advised-size"]
    assert as_flags(advice, builtin("google-merchant"), (600, 600)) == []
