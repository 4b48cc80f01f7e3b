"""What every reply has, whatever becomes of its request: an id, how long it took, and an error that can be read."""

import logging
import secrets
import time
from collections.abc import MutableMapping
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ID = "picturedesk.request_id"
_ARRIVED = "picturedesk.arrived"
_log = logging.getLogger(__name__)


class Replies:
    """Puts ``x-request-id`` and ``openai-processing-ms`` on every reply, and answers 500 to what nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope[_ARRIVED] = time.monotonic()
        request_id = scope[_ID] = new_request_id()
        has_begun = False

        async def send_named(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                took_ms = max(1, round((time.perf_counter() - began) * 1000))
                own = [(b"x-request-id", request_id.encode()), (b"openai-processing-ms", b"%d" % took_ms)]
                message["headers"] = [*message["headers"], *own]
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except Exception:  # a service that somebody tests against must answer; the log says where the fault is
            _log.exception("%s %s failed", scope["method"], scope["path"])
            if not has_begun:
                await _server_error(scope["path"])(scope, receive, send_named)


def new_request_id() -> str:
    """A name for a request."""
    return f"req_{secrets.token_hex(12)}"


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """The name of a request that is being answered."""
    name: str = scope[_ID]
    return name


def arrived_at(scope: MutableMapping[str, Any]) -> float:
    """When the head of a request was there, in seconds of this process's monotonic clock."""
    moment: float = scope[_ARRIVED]
    return moment


def _server_error(path: str) -> JSONResponse:
    message = "The server had an error while processing your request"
    if path.startswith("/octopus"):
        return JSONResponse({"code": "upstream_failed", "message": message, "retryable": False}, status_code=502)
    error = {"message": message, "type": "server_error", "param": None, "code": None}
    return JSONResponse({"error": error}, status_code=500)
