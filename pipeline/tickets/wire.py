"""The way to a help desk: each request once, its errors as ours, and pictures from its own places only."""

import fnmatch
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.errors import HelpDeskFailed
from pipeline.public_web import NotPublic, PublicTransport
from pipeline.redacting import redacted
from pipeline.retry_after import retry_after_s
from pipeline.tickets import Tools

_TIMEOUT_S = 60.0
_LONGEST_ANSWER_S = 300.0
"""Of what comes in drops: others wait behind it. A picture of 50 MB in that time is 1.3 Mbit/s."""

_MAX_REDIRECTS = 5
_BUSY_S = 60.0
"""How long to wait where a help desk does not say it."""

_LONGEST_WAIT_S = 3600.0


class Wire:
    """Requests to one help desk.

    Args:
        name: Of its table in the settings, for messages.
        address: Its API's.
        auth: Its credentials; sent to that address only.
        headers: Sent to that address with every request.
        hosts: Where its pictures may be: ``host``, ``*.host``, or ``host/folder`` for a bucket among others'.
        tools: Limits.
    """

    def __init__(
        self,
        name: str,
        address: str,
        *,
        auth: httpx.Auth | tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        hosts: Sequence[str] = (),
        tools: Tools,
    ) -> None:
        self._name = name
        self._address = httpx.URL(address)
        self._tools = tools
        self._hosts = (self._address.host, *hosts)
        self._client = httpx.Client(timeout=_TIMEOUT_S, transport=None if tools.allow_private else PublicTransport())
        self._auth, self._headers = auth, dict(headers or {})

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def ask(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 - httpx's options, and any JSON
        """Send one request to the help desk; gives its answer's JSON, or None if it has none.

        Args:
            method: Of HTTP.
            path: Below the address, or one of its own URLs.
            options: As `httpx.Client.request` takes them.

        Raises:
            HelpDeskFailed: It did not do it.
        """
        url = self._url(path)
        options["headers"] = {**self._headers, **options.get("headers", {})}
        try:
            self._check_scheme(str(url))
            with self._client.stream(method, url, auth=self._auth, **options) as answer:
                body = self._body(answer, f"the answer of {url.host}")
        except httpx.HTTPError as exc:
            raise self._unreached(f"no answer from {url.host}", exc) from exc
        self._check(answer, body)
        if not body:
            return None
        try:
            return json.loads(body)
        except ValueError as exc:
            said = f"{self._name}: {url.host} answered something that is no JSON; check the address"
            raise HelpDeskFailed("no_json", said) from exc

    def fetch(self, url: str) -> bytes:
        """A picture's bytes, from the help desk's own places, by redirects between them.

        Raises:
            HelpDeskFailed: It is elsewhere, too large, or not there.
        """
        try:
            for _ in range(_MAX_REDIRECTS + 1):
                self._check_host(url)
                self._check_scheme(url)
                is_own = _origin(httpx.URL(url)) == _origin(self._address)
                own: dict[str, Any] = {"auth": self._auth, "headers": self._headers} if is_own else {}
                with self._client.stream("GET", url, **own) as answer:
                    if answer.has_redirect_location:
                        url = str(answer.url.join(answer.headers["location"]))
                        continue
                    body = self._body(answer, "a picture")
                    self._check(answer, body)
                    return body
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise self._unreached("a picture could not be fetched", exc) from exc
        raise HelpDeskFailed("bad_picture", f"{self._name}: a picture redirects more than {_MAX_REDIRECTS} times")

    def _url(self, path: str) -> httpx.URL:
        url = httpx.URL(path) if "://" in path else httpx.URL(f"{self._address}{path}")
        if _origin(url) != _origin(self._address):
            said = f"{self._name}: the help desk leads to {url.host}, which is not its own address"
            raise HelpDeskFailed("foreign_address", said)
        return url

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        folder = parts.path.lstrip("/").partition("/")[0]
        if not any(_fits(pattern, parts.hostname or "", folder) for pattern in self._hosts):
            said = f"{self._name}: a picture is at {parts.hostname}, which is none of the help desk's own places; "
            raise HelpDeskFailed("foreign_picture", f"{said}if it is one, add it to attachment_hosts")

    def _check_scheme(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in (("https", "http") if self._tools.allow_private else ("https",)):
            raise HelpDeskFailed("private_address", f"{self._name}: {parts.hostname} is asked by https only")

    def _unreached(self, what: str, exc: Exception) -> HelpDeskFailed:
        if isinstance(exc, NotPublic):
            return HelpDeskFailed("private_address", f"{self._name}: {exc}")
        return HelpDeskFailed("no_answer", f"{self._name}: {what} ({type(exc).__name__})", retry_after_s=_BUSY_S)

    def _check(self, answer: httpx.Response, body: bytes) -> None:
        if answer.is_success:
            return
        status, host = answer.status_code, answer.url.host
        said = f"{self._name}: {host} answered {status}{_words(answer, body)}"
        if status == 429 or status >= 500:
            raise HelpDeskFailed(f"http_{status}", said, retry_after_s=_wait_s(answer))
        if status in (401, 403):
            raise HelpDeskFailed("refused_key", f"{said}; check the key and what its owner may do")
        raise HelpDeskFailed(f"http_{status}", said)

    def _body(self, answer: httpx.Response, what: str) -> bytes:
        body, end_s = bytearray(), time.monotonic() + _LONGEST_ANSWER_S
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > self._tools.most_bytes:
                said = f"{self._name}: {what} is larger than {self._tools.most_bytes / 1e6:.0f} MB; "
                raise HelpDeskFailed("too_large", f"{said}raise max_source_mb, or answer that ticket by hand")
            if time.monotonic() > end_s:
                said = f"{self._name}: {what} did not come within {_LONGEST_ANSWER_S:.0f} s"
                raise HelpDeskFailed("no_answer", said, retry_after_s=_BUSY_S)
        return bytes(body)


def _wait_s(answer: httpx.Response) -> float:
    asked_s = retry_after_s(answer.headers.get("retry-after"))
    return _BUSY_S if asked_s is None else min(asked_s, _LONGEST_WAIT_S)


def _fits(pattern: str, host: str, folder: str) -> bool:
    """Host against host and folder against folder: a path may say anything."""
    of_host, _, of_folder = pattern.partition("/")
    return fnmatch.fnmatchcase(host, of_host) and (not of_folder or fnmatch.fnmatchcase(folder, of_folder))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _words(answer: httpx.Response, body: bytes) -> str:
    """What an answer says of itself, shortened, and without secrets."""
    text = (
        " ".join(body.decode(errors="replace").split())[:300]
        if "json" in answer.headers.get("content-type", "")
        else ""
    )
    return f": {redacted(text)}" if text else ""
