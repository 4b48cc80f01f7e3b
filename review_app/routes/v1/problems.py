"""Errors as ``application/problem+json`` (RFC 9457): what went wrong, on what, and what to do next."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.responses import Response

from pipeline import signals
from pipeline.errors import (
    Conflict,
    Forbidden,
    KeyTaken,
    NotFound,
    PicturedeskError,
    PictureError,
    RowsRefused,
    StoreError,
    Unauthorized,
    UsageError,
)
from pipeline.http_api.shapes import FieldProblem, Problem, problems_of

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem.

    Attributes:
        code: Its name for a program.
        next_step: What helps.
    """

    code: str
    status: int
    title: str
    next_step: str


KINDS = {
    kind.code: kind
    for kind in (
        Kind("unauthorized", 401, "Nobody knows who asks", "Send Authorization: Bearer pd_... with a valid token."),
        Kind("forbidden", 403, "This token's role does not allow it", "Ask an admin for a token with that role."),
        Kind("not_found", 404, "There is no such thing", "Check the address; lists tell what there is."),
        Kind("method_not_allowed", 405, "This address takes another method", "See Allow for the methods that it has."),
        Kind("too_slow", 408, "The request did not come in time", "Send it again, over a faster line or in parts."),
        Kind("conflict", 409, "It is not as the request expects", "Read it again, then decide anew."),
        Kind("too_large", 413, "The request is too large", "Send fewer or smaller pictures at once, or URLs."),
        Kind("unsupported_media_type", 415, "No such form is taken", "Send one of the forms of the description."),
        Kind("invalid", 422, "The request says what cannot be", "Mend what is named, and send it again."),
        Kind("other_request", 422, "This idempotency key belongs to another request", "Use a new key for it."),
        Kind("too_many_requests", 429, "Too many requests", "Wait as many seconds as Retry-After says."),
        Kind("failed", 500, "The desk made a mistake", "Send it again; if it stays so, look into the server's log."),
        Kind("busy", 503, "The desk cannot answer now", "Send it again in a while."),
    )
}
"""By code."""

UNREAD = frozenset({"too_slow", "too_large"})
"""Of requests whose bodies are not read to their ends: what is left of them is not waited for."""

_BY_ERROR: tuple[tuple[type[Exception], str], ...] = (
    (Unauthorized, "unauthorized"),
    (Forbidden, "forbidden"),
    (NotFound, "not_found"),
    (Conflict, "conflict"),
    (KeyTaken, "other_request"),
    (UsageError, "invalid"),
    (PictureError, "invalid"),
    (ValidationError, "invalid"),
    (StoreError, "busy"),
)


class Refused(PicturedeskError):
    """A request that is not carried out, of a kind that no error of the desk has.

    Attributes:
        code: The kind's.
        headers: Of the answer.
    """

    def __init__(self, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        self.code = code
        self.headers = headers or {}
        super().__init__(detail)


def refusal(exc: Exception) -> Response:
    """The answer that tells an error."""
    kind = KINDS[code_of(exc)]
    headers = dict(exc.headers) if isinstance(exc, Refused) else {}
    if kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if kind.status == 503:
        headers["Retry-After"] = "5"
    if kind.code in UNREAD:
        headers["Connection"] = "close"
    signals.tell("page.refused", status=kind.status, code=kind.code)
    said = problem(exc).model_dump_json(exclude_none=True)
    return Response(said, kind.status, {"Cache-Control": "no-store", **headers}, MEDIA_TYPE)


def problem(exc: Exception) -> Problem:
    """What the answer says of an error."""
    kind = KINDS[code_of(exc)]
    errors = _errors(exc)
    return Problem(
        type=f"urn:picturedesk:problem:{kind.code}",
        title=kind.title,
        status=kind.status,
        detail=_detail(exc, kind, errors or ()),
        code=kind.code,
        next_step=kind.next_step,
        errors=errors,
    )


def code_of(exc: Exception) -> str:
    """The code of an error's kind."""
    if isinstance(exc, Refused):
        return exc.code
    return next((code for cause, code in _BY_ERROR if isinstance(exc, cause)), "failed")


def too_many(wait_s: float) -> Refused:
    """Somebody asked too often, and may ask again in so many seconds."""
    seconds = max(1, math.ceil(wait_s))
    return Refused(
        "too_many_requests", f"too many requests in a minute; wait {seconds} s", {"Retry-After": str(seconds)}
    )


def let_go(exc: BaseException) -> None:
    """Forget where an error came from.

    It and its frames keep each other, and what the request brought, until Python looks for such cycles.
    """
    found: BaseException | None = exc
    while found is not None:
        found.__traceback__ = None
        found = found.__context__


def _detail(exc: Exception, kind: Kind, errors: Sequence[FieldProblem]) -> str:
    if isinstance(exc, ValidationError):
        return "; ".join(f"{each.pointer or '/'}: {each.detail}" for each in errors[:5])
    return str(exc) if kind.code != "failed" else "an error that nobody expected; it is in the server's log"


def _errors(exc: Exception) -> list[FieldProblem] | None:
    if isinstance(exc, ValidationError):
        return problems_of(exc.errors(include_url=False, include_input=False, include_context=False)[:100])
    if isinstance(exc, RowsRefused):
        return [FieldProblem(pointer=where, detail=what) for where, what in exc.problems]
    return None
