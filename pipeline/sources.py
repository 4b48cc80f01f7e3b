"""Source pictures: read once, from a file or an https URL, and kept by their sha256."""

import asyncio
import hashlib
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pipeline.blobs import BlobPlace, open_blobs
from pipeline.errors import PictureError
from pipeline.images import PictureLimits, PreparedPicture, prepare_picture
from pipeline.values import PictureFacts

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 30.0
_MAX_REDIRECTS = 5
_EXTENSIONS = {
    "image/jpeg": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "image/png": {".png", ".apng"},
    "image/webp": {".webp"},
    "image/avif": {".avif", ".avifs"},
    "image/tiff": {".tif", ".tiff"},
    "image/bmp": {".bmp", ".dib"},
    "image/gif": {".gif"},
}


@dataclass(frozen=True, slots=True)
class ImportedSource:
    """A source that was read, its bytes kept.

    Attributes:
        original_sha256: Of the file as it came.
        picture: The upright plain picture made of it.
        facts: What was changed, and what the file said of itself; kept for the export.
    """

    original_sha256: str
    picture: PictureFacts
    facts: Mapping[str, Any]


def is_url(source: str) -> bool:
    """Whether a manifest's source is a URL rather than a path."""
    return source.startswith(("https://", "http://"))


def stamp(source: str) -> str:
    """Tells whether a file may have changed since: its size and time; "" for a URL or a missing file."""
    if is_url(source):
        return ""
    try:
        status = Path(source).stat()
    except OSError:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}"


def read_file(path: str, limits: PictureLimits) -> bytes:
    """The bytes of a file.

    Raises:
        PictureError: There is no such file, or it is too large to be read at all.
    """
    try:
        size = Path(path).stat().st_size
        if size > limits.max_bytes:
            limit = limits.max_bytes / 1e6
            raise PictureError("too_large", f"the file has {size / 1e6:.1f} MB; the limit is {limit:.0f} MB")
        return Path(path).read_bytes()
    except OSError as exc:
        raise PictureError("unreadable", f"the file cannot be read ({exc.strerror}); check that it is there") from exc


async def fetch(url: str, limits: PictureLimits, *, allow_private: bool) -> bytes:
    """The bytes behind a URL.

    Raises:
        PictureError: It is no https URL, leads to a private address, is too large, or does not answer.
    """
    import httpx  # worker processes read files only, and start sooner without it

    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as client:
            for _ in range(_MAX_REDIRECTS + 1):
                await _check_address(url, allow_private=allow_private)
                async with client.stream("GET", url) as response:
                    if response.has_redirect_location:
                        url = str(response.url.join(response.headers["location"]))
                        continue
                    response.raise_for_status()
                    return await _read_body(response, limits)
    except httpx.HTTPStatusError as exc:
        status = exc.response.status_code
        raise PictureError("not_fetched", f"the server answered {status}; check the URL") from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise PictureError("not_fetched", f"the URL gave no picture ({type(exc).__name__}); try again later") from exc
    raise PictureError("not_fetched", f"the URL redirects more than {_MAX_REDIRECTS} times")


def import_source(
    data: bytes | None, source: str, *, place: BlobPlace, limits: PictureLimits, first_frame: bool
) -> ImportedSource:
    """Decode a source and keep it; pure but for the blob store, so it may be repeated.

    Args:
        data: The bytes, if they are here already; read from the path ``source`` otherwise.
        source: Where they came from.
        place: Where pictures are kept.
        limits: Largest and smallest sizes.
        first_frame: Take the first picture of an animation.

    Raises:
        PictureError: The file is not a picture that the desk takes.
    """
    if data is None:
        data = read_file(source, limits)
    prepared = prepare_picture(data, first_frame=first_frame, limits=limits)
    blobs = open_blobs(place)
    original_sha256 = hashlib.sha256(data).hexdigest()
    if prepared.data != data:
        blobs.put(data, "application/octet-stream")
    sha256 = blobs.put(prepared.data, prepared.media_type)
    picture = PictureFacts(sha256, prepared.media_type, prepared.size_wh, len(prepared.data))
    return ImportedSource(original_sha256, picture, _facts(prepared, source))


def _facts(prepared: PreparedPicture, source: str) -> dict[str, Any]:
    name = PurePosixPath(unquote(urlsplit(source).path)).name if is_url(source) else Path(source).name
    changes = list(prepared.changes)
    suffix = Path(name).suffix.lower()
    if suffix and suffix not in _EXTENSIONS.get(prepared.original.media_type, {suffix}):
        changes.append(f"the file name ends in {suffix} and the picture is {prepared.original.format}")
    return {
        "file_name": name,
        "changes": changes,
        "original": asdict(prepared.original),
        "metadata": dict(prepared.metadata),
    }


async def _check_address(url: str, *, allow_private: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        raise PictureError("not_fetched", f"the URL leads to {parts.scheme or 'no scheme'}; only https is fetched")
    if allow_private:
        return
    try:
        found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise PictureError("not_fetched", f"the host {parts.hostname} is not known; check the URL") from exc
    if not all(ipaddress.ip_address(address[4][0]).is_global for address in found):
        raise PictureError("not_fetched", f"the host {parts.hostname} is at a private address, which is not fetched")


async def _read_body(response: "httpx.Response", limits: PictureLimits) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limits.max_bytes:
            raise PictureError("too_large", f"the answer is larger than {limits.max_bytes / 1e6:.0f} MB")
    return bytes(body)
