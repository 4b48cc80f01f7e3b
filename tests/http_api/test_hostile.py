"""Requests that mean ill, over real HTTP: each is refused in words, and leaves nothing behind."""

import asyncio
import base64
import gc
import gzip
import json
import select
import socket
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipeline.http_api.gateway import GatewayJson
from pipeline.http_api.rates import Rates
from pipeline.http_api.shapes import Submission
from pipeline.runner import Runner
from pipeline.states import Role
from pipeline.store import reading
from tests.commands import shared_pool
from tests.desks import drawn_picture, new_desk
from tests.fake_api.running import eventually
from tests.http_api.serving import Caller, Served, is_problem, served
from tests.review_app.calling import token

RED = drawn_picture("red")
JSON_KIND = {"Content-Type": "application/json"}


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Served]:
    """A desk that takes 0.2 MB in a request."""
    desk = new_desk(tmp_path / "desk", detectors=(), api={"max_body_mb": 0.2})
    with served(desk) as found:
        yield found
    assert reading.batch_names(desk.db) == []
    desk.close()


def submission(**picture: Any) -> dict[str, Any]:
    return {"batch": "autumn", "prompt": "make it warmer", "pictures": [picture]}


def bomb(side: int) -> bytes:
    """A PNG of some dozen bytes that says it has so many pixels on each side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 999)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_a_picture_that_unpacks_into_gigabytes_is_refused_by_its_header(strict: Served, side: int) -> None:
    shop = strict.caller(Role.REQUESTER)
    files = {"picture": ("small.png", bomb(side), "image/png")}
    answer = shop.post("/batches", data={"batch": "autumn", "prompt": "x"}, files=files)
    (found,) = is_problem(answer, 422, "invalid")["errors"]
    assert found["pointer"] == "/picture/0"
    assert "megapixels" in found["detail"]
    answer = shop.post("/batches", json=submission(base64=base64.b64encode(bomb(side)).decode()))
    assert is_problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/pictures/0/base64"


def test_a_file_that_is_too_large_is_told_its_size(tmp_path: Path) -> None:
    desk = new_desk(tmp_path / "desk", detectors=(), max_source_mb=0.1)
    with served(desk) as found:
        answer = found.caller(Role.REQUESTER).post(
            "/batches", json=submission(base64=base64.b64encode(b"x" * 700_000).decode())
        )
        (said,) = is_problem(answer, 422, "invalid")["errors"]
        assert said["detail"].startswith("the file has 0.7 MB and the limit is 0.1 MB")
    desk.close()


def test_a_compressed_request_is_not_unpacked(strict: Served) -> None:
    packed = gzip.compress(json.dumps(submission(url="https://example.com/" + "a" * 100_000)).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = strict.caller(Role.REQUESTER).post("/batches", content=packed, headers=headers)
    is_problem(answer, 415, "unsupported_media_type")
    zipped = base64.b64encode(b"PK\x03\x04" + b"\0" * 99).decode()
    answer = strict.caller(Role.REQUESTER).post("/batches", json=submission(base64=zipped))
    is_problem(answer, 422, "invalid")


def test_a_request_that_is_too_large_is_not_read_to_its_end(strict: Served) -> None:
    shop = strict.caller(Role.REQUESTER)
    kind = {"Content-Type": "application/json"}
    is_problem(shop.post("/batches", content=b" " * 200_001, headers=kind), 413, "too_large")
    with asking(strict, "Content-Length: 300000") as connection:
        assert b" 413 " in connection.recv(65536).partition(b"\r\n")[0]
    sent, part = 0, b"2710\r\n" + b" " * 10_000 + b"\r\n"
    with asking(strict, "Transfer-Encoding: chunked") as connection:
        while sent < 50_000_000 and not select.select([connection], [], [], 0)[0]:
            try:
                connection.sendall(part)
            except OSError:
                break  # closed while it was being written to
            sent += len(part)
    assert 190_000 < sent < 50_000_000


def asking(api: Served, *headers: str) -> socket.socket:
    """A connection on which the head of a submission was sent."""
    connection = socket.create_connection(("127.0.0.1", int(api.url.rpartition(":")[2])), timeout=60)
    bearer = api.caller(Role.REQUESTER).bearer
    lines = ("POST /api/v1/batches HTTP/1.1", "Host: localhost", f"Authorization: Bearer {bearer}")
    connection.sendall("\r\n".join((*lines, "Content-Type: application/json", *headers, "", "")).encode())
    return connection


def test_a_body_that_drips_is_cut_off(tmp_path: Path) -> None:
    desk = new_desk(tmp_path / "desk", api={"body_s": 0.5})
    with served(desk) as found, asking(found, "Content-Length: 99") as connection:
        connection.sendall(b"{")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b" 408 " in answer.partition(b"\r\n")[0]
    assert b'"code":"too_slow"' in answer
    assert b"connection: close" in answer, "and not kept for another request"
    desk.close()


def test_json_and_forms_that_are_none_are_problems_and_no_crash(strict: Served) -> None:
    shop = strict.caller(Role.REQUESTER)

    def posted(data: bytes, kind: str) -> Any:
        return shop.post("/batches", content=data, headers={"Content-Type": kind})

    for data in (b"", b"{", b"[" * 50_000, b"\xff\xfe", b"null", b'{"batch": 1e999}', b'{"batch": "\\ud800"}'):
        is_problem(posted(data, "application/json"), 422, "invalid")
    for data in (b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\nhi\r\n--x--"):
        is_problem(posted(data, "multipart/form-data; boundary=x"), 422, "invalid")
    many = b"".join(b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % n for n in range(1_500))
    is_problem(posted(many + b"--x--\r\n", "multipart/form-data; boundary=x"), 422, "invalid")
    is_problem(posted(b"x", "multipart/form-data"), 422, "invalid")
    is_problem(posted(b"<a/>", "text/xml"), 415, "unsupported_media_type")
    text = {"batch": "autumn", "prompt": "x", "picture": "no file"}
    is_problem(shop.post("/batches", data=text, files={"other": b"x"}), 422, "invalid")
    for said in ({"since_last": "yes"}, {"since_last": 0}, {"batch": "1"}):
        is_problem(shop.post("/exports", json=said), 422, "invalid")


def test_a_source_inside_the_house_is_not_fetched(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be seen to be private is refused at once; a name that leads there, when it is looked up."""
    shop = api.caller(Role.REQUESTER)
    for url in (
        "https://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1:8501/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/x.png",
        "https://10.1.2.3/x.png",
        "http://example.com/x.png",
    ):
        (found,) = is_problem(shop.post("/batches", json=submission(url=url)), 422, "invalid")["errors"]
        assert found["pointer"] == "/pictures/0/url", url
    assert reading.batch_names(api.desk.db) == []
    answer = shop.post("/batches", json=submission(url="https://localhost:1/x.png"))
    edit = answer.json()["items"][0]["edit"]
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    asyncio.run(Runner(api.desk).run())
    told = shop.get(f"/edits/{edit}").json()
    assert (told["state"], told["error"]["code"]) == ("failed", "not_fetched")
    assert "private address" in told["error"]["message"]


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    desk = new_desk(tmp_path / "desk", api={"requests_per_minute": 3})
    with served(desk) as found:
        viewer = found.caller(Role.VIEWER)
        assert [viewer.get("/me").status_code for _ in range(3)] == [200, 200, 200]
        answer = viewer.get("/me")
        is_problem(answer, 429, "too_many_requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        gateway = viewer.ask("GET", "/v1/models")
        assert (gateway.status_code, gateway.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert "retry-after" in gateway.headers
        other = Caller(found.url, token(desk, Role.REVIEWER))
        assert other.get("/me").status_code == 200
        other.close()
    desk.close()


def test_a_bucket_fills_as_time_passes() -> None:
    now = 0.0
    rates = Rates(60, clock=lambda: now)
    assert [rates.take("ada") for _ in range(60)] == [0.0] * 60
    assert rates.take("ada") == 1.0
    assert rates.take("grace") == 0.0
    now = 0.5
    assert rates.take("ada") == 0.5
    now = 1.0
    assert rates.take("ada") == 0.0


def test_large_bodies_wait_for_room_and_give_it_back_whatever_comes_of_them(api: Served) -> None:
    """There is room for two at once; of each kind of ending there are more."""
    shop, viewer = api.caller(Role.REQUESTER), api.caller(Role.VIEWER)
    padding = {"batch": "autumn", "prompt": "make it warmer", "parameters": {}, "note": "x" * 1_200_000}
    good = {**submission(base64=base64.b64encode(RED + b"\0" * 1_200_000).decode())}
    odd = submission(base64=base64.b64encode(b"no picture" * 200_000).decode())
    for _ in range(3):
        is_problem(shop.post("/batches", json=padding), 422, "invalid")
        is_problem(shop.post("/batches", json=odd), 422, "invalid")
        is_problem(shop.post("/batches", content=b"{" + b" " * 1_200_000, headers=JSON_KIND), 422, "invalid")
        assert shop.post("/batches", json=good).status_code == 202
    with ThreadPoolExecutor(6) as many:
        answers = list(many.map(lambda _: shop.post("/batches", json=good), range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert viewer.get("/batches/1").json()["counts"]["total"] == 1


def test_what_a_refused_request_brought_is_forgotten_at_once(api: Served) -> None:
    """And not when Python looks for cycles, which is seldom."""
    shop = api.caller(Role.REQUESTER)
    odd = base64.b64encode(b"no picture").decode()
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            is_problem(shop.post("/batches", json=submission(base64=odd)), 422, "invalid")
            body = {"prompt": "x", "images": [{"image_url": f"data:image/png;base64,{odd}"}]}
            assert shop.ask("POST", "/v1/images/edits", json=body).status_code == 400
        eventually(lambda: not [each for each in gc.get_objects() if isinstance(each, Submission | GatewayJson)])
    finally:
        gc.enable()
