"""Tickets: short-lived permission to fetch one thing.

Streamlit's own media URLs are open to anyone who has them. Ours carry the name of the one thing that they open, an end
and a signature (HMAC-SHA256); the key never leaves the desk's folder.
"""

import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

LIFETIME_S = 3600
KEY_FILE = "tickets.key"

_KEY_BYTES = 32
_SIGNATURE_LENGTH = 32


def read_key(root: Path) -> bytes:
    """The desk's key, made at first use and readable by its owner only."""
    path = root / KEY_FILE
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()


def issue(key: bytes, name: str, *, now: float | None = None) -> str:
    """A ticket for the thing of that name."""
    # Ends fall on quarters of an hour, so that a picture keeps its URL, and its place in the browser's cache.
    quarter = LIFETIME_S // 4
    end = (int(time.time() if now is None else now) // quarter + 1) * quarter + LIFETIME_S
    return f"{end}.{_signature(key, name, end)}"


def is_valid(key: bytes, name: str, ticket: str, *, now: float | None = None) -> bool:
    """Whether a ticket opens the thing of that name, and still does."""
    end, _, signature = ticket.partition(".")
    if not end.isdecimal() or len(end) > 12:
        return False
    is_genuine = hmac.compare_digest(signature.encode(), _signature(key, name, int(end)).encode())
    return is_genuine and int(end) > (time.time() if now is None else now)


def _signature(key: bytes, name: str, end: int) -> str:
    return hmac.new(key, f"{name}\0{end}".encode(), hashlib.sha256).hexdigest()[:_SIGNATURE_LENGTH]
