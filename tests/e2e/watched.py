"""What a browser does that it should not."""

from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage


class Watched:
    """Notes requests to other hosts, dialogs, errors of scripts, and errors on the console.

    Args:
        context: The browser's.
        url: Of the server.
    """

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.problems: list[str] = []
        self._host = urlsplit(url).netloc
        context.on("request", lambda request: self._called(request.url))
        context.on("dialog", lambda dialog: self.problems.append(f"dialog: {dialog.message}"))
        context.on("weberror", lambda error: self.problems.append(f"error: {error.error}"))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._called(socket.url)))
        context.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        # Streamlit looks below the page's own address first for where its server is.
        if message.type == "error" and "/_stcore/" not in message.location["url"]:
            self.problems.append(f"console: {message.text}")

    def _called(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob") and parts.netloc != self._host:
            self.problems.append(f"called: {url}")
