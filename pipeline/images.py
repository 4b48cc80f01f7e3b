"""Strangers' picture files in, upright plain 8-bit sRGB pictures out; what was changed is said.

Everything is decoded by Pillow from an allow-list of formats, sizes are checked in the header before a pixel is
decoded, and a damaged file is refused rather than filled up with grey.
"""

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from pipeline.errors import PictureError
from pipeline.provenance.source_types import named_in

_T = TypeVar("_T")

_LONGEST_SIDE = {"image/webp": 16_383, "image/jpeg": 65_500}
"""Pixels: WEBP_MAX_DIMENSION of libwebp, and JPEG_MAX_DIMENSION of libjpeg, which Pillow 13.0.0 writes with."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """How large a picture may be, so that one file cannot take the whole machine.

    Attributes:
        max_bytes: Length of the file; 50 MB is also what the OpenAI edit endpoint takes
            (openai 3.52.0, image_edit_params.py, read 2026-11-20).
        max_pixels: Width times height; a catalogue edit of 25 MP took 2.3 GB (our measurement, 2026-11-20).
        min_side: Shortest side in pixels; less is an icon or a tracking pixel.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 50_000_000
    min_side: int = 16


@dataclass(frozen=True, slots=True)
class OriginalFacts:
    """What the file was before anything was done to it.

    Attributes:
        format: Pillow's name of the format, such as ``JPEG``; ``MPO`` is a JPEG that holds several pictures.
        media_type: From the bytes, not from the file name.
        size_wh: Width and height in pixels, before rotation.
        mode: Pillow's mode, such as ``CMYK``.
        bit_depth: Bits per channel as the header declares them; None where it does not say (AVIF).
        icc_name: Description of the embedded colour profile; None without one.
        frames: Pictures in the file.
        has_exif: Whether there is any EXIF.
    """

    format: str
    media_type: str
    size_wh: tuple[int, int]
    mode: str
    bit_depth: int | None
    icc_name: str | None
    frames: int
    has_exif: bool


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """A picture that every provider and detector can take.

    Attributes:
        data: PNG, JPEG or WebP: upright, 8 bit, sRGB. The bytes of the file itself where they were that already.
        media_type: Of ``data``.
        size_wh: Of ``data``.
        changes: What was done to the pixels, in words; empty when ``data`` is the file itself.
        original: What the file was.
        metadata: JSON values that summarise EXIF, colour profile, XMP and DPI of the file.
    """

    data: bytes
    media_type: str
    size_wh: tuple[int, int]
    changes: tuple[str, ...]
    original: OriginalFacts
    metadata: Mapping[str, Any] = field(default_factory=dict)


def prepare_picture(
    data: bytes, *, first_frame: bool = False, limits: PictureLimits = PictureLimits()
) -> PreparedPicture:
    """Make an upright plain sRGB picture of a file's bytes.

    Args:
        data: The file.
        first_frame: Take the first picture of an animation or a multi-page file instead of refusing it.
        limits: Largest and smallest sizes.

    Raises:
        PictureError: With code ``empty_file``, ``not_a_picture``, ``unsupported_format``, ``truncated``,
            ``bad_picture``, ``too_large``, ``decompression_bomb``, ``too_small`` or ``animated``.
    """
    with _opened(data, limits=limits) as image:
        original = _facts(image, data)
        _refuse_animation(original, first_frame=first_frame)
        metadata = {**_metadata(image, original), **_said_source_types(data)}
        plain, changes = _plain(image, original)
    if not changes and original.format in _PLAIN_FORMATS:
        return PreparedPicture(data, original.media_type, original.size_wh, (), original, metadata)
    encoded, media_type = _encode(plain, as_jpeg=original.media_type == "image/jpeg")
    if not changes:
        changes.append(f"{original.format} to {media_type.removeprefix('image/').upper()}")
    return PreparedPicture(encoded, media_type, plain.size, tuple(changes), original, metadata)


def open_prepared(data: bytes) -> Image.Image:
    """Decode bytes that `prepare_picture` made or a provider returned: upright, RGB or RGBA.

    Raises:
        PictureError: As `prepare_picture`, but a small picture is no error.
    """
    return open_told(data).image


@dataclass(frozen=True, slots=True)
class OpenedPicture:
    """A decoded picture.

    Attributes:
        image: Upright, sRGB, 8 bit, RGB or RGBA; without any metadata.
        changes: What was done to the file's pixels, in words.
        original: What the file is.
        xmp: The file's XMP packet; empty if it has none.
    """

    image: Image.Image
    changes: tuple[str, ...]
    original: OriginalFacts
    xmp: bytes


def open_told(data: bytes, *, limits: PictureLimits | None = None) -> OpenedPicture:
    """As `open_prepared`, with what the file was.

    Args:
        data: A picture in any format that the desk takes.
        limits: Largest and smallest sizes; those of the desk if None, and any side.

    Raises:
        PictureError: As `prepare_picture`, but a small picture is no error.
    """
    with _opened(data, limits=limits or _ANY_SIDE) as image:
        original = _facts(image, data)
        _refuse_animation(original, first_frame=False)
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        plain, changes = _plain(image, original)
    plain = plain if plain.mode in {"RGB", "RGBA"} else plain.convert("RGB")
    return OpenedPicture(plain, tuple(changes), original, xmp.encode() if isinstance(xmp, str) else bytes(xmp))


def read_size(data: bytes) -> tuple[str, tuple[int, int]]:
    """Media type and upright size of what a provider returned, proved by decoding every pixel.

    Raises:
        PictureError: As `prepare_picture`; ``unsupported_format`` for anything but PNG, JPEG and WebP.
    """
    with _opened(data, limits=_ANY_SIDE) as image:
        original = _facts(image, data)
        _refuse_animation(original, first_frame=False)
        if original.format not in _PLAIN_FORMATS:
            raise PictureError(
                "unsupported_format",
                f"the provider returned {original.format}; the desk keeps PNG, JPEG and WebP: "
                "ask the provider for one of these",
            )
        _decode(image)
        width, height = image.size
        is_turned = _orientation(image) >= _FIRST_TURNED_ORIENTATION
    return original.media_type, (height, width) if is_turned else (width, height)


def read_kind(data: bytes, *, limits: PictureLimits) -> str:
    """The media type of a stranger's file whose header fits the limits; no pixel is decoded.

    Raises:
        PictureError: As `prepare_picture`, as far as the header tells.
    """
    with _opened(data, limits=limits) as image:
        return Image.MIME.get(image.format or "", "application/octet-stream")


def converted(data: bytes, media_type: str) -> bytes:
    """The same picture as another kind of file; without its metadata, and as JPEG on white where it is transparent.

    Args:
        data: As for `open_prepared`.
        media_type: ``image/png``, ``image/jpeg`` or ``image/webp``.

    Raises:
        PictureError: As `open_prepared`, or it is too long for such a file.
    """
    image, buffer = open_prepared(data), io.BytesIO()
    most = _LONGEST_SIDE.get(media_type)
    if most is not None and max(image.size) > most:
        raise PictureError(
            "too_long",
            f"the picture is {image.width}x{image.height}, and no {media_type.removeprefix('image/')} is longer than "
            f"{most}; ask for png",
        )
    if media_type == "image/jpeg" and image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image).convert("RGB")
    if media_type == "image/webp":
        image.save(buffer, "WEBP", lossless=True)
        return buffer.getvalue()
    return _encode(image, as_jpeg=media_type == "image/jpeg")[0]


def preview(data: bytes, *, long_side: int) -> bytes:
    """Make a small WebP for the screen; a picture that is smaller already keeps its size.

    Args:
        data: As for `open_prepared`.
        long_side: Longest side of the preview in pixels.

    Raises:
        PictureError: As `open_prepared`.
        ValueError: The side is not positive.
    """
    if long_side < 1:
        raise ValueError(f"expected a long side of at least 1 pixel, received {long_side}")
    with _opened(data, limits=_ANY_SIDE) as image:
        original = _facts(image, data)
        _refuse_animation(original, first_frame=False)
        # A JPEG can be decoded at a half, a quarter or an eighth of its size at once; other formats ignore this.
        image.draft(None, (long_side, long_side))
        plain, _ = _plain(image, original)
    plain.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    plain.save(buffer, "WEBP", quality=_PREVIEW_QUALITY, method=_PREVIEW_METHOD)
    return buffer.getvalue()


def prepare_mask(data: bytes, size_wh: tuple[int, int]) -> bytes:
    """Make a PNG mask whose alpha is 0 where the picture is to be edited and 255 elsewhere.

    Takes a mask with transparency (alpha 0 = edit) or a black and white one (white = edit).
    Values between are split at one half, because providers do not agree on what a half means.

    Args:
        data: The mask file.
        size_wh: Size of the upright picture that it belongs to.

    Raises:
        PictureError: As `open_prepared`, and ``mask_size``, ``mask_unclear`` or ``mask_empty``.
    """
    mask = open_prepared(data)
    if mask.size != tuple(size_wh):
        raise PictureError(
            "mask_size",
            f"the mask is {_by(mask.size)} and the picture is {_by(size_wh)} pixels; "
            "save the mask at the size of the picture",
        )
    is_edited = _edited_area(mask)
    if not is_edited.any():
        raise PictureError(
            "mask_empty",
            "the mask marks nothing; make the area to edit transparent, or white on black",
        )
    pixels = np.zeros((*is_edited.shape, 4), dtype=np.uint8)
    pixels[..., 3] = np.where(is_edited, 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def prepare_markup(data: bytes, size_wh: tuple[int, int]) -> bytes:
    """Make a PNG overlay with marks on a transparent ground.

    Args:
        data: The overlay's file.
        size_wh: Size of the upright picture that it belongs to.

    Raises:
        PictureError: As `open_prepared`, and ``markup_size`` or ``markup_opaque``.
    """
    markup = open_prepared(data)
    if markup.size != tuple(size_wh):
        raise PictureError(
            "markup_size",
            f"the markup is {_by(markup.size)} and the picture is {_by(size_wh)} pixels; "
            "save the markup at the size of the picture",
        )
    if markup.mode != "RGBA" or markup.getchannel("A").getextrema()[0] == _OPAQUE:
        raise PictureError("markup_opaque", "the markup covers the whole picture; leave all but the marks transparent")
    buffer = io.BytesIO()
    markup.save(buffer, "PNG")
    return buffer.getvalue()


_OPAQUE: Final = 255

_MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "GIF": "image/gif",
}
_READ_FORMATS: Final = tuple(name for name in _MEDIA_TYPES if name != "MPO")  # Pillow opens an MPO as a JPEG
_PLAIN_FORMATS: Final = frozenset({"JPEG", "PNG", "WEBP"})
_ANY_SIDE: Final = PictureLimits(min_side=1)

_TAKEN: Final = "save it as PNG, JPEG or WebP"

_TAKEN_SIGNATURES: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF.{4}WEBP|.{4}ftypavi[fs]|II\*\x00|MM\x00\*|BM|GIF8[79]a", re.DOTALL
)
_OTHER_SIGNATURES: Final = (
    ("HEIC", re.compile(rb".{4}ftyp(?:hei[cmsx]|hev[cmx]|mif1|msf1)", re.DOTALL)),
    ("PDF", re.compile(rb"%PDF")),
    ("PostScript", re.compile(rb"%!PS|\xc5\xd0\xd3\xc6")),
    ("Photoshop", re.compile(rb"8BPS")),
    ("JPEG XL", re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL ")),
    ("JPEG 2000", re.compile(rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP")),
    ("icon", re.compile(rb"\x00\x00\x01\x00")),
    ("SVG", re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", re.DOTALL)),
)

_DECODER_ERRORS: Final = (
    OSError,  # UnidentifiedImageError is one
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    AssertionError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on damaged files; found by cutting and flipping bytes of every format."""

_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FIRST_TURNED_ORIENTATION: Final = 5
"""EXIF orientations 5 to 8 swap width and height (EXIF 2.32, tag 0x0112)."""

_SIXTEEN_BIT_GREY: Final = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})
_MODE_NAMES: Final = {
    "1": "black and white",
    "P": "palette",
    "PA": "palette",
    "LA": "greyscale with alpha",
    "La": "greyscale with alpha",
    "RGBa": "premultiplied alpha",
    "RGBX": "padded RGB",
    "YCbCr": "YCbCr",
    "CMYK": "CMYK",
}
_KNOWN_MODES: Final = frozenset({"L", "RGB", "RGBA", *_MODE_NAMES, *_SIXTEEN_BIT_GREY})

_PROFILE_MODES: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
_SAME_COLOUR: Final = 2
"""A profile that moves no probe by more than this many of 255 levels is sRGB: rounding alone moves one."""

_JPEG_QUALITY: Final = 95
_PNG_LEVEL: Final = 3
"""Half the time of level 6 for 4 % more bytes (our measurement, 2026-11-20)."""
_PREVIEW_QUALITY: Final = 82
_PREVIEW_METHOD: Final = 2

_MASK_COLOUR_SPREAD: Final = 48
_MASK_COLOURED_SHARE: Final = 0.02
_MASK_MID_SHARE: Final = 0.4
"""A black and white mask has no colours and mostly pure pixels; a photo given by mistake fails one of the two."""

_LONGEST_TEXT: Final = 200


def too_many_bytes(count: int, limits: PictureLimits) -> str:
    """What to say of a file with so many."""
    return (
        f"the file has {count / 1e6:.1f} MB and the limit is {limits.max_bytes / 1e6:.1f} MB; save it smaller, for "
        "example as JPEG"
    )


@contextmanager
def _opened(data: bytes, *, limits: PictureLimits) -> Iterator[Image.Image]:
    """Open a file whose header fits the limits; nothing is decoded yet."""
    if not data:
        raise PictureError("empty_file", "the file is empty; export the picture again")
    if len(data) > limits.max_bytes:
        raise PictureError("too_large", too_many_bytes(len(data), limits))
    with warnings.catch_warnings():
        # Pillow only warns of what is refused below, and of bad EXIF, which `_metadata` records.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            image = Image.open(io.BytesIO(data), formats=_READ_FORMATS)
        except Image.DecompressionBombError as exc:
            raise PictureError(
                "decompression_bomb",
                f"the header promises far more than {limits.max_pixels / 1e6:.0f} megapixels; "
                "if it is an honest picture, save it smaller",
            ) from exc
        except _DECODER_ERRORS as exc:
            raise _unreadable(data) from exc
        with image:
            _check_size(image.size, limits)
            yield image


def _check_size(size_wh: tuple[int, int], limits: PictureLimits) -> None:
    width, height = size_wh
    if width * height > limits.max_pixels:
        raise PictureError(
            "too_large",
            f"the picture has {_by(size_wh)} = {width * height / 1e6:.1f} megapixels and the limit is "
            f"{limits.max_pixels / 1e6:.1f}; scale it down",
        )
    if min(size_wh) < limits.min_side:
        raise PictureError(
            "too_small",
            f"the picture has {_by(size_wh)} pixels and each side needs {limits.min_side}; use the full-size file",
        )


def _unreadable(data: bytes) -> PictureError:
    """Say why a file did not even open."""
    head = data[:1024]
    if _TAKEN_SIGNATURES.match(head):
        return PictureError(
            "truncated", "the file begins like a picture and then breaks off or is damaged; export or download it again"
        )
    for name, signature in _OTHER_SIGNATURES:
        if signature.match(head):
            return PictureError("unsupported_format", f"the file is {name}, which the desk does not take; {_TAKEN}")
    if re.match(rb"\s*<(?:!doctype html|html)", head, re.IGNORECASE):
        return PictureError("not_a_picture", "the file is a web page; the link is to a page and not to the picture")
    return PictureError("not_a_picture", f"the file is not a picture; {_TAKEN}")


def _refuse_animation(original: OriginalFacts, *, first_frame: bool) -> None:
    if original.frames > 1 and not first_frame and original.format != "MPO":
        raise PictureError(
            "animated",
            f"the {original.format} holds {original.frames} pictures; save the one you mean, or allow the first frame",
        )


def _decode(image: Image.Image) -> None:
    """Decode every pixel."""
    try:
        image.load()
    except _DECODER_ERRORS as exc:
        raise _damaged(exc) from exc


def _damaged(exc: Exception) -> PictureError:
    if re.search("truncated|broken|EOF|not enough", str(exc), re.IGNORECASE):
        return PictureError("truncated", "the picture breaks off before its end; export or download it again")
    return PictureError("bad_picture", f"the picture cannot be decoded ({_shortened(str(exc))}); export it again")


def _facts(image: Image.Image, data: bytes) -> OriginalFacts:
    image_format = image.format or ""
    icc = image.info.get("icc_profile")
    return OriginalFacts(
        format=image_format,
        media_type=_MEDIA_TYPES[image_format],
        size_wh=image.size,
        mode=image.mode,
        bit_depth=_bit_depth(image, data),
        icc_name=_icc_name(icc) if icc else None,
        frames=_frame_count(image),
        has_exif=bool(image.info.get("exif")) or (image_format == "TIFF" and bool(image.getexif())),
    )


def _frame_count(image: Image.Image) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except _DECODER_ERRORS as exc:  # Pillow walks the whole file to count
        raise _damaged(exc) from exc


def _bit_depth(image: Image.Image, data: bytes) -> int | None:
    if image.format == "PNG":
        return data[24]  # IHDR: signature 8, chunk head 8, width 4, height 4, then the depth (PNG 3rd ed., 11.2.1)
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258, (1,))  # BitsPerSample (TIFF 6.0, page 29)
        return int(max(bits)) if isinstance(bits, tuple) else int(bits)
    return None if image.format == "AVIF" else 8


def _plain(image: Image.Image, original: OriginalFacts) -> tuple[Image.Image, list[str]]:
    """Decode to upright 8-bit sRGB (L, RGB or RGBA), and say what that took."""
    if image.mode not in _KNOWN_MODES:
        raise PictureError(
            "unsupported_format",
            f"the picture has {original.bit_depth}-bit {image.mode} pixels, which the desk does not take; "
            "save it as 8-bit PNG or JPEG",
        )
    changes = []
    if original.format == "MPO":
        changes.append(f"first of {original.frames} pictures in a multi-picture JPEG")
    elif original.frames > 1:
        changes.append(f"first of {original.frames} frames")
    orientation = _orientation(image)
    _decode(image)
    try:
        plain = _in_srgb(image, original, changes)
    except _DECODER_ERRORS as exc:
        raise _damaged(exc) from exc
    if orientation in _UPRIGHT:
        plain = plain.transpose(_UPRIGHT[orientation])
        changes.append(f"rotated by EXIF orientation {orientation}")
    plain.info.clear()  # Pillow would copy profile, EXIF and comments into what is saved
    return plain, changes


def _in_srgb(image: Image.Image, original: OriginalFacts, changes: list[str]) -> Image.Image:
    """The pixels as sRGB in mode L, RGB or RGBA; never the image itself."""
    icc = image.info.get("icc_profile")
    if original.bit_depth == 16:
        changes.append("16 bit to 8 bit")
    if image.mode in _SIXTEEN_BIT_GREY:
        image = _eight_bit_grey(image)
    elif image.mode in _MODE_NAMES and image.mode != "CMYK":
        changes.append(f"{_MODE_NAMES[image.mode]} to RGB")
    colours, alpha = _apart(image)
    if icc:
        colours = _converted(colours, icc, changes)
    if colours.mode == "CMYK":
        colours = colours.convert("RGB")
        changes.append("CMYK to sRGB without a profile: colours may differ from print")
    if alpha is not None:
        colours = colours.convert("RGB")
        colours.putalpha(alpha)
        if original.mode in {"L", "RGB"}:
            changes.append("transparent colour to alpha")
    return colours


def _eight_bit_grey(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8: ``convert("L")`` clips it to white instead (our measurement, 2026-11-20)."""
    values = np.asarray(image).astype(np.uint16)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return grey
    alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))
    return Image.merge("LA", (grey, alpha))


def _apart(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours in L, RGB or CMYK without alpha, and the alpha."""
    if image.has_transparency_data:
        key = image.info.get("transparency")
        if image.mode == "RGB" and isinstance(key, tuple) and max(key) > 255:
            image.info["transparency"] = tuple(value >> 8 for value in key)  # 16-bit key, pixels already 8 bit
        rgba = image.convert("RGBA")
        return rgba.convert("RGB"), rgba.getchannel("A")
    if image.mode in {"L", "CMYK", "RGB"}:
        return image.copy(), None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _converted(colours: Image.Image, icc: bytes, changes: list[str]) -> Image.Image:
    """Convert colours out of their profile; a profile that cannot be used is left aside, and that is recorded."""
    name = _icc_name(icc)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        profile_mode = _PROFILE_MODES[profile.profile.xcolor_space.strip()]
        if colours.mode == "L" and profile_mode == "RGB":
            colours = colours.convert("RGB")
        if colours.mode == "RGB" and profile_mode == "L" and _is_grey(colours):
            colours = colours.convert("L")
        if profile_mode == "RGB" and _is_srgb(profile):
            return colours
        converted = _through(colours, profile)
    except (ImageCms.PyCMSError, OSError, ValueError, LookupError, TypeError):
        changes.append(f"ICC profile '{name}' cannot be used: colours taken as sRGB")
        return colours
    changes.append(f"converted from ICC profile '{name}' to sRGB")
    return converted


def _through(colours: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")  # never embedded: its header holds the current second
    converted = ImageCms.profileToProfile(
        colours, profile, srgb, renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
    )
    assert converted is not None  # only None with inPlace
    return converted


def _is_grey(colours: Image.Image) -> bool:
    red, green, blue = colours.split()
    return red.tobytes() == green.tobytes() == blue.tobytes()


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether a profile is sRGB under whatever name: it leaves a cube of probes where they are."""
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(6, 36, 3)
    moved = np.asarray(_through(Image.fromarray(cube), profile)).astype(int) - cube
    return bool(np.abs(moved).max() <= _SAME_COLOUR)


def _icc_name(icc: bytes) -> str:
    try:
        return _shortened(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))) or "unnamed"
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return "unreadable"


def _orientation(image: Image.Image) -> int:
    value = _safely(lambda: image.getexif().get(ExifTags.Base.Orientation))
    return value if isinstance(value, int) and value in _UPRIGHT else 1


def _metadata(image: Image.Image, original: OriginalFacts) -> dict[str, Any]:
    """What is worth keeping of EXIF and its like; left out where the file does not say."""
    exif = _safely(image.getexif)
    values: dict[str, Any] = {
        "icc": original.icc_name,
        "has_xmp": "xmp" in image.info or "XML:com.adobe.xmp" in image.info,
    }
    values["dpi"] = _safely(lambda: [round(float(value), 2) for value in image.info["dpi"]])
    if exif is None:
        values["exif"] = "unreadable"
    elif original.has_exif:
        values |= _exif_values(exif)
    return {name: value for name, value in values.items() if value is not None}


def _said_source_types(data: bytes) -> dict[str, list[str]]:
    """The IPTC digital source types that a file names."""
    found = named_in(data)
    return {"digital_source_types": sorted(found)} if found else {}


def _exif_values(exif: Image.Exif) -> dict[str, Any]:
    details = _safely(lambda: exif.get_ifd(ExifTags.IFD.Exif)) or {}
    taken_at = details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime)
    texts = {
        "make": exif.get(ExifTags.Base.Make),
        "camera": exif.get(ExifTags.Base.Model),
        "software": exif.get(ExifTags.Base.Software),
        "taken_at": taken_at,
    }
    orientation = exif.get(ExifTags.Base.Orientation)
    return {
        "orientation": orientation if isinstance(orientation, int) else None,
        "has_gps": ExifTags.Base.GPSInfo in exif,
        **{name: _shortened(str(text)) for name, text in texts.items() if text},
    }


def _safely(read: Callable[[], _T]) -> _T | None:
    """What a reader of metadata gives, or None where the metadata is damaged: the pixels may be well all the same."""
    try:
        return read()
    except _DECODER_ERRORS:
        return None


def _encode(plain: Image.Image, *, as_jpeg: bool) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    if as_jpeg and plain.mode != "RGBA":
        plain.save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return buffer.getvalue(), "image/jpeg"
    plain.save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue(), "image/png"


def _edited_area(mask: Image.Image) -> NDArray[np.bool_]:
    """Where a mask wants the picture edited."""
    if mask.mode == "RGBA":
        alpha = np.asarray(mask.getchannel("A"))
        if (alpha < 128).any():
            return alpha < 128
    rgb = np.asarray(mask.convert("RGB")).astype(np.int16)
    is_coloured = rgb.max(axis=2) - rgb.min(axis=2) > _MASK_COLOUR_SPREAD
    grey = rgb.mean(axis=2)
    is_between = (grey > 32) & (grey < 223)
    if is_coloured.mean() > _MASK_COLOURED_SHARE or is_between.mean() > _MASK_MID_SHARE:
        raise PictureError(
            "mask_unclear",
            "the mask is neither transparent somewhere nor black and white; paint white what is to be edited, on black",
        )
    return np.asarray(grey >= 128, np.bool_)


def _by(size_wh: tuple[int, int]) -> str:
    return f"{size_wh[0]}x{size_wh[1]}"


def _shortened(text: str) -> str:
    """Text out of a file, fit to be shown: printable, on one line, not endless."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(clean.split())[:_LONGEST_TEXT]
