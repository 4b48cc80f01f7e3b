"""Strangers' files in, plain pictures out."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipeline.errors import PictureError
from pipeline.images import PictureLimits, converted, open_prepared, prepare_mask, prepare_picture, preview, read_size


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def slope(mode: str = "RGB", size: tuple[int, int] = (40, 24)) -> Image.Image:
    """A picture whose every corner is another colour."""
    columns, rows = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    rgb = np.stack([columns, rows, 255 - columns], axis=-1).astype(np.uint8)
    return Image.fromarray(rgb).convert(mode)


def code(data: bytes, **options: Any) -> str:
    with pytest.raises(PictureError) as caught:
        prepare_picture(data, **options)
    return caught.value.code


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_plain_picture_stays_byte_for_byte(kind: str) -> None:
    data = encoded(slope(), kind)
    prepared = prepare_picture(data)
    assert (prepared.data, prepared.changes, prepared.size_wh) == (data, (), (40, 24))


def test_exif_rotation_is_carried_out_and_said() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    prepared = prepare_picture(encoded(slope(), "JPEG", exif=exif))
    assert prepared.size_wh == (24, 40)
    assert prepared.changes == ("rotated by EXIF orientation 6",)
    assert prepared.metadata["orientation"] == 6


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    deep = Image.fromarray(np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16))
    prepared = prepare_picture(encoded(deep))
    grey = np.asarray(open_prepared(prepared.data).convert("L"))
    assert "16 bit to 8 bit" in prepared.changes
    assert 120 < grey.mean() < 135


def test_cmyk_becomes_rgb() -> None:
    prepared = prepare_picture(encoded(slope("CMYK"), "JPEG"))
    assert open_prepared(prepared.data).mode == "RGB"
    assert any("CMYK" in change for change in prepared.changes)


def test_a_palette_with_transparency_keeps_it() -> None:
    picture = slope("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 12, 12))
    palette = picture.quantize(16)
    opened = open_prepared(prepare_picture(encoded(palette)).data)
    assert opened.mode == "RGBA"
    assert opened.getchannel("A").getpixel((0, 0)) == 0


def test_a_picture_that_is_too_long_for_another_kind_of_file_is_refused_in_words() -> None:
    data = encoded(Image.new("RGB", (16_384, 16), "navy"))
    with pytest.raises(PictureError, match="16384x16, and no webp is longer than 16383; ask for png"):
        converted(data, "image/webp")
    assert read_size(converted(data, "image/jpeg")) == ("image/jpeg", (16_384, 16))


def test_a_foreign_profile_is_converted_and_named() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    changes = prepare_picture(encoded(slope(), "PNG", icc_profile=profile)).changes
    assert any("cannot be used" in change for change in changes)


def test_its_own_profile_under_another_name_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(slope(), "PNG", icc_profile=profile)
    assert prepare_picture(data).data == data


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_refused_or_its_first_frame_taken(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), (shade, 0, 0)) for shade in (10, 120, 240)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert code(data) == "animated"
    prepared = prepare_picture(data, first_frame=True)
    assert "first of 3 frames" in prepared.changes
    first = open_prepared(prepared.data).convert("RGB").getpixel((5, 5))
    assert isinstance(first, tuple)
    assert abs(first[0] - 10) < 8


def bomb() -> bytes:
    """A PNG whose header promises 60,000 x 60,000 pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty_file"),
        (b"hello, this is no picture", "not_a_picture"),
        (b"%PDF-1.7 and so on", "unsupported_format"),
        (b"<!DOCTYPE html><html></html>", "not_a_picture"),
        (encoded(slope(size=(400, 400)), "JPEG")[:2000], "truncated"),
        (encoded(slope(size=(400, 400)))[:900], "truncated"),
        (encoded(Image.new("RGB", (1, 1))), "too_small"),
        (bomb(), "decompression_bomb"),
    ],
)
def test_a_bad_file_says_what_is_wrong(data: bytes, expected: str) -> None:
    assert code(data) == expected


def test_limits_hold_before_anything_is_decoded() -> None:
    data = encoded(slope(size=(100, 100)))
    assert code(data, limits=PictureLimits(max_pixels=9_999)) == "too_large"
    assert code(data, limits=PictureLimits(max_bytes=50)) == "too_large"


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_a_picture_or_a_clear_error(data: st.DataObject) -> None:
    """Whatever bytes are flipped or cut: nothing but `PictureError` comes out."""
    whole = bytearray(encoded(slope(), data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"]))))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(1, len(whole)))])
    try:
        prepared = prepare_picture(cut, first_frame=True)
    except PictureError as exc:
        assert exc.code
        assert str(exc)
    else:
        assert open_prepared(prepared.data).size == prepared.size_wh


def test_a_mask_may_be_transparent_or_white_on_black() -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 255))
    clear.paste((0, 0, 0, 0), (5, 5, 10, 10))
    black = Image.new("L", (20, 20), 0)
    black.paste(255, (5, 5, 10, 10))
    masks = [open_prepared(prepare_mask(encoded(mask), (20, 20))).getchannel("A") for mask in (clear, black)]
    assert masks[0].tobytes() == masks[1].tobytes()
    assert masks[0].getpixel((7, 7)) == 0
    assert masks[0].getpixel((1, 1)) == 255


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (Image.new("L", (10, 20), 255), "mask_size"),
        (Image.new("L", (20, 20), 0), "mask_empty"),
        (slope(size=(20, 20)), "mask_unclear"),
    ],
)
def test_a_mask_that_cannot_be_meant_is_refused(mask: Image.Image, expected: str) -> None:
    with pytest.raises(PictureError) as caught:
        prepare_mask(encoded(mask), (20, 20))
    assert caught.value.code == expected


def test_a_preview_is_small_and_an_output_is_measured() -> None:
    data = encoded(slope(size=(400, 200)))
    assert read_size(data) == ("image/png", (400, 200))
    assert read_size(preview(data, long_side=100)) == ("image/webp", (100, 50))


def test_the_same_file_gives_the_same_bytes() -> None:
    data = encoded(slope("CMYK"), "JPEG")
    assert prepare_picture(data).data == prepare_picture(data).data
