"""TIFF: XMP is the tag 700 of the first directory, a manifest store its tag 52545.

A directory cannot grow in its place: a new one is written at the end of the file, where the header then points. No
offset changes, so that nothing else has to.

Source: TIFF revision 6.0 (Adobe, 1992), section 2.
"""

import struct
from typing import Final

_XMP, _STORE = 700, 52545
_BYTES: Final = 1
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value by type (TIFF 6.0, page 15; 13 is an offset, Adobe PageMaker 6.0 TIFF technical notes)."""

_Entry = tuple[int, int, int, bytes]
"""Tag, type, count, and value or where it is."""


def is_one(data: bytes) -> bool:
    """Whether the first bytes are those of a TIFF of the usual kind, of at most 4 GB."""
    return data[:4] in (b"II*\0", b"MM\0*")


def read_xmp(data: bytes) -> bytes | None:
    """The packet."""
    order, entries, _ = _directory(data)
    for tag, kind, count, value in entries:
        if tag == _XMP:
            size = _SIZES.get(kind, 1) * count
            if size <= 4:
                return value[:size]
            (at,) = struct.unpack(f"{order}I", value)
            if at + size > len(data):
                raise ValueError("its XMP ends nowhere")
            return data[at : at + size]
    return None


def write_xmp(data: bytes, packet: bytes) -> bytes:
    """At the end of the file, with a new directory."""
    order, entries, following = _directory(data)
    padded = packet.ljust(5)
    data += b"\0" * (len(data) % 2)
    entry = (_XMP, _BYTES, len(padded), struct.pack(f"{order}I", len(data)))
    kept = [entry for entry in entries if entry[0] != _XMP]
    return _with_directory(data + padded, order, [*kept, entry], following)


def is_signed(data: bytes) -> bool:
    """Whether there is a manifest store."""
    return any(entry[0] == _STORE for entry in _directory(data)[1])


def unsign(data: bytes) -> bytes:
    """With nothing that points to it; its bytes are blanked, so that nothing finds them by chance."""
    order, entries, following = _directory(data)
    for tag, kind, count, value in entries:
        if tag == _STORE and (size := _SIZES.get(kind, 1) * count) > 4:
            (at,) = struct.unpack(f"{order}I", value)
            size = min(size, max(0, len(data) - at))
            data = data[:at] + b"\0" * size + data[at + size :]
    return _with_directory(data, order, [entry for entry in entries if entry[0] != _STORE], following)


def _directory(data: bytes) -> tuple[str, list[_Entry], int]:
    """Byte order, the entries of the first directory, and where the next one is."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, at)
    entries = [struct.unpack_from(f"{order}HHI4s", data, at + 2 + 12 * number) for number in range(count)]
    (following,) = struct.unpack_from(f"{order}I", data, at + 2 + 12 * count)
    return order, entries, following


def _with_directory(data: bytes, order: str, entries: list[_Entry], following: int) -> bytes:
    data += b"\0" * (len(data) % 2)
    at = struct.pack(f"{order}I", len(data))
    packed = b"".join(struct.pack(f"{order}HHI4s", *entry) for entry in sorted(entries))
    directory = struct.pack(f"{order}H", len(entries)) + packed + struct.pack(f"{order}I", following)
    return data[:4] + at + data[8:] + directory
