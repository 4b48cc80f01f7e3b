"""A desk of a million edits: the one of three weeks (`tests.decided_desk`) again and again, copied inside its database.

Every table is copied by one statement, ids shifted alike, so purses apart all of it fits together. Every output has a
picture of its own, whose bytes are not there. One copy in `_EVENTS_OF` has its events; their hashes are copies.
"""

import atexit
import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from pipeline.blobs import blob_name
from pipeline.desk import Desk, create_files
from pipeline.settings import FILE_NAME as SETTINGS_FILE
from pipeline.states import EditState
from pipeline.store import Database
from pipeline.store.chain import DECISION, EVENT
from pipeline.store.ledger import CHARGE
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT
from pipeline.store.running import ATTEMPT, FLAG, OUTPUT, PICTURE
from tests import postgres
from tests.decided_desk import decided_desk

EDITS = 1_000_000

_OPEN = ExitStack()

_EVENTS_OF = 4
_BATCHES_OF = 4
"""So many times as many batches."""

_DIGITS = 10**15
_PICTURE_BYTES = 12_000
_PRIME = 7_368_787
"""Scatters the names of pictures as sha256 does."""


@cache
def million_desk(kind: str = "sqlite", *, is_all_approved: bool = False) -> Desk:
    """A million edits, in the proportions of three weeks, or as many approved ones with the rounds before them.

    It stays until the process ends.

    Args:
        kind: Of its database: ``sqlite`` or ``postgresql``.
        is_all_approved: Whether it has only approved edits and rounds before them.
    """
    folder = TemporaryDirectory(prefix="picturedesk-bench-")
    atexit.register(folder.cleanup)
    root = Path(folder.name) / "desk"
    create_files(root)
    if kind == "postgresql":
        url = _OPEN.enter_context(postgres.empty_desk())
        atexit.register(_OPEN.close)  # before the server ends, which was registered earlier
        settings = root / SETTINGS_FILE
        settings.write_text(f'database = "{url}"\n{settings.read_text("utf-8")}', "utf-8")
    desk = decided_desk(root)
    multiply(desk.db, EDITS, is_all_approved=is_all_approved)
    return desk


def desk_with_pictures(root: Path, edits: int) -> Desk:
    """So many approved edits, and the bytes of every picture, 12 kB each."""
    create_files(root)
    desk = decided_desk(root)
    multiply(desk.db, edits, is_all_approved=True)
    made = sa.table("made", sa.column("old"), sa.column("new"))
    with desk.db.write() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE made (old TEXT PRIMARY KEY, new TEXT) WITHOUT ROWID")
        for old, media_type in connection.execute(sa.select(PICTURE.c.sha256, PICTURE.c.media_type)).all():
            new = _kept(desk, hashlib.shake_128(old.encode()).digest(_PICTURE_BYTES), media_type)
            connection.execute(sa.insert(made).values(old=old, new=new))
        facts = (PICTURE.c.media_type, PICTURE.c.width, PICTURE.c.height, sa.literal(_PICTURE_BYTES))
        copied = sa.select(made.c.new, *facts).join(made, made.c.old == PICTURE.c.sha256)
        names = ["sha256", "media_type", "width", "height", "byte_count"]
        connection.execute(sa.insert(PICTURE).from_select(names, copied))
        for table, column in ((OUTPUT, OUTPUT.c.sha256), (ASSET, ASSET.c.source_sha256)):
            renamed = sa.select(made.c.new).where(made.c.old == column).scalar_subquery()
            connection.execute(sa.update(table).where(column.is_not(None)).values({column.name: renamed}))
    return desk


def _kept(desk: Desk, data: bytes, media_type: str) -> str:
    """As `BlobStore.put` keeps them, without waiting for the disk each time."""
    sha256 = hashlib.sha256(data).hexdigest()
    assert desk.blobs.folder is not None
    path = desk.blobs.folder / blob_name(sha256, media_type)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return sha256


def multiply(db: Database, edits: int, *, is_all_approved: bool = False) -> None:
    """Copy what a small desk holds until it has so many edits, or so many approved ones; never fewer."""
    approved = sa.select(EDIT.c.asset_id).where(EDIT.c.state == EditState.APPROVED)
    with db.write() as connection:
        if is_all_approved:
            _keep_assets(connection, approved)
        counted = sa.select(sa.func.count()).select_from(EDIT)
        have = connection.execute(counted.where(EDIT.c.state == EditState.APPROVED) if is_all_approved else counted)
        copies = -(-edits // have.scalar_one()) - 1
        spans = {table: connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one() for table in _SHIFTED}
        numbers = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
        numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < copies))
        for table in _ORDER:
            connection.execute(_copied(table, numbers, spans, copies))
        _go_on_counting(connection)
    with db.write() as connection:
        connection.execute(sa.text("ANALYZE" if connection.dialect.name == "postgresql" else "SELECT 1"))


def _keep_assets(connection: sa.Connection, asset_ids: sa.Select[Any]) -> None:
    """Only these, and what is theirs."""
    kept = sa.select(EDIT.c.id).where(EDIT.c.asset_id.in_(asset_ids))
    made = sa.select(OUTPUT.c.id).where(OUTPUT.c.edit_id.in_(kept))
    for table, column, ids in (
        *((FLAG, FLAG.c.output_id, made), (CHARGE, CHARGE.c.edit_id, kept), (DECISION, DECISION.c.edit_id, kept)),
        *((EVENT, EVENT.c.edit_id, kept), (OUTPUT, OUTPUT.c.edit_id, kept), (ATTEMPT, ATTEMPT.c.edit_id, kept)),
    ):
        connection.execute(sa.delete(table).where(column.not_in(ids)))
    theirs = connection.execute(asset_ids).scalars().all()
    connection.execute(sa.delete(EDIT).where(EDIT.c.asset_id.not_in(theirs)))
    connection.execute(sa.delete(ASSET).where(ASSET.c.id.not_in(theirs)))


_SHIFTED: Mapping[sa.Table, tuple[str, ...]] = {
    BATCH: ("id",),
    ASSET: ("id",),
    EDIT: ("id", "parent_id", "asset_id", "accepted_output_id"),
    ATTEMPT: ("id", "edit_id"),
    OUTPUT: ("id", "edit_id", "attempt_id"),
    FLAG: ("id", "output_id"),
    CHARGE: ("id", "edit_id", "attempt_id"),
    DECISION: ("id", "edit_id", "output_id"),
    EVENT: ("id", "edit_id"),
}
"""Columns that hold ids."""

_OF_COLUMN = {"parent_id": EDIT, "edit_id": EDIT, "asset_id": ASSET, "accepted_output_id": OUTPUT}
_OF_COLUMN |= {"output_id": OUTPUT, "attempt_id": ATTEMPT, "batch_id": BATCH}

_ORDER = (BATCH, ASSET, EDIT, ATTEMPT, PICTURE, OUTPUT, FLAG, CHARGE, DECISION, EVENT)


def _copied(table: sa.Table, numbers: sa.CTE, spans: Mapping[sa.Table, int], copies: int) -> sa.Insert:
    n = numbers.c.n
    if table is PICTURE:
        scattered = _scattered(OUTPUT.c.id + n * spans[OUTPUT], PICTURE.c.sha256)
        columns = [scattered.label("sha256"), *(column for column in PICTURE.c if column.name != "sha256")]
        select = sa.select(*columns).select_from(OUTPUT).join(PICTURE, PICTURE.c.sha256 == OUTPUT.c.sha256)
        return sa.insert(PICTURE).from_select(list(PICTURE.c.keys()), select.join(numbers, sa.true()))
    changed: dict[str, Any] = {
        name: table.c[name] + n * spans[table if name == "id" else _OF_COLUMN[name]] for name in _SHIFTED[table]
    }
    if "batch_id" in table.c:
        changed["batch_id"] = table.c.batch_id + n * _BATCHES_OF // (copies + 1) * spans[BATCH]
    if table is ASSET:
        changed["line"] = ASSET.c.line + n * spans[ASSET]
    if "name" in table.c and table is not OUTPUT:
        changed["name"] = _numbered(table.c.name, n)
    if "client_id" in table.c:
        changed["client_id"] = _numbered(table.c.client_id, n)
    if "idempotency_key" in table.c:
        changed["idempotency_key"] = _numbered(table.c.idempotency_key, n)
    if table is OUTPUT:
        changed["sha256"] = _scattered(OUTPUT.c.id + n * spans[OUTPUT], OUTPUT.c.sha256)
    select = sa.select(*(changed.get(column.name, column) for column in table.c)).join(numbers, sa.true())
    if table is EVENT:
        select = select.where(n % _EVENTS_OF == 0)
    if table is BATCH:
        select = select.where(n < _BATCHES_OF)
    return sa.insert(table).from_select(list(table.c.keys()), select)


def _numbered(text: sa.ColumnElement[str], n: sa.ColumnElement[int]) -> sa.ColumnElement[str]:
    return text + "-" + sa.cast(n, sa.String)


def _scattered(number: sa.ColumnElement[int], sha256: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """A name of its own, as far from its neighbour's as that of other bytes."""
    scattered = sa.cast(number, sa.BigInteger) * _PRIME * 100_003 % _DIGITS + _DIGITS
    digits = sa.func.substr(sa.cast(scattered, sa.String), 2, type_=sa.String)
    return digits + sa.func.substr(sha256, 16, type_=sa.String)


def _go_on_counting(connection: sa.Connection) -> None:
    """PostgreSQL counts ids by itself only where it gave the last one."""
    if connection.dialect.name != "postgresql":
        return
    for table in _SHIFTED:
        last = sa.select(sa.func.max(table.c.id)).scalar_subquery()
        connection.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(table.name, "id"), last)))
