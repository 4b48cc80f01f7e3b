"""One request to a receiver: to a public address, without redirects, with an end to how long and how much."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.addresses import is_public
from pipeline.errors import UsageError
from pipeline.retry_after import retry_after_s
from pipeline.texts import mended

if TYPE_CHECKING:
    import httpx

TIMEOUT_S = 20.0
"""Standard Webhooks advises 15 to 30 s."""

MOST_URL = 2_000
MOST_ANSWER = 500
_MOST_BYTES = 2_000
_CONNECT_S = 5.0
_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "Picturedesk-Webhooks/1",
}
_LONGEST_RETRY_AFTER_S = 3600.0
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: None if nothing did.
        text: What the answer said, or why there was none; anybody's text, clipped.
        retry_after_s: How long the receiver asks to be left alone.
    """

    status: int | None
    text: str
    retry_after_s: float | None = None

    @property
    def is_well(self) -> bool:
        """Whether the receiver has taken the message."""
        return self.status is not None and 200 <= self.status < 300


def check_url(url: str, *, allow_private: bool) -> str:
    """A receiver's URL as it is kept; which addresses its name has is looked at whenever something is sent.

    Raises:
        UsageError: It is no https URL, is too long, carries a password, or names a private address.
    """
    found = url.strip()
    try:
        parts = urlsplit(found)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise UsageError(
            "found a URL that cannot be read; expected one such as https://shop.example.com/hook"
        ) from None
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes or not host or not found.isprintable() or " " in found:
        raise UsageError(
            "expected a URL such as https://shop.example.com/hook; http is for private addresses alone, which "
            "allow_private_webhooks in picturedesk.toml allows"
        )
    if len(found) > MOST_URL:
        raise UsageError(f"found a URL of {len(found)} characters; expected at most {MOST_URL}")
    if parts.username is not None or parts.password is not None:
        raise UsageError("found a name or a password in the URL; the signature says who sends")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return found
    if not allow_private and not is_public(address):
        raise UsageError(
            f"{host} is a private address; allow_private_webhooks = true in picturedesk.toml lets messages go there"
        )
    return found


def origin(url: str) -> str:
    """What of a URL may be shown to everybody: the rest may open a door."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@asynccontextmanager
async def opened_client(*, allow_private: bool) -> "AsyncIterator[httpx.AsyncClient]":
    """A client for one receiver: a connection that it keeps is this one's alone, and no cookie is kept."""
    import httpx

    from pipeline.public_web import AsyncPublicTransport

    jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    timeout = httpx.Timeout(TIMEOUT_S, connect=_CONNECT_S)
    transport = None if allow_private else AsyncPublicTransport(verify=_trusted())
    async with httpx.AsyncClient(timeout=timeout, cookies=jar, verify=_trusted(), transport=transport) as client:
        yield client


@cache
def _trusted() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than a message."""
    import httpx

    return httpx.create_ssl_context()


async def post(
    client: "httpx.AsyncClient", url: str, body: str, headers: Mapping[str, str], *, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Send a message; whatever goes wrong is an answer, too."""
    import httpx

    from pipeline.public_web import NotPublic, UnknownHost

    try:
        async with asyncio.timeout(timeout_s):
            request = client.build_request("POST", url, content=body.encode(), headers={**_HEADERS, **headers})
            return await _answer(await client.send(request, stream=True))
    except (NotPublic, UnknownHost) as exc:
        return Answer(None, str(exc))
    except TimeoutError:
        return Answer(None, f"no answer within {timeout_s:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as exc:
        return Answer(None, _clipped(f"{type(exc).__name__}: {exc}"))


async def _answer(response: "httpx.Response") -> Answer:
    said = bytearray()
    try:
        async for chunk in response.aiter_raw():
            said += chunk
            if len(said) >= _MOST_BYTES:
                break
    finally:
        await response.aclose()
    text = _clipped(bytes(said).decode("utf-8", "replace"))
    if response.has_redirect_location:
        text = _clipped(f"it redirects, which is not followed; change the URL: {response.headers['location']}")
    asked_s = retry_after_s(response.headers.get("retry-after"))
    return Answer(response.status_code, text, None if asked_s is None else min(asked_s, _LONGEST_RETRY_AFTER_S))


def _clipped(text: str) -> str:
    return mended(text).strip()[:MOST_ANSWER]
