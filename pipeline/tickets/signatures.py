"""How a message of a help desk shows that it is one: signed as Zendesk or Standard Webhooks do, or with a secret."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from pipeline.errors import Unauthorized

TOLERANCE_S = 300
"""How far a message's time may be from ours: five minutes, as the libraries of Standard Webhooks have it
(https://github.com/standard-webhooks/standard-webhooks, libraries/python, read on 2026-11-21)."""

_PREFIX = "whsec_"


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


def check_standard(secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float) -> str:
    """As Standard Webhooks has it; gives the message's name.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (read on
    2026-11-21): ``webhook-signature`` has one or several of ``v1,BASE64`` of ``ID.TIMESTAMP.BODY``.

    Raises:
        Unauthorized: It is missing, wrong, or of another time.
    """
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    good = standard_signature(secret, name, stamp, body)
    sent = headers.get("webhook-signature", "").split(" ")
    if not name or not any(_is_same(good.encode(), each) for each in sent):
        raise Unauthorized("the signature of the message is missing or wrong; compare the secrets of both sides")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise Unauthorized("the message's time cannot be read")
    _check_time(int(stamp), now_s)
    return name


def standard_signature(secret: str, name: str, stamp: str, body: bytes) -> str:
    """The header ``webhook-signature`` of a message, as Standard Webhooks has it."""
    digest = hmac.new(_key(secret), f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def check_secret(secret: str, header: str, headers: Mapping[str, str]) -> None:
    """A secret in a header, for who cannot sign.

    Raises:
        Unauthorized: It is missing or wrong.
    """
    if not _is_same(secret.encode(), headers.get(header.lower(), "")):
        raise Unauthorized(f"the header {header} is missing or wrong; it must hold the secret that both sides know")


def _key(secret: str) -> bytes:
    """What ``whsec_`` and base64 stand for; any other secret is its own bytes."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()


def _check_time(at_s: float, now_s: float) -> None:
    if abs(now_s - at_s) > TOLERANCE_S:
        raise Unauthorized("the message is older, or newer, than five minutes; set both clocks, and send it anew")


def _is_same(good: bytes, sent: str) -> bool:
    return hmac.compare_digest(good, sent.encode("utf-8", "surrogateescape"))
