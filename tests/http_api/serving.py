"""The API of a desk over real HTTP, in a thread."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from pipeline.desk import Desk
from pipeline.fake_api.server import listen
from pipeline.states import Role
from review_app.api import routes
from tests.review_app.calling import token


class Caller:
    """A program with a token.

    Args:
        url: Of the server.
        bearer: Its token; None to send none.
    """

    def __init__(self, url: str, bearer: str | None) -> None:
        self.url = url
        self.bearer = bearer
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
        self._client = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60, verify=False)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._client.get(path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._client.post(path, **more)

    def ask(self, method: str, address: str, **more: Any) -> httpx.Response:
        """The answer at an address from the server's root on."""
        return self._client.request(method, f"{self.url}{address}", **more)

    def close(self) -> None:
        self._client.close()


class Served:
    """A desk that is being served.

    Args:
        desk: The desk.
        url: Where.
    """

    def __init__(self, desk: Desk, url: str) -> None:
        self.desk = desk
        self.url = url
        self._opened: dict[str | None, Caller] = {}

    def caller(self, role: Role | None) -> Caller:
        """A program whose token has this role; None for one without a token."""
        name = None if role is None else role.value
        if name not in self._opened:
            self._opened[name] = Caller(self.url, None if role is None else token(self.desk, role))
        return self._opened[name]

    def close(self) -> None:
        """Close the callers' connections."""
        for each in self._opened.values():
            each.close()


@contextlib.contextmanager
def served(desk: Desk, around: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> Iterator[Served]:
    """Serve until the end of the block; ``around`` may come between."""
    listening = listen("127.0.0.1", 0)
    app = around(Starlette(routes=routes(desk)))
    config = uvicorn.Config(
        app,
        log_level="critical",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=300,  # whose connection ends in a test was shown out
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    found = Served(desk, f"http://127.0.0.1:{listening.getsockname()[1]}")
    try:
        yield found
    finally:
        found.close()
        server.should_exit = True
        thread.join()
        listening.close()


def is_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """What a refusal says, which is of the form that all have."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    said: dict[str, Any] = answer.json()
    assert said["code"] == code, said
    assert said["status"] == status
    assert said["detail"]
    assert said["next_step"]
    assert said["type"] == f"urn:picturedesk:problem:{code}"
    return said
