"""The application, and the server that runs it."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.errors import UsageError
from pipeline.fake_api.batch_routes import BatchRoutes
from pipeline.fake_api.behaviour import FakeOptions
from pipeline.fake_api.octopus_routes import OctopusRoutes
from pipeline.fake_api.openai_routes import OpenAIRoutes
from pipeline.fake_api.service import ApiError, FakeService
from pipeline.fake_api.stored_files import StoredFiles


def create_app(options: FakeOptions) -> Starlette:
    """The whole service as an ASGI application."""
    service = FakeService(options)
    files = StoredFiles(options.folder)
    images = OpenAIRoutes(service, files)
    batches = BatchRoutes(service, files, images)
    octopus = OctopusRoutes(service)

    async def ledger(request: Request) -> Response:
        return JSONResponse(service.billed.as_json(with_entries=request.query_params.get("entries") != "0"))

    async def change(request: Request) -> Response:
        try:
            service.behaviour.change(await request.json())
        except ValueError as exc:
            return JSONResponse({"error": str(exc)}, status_code=400)
        return JSONResponse({"ok": True})

    async def health(request: Request) -> Response:
        return JSONResponse({"ok": True})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        batches.resume()
        yield
        batches.close()
        octopus.close()
        service.studio.close()
        files.close()

    own = [
        Route("/fake/ledger", ledger),
        Route("/fake/options", change, methods=["POST"]),
        Route("/fake/health", health),
    ]
    return Starlette(
        routes=[*own, *images.routes(), *batches.routes(), *octopus.routes()],
        exception_handlers={ApiError: _api_error},
        lifespan=lifespan,
    )


def serve(options: FakeOptions, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Run the service until it is stopped.

    Args:
        options: How it behaves.
        host: Address to listen on.
        port: Port to listen on; 0 for any that is free.
        on_ready: Told the address once somebody can connect.

    Raises:
        UsageError: The port is taken.
    """
    try:
        listening = listen(host, port)
    except OSError as exc:
        raise UsageError(f"cannot listen on {host}:{port} ({exc.strerror}); choose another with --port") from exc
    with listening:
        on_ready(f"http://{host}:{listening.getsockname()[1]}")
        config = uvicorn.Config(
            create_app(options), log_level="critical", access_log=False, timeout_graceful_shutdown=1, ws="none"
        )
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Its protocol is named: asyncio switches Nagle's algorithm off only then, and each answer would wait 40 ms.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(1024)
    return listening


async def _api_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ApiError)
    return JSONResponse({"error": exc.error}, status_code=exc.status, headers=exc.headers)
