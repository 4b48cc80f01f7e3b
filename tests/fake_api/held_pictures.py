"""A picture server that answers as often as it is allowed, so that a batch stands still where a test wants it to."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.fake_api.drawing import picture


class HeldPictures:
    """Pictures at ``url``.

    Attributes:
        url: Where; anything may follow it.
        allowed: So many more answers leave; the rest waits.
        waiting: How many wait or waited.
    """

    def __init__(self, url: str, allowed: int) -> None:
        self.url = url
        self.allowed = threading.Semaphore(allowed)
        self.waiting = 0

    def release(self) -> None:
        """Let everything through from now on."""
        self.allowed.release(10_000)

    def hold(self) -> None:
        """Let nothing through until the next release."""
        while self.allowed.acquire(blocking=False):
            pass


@contextlib.contextmanager
def held_pictures(allowed: int) -> Iterator[HeldPictures]:
    """Serve until the end of the block."""
    data = picture()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not pictures.allowed.acquire(blocking=False):
                pictures.waiting += 1
                pictures.allowed.acquire()
            with contextlib.suppress(OSError):  # whoever waited may be gone
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    pictures = HeldPictures(f"http://127.0.0.1:{server.server_address[1]}", allowed)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield pictures
    finally:
        pictures.release()
        server.shutdown()
        thread.join()
        server.server_close()
