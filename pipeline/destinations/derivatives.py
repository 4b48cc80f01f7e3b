"""The file that goes to a destination, made of a master: reduced, padded, encoded, named. The master stays as it is.

The same master and pack give the same bytes on the same machine; across machines the encoders' versions decide.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from pipeline.destinations.measures import has_credentials, rgb_of
from pipeline.destinations.packs import ENDINGS, Making, Pack, Shape, has_shape
from pipeline.errors import PictureError
from pipeline.images import OpenedPicture, open_told

_PNG_LEVEL = 6
_FULL_COLOUR = 90
"""From this quality on JPEG keeps the colours of every pixel; below, of four at a time."""

_SMALLER = 0.9
_SMALLEST_PX = 16


@dataclass(frozen=True, slots=True)
class Derivative:
    """A file for one destination.

    Attributes:
        data: Its bytes.
        media_type: Its format.
        width: In pixels.
        height: In pixels.
        steps: What was done to the master, in words and in order.
        name: The file's, safe on every system; not made unlike others.
    """

    data: bytes
    media_type: str
    width: int
    height: int
    steps: tuple[str, ...]
    name: str


def derive(
    master: bytes,
    media_type: str,
    pack: Pack,
    *,
    asset_id: str = "",
    sku: str = "",
    variant: str = "",
    position: int = 1,
) -> Derivative:
    """Make a destination's file of a master. It is never enlarged, and no part of it is cut off.

    A master that fits is taken as it is, to the byte. Of any other, XMP is kept; content credentials would not hold for
    other bytes, so they are left to who signs the file.

    Args:
        master: The provider's bytes.
        media_type: What they are said to be; the bytes themselves decide.
        pack: The destination.
        asset_id: For the name.
        sku: For the name; the asset's id stands for a missing one.
        variant: For the name.
        position: For the name: which of the SKU's pictures it is, from 1.

    Raises:
        PictureError: The master cannot be read, or cannot be made small enough (``too_large``).
    """
    opened = open_told(master)
    steps = list(opened.changes)
    image = _flat(opened, pack.making, steps)
    image = _reduced(image, pack.making, steps)
    image = _padded(image, pack, steps)
    name = file_name(pack, asset_id=asset_id, sku=sku, variant=variant, position=position)
    if image is opened.image and _fits(master, opened, pack):
        return Derivative(master, pack.making.media_type, *image.size, ("taken as it is",), name)
    data, size = _encoded(image, pack, opened.xmp, steps)
    if has_credentials(master):
        steps.append("content credentials not kept: sign the file, with the master as its parent")
    return Derivative(data, pack.making.media_type, *size, tuple(steps), name)


def file_name(pack: Pack, *, asset_id: str = "", sku: str = "", variant: str = "", position: int = 1) -> str:
    """What a destination wants a file to be called; two assets may come to one name.

    Args:
        pack: The destination.
        asset_id: The asset's.
        sku: The asset's; its id stands for a missing one.
        variant: Put behind a hyphen where the pattern has no place for it.
        position: Which of the SKU's pictures it is, from 1.
    """
    from pipeline.export.names import safe_stem  # `pipeline.export` may import this module

    pattern = pack.making.name
    if variant and "{variant}" not in pattern:
        head, dot, tail = pattern.partition(".")
        pattern = f"{head}--{{variant}}{dot}{tail}"
    places = {"sku": sku or asset_id, "asset_id": asset_id or sku, "variant": variant, "position": str(position)}
    for place, text in places.items():
        pattern = pattern.replace(f"{{{place}}}", text.replace("{", "(").replace("}", ")"))
    return safe_stem(pattern) + ENDINGS[pack.making.media_type][0]


def _fits(master: bytes, opened: OpenedPicture, pack: Pack) -> bool:
    """Whether a master of the right size and shape is right in all else: to encode it again would cost quality."""
    is_right = opened.original.media_type == pack.making.media_type and opened.original.mode == "RGB"
    return is_right and not opened.changes and len(master) <= (pack.most_bytes or len(master))


def _flat(opened: OpenedPicture, making: Making, steps: list[str]) -> Image.Image:
    image = opened.image
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, rgb_of(making.ground))
    ground.paste(image, mask=image.getchannel("A"))
    if image.getchannel("A").getextrema()[0] != 255:
        steps.append(f"transparency laid on {making.ground}")
    return ground


def _reduced(image: Image.Image, making: Making, steps: list[str]) -> Image.Image:
    """The picture within the frame; a pixel each way at least."""
    frame_w, frame_h = making.frame_wh
    factor = min(frame_w / image.width, frame_h / image.height)
    if factor >= 1:
        return image
    width = min(frame_w, max(1, round(image.width * factor)))
    height = min(frame_h, max(1, round(image.height * factor)))
    steps.append(f"reduced from {image.width}x{image.height} to {width}x{height}")
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _padded(image: Image.Image, pack: Pack, steps: list[str]) -> Image.Image:
    """The picture in the frame's shape."""
    making = pack.making
    shapes = [rule for rule in pack.rules if isinstance(rule, Shape)]
    if not making.pad or (shapes and all(has_shape(image.size, rule) for rule in shapes)):
        return image
    frame_w, frame_h = making.frame_wh
    width = max(image.width, min(frame_w, round(image.height * frame_w / frame_h)))
    height = max(image.height, min(frame_h, round(image.width * frame_h / frame_w)))
    if (width, height) == image.size:
        return image
    padded = Image.new("RGB", (width, height), rgb_of(making.ground))
    padded.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    steps.append(f"padded with {making.ground} to {width}x{height}")
    return padded


def _encoded(image: Image.Image, pack: Pack, xmp: bytes, steps: list[str]) -> tuple[bytes, tuple[int, int]]:
    """The first encoding that is short enough: at the pack's quality, at less, and then of a smaller picture."""
    most = pack.most_bytes
    while True:
        for quality in _qualities(pack.making):
            data = _encode(image, pack.making.media_type, quality, xmp)
            if most is None or len(data) <= most:
                at = "" if pack.making.media_type == "image/png" else f" at quality {quality}"
                steps.append(f"encoded as {pack.making.media_type.removeprefix('image/').upper()}{at}")
                return data, image.size
        if min(image.size) * _SMALLER < _SMALLEST_PX:
            message = f"the picture cannot be made smaller than {most:,} bytes for {pack.name}"
            raise PictureError("too_large", f"{message}; look at the pack's limit")
        width, height = (round(side * _SMALLER) for side in image.size)
        steps.append(f"reduced to {width}x{height}, to keep below {most:,} bytes")
        image = _padded(image.resize((width, height), Image.Resampling.LANCZOS), pack, steps)  # a pixel may be off now


def _qualities(making: Making) -> Iterator[int]:
    """From the best that is asked for down to the least, in at most five steps."""
    if making.media_type == "image/png":
        yield making.quality
        return
    span = making.quality - making.least_quality
    yield from dict.fromkeys(making.quality - round(span * step / 4) for step in range(5))


def _encode(image: Image.Image, media_type: str, quality: int, xmp: bytes) -> bytes:
    buffer = io.BytesIO()
    about: dict[str, Any] = {"xmp": xmp} if xmp else {}
    if media_type == "image/png":
        image.save(buffer, "PNG", compress_level=_PNG_LEVEL, **_png_xmp(xmp))
    elif media_type == "image/webp":
        image.save(buffer, "WEBP", quality=quality, method=4, **about)
    else:
        subsampling = 0 if quality >= _FULL_COLOUR else 2
        image.save(buffer, "JPEG", quality=quality, subsampling=subsampling, optimize=True, **about)
    return buffer.getvalue()


def _png_xmp(xmp: bytes) -> dict[str, Any]:
    from PIL.PngImagePlugin import PngInfo

    if not xmp:
        return {}
    chunks = PngInfo()
    chunks.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return {"pnginfo": chunks}
