"""What was taken from inboxes: a row before anything is done with it, so that a crash leaves nothing half done."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.errors import Conflict
from pipeline.store.database import Database
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT, add_event
from pipeline.tables import InboxDropRow, now

DROP = InboxDropRow.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Drop:
    """What lay in an inbox when it was taken.

    Attributes:
        place: The inbox.
        folder: Which of its folders; "" for what lies loose.
        files: By path from the inbox on, size and stamp.
        batches: That it was loaded into, with how many assets were added; None if it was not loaded yet.
        bad: Files that could not be used, and why.
    """

    id: int
    place: str
    folder: str
    files: Mapping[str, tuple[int, str]]
    batches: Mapping[str, int] | None
    bad: Mapping[str, str]
    taken_at: datetime


def take(
    db: Database,
    place: str,
    folder: str,
    files: Mapping[str, tuple[int, str]],
    *,
    holder: str,
    until: datetime,
    actor: str,
) -> Drop | None:
    """Keep that these files are taken; None if somebody is at work on that folder."""
    listed = [[path, *about] for path, about in files.items()]
    values: dict[str, Any] = {"place": place, "folder": folder, "files": listed, "batches": None, "bad": {}}
    values |= {"held_by": holder, "held_until": until, "taken_at": now(), "done_at": None}
    with db.write() as connection:
        taken = sa.select(DROP.c.id).where(DROP.c.place == place, DROP.c.folder == folder, DROP.c.done_at.is_(None))
        if connection.execute(taken).first() is not None:
            return None
        row = connection.execute(sa.insert(DROP).values(values).returning(*DROP.c)).mappings().one()
        add_event(connection, "inbox.taken", actor=actor, data={"drop": row["id"], "files": len(files)})
    return _drop(row)


def unfinished(db: Database, place: str, *, holder: str, until: datetime, is_gone: Sequence[str]) -> list[Drop]:
    """Hold what somebody took from a place and did not finish, and who works on it no longer.

    Args:
        db: The desk's database.
        place: The inbox.
        holder: Who takes it over.
        until: How long they hold it.
        is_gone: Holders that are known to have ended.
    """
    is_free = sa.or_(DROP.c.held_until < now(), DROP.c.held_by.in_([*is_gone, holder]))
    left = sa.update(DROP).where(DROP.c.place == place, DROP.c.done_at.is_(None), is_free)
    with db.read() as connection:
        if (
            connection.execute(sa.select(DROP.c.id).where(DROP.c.place == place, DROP.c.done_at.is_(None))).first()
            is None
        ):
            return []
    with db.write() as connection:
        rows = connection.execute(left.values(held_by=holder, held_until=until).returning(*DROP.c)).mappings().all()
    return sorted(map(_drop, rows), key=lambda drop: drop.id)


def holders(db: Database, place: str) -> set[str]:
    """Who has something of a place in hand."""
    with db.read() as connection:
        wanted = sa.select(DROP.c.held_by).where(DROP.c.place == place, DROP.c.done_at.is_(None))
        return set(connection.execute(wanted).scalars())


def loaded(db: Database, drop: Drop, *, batches: Mapping[str, int], bad: Mapping[str, str], holder: str) -> Drop:
    """Keep what a drop was loaded into, before its files are moved aside; gives it as it is then.

    Raises:
        Conflict: Somebody else has taken it over.
    """
    with db.write() as connection:
        _change(connection, drop, holder, batches=dict(batches), bad=dict(bad))
    return replace(drop, batches=batches, bad=bad)


def finish(db: Database, drop: Drop, *, holder: str, actor: str) -> None:
    """Keep that nothing more is to be done with a drop.

    Raises:
        Conflict: Somebody else has taken it over.
    """
    with db.write() as connection:
        _change(connection, drop, holder, done_at=now())
        data = {"drop": drop.id, "batches": sorted(drop.batches or {}), "bad": len(drop.bad)}
        add_event(connection, "inbox.done", actor=actor, data=data)


def give_up(db: Database, drop: Drop, *, holder: str, actor: str) -> None:
    """Keep that a drop was left where it is, for it was not all there yet.

    Raises:
        Conflict: Somebody else has taken it over.
    """
    with db.write() as connection:
        _change(connection, drop, holder, done_at=now())
        add_event(connection, "inbox.left", actor=actor, data={"drop": drop.id})


def users(db: Database, batch: str, files: Collection[str]) -> dict[str, set[tuple[str, str]]]:
    """Which assets of a batch are made from each of these files, by name and variant; none for a file of nobody."""
    columns = (ASSET.c.name, ASSET.c.variant, ASSET.c.source_uri, EDIT.c.mask, EDIT.c.markup, EDIT.c.references)
    rounds = sa.select(*columns).join(EDIT, EDIT.c.asset_id == ASSET.c.id).join(BATCH, BATCH.c.id == ASSET.c.batch_id)
    found: dict[str, set[tuple[str, str]]] = {}
    with db.read() as connection:
        for name, variant, source, mask, markup, references in connection.execute(rounds.where(BATCH.c.name == batch)):
            for file in {source, mask, markup, *references}.intersection(files):
                found.setdefault(file, set()).add((name, variant))
    return found


def _change(connection: sa.Connection, drop: Drop, holder: str, **values: Any) -> None:  # noqa: ANN401 - columns
    held = sa.update(DROP).where(DROP.c.id == drop.id, DROP.c.held_by == holder, DROP.c.done_at.is_(None))
    if connection.execute(held.values(values)).rowcount != 1:
        raise Conflict(f"drop {drop.id} of {drop.place}: another worker has taken it over")


def _drop(row: sa.RowMapping) -> Drop:
    files = {path: (int(size), str(stamp)) for path, size, stamp in row["files"]}
    about = (row["place"], row["folder"], files, row["batches"], row["bad"], row["taken_at"])
    return Drop(row["id"], *about)
