"""Who somebody is, and what their role allows."""

import getpass
import os
from dataclasses import dataclass

from pipeline.errors import Forbidden
from pipeline.states import Role

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
            raise Forbidden(f"{self.name} is a {self.role} and may not {what}; that takes a {needed}: ask an admin")


def local_person(name: str | None = None) -> Person:
    """Who works where nobody signs in: the user of the operating system, who may do everything.

    Args:
        name: Another name for the record.
    """
    return Person(name or os.environ.get("PICTUREDESK_ACTOR") or getpass.getuser(), Role.ADMIN, is_alone=True)
