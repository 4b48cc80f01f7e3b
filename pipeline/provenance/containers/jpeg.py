"""JPEG: XMP is an APP1 segment, a manifest store one or several APP11 segments with parts of a JUMBF box."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.provenance.containers.faults import CannotCarry

_START: Final = b"\xff\xd8"
_APP0, _APP1, _APP11, _SCAN, _END = 0xE0, 0xE1, 0xEB, 0xDA, 0xD9
_BARE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
"""Markers without a length (ITU-T T.81, table B.1)."""

_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF: Final = b"Exif\0\0"
_JUMBF: Final = b"JP"
_MOST: Final = 65_533 - len(_XMP)


@dataclass(frozen=True, slots=True)
class _Segment:
    """One marker with what belongs to it; the last one reaches to the end of the file."""

    marker: int
    raw: bytes
    payload: bytes


def is_one(data: bytes) -> bool:
    """Whether the first bytes are those of a JPEG."""
    return data[:3] == b"\xff\xd8\xff"


def read_xmp(data: bytes) -> bytes | None:
    """The standard packet; what did not fit into it (extended XMP) stays in the file as it is."""
    return next((segment.payload[len(_XMP) :] for segment in _segments(data) if _is_xmp(segment)), None)


def write_xmp(data: bytes, packet: bytes) -> bytes:
    """Behind JFIF and EXIF, which readers look for first."""
    if len(packet) > _MOST:
        raise CannotCarry(f"a JPEG has room for {_MOST} bytes of XMP, and this would be {len(packet)}")
    segments = [segment for segment in _segments(data) if not _is_xmp(segment)]
    place = 0
    while segments[place].marker == _APP0 or (
        segments[place].marker == _APP1 and segments[place].payload.startswith(_EXIF)
    ):
        place += 1
    new = b"\xff\xe1" + struct.pack(">H", 2 + len(_XMP) + len(packet)) + _XMP + packet
    return _joined(segments[:place]) + new + b"".join(segment.raw for segment in segments[place:])


def is_signed(data: bytes) -> bool:
    """Whether a JUMBF box of C2PA begins in some segment."""
    return any(_store_number(segment) is not None for segment in _segments(data))


def unsign(data: bytes) -> bytes:
    """Without all parts of that box, which have a number in common."""
    segments = list(_segments(data))
    numbers = {_store_number(segment) for segment in segments} - {None}
    return _joined(segment for segment in segments if not (_is_box(segment) and segment.payload[2:4] in numbers))


def _joined(segments: Iterable[_Segment]) -> bytes:
    return _START + b"".join(segment.raw for segment in segments)


def _is_xmp(segment: _Segment) -> bool:
    return segment.marker == _APP1 and segment.payload.startswith(_XMP)


def _is_box(segment: _Segment) -> bool:
    return segment.marker == _APP11 and segment.payload.startswith(_JUMBF)


def _store_number(segment: _Segment) -> bytes | None:
    """Of the box that begins here, if it is C2PA's: after the number come 4 bytes of sequence and the box itself."""
    head = segment.payload[8:56]
    return segment.payload[2:4] if _is_box(segment) and head[4:8] == b"jumb" and b"c2pa" in head else None


def _segments(data: bytes) -> Iterator[_Segment]:
    at = 2
    while True:
        begin = at
        if data[at] != 0xFF:
            raise ValueError(f"no marker at byte {at}")
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in (_SCAN, _END):
            yield _Segment(marker, data[begin:], b"")
            return
        if marker in _BARE:
            yield _Segment(marker, data[begin:at], b"")
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2 or at + length > len(data):
            raise ValueError(f"a segment at byte {begin} ends nowhere")
        yield _Segment(marker, data[begin : at + length], data[at + 2 : at + length])
        at += length
