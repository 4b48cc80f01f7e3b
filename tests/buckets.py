"""Buckets of a real S3-type server on this machine: moto's, one for each test session."""

import socket
import threading
import urllib.request
import uuid
from contextlib import suppress
from functools import cache
from typing import Any

from pipeline.blobs import BlobPlace

BUCKET = "pictures"


def new_bucket() -> str:
    """The URL of an empty place in a bucket."""
    endpoint()
    return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}"


def options(**others: Any) -> dict[str, Any]:
    """How a desk reaches the server; a request that fails is not tried again for long."""
    return {
        "aws_endpoint": endpoint(),
        "aws_access_key_id": "desk",
        "aws_secret_access_key": "not-a-secret",
        "aws_region": "us-east-1",
        "allow_http": True,
        "max_retries": 1,
        "retry_timeout_s": 2,
        **others,
    }


def bucket_place(**others: Any) -> BlobPlace:
    """A place in a bucket, without copies on this machine."""
    return BlobPlace(new_bucket(), tuple(sorted(options(**others).items())))


@cache
def endpoint() -> str:
    """Where the server listens; started at first use, and ended with the session."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT")).close()
    return url


class StallingLink:
    """Stands before the server, lets so many bytes through to it, and then nothing more.

    Args:
        most_bytes: Over all connections together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._open: list[socket.socket] = []
        self.has_stalled = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End every connection, and take no more."""
        with suppress(OSError):  # it was closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        host, _, port = endpoint().removeprefix("http://").partition(":")
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection((host, int(port)))
            self._open += [client, server]
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            threading.Thread(target=_copy, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        while data := _received(client):
            self._left -= len(data)
            if self._left < 0:
                self.has_stalled.set()
                while _received(client):
                    continue
                break
            server.sendall(data)
        server.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    while data := _received(source):
        try:
            target.sendall(data)
        except OSError:
            return


def _received(from_: socket.socket) -> bytes:
    try:
        return from_.recv(65_536)
    except OSError:
        return b""
