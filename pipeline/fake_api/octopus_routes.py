"""OpenOctopus: tasks that are asked for, or addresses at once; its own words for errors."""

import asyncio
import secrets
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.errors import PictureError
from pipeline.fake_api.behaviour import Fate
from pipeline.fake_api.image_requests import fetched
from pipeline.fake_api.pictures import Upload
from pipeline.fake_api.service import ApiError, Asked, Dropped, FakeService
from pipeline.providers.openai.tokens import SHAPES_OF_AUTO

_MODELS = ("openoctopus/gpt-image-2", "openoctopus/gpt-image-2-text-input", "gpt-image-2")
_PREFIX = "/octopus/v1"


class OctopusRoutes:
    """The routes under ``/octopus/v1``."""

    def __init__(self, service: FakeService) -> None:
        self._service = service
        self._tasks: dict[str, dict[str, Any]] = {}
        self._pictures: dict[str, bytes] = {}
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route(f"{_PREFIX}/images/edits", self.edit, methods=["POST"]),
            Route(f"{_PREFIX}/images/generations", self.edit, methods=["POST"]),
            Route(f"{_PREFIX}/tasks/{{task_id}}", self.get_task),
            Route(f"{_PREFIX}/files/{{task_id}}/assets/0", self.get_asset),
            Route(f"{_PREFIX}/models", self.list_models),
            Route(f"{_PREFIX}/model-manifest", self.list_models),
        ]

    def close(self) -> None:
        """Stop what is under way."""
        for task in self._running:
            task.cancel()

    async def edit(self, request: Request) -> Response:
        """Take an edit on, or make it at once."""
        try:
            key = self._key(request)
            body = await self._body(request)
            sources = await self._sources(request, body)
            asked = await self._begin(request, key, body)
        except ApiError as exc:
            return _problem(exc)
        if asked.fate is Fate.DROP_UNBILLED:
            return Dropped()
        task_id = f"{secrets.token_hex(4)}-{secrets.token_hex(8)}"
        made = self._make(task_id, asked, body, sources, str(request.base_url))
        is_dropped = asked.fate is Fate.DROP_BILLED
        self._service.billed.counts["dropped"] += is_dropped
        if self._service.options.octopus_mode == "sync":
            await asyncio.sleep(self._service.behaviour.latency_s(asked.fate))
            await made
            return Dropped() if is_dropped else self._direct(task_id, asked)
        self._tasks[task_id] = {"id": task_id, "status": "queued"}
        self._later(made, asked)
        if is_dropped:
            return Dropped()
        return JSONResponse({"id": task_id, "status": "queued"}, status_code=202, headers=asked.headers)

    async def get_task(self, request: Request) -> Response:
        """How a task stands; an unknown one is answered 200, too."""
        try:
            self._key(request)
        except ApiError as exc:
            return _problem(exc)
        task_id = request.path_params["task_id"]
        return JSONResponse(self._tasks.get(task_id, {"id": task_id, "status": "not_found"}))

    async def get_asset(self, request: Request) -> Response:
        """The picture of a task."""
        data = self._pictures.get(request.path_params["task_id"])
        return Response(data, media_type="image/png") if data else Response(status_code=404)

    async def list_models(self, request: Request) -> Response:
        """The models, with their price."""
        price = {"currency": "USD", "per_image": self._service.options.octopus_microusd / 1e6}
        return JSONResponse(
            {"data": [{"id": name, "requestMode": "async_polling", "pricing": price} for name in _MODELS]}
        )

    def _key(self, request: Request) -> str:
        key = self._service.key_of(request)
        if key.startswith("ooq_empty"):
            raise ApiError(402, "Insufficient balance. Top up to continue.", code="insufficient_balance")
        return key

    async def _body(self, request: Request) -> dict[str, Any]:
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), str) or not body["prompt"]:
            raise ApiError(400, "prompt is required", code="invalid_request")
        if body.get("model") not in _MODELS:
            raise ApiError(404, f"Model {body.get('model')} is not available", code="model_not_available")
        return body

    async def _sources(self, request: Request, body: dict[str, Any]) -> list[Upload]:
        """The pictures: from ``input.images``; the direct form takes ``image``, which the other drops silently."""
        if self._service.options.octopus_mode == "sync":
            urls = [body["image"]] if isinstance(body.get("image"), str) else []
        else:
            inputs = body.get("input")
            urls = inputs.get("images", []) if isinstance(inputs, dict) else []
        if request.url.path.endswith("/edits") and not urls:
            raise ApiError(400, "input.images must be a non-empty array of URLs", code="invalid_request")
        try:
            return [self._service.studio.opened(await fetched(str(url))) for url in urls]
        except PictureError:
            raise ApiError(400, "An image could not be read", code="invalid_request") from None

    async def _begin(self, request: Request, key: str, body: dict[str, Any]) -> Asked:
        """Admission is quick here; the edit takes its time afterwards."""
        service = self._service
        fate = service.behaviour.fate(body["prompt"])
        request_id = f"req_{secrets.token_hex(12)}"
        if fate is Fate.RATE_LIMIT:
            service.billed.counts["rate_limited"] += 1
            headers = {"retry-after": str(service.options.retry_after_s)}
            raise ApiError(429, "Too many requests", code="rate_limited", headers=headers)
        if fate in (Fate.SERVER_ERROR, Fate.OVERLOADED):
            service.billed.counts["server_error"] += 1
            raise ApiError(503, "The queue is unavailable", code="queue_unavailable")
        if fate is Fate.REFUSE_INPUT:
            service.billed.counts["refused"] += 1
            raise ApiError(400, "The prompt violates the content policy", code="content_policy_violation")
        client_id = request.headers.get("x-client-request-id", "")
        return Asked(client_id, request_id, key, fate, {"x-request-id": request_id})

    async def _make(self, task_id: str, asked: Asked, body: dict[str, Any], sources: list[Upload], base: str) -> None:
        service = self._service
        if asked.fate is Fate.REFUSE_OUTPUT:
            error = {"code": "content_policy_violation", "message": "The output was blocked", "retryable": False}
            self._tasks[task_id] = {"id": task_id, "status": "failed", "error": error}
            return
        size_wh = sources[0].size_wh if sources else SHAPES_OF_AUTO[0]
        picture = await service.studio.edited(sources, None, body["prompt"], size_wh, "png")
        self._pictures[task_id] = b"this is no picture" if asked.fate is Fate.BROKEN_PICTURE else picture
        cost = service.options.octopus_microusd
        endpoint = f"{_PREFIX}/images/edits"
        service.bill(asked, endpoint=endpoint, ai_model=body["model"], n=1, usage={"picture": 1}, cost_microusd=cost)
        asset = {
            "id": f"{task_id}-0",
            "index": 0,
            "type": "image",
            "url": f"{base.rstrip('/')}{_PREFIX}/files/{task_id}/assets/0",
            "mimeType": "image/png",
        }
        assets = [] if asked.fate is Fate.GARBAGE else [asset]
        self._tasks[task_id] = {
            "id": task_id,
            "status": "succeeded",
            "output_payload": {"format": "openoctopus.image.output.v1", "assets": assets},
            "finished_at": datetime.now(UTC).isoformat(),
        }

    def _later(self, made: Any, asked: Asked) -> None:  # noqa: ANN401 - a coroutine
        async def work() -> None:
            await asyncio.sleep(self._service.behaviour.latency_s(asked.fate))
            await made

        task = asyncio.create_task(work())
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _direct(self, task_id: str, asked: Asked) -> Response:
        task = self._tasks[task_id]
        if task["status"] == "failed":
            error = task["error"]
            return JSONResponse(error, status_code=400, headers=asked.headers)
        urls = [{"url": asset["url"]} for asset in task["output_payload"]["assets"]]
        return JSONResponse({"data": urls}, headers=asked.headers)


def _problem(exc: ApiError) -> Response:
    is_upstream = exc.status >= 500
    error = {"code": exc.code or "invalid_request", "message": str(exc), "retryable": is_upstream}
    return JSONResponse(error, status_code=exc.status, headers=exc.headers)
