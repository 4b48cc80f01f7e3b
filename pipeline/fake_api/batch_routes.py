"""OpenAI's batches."""

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.fake_api.batch_lines import ENDPOINT
from pipeline.fake_api.batch_work import BatchWork
from pipeline.fake_api.openai_routes import expiry, page_of
from pipeline.fake_api.service import ApiError, FakeService
from pipeline.fake_api.stored_files import StoredFiles, new_id

_DAY_S = 86_400
_PAGE, _LONGEST_PAGE = 20, 100
_MOMENTS = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


class BatchRoutes:
    """The routes under ``/v1/batches``."""

    def __init__(self, service: FakeService, files: StoredFiles, work: BatchWork) -> None:
        self._service = service
        self._files = files
        self._work = work

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.list_all),
            Route("/v1/batches/{batch_id}", self.get),
            Route("/v1/batches/{batch_id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Response:
        """Start a batch."""
        self._service.key_of(request)
        body = await _json_object(request)
        for name, value in (("endpoint", ENDPOINT), ("completion_window", "24h")):
            if body.get(name) != value:
                raise ApiError(400, f"{name} must be {value}", code="invalid_value", param=name)
        source = self._files.found("file", str(body.get("input_file_id")))
        if source is None:
            raise ApiError(404, f"No such File object: {body.get('input_file_id')}", param="input_file_id")
        if source["purpose"] != "batch":
            message = f"The file has the purpose '{source['purpose']}'; a batch needs one with the purpose 'batch'."
            raise ApiError(400, message, code="invalid_value", param="input_file_id")
        batch = _new_batch(body)
        self._work.start(batch)
        return JSONResponse(batch)

    async def list_all(self, request: Request) -> Response:
        """Batches, the newest first."""
        self._service.key_of(request)
        return JSONResponse(page_of(self._work.all(), request, default=_PAGE, most=_LONGEST_PAGE))

    async def get(self, request: Request) -> Response:
        """One batch."""
        return JSONResponse(self._batch(request))

    async def cancel(self, request: Request) -> Response:
        """Stop a batch; what is made is kept and billed."""
        batch = self._batch(request)
        self._work.cancel(batch)
        return JSONResponse(batch)

    def _batch(self, request: Request) -> dict[str, Any]:
        self._service.key_of(request)
        batch = self._work.found(request.path_params["batch_id"])
        if batch is None:
            raise ApiError(404, f"No batch found with id '{request.path_params['batch_id']}'.", code="not_found")
        return batch


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise ApiError(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object.")
    return body


def _new_batch(body: dict[str, Any]) -> dict[str, Any]:
    moment = int(time.time())
    return {
        "id": new_id("batch_"),
        "object": "batch",
        "endpoint": ENDPOINT,
        "errors": None,
        "input_file_id": body["input_file_id"],
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": moment,
        "expires_at": moment + _DAY_S,
        **{f"{status}_at": None for status in _MOMENTS},
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": body.get("metadata"),
        "output_expires_after": _output_expiry(body.get("output_expires_after")),
    }


def _output_expiry(value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    if value is None:
        return None
    given = value if isinstance(value, dict) else {"anchor": ""}
    return {"anchor": "created_at", "seconds": expiry(given.get("anchor"), given.get("seconds"))}
