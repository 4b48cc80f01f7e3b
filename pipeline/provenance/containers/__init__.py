"""Where JPEG, PNG, WebP and TIFF files keep XMP and C2PA, and how to change that without touching a pixel.

Our own, since what there is binds GPL code (pyexiv2, py3exiv2), needs another program (PyExifTool), is no longer kept
(piexif, python-xmp-toolkit), or encodes the picture anew (Pillow). Only whole segments, chunks and directory entries
are put in, replaced or left out; every other byte is copied.

Sources: XMP specification part 3, storage in files (Adobe, January 2020); C2PA technical specification 2.1, appendix A,
embedding manifests (https://c2pa.org/specifications/specifications/2.1/specs/C2PA_Specification.html, read 2026-11-21).
"""

import struct
import zlib
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from pipeline.provenance.containers import jpeg, png, tiff, webp
from pipeline.provenance.containers.faults import CannotCarry

_T = TypeVar("_T")


class _Container(Protocol):
    """A module about one kind of file."""

    def is_one(self, data: bytes) -> bool:
        """Whether the first bytes are those of such a file."""

    def read_xmp(self, data: bytes) -> bytes | None:
        """The packet; None without one."""

    def write_xmp(self, data: bytes, packet: bytes) -> bytes:
        """The same file with this packet."""

    def is_signed(self, data: bytes) -> bool:
        """Whether there is a manifest store."""

    def unsign(self, data: bytes) -> bytes:
        """The same file without one."""


_CONTAINERS: Final[dict[str, _Container]] = {
    "image/jpeg": jpeg,
    "image/png": png,
    "image/webp": webp,
    "image/tiff": tiff,
}


def media_type_of(data: bytes) -> str | None:
    """From the first bytes; None for a file that nothing can be put into."""
    return next((media_type for media_type, container in _CONTAINERS.items() if container.is_one(data)), None)


def xmp_in(data: bytes) -> bytes | None:
    """The XMP packet; None without one.

    Raises:
        CannotCarry: The file is of no known kind, or damaged.
    """
    return _within(data, lambda container: container.read_xmp(data))


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """The same file with this XMP packet in place of its own.

    Raises:
        CannotCarry: The file is of no known kind, or damaged, or has no room for so long a packet.
    """
    return _within(data, lambda container: container.write_xmp(data, packet))


def has_credentials(data: bytes) -> bool:
    """Whether there is a C2PA manifest store, valid or not.

    Raises:
        CannotCarry: The file is of no known kind, or damaged.
    """
    return _within(data, lambda container: container.is_signed(data))


def without_credentials(data: bytes) -> bytes:
    """The same file without C2PA manifests.

    Raises:
        CannotCarry: The file is of no known kind, or damaged.
    """
    return _within(data, lambda container: container.unsign(data))


def _within(data: bytes, do: Callable[[_Container], _T]) -> _T:
    media_type = media_type_of(data)
    if media_type is None:
        raise CannotCarry("only JPEG, PNG, WebP and TIFF files carry marks")
    try:
        return do(_CONTAINERS[media_type])
    except (struct.error, IndexError, ValueError, OverflowError, zlib.error) as exc:
        raise CannotCarry(f"the file is damaged: {exc}") from exc
