"""The fake service in a thread, for tests that speak HTTP to it."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import openai
import uvicorn
from openai.types import ImagesResponse

from pipeline.fake_api.behaviour import FakeOptions
from pipeline.fake_api.server import create_app, listen
from tests.fake_api.drawing import picture

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunningFake:
    """A fake service that is being served.

    Attributes:
        url: Without a slash at its end.
    """

    url: str

    def client(self, key: str = "sk-test", *, timeout_s: float = 20) -> openai.OpenAI:
        """The official client, which tries once."""
        return openai.OpenAI(
            api_key=key,
            base_url=f"{self.url}/v1",
            max_retries=0,
            timeout=timeout_s,
            http_client=openai.DefaultHttpxClient(verify=False),
        )

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Its reply to one request; certificates, which take 16 ms to read, are left out."""
        with httpx.Client(base_url=self.url, verify=False) as client:
            return client.request(method, path, **request)

    def edit(self, prompt: str = "make it warmer", *, key: str = "sk-test", **others: Any) -> ImagesResponse:
        """Ask for an edit of a red picture."""
        with self.client(key) as client:
            answer = client.images.edit(image=("red.png", picture(), "image/png"), prompt=prompt, **others)
        assert isinstance(answer, ImagesResponse)
        return answer

    def set(self, **options: Any) -> None:
        """Let it behave otherwise."""
        self.ask("POST", "/fake/options", json=options).raise_for_status()

    def ledger(self) -> dict[str, Any]:
        """What it billed."""
        books: dict[str, Any] = self.ask("GET", "/fake/ledger").raise_for_status().json()
        return books

    def billed(self) -> int:
        """The sum of it, in millionths of a dollar."""
        return int(self.ledger()["total_microusd"])


def quick_options(**others: Any) -> FakeOptions:
    """No waiting, and negatives for edits."""
    return FakeOptions(**{"latency_ms": (0, 0), "engine": "quick", "batch_s": 0, **others})


def eventually(holds: Callable[[], T], *, within_s: float = 60) -> T:
    """What a question gives once it gives something true; asked again and again."""
    end = time.monotonic() + within_s
    while not (found := holds()):
        assert time.monotonic() < end, f"still {found!r} after {within_s} s"
        threading.Event().wait(0.005)
    return found


@contextlib.contextmanager
def running_fake(
    options: FakeOptions | None = None, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[RunningFake]:
    """Serve until the end of the block."""
    listening = listen("127.0.0.1", 0)
    app = create_app(options or quick_options(), clock=clock)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        yield RunningFake(f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
