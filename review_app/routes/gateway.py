"""``/v1``: what OpenAI's own client calls, answered by the desk; and the tasks of what takes longer.

Errors are OpenAI's: ``{"error": {"message", "type", "param", "code"}}`` (openai-openapi, read on 2026-11-20). Tasks and
their pictures have the form of OpenOctopus (openoctopus.com/docs, read on 2026-11-20).
"""

import asyncio
import base64
import logging
import re
import time
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.desk import Desk
from pipeline.errors import NotFound, PicturedeskError, RowsRefused, UsageError
from pipeline.http_api import gateway, once
from pipeline.http_api.gateway import GatewayForm, GatewayJson, Order, Result, Task, TaskState
from pipeline.people import Person
from pipeline.states import Role
from review_app import serving, tickets
from review_app.routes.answers import Endpoint
from review_app.routes.v1.admission import Admission
from review_app.routes.v1.problems import KINDS, UNREAD, Refused, code_of, let_go, problem
from review_app.routes.v1.reading import FORM, JSON, read_body

MOST_WAIT_S = 3600.0
_SOONEST_S, _SLOWEST_S = 0.1, 1.0
"""Between two looks at an edit: first, and in the end."""

_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:,|;|$)", re.IGNORECASE)
_ASYNC = re.compile(r"(?:^|,)\s*respond-async\s*(?:,|;|$)", re.IGNORECASE)
_NOT_KEPT = {"Cache-Control": "no-store"}
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {"unauthorized": "invalid_api_key", "too_many_requests": "rate_limit_exceeded"}
_log = logging.getLogger(__name__)


def gateway_routes(desk: Desk, key: bytes, admission: Admission) -> list[BaseRoute]:
    """The routes of a desk.

    Args:
        desk: The desk.
        key: Signs the addresses of pictures.
        admission: Who may come in.
    """
    limits = desk.settings.api

    async def edit(request: Request) -> Response:
        """Order an edit, wait for its approval, and answer the picture; or 202 with a task to ask for."""
        person = await run_in_threadpool(admission.person, request)
        person.need(Role.REQUESTER, "order edits")
        wait_s = _wait_s(request, limits.wait_s)
        own = request.headers.get("idempotency-key")
        once.need_key(own)
        found, wanted = await _ordered(request, own, person)
        found = await _awaited(request, found, person, wait_s)
        return await run_in_threadpool(answer, request, wanted, found, person)

    async def _ordered(request: Request, own: str | None, person: Person) -> tuple[Task, Order]:
        """The edit, and what is to be answered; the pictures of the request are not kept meanwhile."""
        body = await read_body(request, {FORM: GatewayForm, JSON: GatewayJson}, limits, admission.room)
        try:
            found = await run_in_threadpool(gateway.order, desk, body.value, key=own, by=person)
            return found, Order.model_validate(body.value.model_dump(include=set(Order.model_fields)))
        finally:
            await body.close()

    async def _awaited(request: Request, found: Task, person: Person, wait_s: float) -> Task:
        end, pause_s = time.monotonic() + wait_s, _SOONEST_S
        while found.state in (TaskState.QUEUED, TaskState.IN_PROGRESS):
            left_s = end - time.monotonic()
            if left_s <= 0 or await request.is_disconnected():
                break
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(_SLOWEST_S, pause_s * 1.3)
            found = await run_in_threadpool(gateway.task, desk, found.id, by=person)
        return found

    def answer(request: Request, form: Order, found: Task, person: Person) -> Response:
        headers = {**_NOT_KEPT, "x-picturedesk-task": found.id, "x-picturedesk-edit": str(found.edit_id)}
        if found.ending is not None:
            return _error(400, found.ending.message, found.ending.type, found.ending.code, headers=headers)
        if found.state is not TaskState.SUCCEEDED:
            headers |= {"Location": f"{base(request)}/v1/tasks/{found.id}", "Retry-After": "5"}
            return JSONResponse(task_payload(request, found, person), 202, headers=headers)
        made = gateway.result(desk, found, output_format=form.output_format, by=person)
        if made.is_converted:
            headers["x-picturedesk-converted"] = f"to {made.media_type}; the picture as it was made is in the task"
        return JSONResponse(_images(made, _entry(request, form, found, made)), headers=headers)

    def _entry(request: Request, form: Order, found: Task, made: Result) -> dict[str, str]:
        if form.response_format == "url":
            return {"url": address(request, found, form.output_format)}
        return {"b64_json": base64.b64encode(made.data).decode()}

    def address(request: Request, found: Task, output_format: str | None = None) -> str:
        """Of the approved picture; opens it without a token, for an hour."""
        ticket = tickets.issue(key, f"gateway/{found.id}")
        kind = "" if output_format is None else f"&format={output_format}"
        return f"{base(request)}/v1/files/{found.id}/assets/0?ticket={ticket}{kind}"

    def base(request: Request) -> str:
        return serving.origin(desk.settings.sign_in) or str(request.base_url).rstrip("/")

    async def task(request: Request) -> Response:
        """How a task stands; an unknown one is answered 200, too, as OpenOctopus does."""
        person = await run_in_threadpool(admission.person, request)
        try:
            found = await run_in_threadpool(gateway.task, desk, request.path_params["task"], by=person)
        except NotFound:
            said = {"id": request.path_params["task"], "status": TaskState.NOT_FOUND.value}
            return JSONResponse(said, headers=_NOT_KEPT)
        return JSONResponse(await run_in_threadpool(task_payload, request, found, person), headers=_NOT_KEPT)

    def task_payload(request: Request, found: Task, person: Person) -> dict[str, Any]:
        said: dict[str, Any] = {"id": found.id, "status": found.state.value}
        if found.ending is not None:
            said["error"] = {"code": found.ending.code, "message": found.ending.message, "retryable": False}
        if found.state is TaskState.SUCCEEDED:
            made = gateway.result(desk, found, output_format=None, by=person)
            width, height = made.size_wh
            asset = {"id": f"{found.id}-0", "index": 0, "type": "image", "url": address(request, found)}
            asset |= {"mimeType": made.media_type, "width": width, "height": height}
            said["output_payload"] = {"format": "openoctopus.image.output.v1", "assets": [asset]}
        return {**said, "edit": {"id": found.edit_id, "state": found.edit_state.value}}

    async def asset(request: Request) -> Response:
        """The approved picture of a task, for whoever has its ticket or a token."""
        name, wanted = request.path_params["task"], request.query_params.get("format")
        ticket = request.query_params.get("ticket")
        if ticket is not None and tickets.is_valid(key, f"gateway/{name}", ticket):
            person = Person("a ticket", Role.VIEWER)
        else:
            person = await run_in_threadpool(admission.person, request)
        if wanted not in (None, "png", "jpeg", "webp"):
            raise UsageError(f"format: found {wanted!r}; expected png, jpeg or webp")
        found = await run_in_threadpool(gateway.task, desk, name, by=person)
        made = await run_in_threadpool(gateway.result, desk, found, output_format=wanted, by=person)
        return Response(made.data, media_type=made.media_type, headers={"Cache-Control": "private, no-store"})

    async def models(request: Request) -> Response:
        """What can be asked for as a model."""
        person = await run_in_threadpool(admission.person, request)
        names = await run_in_threadpool(gateway.models, desk, by=person)
        return JSONResponse({"object": "list", "data": list(map(_model, names))}, headers=_NOT_KEPT)

    async def model(request: Request) -> Response:
        """One of them."""
        person = await run_in_threadpool(admission.person, request)
        name = request.path_params["model"]
        if name not in await run_in_threadpool(gateway.models, desk, by=person):
            raise NotFound(f"model {name[:200]!r}: this desk knows none of that name; see GET /v1/models")
        return JSONResponse(_model(name), headers=_NOT_KEPT)

    return [
        Route("/v1/images/edits", _told(edit), methods=["POST"]),
        Route("/v1/tasks/{task:str}", _told(task)),
        Route("/v1/files/{task:str}/assets/0", _told(asset)),
        Route("/v1/models", _told(models)),
        Route("/v1/models/{model:path}", _told(model)),
        Route("/v1/{rest:path}", _told(_nowhere), methods=_METHODS),
    ]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "picturedesk"}


async def _nowhere(request: Request) -> Response:
    raise NotFound(f"{request.method} {request.url.path}: the gateway has POST /v1/images/edits and GET /v1/models")


def _wait_s(request: Request, usual_s: float) -> float:
    """How long to wait, by ``Prefer`` (RFC 7240, section 4.3, read on 2026-11-21) or else the desk's settings."""
    said = request.headers.get("prefer", "")
    if found := _WAIT.search(said):
        return min(float(found[1]), MOST_WAIT_S)
    return 0.0 if _ASYNC.search(said) else usual_s


def _images(made: Result, entry: dict[str, str]) -> dict[str, Any]:
    """As OpenAI's ImagesResponse."""
    usage = made.usage
    text_in = usage.get("text_in", 0) + usage.get("cached_text_in", 0)
    image_in = usage.get("image_in", 0) + usage.get("cached_image_in", 0)
    text_out, image_out = usage.get("text_out", 0), usage.get("image_out", 0)
    width, height = made.size_wh
    return {
        "created": int(made.edit.updated_at.timestamp()),
        "data": [entry],
        "output_format": made.media_type.removeprefix("image/"),
        "size": f"{width}x{height}",
        "quality": made.edit.quality or "auto",
        "usage": {
            "input_tokens": text_in + image_in,
            "input_tokens_details": {"text_tokens": text_in, "image_tokens": image_in},
            "output_tokens": text_out + image_out,
            "output_tokens_details": {"text_tokens": text_out, "image_tokens": image_out},
            "total_tokens": text_in + image_in + text_out + image_out,
        },
    }


def _told(endpoint: Endpoint) -> Endpoint:
    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (PicturedeskError, ValidationError) as exc:
            let_go(exc)
            return _refusal(exc)
        except Exception as exc:  # around one request: the others go on
            _log.exception("%s failed", request.url.path)
            return _refusal(exc)

    return wrapped


def _refusal(exc: Exception) -> Response:
    kind = KINDS[code_of(exc)]
    status = 400 if kind.status == 422 else kind.status
    said = problem(exc)
    is_model = isinstance(exc, NotFound) and str(exc).startswith("model ")
    code = "model_not_found" if is_model else _CODES.get(kind.code, kind.code)
    pointer = "/model" if is_model else next((each.pointer for each in said.errors or ()), "")
    param = pointer.split("/")[1] if pointer else None
    headers = dict(exc.headers) if isinstance(exc, Refused) else {}
    headers |= {"Connection": "close"} if kind.code in UNREAD else {}
    message = f"{said.detail}. {kind.next_step}" if not isinstance(exc, RowsRefused) else said.detail
    return _error(status, message, _TYPES.get(status, _type(status)), code, param=param, headers=headers)


def _type(status: int) -> str:
    return "server_error" if status >= 500 else "invalid_request_error"


def _error(
    status: int, message: str, kind: str, code: str, *, param: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """As OpenAI says it; its client does not try again what no second try will mend."""
    again = "true" if status in (408, 429) or status >= 500 else "false"
    told = {**_NOT_KEPT, "x-should-retry": again, **(headers or {})}
    return JSONResponse({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, told)
