"""Health and metrics of a worker, at a port of its own: a worker has no page."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvicorn
from starlette.applications import Starlette

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.health_routes import health_routes
from pipeline.metrics import Metrics

_STOP_S = 2


@contextmanager
def served(desk: Desk, *, port: int, host: str = "127.0.0.1") -> Iterator[str]:
    """Answer ``/healthz``, ``/readyz`` and ``/metrics`` meanwhile; gives the address.

    Args:
        desk: The worker's.
        port: 0 for a free one.
        host: The address to listen on; who calls from elsewhere needs a token for the metrics.

    Raises:
        UsageError: The port is taken, or the address is none of this machine's.
    """
    with closing(_bound(host, port)) as listening, closing(Metrics(desk)) as metrics:
        app = Starlette(routes=health_routes(desk, metrics, trusts_loopback=True))
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=_STOP_S
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), name="health", daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_STOP_S * 2)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        raise UsageError(f"--metrics-port {port} on {host}: {exc.strerror}; choose another one") from exc
