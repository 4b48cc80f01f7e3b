"""Who may do what: people with a role of their own, and machines' tokens. Every change is an event."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Conflict, NotFound
from pipeline.states import Role
from pipeline.store.database import Database
from pipeline.store.moves import add_event
from pipeline.tables import PersonRow, TokenRow, now

PERSON = PersonRow.__table__  # type: ignore[attr-defined]
TOKEN = TokenRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """Somebody with a role of their own."""

    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A machine's permission.

    Attributes:
        expires_at: When it ends by itself; None for never.
        revoked_at: When it was taken back; None if it was not.
    """

    id: int
    name: str
    role: Role
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_valid(self) -> bool:
        """Whether it still opens the API."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())


def people(db: Database) -> list[PersonRecord]:
    """Everybody with a role of their own, by name."""
    with db.read() as connection:
        rows = connection.execute(sa.select(PERSON)).mappings()
        found = [PersonRecord(row["name"], Role(row["role"]), row["created_at"]) for row in rows]
    return sorted(found, key=lambda person: person.name)  # a database's own order of letters differs from another's


def role_of(db: Database, name: str) -> Role | None:
    """A person's own role; None if they have none."""
    with db.read() as connection:
        found = connection.execute(_read_role(), {"person": name}).scalar_one_or_none()
    return None if found is None else Role(found)


def set_role(db: Database, name: str, role: Role, *, actor: str, needs_admin: bool = False) -> None:
    """Give somebody a role of their own, or another one.

    Args:
        db: The desk's database.
        name: Who.
        role: The role.
        actor: Who gives it.
        needs_admin: Refuse to take the role from the last one who is an admin.

    Raises:
        Conflict: They are the last admin.
    """
    with db.write() as connection:
        if needs_admin and role is not Role.ADMIN:
            _keep_an_admin(connection, name)
        before = connection.execute(sa.select(PERSON.c.role).where(PERSON.c.name == name)).scalar_one_or_none()
        if before is None:
            connection.execute(sa.insert(PERSON).values(name=name, role=role, created_at=now()))
        else:
            connection.execute(sa.update(PERSON).where(PERSON.c.name == name).values(role=role))
        data = {"person": name, "from": None if before is None else Role(before).value, "to": role.value}
        add_event(connection, "person.role", actor=actor, data=data)


def remove_person(db: Database, name: str, *, actor: str, needs_admin: bool = False) -> None:
    """Take somebody's own role away.

    Raises:
        NotFound: They have none.
        Conflict: With ``needs_admin``: they are the last admin.
    """
    with db.write() as connection:
        if needs_admin:
            _keep_an_admin(connection, name)
        before = connection.execute(sa.delete(PERSON).where(PERSON.c.name == name).returning(PERSON.c.role))
        role = before.scalar_one_or_none()
        if role is None:
            raise NotFound(f"{name} has no role of their own on this desk; see: picturedesk people list")
        add_event(connection, "person.removed", actor=actor, data={"person": name, "from": Role(role).value})


def _keep_an_admin(connection: sa.Connection, leaving: str) -> None:
    admins = set(connection.execute(sa.select(PERSON.c.name).where(PERSON.c.role == Role.ADMIN)).scalars())
    if admins == {leaving}:
        raise Conflict(f"{leaving} is the last admin of this desk; make somebody else an admin first")


def add_token(
    db: Database, *, sha256: str, name: str, role: Role, expires_at: datetime | None, actor: str
) -> TokenRecord:
    """Keep a token's hash.

    Raises:
        Conflict: A valid token has that name already.
    """
    values = {"sha256": sha256, "name": name, "role": role, "created_by": actor, "created_at": now()}
    values |= {"expires_at": expires_at, "revoked_at": None}
    with db.write() as connection:
        same_name = connection.execute(sa.select(TOKEN).where(TOKEN.c.name == name)).mappings()
        if any(_token(row).is_valid for row in same_name):
            raise Conflict(f"a token is called {name} already; choose another name, or revoke that one first")
        row = connection.execute(sa.insert(TOKEN).values(values).returning(*TOKEN.c)).mappings().one()
        data = {"token": row["id"], "name": name, "role": role.value}
        add_event(connection, "token.made", actor=actor, data=data)
        return _token(row)


def tokens(db: Database) -> list[TokenRecord]:
    """All tokens, oldest first, those that ended or were taken back as well."""
    with db.read() as connection:
        return [_token(row) for row in connection.execute(sa.select(TOKEN).order_by(TOKEN.c.id)).mappings()]


def token_with(db: Database, sha256: str) -> TokenRecord | None:
    """The token with that hash; None if there is none."""
    with db.read() as connection:
        row = connection.execute(_read_token(), {"hash": sha256}).mappings().one_or_none()
    return None if row is None else _token(row)


def revoke_token(db: Database, token_id: int, *, actor: str) -> TokenRecord:
    """Take a token back.

    Raises:
        NotFound: There is no such token.
        Conflict: It was taken back before.
    """
    with db.write() as connection:
        row = connection.execute(sa.select(TOKEN).where(TOKEN.c.id == token_id)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"token {token_id}: this desk has none of that number; see: picturedesk token list")
        if row["revoked_at"] is not None:
            raise Conflict(f"token {token_id} ({row['name']}): it was revoked before")
        change = sa.update(TOKEN).where(TOKEN.c.id == token_id).values(revoked_at=now())
        revoked = connection.execute(change.returning(*TOKEN.c)).mappings().one()
        add_event(connection, "token.revoked", actor=actor, data={"token": token_id, "name": row["name"]})
        return _token(revoked)


def _token(row: Any) -> TokenRecord:  # noqa: ANN401 - a row
    same = ("id", "name", "created_by", "created_at", "expires_at", "revoked_at")
    return TokenRecord(role=Role(row["role"]), **{name: row[name] for name in same})


@cache
def _read_role() -> sa.Select[Any]:
    return sa.select(PERSON.c.role).where(PERSON.c.name == sa.bindparam("person"))


@cache
def _read_token() -> sa.Select[Any]:
    return sa.select(TOKEN).where(TOKEN.c.sha256 == sa.bindparam("hash"))
