"""One way for all operations to be called: who, how often, with what; once; and how it is answered."""

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipeline.desk import Desk
from pipeline.errors import PicturedeskError, PictureError
from pipeline.http_api import once
from pipeline.http_api.once import Named
from pipeline.http_api.shapes import Shape
from pipeline.people import Person
from pipeline.store.answering import KeptAnswer
from review_app.routes.answers import Endpoint
from review_app.routes.v1.admission import Admission
from review_app.routes.v1.description import description
from review_app.routes.v1.operations import PREFIX, Call, Operation
from review_app.routes.v1.problems import Refused, let_go, refusal
from review_app.routes.v1.reading import Body, read_body

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_NOT_KEPT = {"Cache-Control": "no-store"}
_OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
_log = logging.getLogger(__name__)


class Answering:
    """The routes of some operations.

    Args:
        desk: The desk.
        admission: Who may come in.
        operations: What can be asked for.
    """

    def __init__(self, desk: Desk, admission: Admission, operations: Sequence[Operation]) -> None:
        self._desk = desk
        self._admission = admission
        self._operations = operations
        self._limits = desk.settings.api

    def routes(self) -> list[BaseRoute]:
        """Every operation; the description; and what answers for every other method and address."""
        found: list[BaseRoute] = [Route(f"{PREFIX}/openapi.json", self._described(), methods=["GET"])]
        by_path: dict[str, list[Operation]] = {}
        for operation in self._operations:
            by_path.setdefault(operation.path, []).append(operation)
            found.append(Route(f"{PREFIX}{operation.path}", self._endpoint(operation), methods=[operation.method]))
        found += [
            Route(f"{PREFIX}{path}", _other_method(here), methods=_others(here)) for path, here in by_path.items()
        ]
        return [*found, Route(f"{PREFIX}/{{rest:path}}", _nowhere, methods=list(_METHODS))]

    def _described(self) -> Endpoint:
        said = cache(lambda: description(self._operations))  # when first asked for: it takes 0.1 s

        async def endpoint(_: Request) -> Response:
            return Response(await run_in_threadpool(said), media_type=_OPENAPI, headers=_NOT_KEPT)

        return endpoint

    def _endpoint(self, operation: Operation) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            body: Body | None = None
            try:
                person = await run_in_threadpool(self._admission.person, request)
                person.need(operation.role, operation.summary[:1].lower() + operation.summary[1:].rstrip("."))
                path = operation.path_shape.model_validate(request.path_params)
                query = operation.query.model_validate(_query(request, operation.query))
                named = None
                if operation.is_write:
                    body = await read_body(request, operation.bodies, self._limits, self._admission.room)
                    named = _named(request, person, body)
                etag = request.headers.get("if-none-match")
                call = Call(self._desk, person, path, query, body.value if body else None, etag)
                return await run_in_threadpool(self._answer, operation, call, named)
            except (PicturedeskError, PictureError, ValidationError) as exc:
                let_go(exc)
                return refusal(exc)
            except Exception as exc:  # around one request: the others go on
                _log.exception("%s failed", operation.name)
                return refusal(exc)
            finally:
                if body is not None:
                    await body.close()

        return endpoint

    def _answer(self, operation: Operation, call: Call, named: Named | None) -> Response:
        if named is None:
            return _response(operation, operation.work(_prepared(operation, call)))
        before = once.known(self._desk, named)
        if before is not None:
            return _kept(before, is_again=True)
        ready = _prepared(operation, call)

        def work() -> tuple[int, str]:
            answer = operation.work(ready)
            assert isinstance(answer, Shape), "a write answers with a shape"
            return operation.status, answer.model_dump_json()

        kept, is_again = once.carry_out(self._desk, named, work)
        return _kept(kept, is_again=is_again)


def _prepared(operation: Operation, call: Call) -> Call:
    return call if operation.prepare is None else replace(call, body=operation.prepare(call))


def _response(operation: Operation, answer: Shape | Response) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(answer.model_dump_json(), operation.status, _NOT_KEPT, "application/json")


def _kept(answer: KeptAnswer, *, is_again: bool) -> Response:
    headers = {**_NOT_KEPT, **({"Idempotency-Replayed": "true"} if is_again else {})}
    return Response(answer.body, answer.status, headers, "application/json")


def _named(request: Request, person: Person, body: Body) -> Named | None:
    """The caller's own name for a request; None if they gave none.

    Raises:
        UsageError: It is no name.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    once.need_key(key)
    said = json.dumps([request.method, request.url.path, request.url.query, body.sha256])
    return Named(person.name, key, hashlib.sha256(said.encode()).hexdigest())


def _query(request: Request, shape: type[Shape]) -> dict[str, object]:
    """The query by name; what the shape has as a list, as a list; the last one of others that come twice."""
    params = request.query_params
    return {name: params.getlist(name) if shape.takes_several(name) else params[name] for name in params}


def _others(here: Iterable[Operation]) -> list[str]:
    taken = {operation.method for operation in here}
    return [method for method in _METHODS if method not in taken]


def _other_method(here: Sequence[Operation]) -> Endpoint:
    allowed = ", ".join(sorted(operation.method for operation in here))

    async def endpoint(request: Request) -> Response:
        found = f"found {request.method}; expected {allowed}"
        return refusal(Refused("method_not_allowed", found, {"Allow": allowed}))

    return endpoint


async def _nowhere(_: Request) -> Response:
    return refusal(Refused("not_found", f"nothing is at this address; see {PREFIX}/openapi.json"))
