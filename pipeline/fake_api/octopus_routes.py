"""OpenOctopus: tasks that are asked for, or addresses at once; its own words for errors."""

import asyncio
import logging
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.errors import PictureError
from pipeline.fake_api.behaviour import Fate
from pipeline.fake_api.image_requests import fetched
from pipeline.fake_api.pictures import Look, Upload
from pipeline.fake_api.replies import request_id_of
from pipeline.fake_api.service import ApiError, Asked, Dropped, FakeService
from pipeline.providers.openai.tokens import SHAPES_OF_AUTO

_MODELS = ("openoctopus/gpt-image-2", "openoctopus/gpt-image-2-text-input", "gpt-image-2")
_PREFIX = "/octopus/v1"
_log = logging.getLogger(__name__)


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

    async def aclose(self) -> None:
        """Stop what is under way."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
        task_id = str(uuid.uuid4())
        made = self._made(task_id, asked, body, sources, str(request.base_url))
        is_dropped = asked.fate is Fate.DROP_BILLED
        self._service.billed.counts["dropped"] += is_dropped
        if self._service.options.octopus_mode == "sync":
            await made
            return Dropped() if is_dropped else self._direct(task_id, asked)
        self._tasks[task_id] = {"id": task_id, "status": "queued"}
        task = asyncio.create_task(made)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
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
        is_list = isinstance(urls, list) and all(isinstance(url, str) for url in urls)
        if not is_list or (request.url.path.endswith("/edits") and not urls):
            raise ApiError(400, "input.images must be a non-empty array of URLs", code="invalid_request")
        try:
            return [self._service.studio.opened(await fetched(url)) for url in urls]
        except PictureError:
            raise ApiError(400, "An image could not be read", code="invalid_request") from None

    async def _begin(self, request: Request, key: str, body: dict[str, Any]) -> Asked:
        """Admission is quick here; the edit takes its time afterwards."""
        service = self._service
        fate = service.behaviour.fate(body["prompt"])
        headers = service.admit(f"octopus {key}", fate, images=1, tokens=0)
        if fate in (Fate.SERVER_ERROR, Fate.OVERLOADED):
            service.billed.counts["server_error"] += 1
            raise ApiError(503, "The queue is unavailable", code="queue_unavailable", headers=headers)
        if fate is Fate.REFUSE_INPUT:
            service.billed.counts["refused"] += 1
            message = "The prompt violates the content policy"
            raise ApiError(400, message, code="content_policy_violation", headers=headers)
        client_id = request.headers.get("x-client-request-id", "")
        return Asked(client_id, request_id_of(request.scope), key, fate, headers)

    async def _made(self, task_id: str, asked: Asked, body: dict[str, Any], sources: list[Upload], base: str) -> None:
        """Make a task in its time, and say how it ended, whatever happens."""
        await asyncio.sleep(self._service.behaviour.latency_s(asked.fate))
        try:
            await self._make(task_id, asked, body, sources, base)
        except Exception:  # around one task: somebody asks for it until it ends
            _log.exception("task %s failed", task_id)
            error = {"code": "upstream_failed", "message": "The edit could not be made", "retryable": False}
            self._tasks[task_id] = {"id": task_id, "status": "failed", "error": error}

    async def _make(self, task_id: str, asked: Asked, body: dict[str, Any], sources: list[Upload], base: str) -> None:
        service = self._service
        if asked.fate is Fate.REFUSE_OUTPUT:
            error = {"code": "content_policy_violation", "message": "The output was blocked", "retryable": False}
            service.billed.counts["refused"] += 1
            self._tasks[task_id] = {"id": task_id, "status": "failed", "error": error}
            return
        look = Look(sources[0].size_wh if sources else SHAPES_OF_AUTO[0])
        if service.options.engine == "quick":
            picture = service.studio.negative(sources, look).data
        else:
            picture = await service.studio.edited(sources, None, body["prompt"], look)
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

    def _direct(self, task_id: str, asked: Asked) -> Response:
        task = self._tasks[task_id]
        if task["status"] == "failed":
            error = task["error"]
            status = 502 if error["code"] == "upstream_failed" else 400
            return JSONResponse(error, status_code=status, headers=asked.headers)
        urls = [{"url": asset["url"]} for asset in task["output_payload"]["assets"]]
        return JSONResponse({"data": urls}, headers=asked.headers)


def _problem(exc: ApiError) -> Response:
    is_upstream = exc.status >= 500
    code = "rate_limited" if exc.code == "rate_limit_exceeded" else exc.code
    error = {"code": code or "invalid_request", "message": str(exc), "retryable": is_upstream}
    return JSONResponse(error, status_code=exc.status, headers=exc.headers)
