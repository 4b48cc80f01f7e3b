"""What must hold before the page is served: who can reach it, how they sign in, and which hosts it answers for.

Without a sign-in, only this machine can open the page, and its user may do everything. Whoever else is to reach it has
to sign in: by OpenID Connect (``[sign_in.oidc]``, carried out by Streamlit), or at a proxy in front that names them in
a header.
"""

import hashlib
import hmac
import ipaddress
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import UsageError
from pipeline.settings import SignIn

SECRET_VARIABLE = "PICTUREDESK_OIDC_SECRET"  # noqa: S105 - its name
"""Environment variable with the client's secret: it is in no file of the desk."""

_FILES = Path("/proc/self/fd")
"""What this process has open; on Linux only."""

_LOCAL_NAMES = ("127.0.0.1", "localhost", "::1", "[::1]")
_OIDC_NEEDS = ("client_id", "server_metadata_url", "redirect_uri")


def check(settings: SignIn, host: str) -> None:
    """Refuse what would let strangers in.

    Args:
        settings: Of the desk.
        host: The address to listen on.

    Raises:
        UsageError: Says what to set.
    """
    if settings.is_local and not is_loopback(host):
        raise UsageError(
            f"{host} can be reached by others, and nobody signs in on this desk; use 127.0.0.1 and a tunnel, or set "
            "[sign_in.oidc] or proxy_header in picturedesk.toml: see docs/sign-in.md"
        )
    if settings.oidc:
        _check_oidc(settings)
    elif settings.proxy_header is not None:
        _check_proxy(settings, host)


def secrets(settings: SignIn, key: bytes) -> dict[str, Any] | None:
    """What Streamlit needs for `st.login`; None if it has no part in the sign-in.

    Args:
        settings: Of the desk, checked.
        key: The desk's; the key of the cookie is made from it.
    """
    if not settings.oidc:
        return None
    cookie_secret = hmac.new(key, b"cookie", hashlib.sha256).hexdigest()
    return {"auth": {**settings.oidc, "client_secret": os.environ[SECRET_VARIABLE], "cookie_secret": cookie_secret}}


def user_headers(settings: SignIn) -> dict[str, str]:
    """Which header becomes which field of `st.user`."""
    if settings.oidc or settings.proxy_header is None:
        return {}
    groups = settings.proxy_groups_header
    return {settings.proxy_header: "email", **({groups: settings.groups_claim} if groups else {})}


def hosts(settings: SignIn, host: str) -> list[str]:
    """The names that a browser may ask for: a stranger's name that leads here (DNS rebinding) is none of them."""
    names = [*_LOCAL_NAMES, host, settings.proxy_name, urlsplit(str(settings.oidc.get("redirect_uri", ""))).hostname]
    return [name for name in dict.fromkeys(names) if name]


def origin(settings: SignIn) -> str | None:
    """Where others find the desk, for addresses in answers; None if only this machine does, by whatever name it used.

    A request does not say it: TLS ends at the proxy in front.
    """
    if redirect_uri := settings.oidc.get("redirect_uri"):
        parts = urlsplit(str(redirect_uri))
        return f"{parts.scheme}://{parts.netloc}"
    return None if settings.proxy_name is None else f"https://{settings.proxy_name}"


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def answer_at_once() -> None:
    """Switch Nagle's algorithm off for the sockets that this process listens on, and so for every connection to them.

    Streamlit opens its socket without saying that it is TCP's, and asyncio then leaves it on: each answer, whose head
    and body are written one after the other, waits for the acknowledgement of its head. ``GET /api/v1/me`` took 44 ms
    so, and takes 3 ms (our measurement, 2026-11-22).
    """
    for path in _FILES.iterdir() if _FILES.is_dir() else ():
        with suppress(OSError):
            if path.is_socket():
                with socket.socket(fileno=os.dup(int(path.name))) as found:
                    if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class OnlyFromProxy:
    """Takes the headers that name somebody off every request that did not come through the proxy.

    Args:
        app: The application behind.
        headers: These, in any case.
        addresses: Where the proxy calls from: addresses or networks; this machine always may.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str], addresses: tuple[str, ...]) -> None:
        self._app = app
        self._names = {name.lower().encode() for name in headers}
        self._networks = [ipaddress.ip_network(each) for each in ("127.0.0.0/8", "::1/128", *addresses)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does."""
        if scope["type"] in ("http", "websocket") and not self._is_proxy(scope):
            kept = [(name, value) for name, value in scope["headers"] if name.lower() not in self._names]
            scope = {**scope, "headers": kept}
        await self._app(scope, receive, send)

    def _is_proxy(self, scope: Scope) -> bool:
        try:
            caller = ipaddress.ip_address(scope["client"][0] if scope["client"] else "")
        except ValueError:
            return False
        return any(caller in network for network in self._networks)


def _check_oidc(settings: SignIn) -> None:
    if settings.proxy_header is not None:
        raise UsageError("sign_in: found oidc and proxy_header; expected one of them, so that it is clear who vouches")
    if missing := [name for name in _OIDC_NEEDS if not settings.oidc.get(name)]:
        raise UsageError(f"sign_in.oidc: {', '.join(missing)} is missing; see docs/sign-in.md")
    if "client_secret" in settings.oidc or "cookie_secret" in settings.oidc:
        raise UsageError(f"sign_in.oidc: secrets do not belong into a file; set {SECRET_VARIABLE} instead")
    if not os.environ.get(SECRET_VARIABLE):
        raise UsageError(f"sign_in.oidc: the client's secret is missing; set {SECRET_VARIABLE}")


def _check_proxy(settings: SignIn, host: str) -> None:
    if not settings.proxy_name:
        raise UsageError("sign_in: proxy_name is missing; set the name that browsers ask for, such as desk.example.com")
    if not is_loopback(host) and not settings.proxy_addresses:
        raise UsageError(
            f"sign_in: anybody who reaches {host} could send {settings.proxy_header} themselves; set proxy_addresses "
            "to where the proxy calls from, or listen on 127.0.0.1"
        )
    for each in settings.proxy_addresses:
        try:
            ipaddress.ip_network(each)
        except ValueError as exc:
            raise UsageError(f"sign_in.proxy_addresses: {exc}; expected such as 10.0.0.5 or 10.0.0.0/24") from exc
