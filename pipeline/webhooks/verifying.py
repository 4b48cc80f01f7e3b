"""For receivers: whether a message is the desk's, of now, and new.

Messages are signed after Standard Webhooks 1.0 (https://www.standardwebhooks.com, read on 2026-11-21): HMAC-SHA256 of
``webhook-id.webhook-timestamp.body`` by the endpoint's secret, in base64. Any library for it will do as well; a Python
program may take this module, which needs the package ``standardwebhooks`` alone::

    verifier = Verifier(["whsec_..."])

    def receive(headers, body: bytes) -> int:
        try:
            message = verifier.verify(headers, body)
        except Replayed:
            return 204  # it was done before: say so, else it comes again
        except NotGenuine:
            return 401
        try:
            handle(message)
        except Exception:
            verifier.forget(headers)  # it comes again
            raise
        return 204
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from standardwebhooks import Webhook, WebhookVerificationError

_MOST_KEPT = 100_000
"""Names of 36 letters: about 15 MB when full."""


class NotGenuine(ValueError):
    """The message is not the desk's, was changed, or is older or newer than five minutes."""


class Replayed(NotGenuine):
    """The message is genuine, and came before: whoever keeps it done answers so, and does nothing."""


class Seen(Protocol):
    """Where a receiver keeps the names of the messages that it has done; best beside what they change."""

    def add(self, name: str) -> bool:
        """Keep a name; False if it is kept already."""

    def discard(self, name: str) -> None:
        """Forget a name."""


class SeenInMemory:
    """The last names of this process."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, name: str) -> bool:
        """Keep a name; False if it is kept already."""
        with self._lock:
            is_new = name not in self._names
            self._names[name] = None
            while len(self._names) > _MOST_KEPT:
                self._names.popitem(last=False)
            return is_new

    def discard(self, name: str) -> None:
        """Forget a name."""
        with self._lock:
            self._names.pop(name, None)


class Verifier:
    """Checks what comes in at one endpoint.

    Args:
        secrets: The endpoint's secret; while it is changed, the one before, too.
        seen: What was done before; of this process alone by default.
    """

    def __init__(self, secrets: Iterable[str], *, seen: Seen | None = None) -> None:
        self._webhooks = [Webhook(secret) for secret in secrets]
        self._seen = seen or SeenInMemory()

    def verify(self, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """The message, which counts as done from now on; see `forget`.

        Args:
            headers: Of the request.
            body: Its body, byte for byte.

        Raises:
            Replayed: It is genuine, and came before.
            NotGenuine: It is not.
        """
        known = {name.lower(): value for name, value in headers.items()}
        if not any(_is_signed(webhook, known, body) for webhook in self._webhooks):
            raise NotGenuine("the signature is not this endpoint's, or the message is not of the last five minutes")
        message = json.loads(body)
        if not isinstance(message, dict):
            raise NotGenuine("the message is no JSON object")
        if not self._seen.add(known["webhook-id"]):
            raise Replayed("this message came before")
        return message

    def forget(self, headers: Mapping[str, str]) -> None:
        """Take the message when it comes again: it could not be done."""
        for name, value in headers.items():
            if name.lower() == "webhook-id":
                self._seen.discard(value)


def signed_headers(secrets: Iterable[str], *, message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers of a message, signed with each of these secrets.

    Args:
        secrets: As ``whsec_`` and base64.
        message_id: The same for each try.
        at: Of this try; in UTC.
        body: What is signed and sent.
    """
    signatures = [Webhook(secret).sign(message_id, at, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _is_signed(webhook: Webhook, headers: dict[str, str], body: bytes) -> bool:
    try:
        webhook.verify(body, headers)
    except (WebhookVerificationError, ValueError):  # ValueError: no base64, no UTF-8, no JSON
        return False
    return True
