"""The archive, flagged anew: what was found is kept for each edit, so that to do it again costs nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from pipeline.states import EditState
from pipeline.store import deciding
from pipeline.store.codec import flag_from_json, flag_to_json, route_to_json
from pipeline.store.database import Database
from pipeline.store.moves import EDIT, keep
from pipeline.store.running import FLAG, SCAN
from pipeline.values import Flag, Route

REFLAGGED = "edit.reflagged"
ARCHIVE = (EditState.IN_REVIEW, EditState.APPROVED)
"""What can still be published."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Which edits.

    Attributes:
        batch_id: Of this batch; of any if None.
        since: Queued at that moment or later; at any if None.
    """

    batch_id: int | None = None
    since: datetime | None = None


def count(db: Database, archive: Archive) -> int:
    """How many edits those are."""
    with db.read() as connection:
        return int(connection.execute(_of(sa.select(sa.func.count()), archive)).scalar_one())


def page(db: Database, archive: Archive, *, after: int, limit: int) -> list[int]:
    """Their ids, oldest first, from behind ``after``."""
    statement = _of(sa.select(EDIT.c.id), archive).where(EDIT.c.id > after).order_by(EDIT.c.id).limit(limit)
    with db.read() as connection:
        return list(connection.execute(statement).scalars())


def spans(db: Database, archive: Archive, size: int) -> list[tuple[int, int]]:
    """The first and last ids of each so many of them: small for any archive."""
    found: list[tuple[int, int]] = []
    while ids := page(db, archive, after=found[-1][1] if found else 0, limit=size):
        found.append((ids[0], ids[-1]))
    return found


def known_flags(db: Database, names: Mapping[int, tuple[str, str]]) -> dict[int, list[Flag]]:
    """What was found on outputs before, as `save_flags` kept it.

    Args:
        db: The desk's database.
        names: By output id, the picture's sha256 and what the finding is kept under.
    """
    wanted = sa.tuple_(SCAN.c.sha256, SCAN.c.fingerprint).in_(list(names.values()))
    statement = sa.select(SCAN.c.sha256, SCAN.c.fingerprint, SCAN.c.detections).where(wanted)
    with db.read() as connection:
        rows = {(row.sha256, row.fingerprint): row.detections for row in connection.execute(statement)}
    return {output: list(map(flag_from_json, rows[name])) for output, name in names.items() if name in rows}


def save_flags(db: Database, found: Mapping[tuple[str, str], Sequence[Flag]]) -> None:
    """Keep what was found on outputs, by the picture's sha256 and a name for how it was looked at."""
    rows = [
        {"sha256": sha256, "fingerprint": name, "detections": list(map(flag_to_json, flags))}
        for (sha256, name), flags in found.items()
    ]
    with db.write() as connection:
        connection.execute(postgresql.insert(SCAN).values(rows).on_conflict_do_nothing())


def renew(
    db: Database,
    edit_id: int,
    flags: Mapping[int, Sequence[Flag]],
    *,
    revision: int,
    route: Route | None,
    actor: str,
) -> None:
    """Replace the flags of an edit that is in review; who has it on the screen is told to look again.

    Args:
        db: The desk's database.
        edit_id: Which edit.
        flags: By output id, for all of its outputs.
        revision: The revision that the flags were compared with.
        route: Why a person looks at it now; None to leave that as it was.
        actor: Who asked for it.

    Raises:
        Conflict: The edit has moved on.
    """
    with db.write() as connection:
        _replace(connection, edit_id, flags, revision=revision, route=route, actor=actor)


def reopen(
    db: Database, edit_id: int, flags: Mapping[int, Sequence[Flag]], *, route: Route, actor: str, note: str
) -> None:
    """Take an approval back because of these flags: the edit is in review again.

    Raises:
        Conflict: The edit has moved on, or was exported.
    """
    with db.group():
        deciding.undo(db, edit_id, actor=actor, may_undo_all=True, note=note)
        with db.write() as connection:
            revision = connection.execute(sa.select(EDIT.c.revision).where(EDIT.c.id == edit_id)).scalar_one()
            _replace(connection, edit_id, flags, revision=revision, route=route, actor=actor)


def _replace(
    connection: sa.Connection,
    edit_id: int,
    flags: Mapping[int, Sequence[Flag]],
    *,
    revision: int,
    route: Route | None,
    actor: str,
) -> None:
    was = connection.execute(sa.select(FLAG.c.id).where(FLAG.c.output_id.in_(list(flags)))).scalars().all()
    connection.execute(sa.delete(FLAG).where(FLAG.c.id.in_(was)))
    rows = [{"output_id": output, **flag_to_json(flag)} for output, found in flags.items() for flag in found]
    if rows:
        connection.execute(sa.insert(FLAG), rows)
    changes: dict[str, Any] = {}
    data: dict[str, Any] = {"flags_before": len(was), "flags": len(rows)}
    if route is not None:
        changes = {"route": route_to_json(route), "sampled_by": None}
        data |= route_to_json(route)
    keep(connection, edit_id, EditState.IN_REVIEW, actor=actor, revision=revision, data=data, kind=REFLAGGED, **changes)


def _of(statement: sa.Select[Any], archive: Archive) -> sa.Select[Any]:
    statement = statement.select_from(EDIT).where(EDIT.c.state.in_(ARCHIVE))
    if archive.batch_id is not None:
        statement = statement.where(EDIT.c.batch_id == archive.batch_id)
    if archive.since is not None:
        statement = statement.where(EDIT.c.created_at >= archive.since)
    return statement
