"""``/healthz``, ``/readyz`` and ``/metrics``: the same on the review page's server and at a worker.

The first two are open: an orchestrator asks them without a key, and they tell nothing but which part is broken. The
metrics tell how much is made and spent, so they are read with a machine's token, or from this machine where nobody
else can be meant: a proxy calls from this machine, too, on behalf of anybody.
"""

import ipaddress
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import signals, tokens, tracing
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError, Unauthorized
from pipeline.health import Health
from pipeline.metrics import CONTENT_TYPE, Metrics
from pipeline.states import Role

_NOT_KEPT = {"Cache-Control": "no-store"}
_LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def health_routes(desk: Desk, metrics: Metrics, *, trusts_loopback: bool) -> list[BaseRoute]:
    """The routes of a process.

    Args:
        desk: Its desk.
        metrics: Its own.
        trusts_loopback: Whether who calls from this machine may read the metrics without a token; not where a proxy on
            it may stand in front.
    """
    health = Health(desk)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=_NOT_KEPT)

    async def readyz(_: Request) -> Response:
        found = await run_in_threadpool(health.now)
        status = "ready" if found.is_ready else "not ready"
        return JSONResponse({"status": status, **found.parts}, 200 if found.is_ready else 503, headers=_NOT_KEPT)

    async def served(request: Request) -> Response:
        if desk.settings.metrics != "open" and not (trusts_loopback and _is_this_machine(request)):
            try:
                await run_in_threadpool(_check, desk, request.headers.get("authorization"))
            except Unauthorized as exc:
                said = {"error": str(exc), "code": "unauthorized"}
                return JSONResponse(said, 401, headers={**_NOT_KEPT, "WWW-Authenticate": "Bearer"})
            except PicturedeskError:
                return JSONResponse({"error": "the token could not be checked", "code": "busy"}, 503)
        text = await run_in_threadpool(metrics.text)
        return PlainTextResponse(text, media_type=CONTENT_TYPE, headers=_NOT_KEPT)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", served)]


def timed(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """The same routes, each telling how long it took to answer."""
    given = list(routes)
    for route in given:
        if isinstance(route, Route):
            route.app = _Timed(route.app, route.path)
    return given


class _Timed:
    """Tells how long an answer took, by the route's template: an address itself may hold a name or a ticket."""

    def __init__(self, app: ASGIApp, template: str) -> None:
        self._app = app
        self._template = template

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, method = time.perf_counter(), scope["method"]
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with tracing.span(f"{method} {self._template}", http_route=self._template):
                await self._app(scope, receive, noting)
                tracing.note(status=status)
        finally:
            seconds = time.perf_counter() - began
            signals.tell("http.answered", method=method, route=self._template, status=status, seconds=seconds)


def _check(desk: Desk, authorization: str | None) -> None:
    scheme, _, sent = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not sent.startswith(tokens.PREFIX):
        raise Unauthorized("send a machine's token as Authorization: Bearer pd_...; see docs/operations.md")
    tokens.bearer(desk, sent).need(Role.VIEWER, "read the metrics")


def _is_this_machine(request: Request) -> bool:
    """Whether it was this machine that asked, for itself and by its own name."""
    try:
        is_here = request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
    name = urlsplit(f"//{request.headers.get('host', '')}").hostname
    return is_here and name in _LOCAL_NAMES and not any(header in request.headers for header in _FORWARDED)
