"""Sources: files and URLs, read once."""

import asyncio
import contextlib
import gzip
import io
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image

from pipeline.addresses import is_public
from pipeline.blobs import BlobPlace, open_blobs
from pipeline.errors import PictureError
from pipeline.images import PictureLimits
from pipeline.public_web import PublicTransport
from pipeline.sources import fetch, import_source, is_url, read_file, stamp
from pipeline.tickets import Tools
from pipeline.tickets.wire import Wire

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


# A public web on this machine: 127.0.0.1 stands for a public address, 127.0.0.2 for one inside the house.


@dataclass
class Web:
    """Two servers on one port, and who is where.

    Attributes:
        inside: Paths that the server inside the house was asked for.
        outside: Host and path that the other was asked for.
        places: By name, the addresses that it is at, look-up by look-up; the last one stays.
    """

    port: int = 0
    inside: list[str] = field(default_factory=list)
    outside: list[tuple[str, str]] = field(default_factory=list)
    places: dict[str, list[str]] = field(default_factory=dict)

    def url(self, name: str, path: str) -> str:
        return f"https://{name}:{self.port}{path}"


@pytest.fixture
def public_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    web = Web()

    class Outside(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            web.outside.append((self.headers["Host"], self.path))
            if self.path == "/drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(b"x")
                        self.wfile.flush()
                        threading.Event().wait(0.02)
                return
            headers, body = {
                "/picture.png": ({}, png()),
                "/inside": ({"Location": web.url("house.test", "/secret")}, b""),
                "/plain": ({"Location": f"http://pictures.test:{web.port}/picture.png"}, b""),
                "/bomb": ({"Content-Encoding": "gzip"}, gzip.compress(b"\0" * 5_000_000)),
            }[self.path]
            self.send_response(302 if "Location" in headers else 200)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    class Inside(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.inside.append(self.path)
            self.send_error(404)

        log_message = Outside.log_message

    def look_up(host: Any, port: Any, *args: Any, **more: Any) -> list[Any]:
        places = web.places.get(host, [host])  # an address is at itself
        found = places.pop(0) if len(places) > 1 else places[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    certificate, key = self_signed("pictures.test", "house.test")
    (tmp_path / "both.pem").write_bytes(certificate + key)
    (tmp_path / "trusted.pem").write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    first = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    web.port = first.server_port
    servers = [first, ThreadingHTTPServer(("127.0.0.2", web.port), Inside)]
    for server in servers:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("pipeline.public_web.is_public", lambda address: str(address) == "127.0.0.1")
    web.places = {name: ["127.0.0.1"] for name in ("pictures.test", "stranger.test")} | {"house.test": ["127.0.0.2"]}
    yield web
    for server in servers:
        server.shutdown()
        server.server_close()


def self_signed(*names: str) -> tuple[bytes, bytes]:
    """A certificate of these names and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), key.private_bytes(*plain)


def test_a_name_that_leads_into_the_house_a_moment_later_gains_nothing(public_web: Web) -> None:
    """DNS rebinding: it is looked up once, and asked at the address that was checked, under its own name."""
    public_web.places["pictures.test"] = ["127.0.0.1", "127.0.0.2"]
    fetched = asyncio.run(fetch(public_web.url("pictures.test", "/picture.png"), LIMITS, allow_private=False))
    assert fetched == png()
    assert public_web.outside == [(f"pictures.test:{public_web.port}", "/picture.png")]
    assert public_web.inside == []
    assert public_web.places["pictures.test"] == ["127.0.0.2"]

    public_web.places["pictures.test"] = ["127.0.0.1", "127.0.0.2"]
    address = public_web.url("pictures.test", "")
    help_desk = Wire("support", address, tools=Tools(LIMITS.max_bytes))
    assert help_desk.fetch(f"{address}/picture.png") == png()
    help_desk.close()
    assert public_web.outside[1:] == public_web.outside[:1]
    assert public_web.inside == []


def test_where_a_host_has_several_addresses_the_next_one_is_asked(
    public_web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(host: Any, port: Any, *args: Any, **more: Any) -> list[Any]:
        addresses = ("127.0.0.9", "127.0.0.1") if host == "pictures.test" else (host,)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr("pipeline.public_web.is_public", lambda address: True)
    url = public_web.url("pictures.test", "/picture.png")
    assert asyncio.run(fetch(url, LIMITS, allow_private=False)) == png()
    with httpx.Client(transport=PublicTransport()) as client:
        assert client.get(url).content == png()


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("house.test", "/secret", "private address"),
        ("pictures.test", "/inside", "house.test is at a private address"),
        ("pictures.test", "/plain", "only https"),
        ("pictures.test", "/bomb", "as gzip, which was not asked for"),
        ("pictures.test", "/drip", "was not here after 0.5 s"),
        ("stranger.test", "/picture.png", "ConnectError"),
    ],
)
def test_redirects_bombs_drips_and_other_names_certificates_are_refused(
    public_web: Web, name: str, path: str, said: str
) -> None:
    whole_s = 0.5 if path == "/drip" else 60
    with pytest.raises(PictureError) as caught:
        asyncio.run(fetch(public_web.url(name, path), LIMITS, allow_private=False, whole_s=whole_s))
    assert said in str(caught.value)
    assert public_web.inside == []


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("64:ff9b::5db8:d70e", True),
        *((each, False) for each in ("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254")),
        *((each, False) for each in ("0.0.0.0", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255")),
        *((each, False) for each in ("::1", "::", "fe80::1", "fc00::1", "ff02::1", "fd00:ec2::254")),
        *((each, False) for each in ("::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::1")),
    ],
)
def test_only_addresses_of_the_open_network_are_public(address: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is expected
