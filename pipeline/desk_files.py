"""Changes to a desk's own files: whole or not at all, never over somebody else's change, and each an event."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.desk import Desk
from pipeline.errors import Conflict, UsageError
from pipeline.people import Person
from pipeline.shelves import write_whole
from pipeline.states import Role
from pipeline.store import chain

MISSING = ""
"""The stamp of a file that is not there."""


def stamp_of(path: Path) -> str:
    """What a file says, as 64 hex digits; `MISSING` if it is not there."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return MISSING


def change_file(
    desk: Desk,
    path: Path,
    data: bytes | None,
    *,
    seen: str,
    by: Person,
    what: str,
    kind: str,
    told: Mapping[str, Any],
) -> str:
    """Write a file anew, or take it away; gives its new stamp. What says the same as before is no event.

    Args:
        desk: Whose file.
        path: Where it is.
        data: What it says from now on; None to take it away.
        seen: Its stamp when whoever changes it read it.
        by: Who changes it.
        what: What is done, as in "change the policy".
        kind: Of the event.
        told: What the event says besides the file's old and new sha256.

    Raises:
        Forbidden: The person is no admin.
        Conflict: Somebody changed the file meanwhile.
        UsageError: The file cannot be written.
    """
    by.need(Role.ADMIN, what)
    new = MISSING if data is None else hashlib.sha256(data).hexdigest()
    with desk.db.group():  # one writer at a time, over all processes: nobody comes between the look and the change
        if stamp_of(path) != seen:
            raise Conflict(f"{path.name}: somebody changed it meanwhile; look at it again, then make your change anew")
        if new == seen:
            return new
        sha256 = {"sha256_before": seen or None, "sha256": new or None}
        chain.note(desk.db, kind, actor=by.name, data={**told, **sha256})
        try:
            if data is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, data)
        except OSError as exc:
            raise UsageError(f"{path}: {exc.strerror}; see to it that the desk's folder can be written") from exc
    desk.read_again()
    return new
