"""Machines' tokens: permission to call the HTTP routes, shown once and kept as a hash."""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from pipeline.desk import Desk
from pipeline.errors import Unauthorized, UsageError
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store import access
from pipeline.store.access import TokenRecord
from pipeline.texts import need_storable

PREFIX = "pd_"
"""So that a scanner for secrets knows one where it should not be."""

_MOST_DAYS = 36_500


def make(
    desk: Desk, *, name: str, role: Role, by: Person, lifetime: timedelta | None = None
) -> tuple[str, TokenRecord]:
    """A new token and what is kept of it; the token itself cannot be had again.

    Args:
        desk: The desk that it opens.
        name: Decisions name the machine ``token:NAME``.
        role: What it may do; not more than the one who makes it.
        by: Who makes it.
        lifetime: How long it holds; for good if None.

    Raises:
        Forbidden: The person is no admin.
        UsageError: The name is empty, or the time is no time.
        Conflict: A valid token has that name already.
    """
    by.need(Role.ADMIN, "make tokens")
    need_storable(name=name)
    if not name.strip():
        raise UsageError("found an empty name; expected one that says which machine has the token")
    if lifetime is not None and not timedelta() < lifetime <= timedelta(days=_MOST_DAYS):
        raise UsageError(f"found a lifetime of {lifetime.days} days; expected 1 to {_MOST_DAYS}")
    token = PREFIX + secrets.token_urlsafe(32)
    expires_at = None if lifetime is None else datetime.now(UTC) + lifetime
    kept = access.add_token(
        desk.db, sha256=_hash(token), name=name.strip(), role=role, expires_at=expires_at, actor=by.name
    )
    return token, kept


def revoke(desk: Desk, token_id: int, *, by: Person) -> TokenRecord:
    """Take a token back; it opens nothing from now on.

    Raises:
        Forbidden: The person is no admin.
        NotFound: There is no such token.
        Conflict: It was taken back before.
    """
    by.need(Role.ADMIN, "revoke tokens")
    return access.revoke_token(desk.db, token_id, actor=by.name)


def listed(desk: Desk, *, by: Person) -> list[TokenRecord]:
    """All tokens, oldest first, those that ended or were taken back as well.

    Raises:
        Forbidden: The person is no admin.
    """
    by.need(Role.ADMIN, "see the tokens")
    return access.tokens(desk.db)


def bearer(desk: Desk, token: str) -> Person:
    """The machine that has this token.

    Raises:
        Unauthorized: It is unknown, over, or was taken back.
    """
    kept = access.token_with(desk.db, _hash(token))
    if kept is None or not kept.is_valid:
        raise Unauthorized("this token is unknown, over or revoked; an admin makes one: picturedesk token make --help")
    return Person(f"token:{kept.name}", kept.role)


def _hash(token: str) -> str:
    """A plain hash will do: the token is 256 bits by lot, which nobody guesses from it."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
