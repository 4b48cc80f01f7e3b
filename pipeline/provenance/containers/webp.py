"""WebP: XMP is a chunk that the extended header announces, a manifest store the chunk C2PA.

Source: WebP container specification (https://developers.google.com/speed/webp/docs/riff_container, read 2026-11-21).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Final

_HEADER, _XMP, _STORE = b"VP8X", b"XMP ", b"C2PA"
_HAS_XMP, _HAS_ALPHA = 0x04, 0x10
_LOSSY_START: Final = b"\x9d\x01\x2a"
_LOSSLESS_START: Final = 0x2F


def is_one(data: bytes) -> bool:
    """Whether the first bytes are those of a WebP."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read_xmp(data: bytes) -> bytes | None:
    """The packet."""
    return next((body for kind, body in _chunks(data) if kind == _XMP), None)


def write_xmp(data: bytes, packet: bytes) -> bytes:
    """At the end, as the specification has it; a simple file becomes an extended one."""
    chunks = [chunk for chunk in _chunks(data) if chunk[0] != _XMP]
    kind, body = chunks[0]
    header = body if kind == _HEADER else _header(kind, body)
    chunks = chunks[1:] if kind == _HEADER else chunks
    announced = bytes([header[0] | _HAS_XMP]) + header[1:]
    return _file([(_HEADER, announced), *chunks, (_XMP, packet)], data)


def is_signed(data: bytes) -> bool:
    """Whether there is a manifest store."""
    return any(kind == _STORE for kind, _ in _chunks(data))


def unsign(data: bytes) -> bytes:
    """Without it."""
    return _file([chunk for chunk in _chunks(data) if chunk[0] != _STORE], data)


def _header(kind: bytes, body: bytes) -> bytes:
    """The extended header of a file that had none: flags, and the size less one in 24 bits each."""
    if kind == b"VP8 " and body[3:6] == _LOSSY_START:
        sides = [int(side) & 0x3FFF for side in struct.unpack_from("<HH", body, 6)]
        has_alpha = False
    elif kind == b"VP8L" and body[0] == _LOSSLESS_START:
        bits = int(struct.unpack_from("<I", body, 1)[0])
        sides = [(bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1]
        has_alpha = bool(bits >> 28 & 1)
    else:
        raise ValueError("its first chunk is no picture")
    flags = _HAS_ALPHA if has_alpha else 0
    return bytes([flags, 0, 0, 0]) + b"".join((side - 1).to_bytes(3, "little") for side in sides)


def _file(chunks: Iterable[tuple[bytes, bytes]], old: bytes) -> bytes:
    """These chunks, and whatever the old file had behind its end."""
    parts = [b"WEBP"]
    for kind, body in chunks:
        parts += [kind, struct.pack("<I", len(body)), body, b"\0" * (len(body) % 2)]
    whole = b"".join(parts)
    length: int = struct.unpack_from("<I", old, 4)[0]
    return b"RIFF" + struct.pack("<I", len(whole)) + whole + old[8 + length :]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    (length,) = struct.unpack_from("<I", data, 4)
    at, end = 12, 8 + length
    if end > len(data):
        raise ValueError("it ends early")
    while at + 8 <= end:
        (size,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + size > end:
            raise ValueError(f"a chunk at byte {at} ends nowhere")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
