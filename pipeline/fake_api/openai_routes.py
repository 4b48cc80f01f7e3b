"""OpenAI's images, files and models."""

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from pipeline.fake_api.behaviour import Fate
from pipeline.fake_api.image_requests import ImageRequest, read_request
from pipeline.fake_api.service import ApiError, Asked, Dropped, FakeService
from pipeline.fake_api.stored_files import StoredFiles
from pipeline.providers.openai import ai_models

_PURPOSES = frozenset({"assistants", "batch", "fine-tune", "vision", "user_data", "evals"})
_EXPIRES_S = range(3600, 2_592_001)
_MAX_FILE_BYTES = 512_000_000
_GARBAGE = b'{"created": "yesterday", "data": [{"b64_json": 5}]}'
_FILES_PAGE = 10_000


class OpenAIRoutes:
    """The routes under ``/v1`` that answer at once."""

    def __init__(self, service: FakeService, files: StoredFiles) -> None:
        self._service = service
        self._files = files

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/v1/images/edits", self.edit, methods=["POST"]),
            Route("/v1/images/generations", self.generate, methods=["POST"]),
            Route("/v1/images/variations", self.vary, methods=["POST"]),
            Route("/v1/files", self.add_file, methods=["POST"]),
            Route("/v1/files", self.list_files),
            Route("/v1/files/{file_id}", self.get_file),
            Route("/v1/files/{file_id}", self.remove_file, methods=["DELETE"]),
            Route("/v1/files/{file_id}/content", self.get_content),
            Route("/v1/models", self.list_models),
            Route("/v1/models/{name:path}", self.get_model),
        ]

    async def edit(self, request: Request) -> Response:
        """An edit."""
        return await self._image(request, endpoint="/v1/images/edits", needs_picture=True)

    async def generate(self, request: Request) -> Response:
        """A picture of a sentence alone."""
        return await self._image(request, endpoint="/v1/images/generations", needs_picture=False)

    async def vary(self, request: Request) -> Response:
        """What is left of variations."""
        raise ApiError(404, "This endpoint is retired and no longer available.", code="endpoint_retired")

    async def answer(self, asked: Asked, wanted: ImageRequest, *, endpoint: str, is_batch: bool = False) -> bytes:
        """Make and bill one request; the body of its answer."""
        usage = wanted.usage
        studio, look = self._service.studio, wanted.look
        if self._service.options.engine == "quick":
            encoded = studio.negative(wanted.pictures, look).encoded
        else:
            picture = await studio.edited(wanted.pictures, wanted.mask, wanted.prompt, look)
            encoded = base64.b64encode(picture).decode()
        if asked.fate is Fate.BROKEN_PICTURE:
            encoded = base64.b64encode(b"this is no picture").decode()
        self._service.charge(
            asked, endpoint=endpoint, ai_model=wanted.ai_model, n=wanted.n, usage=usage, is_batch=is_batch
        )
        return _GARBAGE if asked.fate is Fate.GARBAGE else _body(wanted, usage, encoded)

    async def _image(self, request: Request, *, endpoint: str, needs_picture: bool) -> Response:
        service = self._service
        key = service.key_of(request)
        wanted = await read_request(request, service.studio, self._files, needs_picture=needs_picture)
        tokens = sum(wanted.usage.values())
        asked = await service.begin(request, key, wanted.prompt, images=wanted.n, tokens=tokens)
        if asked.fate is Fate.DROP_UNBILLED:
            service.billed.counts["dropped_unbilled"] += 1
            return Dropped()
        body = await self.answer(asked, wanted, endpoint=endpoint)
        if asked.fate is Fate.DROP_BILLED:
            service.billed.counts["dropped"] += 1
            return Dropped()
        return Response(body, media_type="application/json", headers=asked.headers)

    async def add_file(self, request: Request) -> Response:
        """Keep an upload."""
        self._service.key_of(request)
        async with request.form(max_part_size=_MAX_FILE_BYTES) as form:
            upload, purpose = form.get("file"), form.get("purpose")
            if upload is None or isinstance(upload, str):
                raise ApiError(400, "'file' is a required property", param="file")
            if purpose not in _PURPOSES:
                raise ApiError(400, f"'{purpose}' is not one of {sorted(_PURPOSES)}", param="purpose")
            anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
            expires_s = expiry(anchor, seconds)
            data = await upload.read()
        name = upload.filename or "upload"
        return JSONResponse(self._files.add(data, name=name, purpose=str(purpose), expires_s=expires_s))

    async def list_files(self, request: Request) -> Response:
        """Files, the newest first."""
        self._service.key_of(request)
        purpose = request.query_params.get("purpose")
        entries = [entry for entry in self._files.all("file") if purpose in (None, entry["purpose"])]
        return JSONResponse(page_of(entries, request, default=_FILES_PAGE, most=_FILES_PAGE))

    async def get_file(self, request: Request) -> Response:
        """One file's object."""
        return JSONResponse(self._file(request))

    async def remove_file(self, request: Request) -> Response:
        """Forget a file."""
        entry = self._file(request)
        self._files.remove(entry["id"])
        return JSONResponse({"id": entry["id"], "object": "file", "deleted": True})

    async def get_content(self, request: Request) -> Response:
        """A file's bytes."""
        return FileResponse(self._files.path(self._file(request)["id"]), media_type="application/octet-stream")

    async def list_models(self, request: Request) -> Response:
        """The models that answer, with the day on which each is shut down."""
        self._service.key_of(request)
        return JSONResponse({"object": "list", "data": [_model(name) for name in _living()]})

    async def get_model(self, request: Request) -> Response:
        """One of them."""
        self._service.key_of(request)
        name = request.path_params["name"]
        if name not in _living():
            raise ApiError(404, f"The model '{name}' does not exist", code="model_not_found", param="model")
        return JSONResponse(_model(name))

    def _file(self, request: Request) -> dict[str, Any]:
        self._service.key_of(request)
        file_id = request.path_params["file_id"]
        entry = self._files.found("file", file_id)
        if entry is None:
            raise ApiError(404, f"No such File object: {file_id}", code="file_not_found", param="id")
        return entry


def page_of(entries: list[dict[str, Any]], request: Request, *, default: int, most: int) -> dict[str, Any]:
    """The part of a list that ``limit`` and ``after`` ask for.

    Raises:
        ApiError: They ask for something else.
    """
    limit, after = request.query_params.get("limit", str(default)), request.query_params.get("after")
    if not limit.isdecimal() or not 1 <= int(limit) <= most:
        raise ApiError(400, f"limit must be a whole number from 1 to {most}.", code="invalid_value", param="limit")
    ids = [entry["id"] for entry in entries]
    if after is not None and after not in ids:
        raise ApiError(400, f"after names nothing in this list: '{after}'.", code="invalid_value", param="after")
    start = 0 if after is None else ids.index(after) + 1
    page = entries[start : start + int(limit)]
    ends = {"first_id": page[0]["id"] if page else None, "last_id": page[-1]["id"] if page else None}
    return {"object": "list", "data": page, "has_more": len(entries) > start + int(limit), **ends}


def expiry(anchor: object, seconds: object) -> int | None:
    """Seconds that a file is kept, as ``expires_after`` says; None if it says nothing.

    Raises:
        ApiError: One of the two is missing or wrong.
    """
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at" or not str(seconds).isdecimal() or int(str(seconds)) not in _EXPIRES_S:
        message = "expires_after needs anchor=created_at and seconds from 3600 to 2592000."
        raise ApiError(400, message, code="invalid_value", param="expires_after")
    return int(str(seconds))


def _body(wanted: ImageRequest, usage: dict[str, int], encoded: str) -> bytes:
    """The answer, its pictures put in as they are: to serialise megabytes of base64 anew would take its time."""
    total_in = usage["text_in"] + usage["image_in"]
    head = {
        "created": int(time.time()),
        "background": wanted.background,
        "output_format": wanted.output_format,
        "quality": wanted.quality,
        "size": f"{wanted.size_wh[0]}x{wanted.size_wh[1]}",
        "usage": {
            "input_tokens": total_in,
            "input_tokens_details": {"text_tokens": usage["text_in"], "image_tokens": usage["image_in"]},
            "output_tokens": usage["image_out"],
            "total_tokens": total_in + usage["image_out"],
            "output_tokens_details": {"image_tokens": usage["image_out"], "text_tokens": 0},
        },
    }
    pictures = ",".join([f'{{"b64_json":"{encoded}"}}'] * wanted.n)
    return f'{json.dumps(head)[:-1]},"data":[{pictures}]}}'.encode()


def _living() -> list[str]:
    return ai_models.living(datetime.now(UTC).date())


def _model(name: str) -> dict[str, Any]:
    model = ai_models.known_ai_models()[name]
    return {
        "id": name,
        "object": "model",
        "created": int(time.mktime(model.released.timetuple())),
        "owned_by": "openai",
        "shutdown_date": model.shutdown.isoformat() if model.shutdown else None,
    }
