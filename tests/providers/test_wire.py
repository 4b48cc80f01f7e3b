"""HTTP as providers need it, over real sockets: what a broken connection means for the money, and how long to wait."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from pipeline.errors import AnswerLost, EditError, RetryLater, UsageError
from pipeline.providers import wire
from pipeline.providers.wire import (
    DEFAULT_WAIT_S,
    MAX_WAIT_S,
    Service,
    ask,
    json_body,
    learned_limits,
    make_client,
    missing_key,
    send,
    shortened,
    wait_s,
)
from pipeline.values import RateLimits

KEY = "sk-live-1234567890"
SHORT_S = 0.2
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def service(url: str, *, key: str = KEY, timeout_s: float = 20, headers: dict[str, str] | None = None) -> Service:
    return Service("shop", url, "SHOP_KEY", key, headers or {}, timeout_s)


class Server:
    """What a listening socket heard: the requests, each with its head and body."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[bytes] = []


@asynccontextmanager
async def serving(talk: Talk) -> AsyncIterator[Server]:
    """Reads each request whole, and then does as it is told; hangs up at the end of that."""
    heard = Server()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.requests.append(await _whole_request(reader))
            await talk(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up first
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    heard.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield heard
    finally:
        server.close()


async def _whole_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def says(data: bytes) -> Talk:
    """Writes this, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return talk


def says_and_waits(data: bytes) -> Talk:
    """Writes this, and then nothing until the client has had enough."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read()

    return talk


async def post(to: Service, *, free: bool = False) -> httpx.Response:
    """One request, over the transport that the desk uses."""
    async with make_client(to) as client:
        if free:
            return await ask(client, to, "POST", "/images/edits", json={"prompt": "warmer"})
        return await send(client, to, client.build_request("POST", "/images/edits", json={"prompt": "warmer"}))


def error_of(talk: Talk, *, timeout_s: float = 20, free: bool = False) -> tuple[EditError, Server]:
    """What a request to such a server comes to, and what the server heard."""

    async def go() -> tuple[EditError, Server]:
        async with serving(talk) as server:
            with pytest.raises(EditError) as caught:
                await post(service(server.url, timeout_s=timeout_s), free=free)
            return caught.value, server

    return asyncio.run(go())


def answer_of(talk: Talk, **others: Any) -> tuple[httpx.Response, Server]:
    async def go() -> tuple[httpx.Response, Server]:
        async with serving(talk) as server:
            return await post(service(server.url, **others)), server

    return asyncio.run(go())


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Taken by a socket that does not listen: whoever connects is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_refused_connection_proves_that_nothing_left(closed_port: int) -> None:
    with pytest.raises(RetryLater) as caught:
        asyncio.run(post(service(f"http://127.0.0.1:{closed_port}/v1")))
    assert caught.value.code == "not_reached"
    assert caught.value.retry_after_s > 0
    assert str(caught.value).startswith("shop cannot be reached at 127.0.0.1")
    assert str(caught.value).endswith("check the network. Nothing was sent")


def test_a_name_that_cannot_be_looked_up_proves_it_as_well() -> None:
    with pytest.raises(RetryLater) as caught:
        asyncio.run(post(service("http://shop.invalid/v1")))
    assert caught.value.code == "not_reached"
    assert "at shop.invalid" in str(caught.value)


def test_a_server_that_speaks_no_tls_was_sent_nothing() -> None:
    """The key and the picture go through a made connection only."""

    async def go() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        with pytest.raises(RetryLater) as caught:
            await post(service(url))
        assert caught.value.code == "not_reached"
        server.close()

    asyncio.run(go())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n",
        b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"data": [',
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n{"data": [\r\n',
        b"not HTTP at all\r\n\r\n",
    ],
    ids=["nothing", "half a head", "a head", "half a body", "a chunk", "noise"],
)
def test_a_server_that_hangs_up_leaves_the_edit_in_doubt(data: bytes) -> None:
    """It had the request: nobody knows what it made of it. It was sent once."""
    error, server = error_of(says(data))
    assert type(error) is AnswerLost
    assert error.code == "answer_lost"
    assert "the edit may have been made and billed" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "data", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"], ids=["nothing", "half a body"]
)
def test_a_server_that_falls_silent_leaves_the_edit_in_doubt(data: bytes) -> None:
    error, server = error_of(says_and_waits(data), timeout_s=SHORT_S)
    assert type(error) is AnswerLost
    assert error.code == "timeout"
    assert str(error) == "shop did not answer in time; the edit may have been made and billed"
    assert len(server.requests) == 1


@pytest.mark.parametrize("talk", [says(b""), says_and_waits(b"")], ids=["hangs up", "falls silent"])
def test_what_is_free_may_be_asked_again(talk: Talk) -> None:
    error, server = error_of(talk, timeout_s=SHORT_S, free=True)
    assert type(error) is RetryLater
    assert error.retry_after_s == DEFAULT_WAIT_S
    assert len(server.requests) == 1


def test_an_answer_that_has_no_end_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_MAX_ANSWER_BYTES", 1000)
    error, _ = error_of(says(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 5000))
    assert type(error) is AnswerLost
    assert error.code == "answer_too_large"


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_an_error_is_an_answer_and_nothing_is_sent_again(status: int) -> None:
    response, server = answer_of(says(f"HTTP/1.1 {status} No\r\ncontent-length: 2\r\n\r\n{{}}".encode()))
    assert response.status_code == status
    assert json_body(response) == {}
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed() -> None:
    """The key and the picture are for the address in the settings alone."""
    elsewhere = b"HTTP/1.1 307 Elsewhere\r\nlocation: /v2/images/edits\r\ncontent-length: 0\r\n\r\n"
    response, server = answer_of(says(elsewhere))
    assert response.status_code == 307
    assert len(server.requests) == 1


def test_a_compressed_answer_is_read() -> None:
    body = gzip.compress(b'{"ok": true}')
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(body)}\r\nx-request-id: r-1\r\n\r\n"
    response, _ = answer_of(says(head.encode() + body))
    assert json_body(response) == {"ok": True}
    assert response.headers["x-request-id"] == "r-1"


def test_a_request_goes_out_once_with_its_key_and_its_length() -> None:
    _, server = answer_of(says(WHOLE))
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/images/edits http/1.1"
    assert f"authorization: bearer {KEY}".encode() in lines
    assert b"user-agent: picturedesk" in lines
    assert f"content-length: {len(body)}".encode() in lines
    assert json_body(httpx.Response(200, content=body)) == {"prompt": "warmer"}


def test_without_a_key_no_authorization_is_sent() -> None:
    _, server = answer_of(says(WHOLE), key="")
    assert b"authorization" not in server.requests[0].lower()


@pytest.mark.parametrize("url", ["", "api.example.com/v1", "ftp://api.example.com", "http://", "https:///v1"])
def test_an_address_that_is_none_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(UsageError, match=r"providers\.shop\.base_url.*https://api\.example\.com/v1"):
        make_client(service(url))


def test_an_address_with_a_password_in_it_is_a_wrong_setting() -> None:
    """It cannot be sent beside a key."""
    with pytest.raises(UsageError, match=r"providers\.shop\.base_url"):
        make_client(service("http://user:hunter2@127.0.0.1:9/v1"))


def answered(status: int = 429, text: str = "", **headers: str) -> httpx.Response:
    return httpx.Response(status, text=text, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("response", "seconds"),
    [
        (answered(retry_after="17"), 17),
        (answered(retry_after="1.5"), 1.5),
        (answered(retry_after_ms="250"), 0.25),
        (answered(retry_after_ms="250", retry_after="17"), 0.25),
        (answered(retry_after_ms="soon", retry_after="17"), 17),
        (answered(retry_after="0"), 0.05),
        (answered(retry_after="999999"), MAX_WAIT_S),
        (answered(retry_after="soon"), DEFAULT_WAIT_S),
        (answered(retry_after="-3"), DEFAULT_WAIT_S),
        (answered(), DEFAULT_WAIT_S),
        (answered(text="please slow down and try again after 51.81557421875 seconds"), 51.81557421875),
        (answered(text="Try again after 7s."), 7),
        (answered(text="try again after 7s", retry_after="2"), 2),
        (answered(retry_after="Fri, 20 Nov 2020 10:00:00 GMT"), 0.05),
        (answered(retry_after="Fri, 20 Nov 2126 10:00:00 GMT"), MAX_WAIT_S),
    ],
)
def test_the_server_says_how_long_to_wait(response: httpx.Response, seconds: float) -> None:
    assert wait_s(response) == seconds


def test_the_server_may_say_until_when_to_wait() -> None:
    """A date has whole seconds; the rest of the tolerance is for a slow machine."""
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    assert 540 < wait_s(answered(retry_after=until)) <= 600


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(429, headers=[(b"retry-after", b"\xb2")]),
        answered(text="try again after 1.2.3 seconds"),
    ],
    ids=["a superscript two", "a version"],
)
def test_what_is_no_number_is_waited_for_as_usual(response: httpx.Response) -> None:
    assert wait_s(response) == DEFAULT_WAIT_S


def told(**headers: str) -> httpx.Response:
    return httpx.Response(200, headers={f"x-ratelimit-limit-{name}": value for name, value in headers.items()})


def test_limits_are_learned_from_the_headers_of_a_reply() -> None:
    response = told(requests="500", images="250", tokens="8000000")
    told_limits = learned_limits(response, RateLimits(), RateLimits())
    assert told_limits == RateLimits(requests=500, images=250, tokens=8_000_000)


def test_pictures_have_two_names_in_the_headers() -> None:
    response = httpx.Response(200, headers={"x-ratelimit-limit-input-images": "5"})
    assert learned_limits(response, RateLimits(), RateLimits()) == RateLimits(images=5)


def test_limits_set_by_hand_stay() -> None:
    response = told(requests="500", images="250")
    assert learned_limits(response, RateLimits(requests=20), RateLimits()) == RateLimits(requests=20, images=250)


@pytest.mark.parametrize("value", ["", "0", "-1", "many", "inf", "unlimited"])
def test_a_limit_that_is_no_amount_is_not_learned(value: str) -> None:
    assert learned_limits(told(requests=value), RateLimits(), RateLimits()) == RateLimits()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"<html>"])
def test_an_answer_that_is_no_json_is_none(body: bytes) -> None:
    assert json_body(httpx.Response(200, content=body)) is None


def test_no_error_shows_the_key_or_what_the_address_holds(closed_port: int) -> None:
    """Neither does the service's own description, which may end in a log."""
    secret = service(f"http://127.0.0.1:{closed_port}/v1/token-abc", headers={"x-gateway": "gate-7"})
    with pytest.raises(RetryLater) as caught:
        asyncio.run(post(secret))
    for part in (KEY, "token-abc", "gate-7"):
        assert part not in str(caught.value)
    for part in (KEY, "gate-7"):
        assert part not in repr(secret)


@pytest.mark.parametrize("talk", [says(b""), says(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")])
def test_a_lost_answer_does_not_show_the_key_either(talk: Talk) -> None:
    error, _ = error_of(talk)
    assert KEY not in str(error)


def test_a_missing_key_names_its_variable_and_the_way_without() -> None:
    error = missing_key(service("http://127.0.0.1:9/v1", key=""))
    assert error.code == "no_key"
    assert str(error) == "shop needs a key: set SHOP_KEY in the environment, or choose --provider local"


def test_a_servers_words_become_one_short_line_without_keys() -> None:
    text = f"  Incorrect\nkey {KEY}, or sk-proj-AbC_12*34,\tor ooq_live-77; see help " + "x" * 400
    line = shortened(text, KEY)
    assert line.startswith("Incorrect key [key], or [key], or [key]; see help xxx")
    assert len(line) == 300
    assert line.endswith("…")
    assert shortened("the key hunter2 is wrong", "hunter2") == "the key [key] is wrong"
