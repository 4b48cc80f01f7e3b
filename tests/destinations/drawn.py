"""Pictures of a disc or a bar on a ground, and packs of one rule."""

import io
from datetime import date
from typing import Any

from PIL import Image, ImageDraw

from pipeline.destinations.packs import Pack, known_packs
from pipeline.values import Box, Change, Detection, Flag, Kind, Level
from tests import desks

WHITE = (255, 255, 255)


def pack(check: str, *, making: dict[str, Any] | None = None, **limits: Any) -> Pack:
    """A pack with one rule."""
    rule = {"name": "the-rule", "check": check, "quote": "So it is", "strength": "own", **limits}
    about = {"frame": "2000x2000", "fill": 0.84, **(making or {})}
    given = {"name": "shop", "title": "Shop", "dated": date(2026, 11, 21), "making": about, "rules": [rule]}
    return Pack.model_validate(given)


def builtin(name: str) -> Pack:
    return known_packs(desks.tables().parent)[name]


def shot(
    size: tuple[int, int] = (200, 200),
    *,
    box: tuple[int, int, int, int] = (10, 10, 190, 190),
    ground: tuple[int, ...] = WHITE,
    item: tuple[int, int, int] = (160, 40, 40),
) -> Image.Image:
    """An item that fills a box (right and bottom exclusive) on a plain ground."""
    image = Image.new("RGB" if len(ground) == 3 else "RGBA", size, ground)
    left, top, right, bottom = box
    ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), fill=item)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def flag(kind: Kind, change: Change, *, label: str = "", xyxy: Box = (10, 10, 60, 40)) -> Flag:
    return Flag(Detection(kind, xyxy, 0.9, Level.SURE, label, "drawn", "1"), change)


def xmp(source_type: str) -> bytes:
    """An XMP packet that says how a picture came about."""
    uri = f"http://cv.iptc.org/newscodes/digitalsourcetype/{source_type}"
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><p Iptc4xmpExt:DigitalSourceType="{uri}"/></x:xmpmeta>'.encode()
