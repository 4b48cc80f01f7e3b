"""Sources: files and URLs, read once."""

import asyncio
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from PIL import Image

from pipeline.blobs import BlobPlace, open_blobs
from pipeline.errors import PictureError
from pipeline.images import PictureLimits
from pipeline.sources import fetch, import_source, is_url, read_file, stamp

LIMITS = PictureLimits(max_bytes=20_000)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()


class Handler(BaseHTTPRequestHandler):
    """A small web of pictures and traps."""

    def do_GET(self) -> None:
        if self.path == "/there":
            self.send_response(302)
            self.send_header("Location", "/picture.png")
            self.end_headers()
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
            self.end_headers()
        elif self.path == "/picture.png":
            self._answer(png())
        elif self.path == "/huge":
            self._answer(b"x" * 50_000)
        else:
            self.send_error(404)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def code(url: str, *, allow_private: bool = True) -> str:
    with pytest.raises(PictureError) as caught:
        asyncio.run(fetch(url, LIMITS, allow_private=allow_private))
    return f"{caught.value.code}: {caught.value}"


@pytest.mark.parametrize("path", ["/picture.png", "/there"])
def test_a_picture_is_fetched_by_redirects_too(web: str, path: str) -> None:
    assert asyncio.run(fetch(web + path, LIMITS, allow_private=True)) == png()


@pytest.mark.parametrize(
    ("path", "said"), [("/none", "404"), ("/huge", "too_large"), ("/round", "redirects more than")]
)
def test_what_is_no_picture_of_ours_says_why(web: str, path: str, said: str) -> None:
    assert said in code(web + path)


def test_private_addresses_and_plain_http_are_not_fetched(web: str) -> None:
    assert "only https" in code(f"{web}/picture.png", allow_private=False)
    assert "private address" in code("https://127.0.0.1/picture.png", allow_private=False)
    assert "private address" in code("https://localhost/picture.png", allow_private=False)


def test_a_dead_server_is_said_plainly() -> None:
    assert "not_fetched" in code("http://127.0.0.1:9/picture.png")


def test_a_source_is_kept_as_it_came_and_as_it_is_used(tmp_path: Path) -> None:
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30), "red").save(turned, "JPEG", exif=exif)
    (tmp_path / "photo.png").write_bytes(turned.getvalue())
    place = BlobPlace(str(tmp_path / "blobs"))
    imported = import_source(None, str(tmp_path / "photo.png"), place=place, limits=LIMITS, first_frame=False)
    blobs = open_blobs(place)
    assert blobs.read(imported.original_sha256, "application/octet-stream") == turned.getvalue()
    assert imported.picture.size_wh == (30, 40)
    assert imported.facts["file_name"] == "photo.png"
    assert "the file name ends in .png and the picture is JPEG" in imported.facts["changes"]


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    for path, expected in ((tmp_path / "none.png", "unreadable"), (tmp_path, "unreadable")):
        with pytest.raises(PictureError) as caught:
            read_file(str(path), LIMITS)
        assert caught.value.code == expected
    (tmp_path / "huge.png").write_bytes(b"x" * 30_000)
    with pytest.raises(PictureError, match="the limit is"):
        read_file(str(tmp_path / "huge.png"), LIMITS)


def test_a_changed_file_has_another_stamp(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    first = stamp(str(path))
    path.write_bytes(b"three")
    assert stamp(str(path)) != first
    assert stamp("https://example.com/a.png") == ""
    assert is_url("https://example.com/a.png")
    assert not is_url("/a.png")
