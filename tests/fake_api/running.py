"""The fake service in a thread, for tests that speak HTTP to it."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from pipeline.fake_api.behaviour import FakeOptions
from pipeline.fake_api.server import create_app, listen


@dataclass(frozen=True, slots=True)
class RunningFake:
    """A fake service that is being served.

    Attributes:
        url: Without a slash at its end.
    """

    url: str

    def set(self, **options: Any) -> None:
        """Let it behave otherwise."""
        httpx.post(f"{self.url}/fake/options", json=options).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        """What it billed."""
        books: dict[str, Any] = httpx.get(f"{self.url}/fake/ledger").raise_for_status().json()
        return books

    def billed(self) -> int:
        """The sum of it, in millionths of a dollar."""
        return int(self.ledger()["total_microusd"])


@contextlib.contextmanager
def running_fake(options: FakeOptions | None = None) -> Iterator[RunningFake]:
    """Serve until the end of the block."""
    listening = listen("127.0.0.1", 0)
    app = create_app(options or FakeOptions(latency_ms=(0, 0), engine="quick"))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        yield RunningFake(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
