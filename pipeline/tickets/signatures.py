"""How a message of a help desk shows that it is one: signed as Zendesk or Standard Webhooks do, or with a secret."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import Unauthorized

if TYPE_CHECKING:
    from standardwebhooks import Webhook

TOLERANCE_S = 300
"""How far a message's time may be from ours: five minutes, as the library of Standard Webhooks has it
(standardwebhooks 1.1.0, webhooks.py, read on 2026-11-22)."""


def check_zendesk(secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float) -> None:
    """Zendesk's: base64(HMACSHA256(TIMESTAMP + BODY)).

    Source: https://developer.zendesk.com/documentation/webhooks/verifying/ (read on 2026-11-21).

    Raises:
        Unauthorized: It is missing, wrong, or of another time.
    """
    stamp = headers.get("x-zendesk-webhook-signature-timestamp", "")
    digest = hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()
    if not _is_same(base64.b64encode(digest), headers.get("x-zendesk-webhook-signature", "")):
        raise Unauthorized("the signature of the message is missing or wrong; compare the webhook's signing secret")
    try:
        at_s = datetime.fromisoformat(stamp).timestamp()
    except ValueError as exc:
        raise Unauthorized("the message's time cannot be read") from exc
    _check_time(at_s, now_s)


def check_standard(webhook: "Webhook", headers: Mapping[str, str], body: bytes) -> str:
    """As Standard Webhooks has it (https://www.standardwebhooks.com), by its own library; gives the message's name.

    Raises:
        Unauthorized: It is missing, wrong, or of another time.
    """
    from standardwebhooks import WebhookVerificationError

    try:
        webhook.verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as exc:  # ValueError: no base64, no UTF-8, no signature at all
        raise Unauthorized(
            "the signature of the message is missing or wrong, or older or newer than five minutes; compare the "
            "secrets and the clocks of both sides"
        ) from exc
    return headers["webhook-id"]


def standard_headers(webhook: "Webhook", name: str, body: str) -> dict[str, str]:
    """The headers that sign a message of now, as Standard Webhooks has it."""
    at = datetime.now(UTC)
    signature = webhook.sign(name, at, body)
    return {"webhook-id": name, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def check_secret(secret: str, header: str, headers: Mapping[str, str]) -> None:
    """A secret in a header, for who cannot sign.

    Raises:
        Unauthorized: It is missing or wrong.
    """
    if not _is_same(secret.encode(), headers.get(header.lower(), "")):
        raise Unauthorized(f"the header {header} is missing or wrong; it must hold the secret that both sides know")


def _check_time(at_s: float, now_s: float) -> None:
    if abs(now_s - at_s) > TOLERANCE_S:
        raise Unauthorized("the message is older, or newer, than five minutes; set both clocks, and send it anew")


def _is_same(good: bytes, sent: str) -> bool:
    return hmac.compare_digest(good, sent.encode("utf-8", "surrogateescape"))
