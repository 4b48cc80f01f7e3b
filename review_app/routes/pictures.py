"""Pictures and downloads: our own routes, since Streamlit re-encodes pictures and leaves their URLs open."""

from functools import lru_cache, partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pipeline.desk import Desk
from pipeline.direct_reads import SAME_FOR_S, DirectReads
from pipeline.errors import Forbidden, NotFound, PicturedeskError, Unauthorized, UsageError
from pipeline.images import preview
from pipeline.store import reading
from review_app import tickets
from review_app.routes.answers import Endpoint, refusal

EXPORTS = "exports"
"""Folder of the desk with the ZIP files that a page prepared."""

KEPT_PREVIEWS = {160: 4_000, 640: 256}
"""How many previews are kept, by their long side in pixels; no other sizes are made, so that nobody fills the cache.

One of 160 pixels has some 5 kB, one of 640 some 60 kB: 20 and 15 MB at most. A contact sheet alone shows 200 pairs.
"""

_KEPT_FACTS = 10_000

_MOST_AT_ONCE = 8 * 2**20
"""Of bytes: read in one go, since a file response goes to the thread pool for each 64 kB."""


def picture_routes(desk: Desk, key: bytes, direct: DirectReads) -> list[BaseRoute]:
    """The routes of a desk.

    Args:
        desk: The desk.
        key: Signs tickets.
        direct: Links into the desk's bucket, if it has one.
    """
    # A picture's name is the hash of its bytes: what is known of it never changes.
    facts_of = lru_cache(maxsize=_KEPT_FACTS)(partial(reading.picture, desk.db))

    def small(side: int, sha256: str) -> bytes:
        facts = facts_of(sha256)
        return preview(desk.blobs.read(sha256, facts.media_type), long_side=side)

    previews = {str(side): lru_cache(maxsize=most)(partial(small, side)) for side, most in KEPT_PREVIEWS.items()}

    def whole(sha256: str, headers: dict[str, str], *, is_direct: bool) -> Response:
        facts = facts_of(sha256)
        if is_direct and (link := direct.link(sha256, facts.media_type)) is not None:
            return RedirectResponse(link, 302, headers={"Cache-Control": f"private, max-age={SAME_FOR_S}"})
        if facts.byte_count > _MOST_AT_ONCE and desk.blobs.folder is not None:
            path = desk.blobs.path(sha256, facts.media_type)
            return FileResponse(path, media_type=facts.media_type, headers=headers)
        data = desk.blobs.read(sha256, facts.media_type)
        return Response(data, media_type=facts.media_type, headers=headers)

    async def picture(request: Request) -> Response:
        """A stored picture, byte for byte; or a small WebP of it, if ``side`` is given.

        Where it is in a bucket, the answer may lead there; with ``here``, never: so a script can read its pixels.
        """
        sha256, side = request.path_params["sha256"], request.query_params.get("side")
        _check(request, key, sha256)
        if side is not None and side not in previews:
            raise UsageError(f"side: found {side!r}; expected one of {', '.join(previews)}")
        etag = f'"{sha256}"' if side is None else f'"{sha256}-{side}"'
        headers = {"ETag": etag, "Cache-Control": "private, max-age=86400, immutable"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if side is not None:
            data = await run_in_threadpool(previews[side], sha256)
            return Response(data, media_type="image/webp", headers=headers)
        return await run_in_threadpool(whole, sha256, headers, is_direct="here" not in request.query_params)

    async def export(request: Request) -> Response:
        """A prepared export."""
        name = request.path_params["name"]
        _check(request, key, f"export/{name}")
        path = desk.root / EXPORTS / f"{Path(name).name}.zip"
        if not path.is_file():
            raise NotFound("this export is not prepared; prepare it on the page Export")
        return FileResponse(path, media_type="application/zip", filename=f"{name}.zip")

    return [
        Route("/api/page/pictures/{sha256:str}", _told(picture)),
        Route("/api/page/exports/{name:str}.zip", _told(export)),
    ]


def _told(endpoint: Endpoint) -> Endpoint:
    async def wrapped(request: Request) -> Response:
        try:
            return await endpoint(request)
        except PicturedeskError as exc:
            return refusal(exc)

    return wrapped


def _check(request: Request, key: bytes, name: str) -> None:
    ticket = request.query_params.get("ticket")
    if ticket is None:
        raise Unauthorized("a ticket is needed; open the picture from the page")
    if not tickets.is_valid(key, name, ticket):
        raise Forbidden("this ticket is not valid, or no longer; reload the page")
