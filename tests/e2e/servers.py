"""The review page on a desk of the test's own, which can be stopped and started again at the same address."""

import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests import processes

WAIT_S = 60


class ReviewServer:
    """``picturedesk review`` on a desk.

    Args:
        root: The desk's folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._port = processes.free_port()
        self.url = f"http://localhost:{self._port}"
        self._process: ForkServerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self, *, wait: bool = True) -> None:
        """Start it; returns when it answers."""
        address = ("--port", str(self._port), "--no-browser")
        self._process = processes.start("review_app.app", "--desk", str(self.root), *address)
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it answers."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            assert self._process is not None
            assert self._process.exitcode is None, "the server has ended"
            try:
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError("the server did not come up in a minute")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.join(WAIT_S)
            self._process = None
