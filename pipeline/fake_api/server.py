"""The application, and the server that runs it."""

import contextlib
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pipeline.errors import UsageError
from pipeline.fake_api.batch_routes import BatchRoutes
from pipeline.fake_api.batch_work import BatchWork
from pipeline.fake_api.behaviour import FakeOptions
from pipeline.fake_api.detector_routes import DetectorRoutes
from pipeline.fake_api.octopus_routes import OctopusRoutes
from pipeline.fake_api.openai_routes import OpenAIRoutes
from pipeline.fake_api.replies import Replies
from pipeline.fake_api.service import ApiError, FakeService
from pipeline.fake_api.stored_files import StoredFiles


def create_app(options: FakeOptions, *, clock: Callable[[], float] = time.monotonic) -> Starlette:
    """The whole service as an ASGI application.

    Args:
        options: How it behaves at first.
        clock: Gives seconds, for the rate limits.
    """
    service = FakeService(options, clock)
    files = StoredFiles(options.folder)
    images = OpenAIRoutes(service, files)
    work = BatchWork(service, files, images)
    batches = BatchRoutes(service, files, work)
    octopus = OctopusRoutes(service)
    detectors = DetectorRoutes(service)

    async def ledger(request: Request) -> Response:
        return JSONResponse(service.billed.as_json(with_entries=request.query_params.get("entries") != "0"))

    async def change(request: Request) -> Response:
        try:
            service.behaviour.change(await request.json())
        except ValueError as exc:
            return JSONResponse({"error": str(exc)}, status_code=400)
        return JSONResponse({"ok": True})

    async def arrivals(request: Request) -> Response:
        return JSONResponse(list(service.arrivals))

    async def health(request: Request) -> Response:
        return JSONResponse({"ok": True})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        work.resume()
        yield
        await work.aclose()
        await octopus.aclose()
        service.studio.close()
        files.close()

    own = [
        Route("/fake/ledger", ledger),
        Route("/fake/arrivals", arrivals),
        Route("/fake/options", change, methods=["POST"]),
        Route("/fake/health", health),
    ]
    return Starlette(
        routes=[*own, *images.routes(), *batches.routes(), *octopus.routes(), *detectors.routes()],
        exception_handlers={ApiError: _api_error, HTTPException: _http_error},
        middleware=[Middleware(Replies)],
        lifespan=lifespan,
    )


def serve(options: FakeOptions, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Run the service until SIGTERM or SIGINT, and return.

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
    config = uvicorn.Config(
        create_app(options), log_level="critical", access_log=False, timeout_graceful_shutdown=1, ws="none"
    )
    server = _Server(config)
    with listening, _stopped_by_signals(server):
        on_ready(f"http://{host}:{listening.getsockname()[1]}")
        server.run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Its protocol is named: asyncio switches Nagle's algorithm off only then, and each answer would wait 40 ms.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(1024)
    return listening


class _Server(uvicorn.Server):
    """A server that ends quietly when it is told to: uvicorn's own raises the signal again afterwards."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, and at the second Ctrl-C at once."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


@contextlib.contextmanager
def _stopped_by_signals(server: _Server) -> Iterator[None]:
    """Listen to signals from before the service says that it is ready."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, server.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _http_error(request: Request, exc: Exception) -> Response:
    """What the framework refuses, in the envelope of whose API it is."""
    assert isinstance(exc, HTTPException)
    if request.url.path.startswith("/octopus"):
        body = {"code": "invalid_request", "message": exc.detail, "retryable": False}
    else:
        error = {"message": exc.detail, "type": "invalid_request_error", "param": None, "code": None}
        body = {"error": error}
    return JSONResponse(body, status_code=exc.status_code, headers=exc.headers)


async def _api_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ApiError)
    return JSONResponse({"error": exc.error}, status_code=exc.status, headers=exc.headers)
