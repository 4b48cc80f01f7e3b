"""Source pictures: read once, from a file or an https URL, and kept by their sha256."""

import asyncio
import hashlib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pipeline.addresses import is_public
from pipeline.blobs import BlobPlace, open_blobs
from pipeline.errors import PictureError
from pipeline.images import PictureLimits, PreparedPicture, prepare_picture
from pipeline.values import PictureFacts

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 30.0
"""To connect, and between two parts of an answer."""

_WHOLE_S = 120.0
"""For 50 MB, 3.3 Mbit/s are enough."""

_MAX_REDIRECTS = 5
_PLAIN = {"Accept-Encoding": "identity"}
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
        status = os.stat(source)  # noqa: PTH116 - a manifest has a hundred thousand, and a Path takes twice as long
    except (OSError, ValueError):
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


def need_public(url: str, *, allow_private: bool) -> None:
    """Refuse a URL that can be seen not to lead to a public address, without looking its host up.

    Raises:
        PictureError: It is no https URL, or names a private address.
    """
    host = _host(url, allow_private=allow_private)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return
    if not (allow_private or is_public(address)):
        raise PictureError("not_fetched", f"the host {host} is at a private address, which is not asked")


async def fetch(url: str, limits: PictureLimits, *, allow_private: bool, whole_s: float = _WHOLE_S) -> bytes:
    """The bytes behind a URL.

    A redirect is checked as the URL itself was.

    Args:
        url: Of a picture.
        limits: No more bytes are read than these.
        allow_private: Whether private addresses and plain http will do.
        whole_s: Seconds for all of it, redirects included.

    Raises:
        PictureError: It is no https URL, leads to a private address, is too large or too slow, or does not answer.
    """
    import httpx  # worker processes read files only, and start sooner without it

    from pipeline.public_web import AsyncPublicTransport, NotPublic, UnknownHost

    transport = None if allow_private else AsyncPublicTransport()
    try:
        async with (
            asyncio.timeout(whole_s),
            httpx.AsyncClient(timeout=_TIMEOUT_S, transport=transport, headers=_PLAIN) as client,
        ):
            for _ in range(_MAX_REDIRECTS + 1):
                _host(url, allow_private=allow_private)
                async with client.stream("GET", url) as response:
                    if response.has_redirect_location:
                        url = str(httpx.URL(url).join(response.headers["location"]))
                        continue
                    response.raise_for_status()
                    return await _read_body(response, limits)
    except TimeoutError as exc:
        raise PictureError("not_fetched", f"the picture was not here after {whole_s:g} s; try again later") from exc
    except httpx.HTTPStatusError as exc:
        status = exc.response.status_code
        raise PictureError("not_fetched", f"the server answered {status}; check the URL") from exc
    except (NotPublic, UnknownHost) as exc:
        raise PictureError("not_fetched", f"{exc}; check the URL") from exc
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


def _host(url: str, *, allow_private: bool) -> str:
    """The host of a URL that may be fetched.

    Raises:
        PictureError: It is no https URL.
    """
    try:
        parts = urlsplit(url)
        scheme, host, _ = parts.scheme, parts.hostname, parts.port
    except ValueError as exc:
        raise PictureError("not_fetched", f"the URL cannot be read ({exc}); check it") from exc
    if scheme != "https" and not (allow_private and scheme == "http"):
        raise PictureError("not_fetched", f"the URL leads to {scheme or 'no scheme'}; only https is fetched")
    if not host:
        raise PictureError("not_fetched", "the URL names no host; check it")
    return host


async def _read_body(response: "httpx.Response", limits: PictureLimits) -> bytes:
    """As it was sent: what is compressed on the way may be a thousand times as large."""
    if (encoding := response.headers.get("content-encoding", "identity")) != "identity":
        raise PictureError("not_fetched", f"the server sent the picture as {encoding}, which was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limits.max_bytes:
            raise PictureError("too_large", f"the answer is larger than {limits.max_bytes / 1e6:.0f} MB")
    return bytes(body)
