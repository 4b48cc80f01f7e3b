"""Tickets: short-lived permission to fetch one thing, or to call the routes as one person.

Streamlit's own media URLs are open to anyone who has them. A picture's URL carries a ticket for that picture: an end
and a signature (HMAC-SHA256). A session's ticket says who somebody is; it goes in a header, and never into a URL. The
key never leaves the desk's folder.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StoreError, Unauthorized
from pipeline.states import Role

LIFETIME_S = 3600
SESSION_S = 15 * 60
"""A session's ticket; who still has a valid one gets the next."""

DAY_S = 12 * 3600
"""So long after the page asked the sign-in, its ticket is no longer renewed: the page has to ask again."""

KEY_FILE = "tickets.key"

_KEY_BYTES = 32
_SIGNATURE_LENGTH = 32
_MOST_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Session:
    """Who is at the page, as the sign-in says.

    Attributes:
        name: Who.
        granted: The role that their groups grant; None if they grant none.
        began_at: When the page last asked the sign-in, in seconds since 1970.
        is_alone: Nobody signs in here: the desk is used on this machine by one person.
    """

    name: str
    granted: Role | None
    began_at: int
    is_alone: bool = False


@dataclass(frozen=True, slots=True)
class SessionTicket:
    """A session, signed.

    Attributes:
        text: What goes behind ``Bearer``.
        expires_at: In seconds since 1970.
    """

    text: str
    expires_at: int


def read_key(root: Path) -> bytes:
    """The desk's key, made at first use and readable by its owner only.

    Raises:
        StoreError: The file was not written whole: with an empty key, anyone could sign.
    """
    path = root / KEY_FILE
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise StoreError(f"{path}: it has {len(key)} bytes instead of {_KEY_BYTES}; remove it, and start again")
    return key


def issue(key: bytes, name: str, *, now: float | None = None) -> str:
    """A ticket for the thing of that name."""
    # Ends fall on quarters of an hour, so that a picture keeps its URL, and its place in the browser's cache.
    quarter = LIFETIME_S // 4
    end = (int(_now(now)) // quarter + 1) * quarter + LIFETIME_S
    return f"{end}.{_signature(key, name, end)}"


def is_valid(key: bytes, name: str, ticket: str, *, now: float | None = None) -> bool:
    """Whether a ticket opens the thing of that name, and still does."""
    end, _, signature = ticket.partition(".")
    if not end.isdecimal() or len(end) > 12:
        return False
    return _is_same(signature, _signature(key, name, int(end))) and int(end) > _now(now)


def issue_session(key: bytes, session: Session, *, now: float | None = None) -> SessionTicket:
    """A ticket for somebody who signed in.

    Raises:
        Unauthorized: That was too long ago.
    """
    end = min(int(_now(now)) + SESSION_S, session.began_at + DAY_S)
    if end <= _now(now):
        raise Unauthorized("you signed in too long ago; reload the page")
    said = [session.name, session.granted and session.granted.value, session.began_at, session.is_alone, end]
    text = base64.urlsafe_b64encode(json.dumps(said).encode()).decode()
    return SessionTicket(f"{text}.{_session_signature(key, text)}", end)


def read_session(key: bytes, ticket: str, *, now: float | None = None) -> Session:
    """Who has this ticket.

    Raises:
        Unauthorized: It is not one of this desk's, or no longer valid.
    """
    text, _, signature = ticket.partition(".")
    if len(ticket) > _MOST_CHARACTERS or not _is_same(signature, _session_signature(key, text)):
        raise Unauthorized("this ticket is not one of this desk's; reload the page")
    name, granted, began_at, is_alone, end = json.loads(base64.urlsafe_b64decode(text))
    if end <= _now(now):
        raise Unauthorized("this ticket is over; reload the page")
    return Session(name, granted and Role(granted), began_at, is_alone=is_alone)


def _make_key(path: Path) -> None:
    """There whole or not at all, and never in the place of another process's."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _signature(key: bytes, name: str, end: int) -> str:
    return hmac.new(key, f"{name}\0{end}".encode(), hashlib.sha256).hexdigest()[:_SIGNATURE_LENGTH]


def _session_signature(key: bytes, text: str) -> str:
    """By a key of its own: what opens a picture can never be read as a session."""
    own_key = hmac.new(key, b"session", hashlib.sha256).digest()
    return hmac.new(own_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _is_same(found: str, expected: str) -> bool:
    return hmac.compare_digest(found.encode("utf-8", "surrogatepass"), expected.encode())


def _now(now: float | None) -> float:
    return time.time() if now is None else now
