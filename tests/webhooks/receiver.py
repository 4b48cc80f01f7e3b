"""A receiver of webhooks: a server on loopback that keeps what it was sent, and answers what a test says."""

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Request:
    """What came in; the names of headers in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def type(self) -> str:
        return str(self.message["type"])

    @property
    def edit(self) -> int:
        return int(self.message["data"]["edit"]["id"])


@dataclass(frozen=True)
class Reply:
    """What it answers.

    Attributes:
        before: Called with the request before the answer leaves.
    """

    status: int = 204
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[Request], None] = lambda _: None


Answers = Callable[[Request], Reply]


class Receiver:
    """The server, while it is entered.

    Args:
        answers: What it answers; 204 by default. A test may set it later on.
        certified: Speak TLS, with this certificate.
    """

    def __init__(self, answers: Answers = lambda _: Reply(), *, certified: ssl.SSLContext | None = None) -> None:
        self.answers = answers
        self._certified = certified
        self.requests: list[Request] = []
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/hook"

    @property
    def port(self) -> int:
        return self._port

    def open(self) -> None:
        """Answer, at the same port as before."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                request = Request(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                receiver.requests.append(request)
                reply = receiver.answers(request)
                reply.before(request)
                said = reply.body.encode()
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = _Server(("127.0.0.1", self._port), Handler)
        if self._certified is not None:
            self._server.socket = self._certified.wrap_socket(self._server.socket, server_side=True)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A sender that was killed is none of the receiver's."""


def in_turn(replies: Iterable[Reply]) -> Answers:
    """Answer with these, one after the other, and 204 afterwards."""
    left = deque(replies)
    return lambda _: left.popleft() if left else Reply()
