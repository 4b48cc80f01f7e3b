"""What runs: Streamlit with our own routes and headers; who may reach it is said in `serving`.

python -m review_app.app --desk data/desk
"""

import argparse
import base64
import hashlib
import os
import re
import sys
import webbrowser
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import logs, tracing
from pipeline.desk import Desk
from pipeline.direct_reads import DirectReads
from pipeline.errors import PicturedeskError, UsageError
from pipeline.health_routes import health_routes
from pipeline.metrics import Metrics
from pipeline.settings import read_settings
from review_app import serving, viewing
from review_app.api import routes
from review_app.tickets import read_key
from review_app.workspace import DESK_VARIABLE

_CONFIG: Mapping[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.toolbarMode": "minimal",
    "client.disableDataExport": True,
    "client.showErrorDetails": "none",
    "server.fileWatcherType": "none",
    "server.headless": True,
    "server.maxUploadSize": 500,
    "theme.light.primaryColor": "#0b6e4f",
    "theme.light.backgroundColor": "#fbfbf9",
    "theme.light.secondaryBackgroundColor": "#f0efea",
    "theme.light.textColor": "#1f2321",
    "theme.dark.primaryColor": "#19805c",
    "theme.dark.backgroundColor": "#151816",
    "theme.dark.secondaryBackgroundColor": "#1f2421",
    "theme.dark.textColor": "#e9ece9",
    "theme.baseRadius": "0.4rem",
    "theme.headingFontSizes": ["1.75rem", "1.3rem", "1.15rem"],
    "theme.headingFontWeights": [650, 600, 600],
}


def create_app(root: Path, *, host: str = "127.0.0.1") -> st.App:
    """The application for the desk in this folder, for a browser that calls it by this host or a usual one.

    Raises:
        UsageError: Strangers could come in.
    """
    os.environ[DESK_VARIABLE] = str(root)
    desk = Desk.open(root)
    settings = desk.settings.sign_in
    serving.check(settings, host)
    headers = serving.user_headers(settings)
    direct = DirectReads(desk)

    metrics = Metrics(desk)

    @asynccontextmanager
    async def lifespan(_: st.App) -> AsyncIterator[None]:
        serving.answer_at_once()
        with tracing.on("picturedesk-page"):
            yield
        metrics.close()
        desk.close()

    return st.App(
        Path(__file__).with_name("navigation.py"),
        # With a sign-in there is a proxy in front, for TLS at least, and it may be on this machine.
        routes=[
            *health_routes(desk, metrics, trusts_loopback=settings.is_local),
            *routes(desk, direct),
            *viewing.routes(),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=serving.hosts(settings, host)),
            Middleware(serving.OnlyFromProxy, headers=headers, addresses=settings.proxy_addresses),
            Middleware(SecurityHeaders, pictures_from=direct.origin),
        ],
        lifespan=lifespan,
        secrets=serving.secrets(settings, read_key(root)),
    )


def serve(root: Path, *, host: str = "127.0.0.1", port: int = 8501, open_browser: bool = True) -> None:
    """Serve the page until stopped.

    Raises:
        UsageError: Strangers could come in.
    """
    settings = read_settings(root).sign_in
    serving.check(settings, host)
    url = f"http://{'localhost' if host in ('127.0.0.1', '::1') else host}:{port}"
    sys.stderr.write(f"The review page is at {url} (stop with Ctrl-C).\n")
    if open_browser:
        webbrowser.open_new_tab(url)
    os.environ["FORWARDED_ALLOW_IPS"] = ""  # so that a request's address is where it came from, not what it says
    own = {"server.address": host, "server.port": port, "server.trustedUserHeaders": serving.user_headers(settings)}
    create_app(root, host=host).run(config={**_CONFIG, **own})


class SecurityHeaders:
    """Adds what keeps a hostile prompt, name or picture from reaching out of the page.

    Args:
        app: The application behind.
        pictures_from: Where else pictures may come from: the bucket's origin.
    """

    def __init__(self, app: ASGIApp, pictures_from: str | None = None) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": _content_security_policy(pictures_from),
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers added."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _content_security_policy(pictures_from: str | None) -> str:
    """Own scripts only; Streamlit's inline boot script by its hash."""
    page = (Path(st.__file__).parent / "static" / "index.html").read_text("utf-8")
    inline = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = " ".join(f"'sha256-{_base64_sha256(script)}'" for script in inline)
    images = " ".join(filter(None, ("'self' data: blob:", pictures_from)))
    return (
        f"default-src 'self'; img-src {images}; font-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        f"script-src 'self' 'wasm-unsafe-eval' blob: {hashes}; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
    )


def _base64_sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def main() -> None:
    """Serve a desk, as ``picturedesk review`` asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--desk", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--log-format", type=logs.LogForm, default=logs.LogForm.TEXT)
    options = parser.parse_args()
    logs.set_up(options.log_format)
    try:
        serve(options.desk, host=options.host, port=options.port, open_browser=not options.no_browser)
    except PicturedeskError as exc:
        sys.stderr.write(f"error: {exc}\n")
        sys.exit(2 if isinstance(exc, UsageError) else 1)


if __name__ == "__main__":
    main()
