"""OpenAI's batches: carried out in the background, at half price, answers in any order."""

import asyncio
import json
import random
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.fake_api.behaviour import Fate
from pipeline.fake_api.image_requests import from_json
from pipeline.fake_api.openai_routes import OpenAIRoutes
from pipeline.fake_api.service import ApiError, Asked, FakeService
from pipeline.fake_api.stored_files import StoredFiles

_ENDPOINT = "/v1/images/edits"
_DAY_S = 86_400
_PAGE = 20
_MAX_LINES = 50_000
_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_FAILING = frozenset({Fate.SERVER_ERROR, Fate.OVERLOADED})


class BatchRoutes:
    """The routes under ``/v1/batches``."""

    def __init__(self, service: FakeService, files: StoredFiles, images: OpenAIRoutes) -> None:
        self._service = service
        self._files = files
        self._images = images
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/v1/batches", self.create, methods=["POST"]),
            Route("/v1/batches", self.list_all),
            Route("/v1/batches/{batch_id}", self.get),
            Route("/v1/batches/{batch_id}/cancel", self.cancel, methods=["POST"]),
        ]

    def resume(self) -> None:
        """Go on with what a restart broke off."""
        for batch in self._files.all("batch"):
            if batch["status"] not in _OVER:
                self._start(batch)

    def close(self) -> None:
        """Stop what is under way."""
        for task in self._running:
            task.cancel()

    async def create(self, request: Request) -> Response:
        """Start a batch."""
        self._service.key_of(request)
        try:
            body = await request.json()
        except ValueError:
            raise ApiError(400, "We could not parse the JSON body of your request.") from None
        for name, value in (("endpoint", _ENDPOINT), ("completion_window", "24h")):
            if body.get(name) != value:
                raise ApiError(400, f"{name} must be {value}", code="invalid_value", param=name)
        if self._files.found("file", str(body.get("input_file_id"))) is None:
            raise ApiError(404, f"No such File object: {body.get('input_file_id')}", param="input_file_id")
        moment = int(time.time())
        batch = {
            "id": f"batch_{secrets.token_hex(12)}",
            "object": "batch",
            "endpoint": _ENDPOINT,
            "errors": None,
            "input_file_id": body["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": moment,
            "expires_at": moment + _DAY_S,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": body.get("metadata"),
        }
        self._files.keep("batch", batch)
        self._start(batch)
        return JSONResponse(batch)

    async def list_all(self, request: Request) -> Response:
        """Batches, the newest first."""
        self._service.key_of(request)
        batches = self._files.all("batch")
        ids = [batch["id"] for batch in batches]
        after = request.query_params.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        limit = int(request.query_params.get("limit", _PAGE))
        page = batches[start : start + limit]
        more = len(batches) > start + limit
        ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
        return JSONResponse({"object": "list", "data": page, "has_more": more, **ends})

    async def get(self, request: Request) -> Response:
        """One batch."""
        return JSONResponse(self._batch(request))

    async def cancel(self, request: Request) -> Response:
        """Stop a batch; what is made is kept and billed."""
        batch = self._batch(request)
        if batch["status"] not in _OVER:
            batch["status"] = "cancelling"
            self._files.keep("batch", batch)
        return JSONResponse(batch)

    def _batch(self, request: Request) -> dict[str, Any]:
        self._service.key_of(request)
        batch = self._files.found("batch", request.path_params["batch_id"])
        if batch is None:
            raise ApiError(404, f"No batch found with id '{request.path_params['batch_id']}'.", code="not_found")
        return batch

    def _start(self, batch: dict[str, Any]) -> None:
        task = asyncio.create_task(self._carry_out(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _carry_out(self, batch: dict[str, Any]) -> None:
        lines, problem = self._lines(batch)
        outcome = self._service.options.batch_outcome
        if problem or outcome == "failed":
            error = {"code": "invalid_json_line", "message": problem or "The batch was failed on demand.", "line": 1}
            self._set(batch, status="failed", errors={"object": "list", "data": [error]})
            return
        counts = {"total": len(lines), "completed": 0, "failed": 0}
        self._set(batch, status="in_progress", request_counts=counts)
        await asyncio.sleep(self._service.options.batch_s)
        if outcome == "expired":
            lines = lines[: len(lines) // 2]
        answers: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for line in lines:
            if (self._files.found("batch", batch["id"]) or batch)["status"] == "cancelling":
                outcome = "cancelled"  # type: ignore[assignment]
                break
            answer = await self._answer(line)
            is_good = answer["response"]["status_code"] == 200
            (answers if is_good else errors).append(answer)
            counts["completed" if is_good else "failed"] += 1
        random.Random(batch["id"]).shuffle(answers)  # noqa: S311 - the order is not promised
        self._set(
            batch,
            status=outcome,
            request_counts=counts,
            output_file_id=self._kept(answers, "batch_output.jsonl"),
            error_file_id=self._kept(errors, "batch_errors.jsonl"),
        )

    def _lines(self, batch: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
        """The requests of a batch, and what is wrong with its file."""
        data = self._files.content(batch["input_file_id"]) or b""
        try:
            lines = [json.loads(line) for line in data.splitlines() if line.strip()]
        except ValueError:
            return [], "A line is not valid JSON."
        names = [line.get("custom_id") for line in lines]
        if not lines or len(lines) > _MAX_LINES:
            return [], f"A batch has 1 to {_MAX_LINES} lines."
        if len(set(names)) != len(names) or not all(isinstance(name, str) and name for name in names):
            return [], "Every line needs a custom_id of its own."
        if any(line.get("url") != _ENDPOINT or line.get("method") != "POST" for line in lines):
            return [], f"Every line is a POST to {_ENDPOINT}."
        return lines, ""

    async def _answer(self, line: dict[str, Any]) -> dict[str, Any]:
        request_id = f"req_{secrets.token_hex(12)}"
        answer = {"id": f"batch_req_{secrets.token_hex(12)}", "custom_id": line["custom_id"], "error": None}
        try:
            wanted = await from_json(line.get("body"), self._service.studio, self._files, needs_picture=True)
            fate = self._service.behaviour.fate(wanted.prompt) if "fake:" in wanted.prompt else Fate.ANSWER
            if fate in (Fate.REFUSE_INPUT, Fate.REFUSE_OUTPUT):
                raise self._service.refusal("input" if fate is Fate.REFUSE_INPUT else "output", {})
            if fate in _FAILING:
                raise ApiError(500, "The server had an error while processing your request", kind="server_error")
            asked = Asked(line["custom_id"], request_id, "", fate, {})
            body = await self._images.answer(asked, wanted, endpoint=_ENDPOINT, is_batch=True)
        except ApiError as exc:
            response = {"status_code": exc.status, "request_id": request_id, "body": {"error": exc.error}}
            return {**answer, "response": response}
        return {**answer, "response": {"status_code": 200, "request_id": request_id, "body": json.loads(body)}}

    def _kept(self, answers: list[dict[str, Any]], name: str) -> str | None:
        if not answers:
            return None
        data = "".join(json.dumps(answer) + "\n" for answer in answers).encode()
        file_id: str = self._files.add(data, name=name, purpose="batch_output")["id"]
        return file_id

    def _set(self, batch: dict[str, Any], **values: Any) -> None:  # noqa: ANN401 - JSON
        batch |= values
        self._files.keep("batch", batch)
