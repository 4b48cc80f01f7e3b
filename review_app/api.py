"""Pictures and downloads: our own routes, since Streamlit re-encodes pictures and leaves their URLs open."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.desk import Desk
from pipeline.errors import NotFound
from pipeline.images import preview
from pipeline.store import reading
from review_app import tickets

EXPORTS = "exports"
"""Folder of the desk with the ZIP files that a page prepared."""

PREVIEW_SIDES = (160, 640)
"""Long sides of previews, in pixels; no others are made, so that nobody fills the cache with sizes."""

_KEPT_PREVIEWS = 256
"""A preview of 640 pixels has some 60 kB, so these take some 15 MB at most."""

Handler = Callable[[Request], Awaitable[Response]]


def routes(desk: Desk) -> list[BaseRoute]:
    """The routes of a desk."""
    key = tickets.read_key(desk.root)

    @lru_cache(maxsize=_KEPT_PREVIEWS)
    def small(sha256: str, side: int) -> bytes:
        facts = reading.picture(desk.db, sha256)
        return preview(desk.blobs.read(sha256, facts.media_type), long_side=side)

    async def picture(request: Request) -> Response:
        """A stored picture, byte for byte; or a small WebP of it, if ``side`` is given."""
        sha256, side = request.path_params["sha256"], request.query_params.get("side")
        if refused := _refused(request, key, sha256):
            return refused
        if side is not None and side not in map(str, PREVIEW_SIDES):
            return JSONResponse({"error": f"side: expected one of {', '.join(map(str, PREVIEW_SIDES))}"}, 400)
        etag = f'"{sha256}"' if side is None else f'"{sha256}-{side}"'
        headers = {"ETag": etag, "Cache-Control": "private, max-age=86400, immutable"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        try:
            if side is not None:
                data = await run_in_threadpool(small, sha256, int(side))
                return Response(data, media_type="image/webp", headers=headers)
            facts = await run_in_threadpool(reading.picture, desk.db, sha256)
            path = desk.blobs.path(sha256, facts.media_type)
        except NotFound as exc:
            return JSONResponse({"error": str(exc)}, 404)
        return FileResponse(path, media_type=facts.media_type, headers=headers)

    async def export(request: Request) -> Response:
        """A prepared export."""
        name = request.path_params["name"]
        if refused := _refused(request, key, f"export/{name}"):
            return refused
        path = desk.root / EXPORTS / f"{Path(name).name}.zip"
        if not path.is_file():
            return JSONResponse({"error": "this export is not prepared; prepare it on the page Export"}, 404)
        return FileResponse(path, media_type="application/zip", filename=f"{name}.zip")

    return [
        Route("/healthz", _healthz),
        Route("/api/v1/pictures/{sha256:str}", picture),
        Route("/api/v1/exports/{name:str}.zip", export),
    ]


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _refused(request: Request, key: bytes, name: str) -> Response | None:
    ticket = request.query_params.get("ticket")
    if ticket is None:
        return JSONResponse({"error": "a ticket is needed; open the picture from the page"}, 401)
    if not tickets.is_valid(key, name, ticket):
        return JSONResponse({"error": "this ticket is not valid, or no longer; reload the page"}, 403)
    return None
