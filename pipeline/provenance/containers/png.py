"""PNG: XMP is an iTXt chunk of its own name, a manifest store the chunk caBX."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from pipeline.provenance.containers.limits import MOST_PACKET_BYTES

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_XMP: Final = b"XML:com.adobe.xmp\0"
_STORE: Final = b"caBX"


def is_one(data: bytes) -> bool:
    """Whether the first bytes are those of a PNG."""
    return data.startswith(_SIGNATURE)


def read_xmp(data: bytes) -> bytes | None:
    """The packet, which may be compressed."""
    for kind, raw in _chunks(data):
        if _is_xmp(kind, raw):
            body = raw[8 + len(_XMP) : -4]
            _, _, text = body[2:].split(b"\0", 2) if body[2:].count(b"\0") >= 2 else (b"", b"", b"")
            return zlib.decompressobj().decompress(text, MOST_PACKET_BYTES + 1) if body[0] else text
    return None


def write_xmp(data: bytes, packet: bytes) -> bytes:
    """Right behind the header, so that who reads the beginning of a file has it."""
    header, *others = [raw for kind, raw in _chunks(data) if not _is_xmp(kind, raw)]
    return b"".join((_SIGNATURE, header, _chunk(b"iTXt", _XMP + b"\0\0\0\0" + packet), *others))


def is_signed(data: bytes) -> bool:
    """Whether there is a manifest store."""
    return any(kind == _STORE for kind, _ in _chunks(data))


def unsign(data: bytes) -> bytes:
    """Without it."""
    return b"".join((_SIGNATURE, *(raw for kind, raw in _chunks(data) if kind != _STORE)))


def _is_xmp(kind: bytes, raw: bytes) -> bool:
    return kind == b"iTXt" and raw.startswith(_XMP, 8)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each with its kind, whole; what stands behind the end is given as one more."""
    at = len(_SIGNATURE)
    kind = b""
    while kind != b"IEND":
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if end > len(data):
            raise ValueError(f"a chunk at byte {at} ends nowhere")
        yield kind, data[at:end]
        at = end
    if at < len(data):
        yield b"", data[at:]
