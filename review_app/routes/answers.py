"""JSON in, JSON out: one way for all routes to be called, and one for all errors to be told.

An error is ``{"error": "...", "code": "..."}``: ``unauthorized`` 401, ``forbidden`` 403, ``not_found`` 404,
``conflict`` 409, ``usage`` 422, ``busy`` 503. Handlers wait for the database, so they run in the thread pool.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline import signals
from pipeline.errors import Conflict, Forbidden, NotFound, PicturedeskError, StoreError, Unauthorized, UsageError

MOST_BYTES = 16 * 2**20
"""Of a request: 500 decisions with notes, or a mask."""

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Request, bytes], Mapping[str, Any]]

_KINDS: tuple[tuple[type[PicturedeskError], int, str], ...] = (
    (Unauthorized, 401, "unauthorized"),
    (Forbidden, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (UsageError, 422, "usage"),
    (StoreError, 503, "busy"),
)


class Refused(PicturedeskError):
    """An error that carries more than its message.

    Attributes:
        cause: The error.
        more: What the answer says besides.
    """

    def __init__(self, cause: PicturedeskError, more: Mapping[str, Any]) -> None:
        self.cause = cause
        self.more = more
        super().__init__(str(cause))


def json_route(handler: Handler) -> Endpoint:
    """An endpoint that answers what the handler gives, or the error that it raises."""

    async def endpoint(request: Request) -> Response:
        try:
            data = await _body(request)
            return JSONResponse(await run_in_threadpool(handler, request, data), headers=_NOT_KEPT)
        except PicturedeskError as exc:
            return refusal(exc)

    return endpoint


def refusal(exc: PicturedeskError) -> Response:
    """The answer that tells an error."""
    cause, more = (exc.cause, exc.more) if isinstance(exc, Refused) else (exc, {})
    status, code = status_of(cause)
    signals.tell("page.refused", status=status, code=code)
    headers = {**_NOT_KEPT, **({"WWW-Authenticate": "Bearer"} if status == 401 else {})}
    return JSONResponse({"error": str(cause), "code": code, **more}, status, headers=headers)


def status_of(exc: PicturedeskError) -> tuple[int, str]:
    """The HTTP status and our own code for an error."""
    for kind, status, code in _KINDS:
        if isinstance(exc, kind):
            return status, code
    return 500, "failed"


_NOT_KEPT = {"Cache-Control": "no-store"}


async def _body(request: Request) -> bytes:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise UsageError(f"the request has more than {MOST_BYTES} bytes; send less at once")
    return bytes(data)
