"""HTTP as providers need it: one client, no retries, and errors by what they mean for money.

The transport is exchangeable: httpx's own costs 12 ms of processor time for each request at 200 in flight, aiohttp's
0.3 ms (our measurement, 2026-11-20), so that one carries httpx's requests here.
"""

import asyncio
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import HttpxAiohttpClient

from pipeline.errors import AccountStopped, AnswerLost, EditFailed, RetryLater, UsageError
from pipeline.retry_after import retry_after_s
from pipeline.values import RateLimits

_CONNECT_S = 10.0
_KEEPALIVE_S = 4.0
"""Shorter than servers keep an idle connection (uvicorn: 5 s): a request on a closing one would be in doubt."""

_MAX_ANSWER_BYTES = 400_000_000
_WAIT_IN_TEXT = re.compile(r"try again after ([\d.]+) ?s", re.IGNORECASE)
"""How older image limits say it (mulmocast-cli issue 444, read 2026-11-20)."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""No proxy leads to this machine itself."""

DEFAULT_WAIT_S = 5.0
MAX_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where a provider lives and how it knows us.

    Attributes:
        provider: The provider's name, for messages.
        base_url: Without a slash at its end.
        key_variable: The environment variable that holds the key.
        key: The key; "" for a server that wants none.
        headers: Further headers of every request.
        timeout_s: How long an answer may take.
        max_connections: How many requests may be open at once.
    """

    provider: str
    base_url: str
    key_variable: str
    key: str
    headers: Mapping[str, str]
    timeout_s: float
    max_connections: int = 1000

    def stranger(self, url: str) -> "Service":
        """Another server that an answer names: it is not told who we are."""
        return replace(self, base_url=url, key="", headers={})

    def __repr__(self) -> str:
        return f"Service({self.provider!r}, {self.base_url!r})"


def key_from_environment(variable: str) -> str:
    """The key, or "" if there is none: what cannot be sent without one says so when it is to be sent."""
    return os.environ.get(variable, "").strip()


def make_client(service: Service, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that knows the service; it never retries and follows no redirect, and goes through HTTPS_PROXY.

    Args:
        service: Where and how.
        transport: Another one than aiohttp's, such as a test's.
    """
    if not re.match(r"https?://[^/]", service.base_url):
        raise UsageError(
            f"providers.{service.provider}.base_url: found {service.base_url!r}; expected a URL such as "
            "https://api.example.com/v1"
        )
    url = httpx.URL(service.base_url)
    if url.userinfo:
        raise UsageError(
            f"providers.{service.provider}.base_url: found a name or password in it; take it out, and set "
            f"{service.key_variable} in the environment"
        )
    limits = httpx.Limits(max_connections=service.max_connections, keepalive_expiry=_KEEPALIVE_S)
    authorization = {"authorization": f"Bearer {service.key}"} if service.key else {}
    return HttpxAiohttpClient(
        transport=transport,
        limits=limits,
        trust_env=url.host not in _LOOPBACK,
        base_url=url,
        headers={"user-agent": "picturedesk", **authorization, **service.headers},
        timeout=httpx.Timeout(service.timeout_s, connect=_CONNECT_S, pool=None),
    )


async def send(client: httpx.AsyncClient, service: Service, request: httpx.Request) -> httpx.Response:
    """Send a request that may cost money, once, and read the whole answer, whatever its status.

    Raises:
        RetryLater: The server was not reached, so nothing left.
        AnswerLost: The request left, and its answer did not come whole.
    """
    try:
        await request.aread()  # a body in memory is sent in one go, and its length is known
        async with asyncio.timeout(_CONNECT_S + service.timeout_s):
            response = await client.send(request, stream=True)
            try:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _MAX_ANSWER_BYTES:
                        raise AnswerLost("answer_too_large", f"{service.provider} sent more than 400 MB in one answer")
            finally:
                await response.aclose()
    except (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError) as exc:
        raise _unanswered(service, exc) from exc
    return httpx.Response(response.status_code, headers=_plain_headers(response), content=bytes(body), request=request)


async def ask(client: httpx.AsyncClient, service: Service, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
    """Send a request that is free: whatever goes wrong on the way may be tried again.

    Raises:
        RetryLater: No answer came.
    """
    try:
        return await send(client, service, client.build_request(method, path, **options))
    except AnswerLost as exc:
        raise RetryLater(exc.code, str(exc), retry_after_s=DEFAULT_WAIT_S) from exc


def wait_s(response: httpx.Response) -> float:
    """How long the server asks to wait, by header or by its text; a few seconds if it says nothing."""
    header = response.headers.get("retry-after-ms", "")
    if (milliseconds := _number(header)) is not None:
        return _bounded(milliseconds / 1000)
    if (seconds := retry_after_s(response.headers.get("retry-after"))) is not None:
        return _bounded(seconds)
    in_text = _WAIT_IN_TEXT.search(response.text[:2000])
    seconds = _number(in_text[1]) if in_text else None
    return DEFAULT_WAIT_S if seconds is None else _bounded(seconds)


def learned_limits(response: httpx.Response, by_hand: RateLimits, before: RateLimits) -> RateLimits:
    """The limits per minute that a reply's headers tell; what was set by hand stays, and what was told before, too.

    No published list of these headers for the image endpoints was found (2026-11-20): any ``x-ratelimit-limit-*`` is
    read, and pictures under both names seen.
    """

    def told(*names: str) -> float | None:
        for name in names:
            if limit := _number(response.headers.get(f"x-ratelimit-limit-{name}", "")):
                return limit
        return None

    return RateLimits(
        requests=by_hand.requests or told("requests") or before.requests,
        images=by_hand.images or told("images", "input-images") or before.images,
        tokens=by_hand.tokens or told("tokens") or before.tokens,
    )


def json_body(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
    """The answer's JSON; None if it is none."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def missing_key(service: Service) -> AccountStopped:
    """What to say when a request needs a key and there is none."""
    return AccountStopped(
        "no_key",
        f"{service.provider} needs a key: set {service.key_variable} in the environment, or choose --provider local",
    )


def shortened(text: str, key: str = "") -> str:
    """A server's words, for a message: one line, never with a key in it."""
    line = " ".join(text.split())
    if key:
        line = line.replace(key, "[key]")
    line = re.sub(r"\b(sk-|ooq_)[\w*-]+", "[key]", line)
    return line if len(line) <= 300 else f"{line[:299]}…"


def unreadable(service: Service, what: str) -> EditFailed:
    """What to say of an answer of status 200 that holds nothing to use; it may well have been billed."""
    return EditFailed(
        "bad_answer",
        f"{service.provider} answered, and {what}; it was most likely billed. Look at its status page, then send "
        "again with --retry-failed",
        cost_microusd=None,
    )


def _number(text: str) -> float | None:
    """A number that is not negative; None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.05), MAX_WAIT_S)


def _plain_headers(response: httpx.Response) -> dict[str, str]:
    """Without what described the body on its way: it is decoded by now."""
    dropped = ("content-encoding", "content-length", "transfer-encoding")
    return {name: value for name, value in response.headers.items() if name.lower() not in dropped}


def _unanswered(service: Service, exc: Exception) -> RetryLater | AnswerLost:
    """Whether the request can have left: only a connection that was never made proves that it did not.

    httpx-aiohttp reports a server that hung up as ``ConnectTimeout`` (0.2.0, transport.py, read 2026-11-21), so the
    cause decides and not the name.
    """
    cause = exc.__cause__
    was_refused = isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    never_left = was_refused or (
        cause is None and isinstance(exc, httpx.ConnectError | httpx.PoolTimeout | httpx.UnsupportedProtocol)
    )
    host = httpx.URL(service.base_url).host
    kind = type(cause or exc).__name__
    if never_left:
        return RetryLater(
            "not_reached",
            f"{service.provider} cannot be reached at {host} ({kind}); check the network. Nothing was sent",
            retry_after_s=DEFAULT_WAIT_S,
        )
    if isinstance(exc, httpx.TimeoutException | TimeoutError) and not isinstance(exc, httpx.ConnectTimeout):
        return AnswerLost(
            "timeout", f"{service.provider} did not answer in time; the edit may have been made and billed"
        )
    return AnswerLost(
        "answer_lost", f"the connection to {service.provider} broke ({kind}); the edit may have been made and billed"
    )
