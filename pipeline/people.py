"""Who somebody is, and what their role allows."""

import getpass
import os
from dataclasses import dataclass

from pipeline.desk import Desk
from pipeline.errors import Forbidden, Unauthorized, UsageError
from pipeline.states import Role
from pipeline.store import access
from pipeline.store.access import PersonRecord

MOST_CHARACTERS = 254
"""Of a name: an e-mail address has no more (RFC 5321, section 4.5.3.1.3, less the brackets)."""

_ORDER = tuple(Role)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks for something.

    Attributes:
        name: As decisions and events name them: an e-mail address, or a user of the operating system.
        role: What they may do.
        is_alone: The desk is used by one person, on this machine, so nobody else can be asked for a second look.
    """

    name: str
    role: Role
    is_alone: bool = False

    def may(self, needed: Role) -> bool:
        """Whether the person's role is at least that one."""
        return _ORDER.index(self.role) >= _ORDER.index(needed)

    def need(self, needed: Role, what: str) -> None:
        """Refuse what the role does not allow.

        Args:
            needed: The least role that may.
            what: What it is, as in "decide".

        Raises:
            Forbidden: The role is less than that.
        """
        if not self.may(needed):
            one, takes = (f"{'an' if role[0] == 'a' else 'a'} {role}" for role in (self.role, needed))
            raise Forbidden(f"{self.name} is {one} and may not {what}; that takes {takes}: ask an admin")


def local_person(name: str | None = None) -> Person:
    """Who works where nobody signs in: the user of the operating system, who may do everything.

    Args:
        name: Another name for the record.
    """
    return Person(name or os.environ.get("PICTUREDESK_ACTOR") or getpass.getuser(), Role.ADMIN, is_alone=True)


def signed_in(desk: Desk, name: str, granted: Role | None) -> Person:
    """Somebody who signed in.

    Args:
        desk: The desk; a role of their own there goes before the one that is granted.
        name: How the sign-in names them.
        granted: What their groups allow; None for nothing.

    Raises:
        Unauthorized: They have no role at all.
    """
    role = access.role_of(desk.db, name) or granted
    if role is None:
        raise Unauthorized(f"{name}: neither you nor a group of yours has a role on this desk; ask an admin for one")
    return Person(name, role)


def listed(desk: Desk, *, by: Person) -> list[PersonRecord]:
    """Everybody with a role of their own, by name.

    Raises:
        Forbidden: The person is no admin.
    """
    by.need(Role.ADMIN, "see who has which role")
    return access.people(desk.db)


def set_role(desk: Desk, name: str, role: Role, *, by: Person) -> None:
    """Give somebody a role of their own, or another one; it holds from their next request on.

    Raises:
        Forbidden: The person is no admin.
        UsageError: The name is empty, too long, or cannot be printed.
        Conflict: People sign in, and nobody would be left who is an admin.
    """
    by.need(Role.ADMIN, "give roles")
    if not canonical(name):
        raise UsageError("found an empty name; expected one as the sign-in gives it, such as ada@example.com")
    if len(name) > MOST_CHARACTERS or not canonical(name).isprintable():
        raise UsageError(f"found a name that no sign-in gives; expected at most {MOST_CHARACTERS} printable characters")
    access.set_role(desk.db, canonical(name), role, actor=by.name, needs_admin=_needs_admin(desk))


def remove(desk: Desk, name: str, *, by: Person) -> None:
    """Take somebody's own role away: from now on they have the one that their groups grant.

    Raises:
        Forbidden: The person is no admin.
        NotFound: They have none.
        Conflict: People sign in, and nobody would be left who is an admin.
    """
    by.need(Role.ADMIN, "take roles away")
    access.remove_person(desk.db, canonical(name), actor=by.name, needs_admin=_needs_admin(desk))


def _needs_admin(desk: Desk) -> bool:
    """Whether the desk's own list is the only place that makes anybody an admin."""
    settings = desk.settings.sign_in
    return not settings.is_local and Role.ADMIN not in (settings.default_role, *settings.roles.values())


def canonical(name: str) -> str:
    """A name as the desk keeps it: providers give one e-mail address in different cases."""
    return name.strip().lower()
