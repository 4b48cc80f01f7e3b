"""The database into a file and out of it, whole and as of one moment, while others work on it."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.errors import StoreError, UsageError
from pipeline.store.chain import DECISION, EVENT, History
from pipeline.store.database import Database
from pipeline.store.ledger import CHARGE
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.measuring import form_seen
from pipeline.store.moves import EDIT
from pipeline.store.running import ATTEMPT, OUTPUT, PICTURE
from pipeline.store.walking import walk
from pipeline.values import PictureFacts

_COUNTED = (BATCH, ASSET, EDIT, ATTEMPT, OUTPUT, PICTURE, CHARGE, DECISION, EVENT)
_PAGE = 2_000


class Moment:
    """What a copy of a database holds: what is asked later is still answered as of then.

    Args:
        connection: One consistent view, which shows just what is in the copy.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.history = History(connection)
        self.form = form_seen(connection)

    def counts(self) -> dict[str, int]:
        """How many rows each table has that something is lost with."""
        counted = {table.name: sa.select(sa.func.count()).select_from(table) for table in _COUNTED}
        return {name: int(self._connection.execute(statement).scalar_one()) for name, statement in counted.items()}

    def pictures(self) -> Iterator[PictureFacts]:
        """All pictures that rows name."""
        for row in self._connection.execute(sa.select(PICTURE), execution_options={"yield_per": _PAGE}):
            yield _facts(row)


@contextmanager
def copied(db: Database, target: Path) -> Iterator[Moment]:
    """Copy a database into a file while others work on it, and nobody waits; gives what is in the copy.

    SQLite's is copied by its own backup function and read there. PostgreSQL's is written by ``pg_dump`` and read where
    it is, in the snapshot that was dumped: "Multiple sessions can see identical database contents by exporting and
    importing snapshots" (https://www.postgresql.org/docs/15/functions-admin.html, read on 2026-11-21).

    Raises:
        UsageError: There is no ``pg_dump`` here.
        StoreError: It cannot be read, or the copy cannot be written; says why.
    """
    if db.is_shared:
        with db.read() as connection:
            _dump_postgresql(db, target, connection)
            yield Moment(connection)
        return
    _copy_sqlite(db, target)
    with closing(Database(f"sqlite:///{target}")) as copy, copy.read() as connection:
        yield Moment(connection)


def load_postgresql(url: str, dump: Path) -> None:
    """Put such a file into an empty database, in one transaction.

    Raises:
        UsageError: There is no ``pg_restore`` here.
        StoreError: It failed, such as in a database that is not empty; says why.
    """
    options = ("--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    _postgresql("pg_restore", url, *options, str(dump))


def without_password(url: str) -> str:
    """The same address for a file that others may read, or a command line."""
    return sa.make_url(url).set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def counts(db: Database) -> dict[str, int]:
    """How many rows each table has that something is lost with."""
    with db.read() as connection:
        return Moment(connection).counts()


def each_picture(db: Database) -> Iterator[PictureFacts]:
    """All pictures that rows name, by their sha256."""
    yield from map(_facts, walk(db, sa.select(PICTURE), start="", page=_PAGE))


def _facts(row: sa.Row[Any]) -> PictureFacts:
    return PictureFacts(row.sha256, row.media_type, (row.width, row.height), row.byte_count)


def _copy_sqlite(db: Database, target: Path) -> None:
    path = sa.make_url(db.url).database
    try:
        with (
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target)) as to,
        ):
            source.backup(to)
    except sqlite3.Error as exc:
        raise StoreError(f"the database could not be copied to {target} ({exc}); is the disk full?") from exc


def _dump_postgresql(db: Database, target: Path, connection: sa.Connection) -> None:
    """Dump what this view shows, which may have nothing else to do for as long as it takes."""
    connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    snapshot = connection.execute(sa.select(sa.func.pg_export_snapshot())).scalar_one()
    form = ("--format=custom", "--no-owner", "--no-privileges")
    _postgresql("pg_dump", db.url, *form, f"--snapshot={snapshot}", f"--file={target}")


def _postgresql(program: str, url: str, *arguments: str) -> None:
    """Its password goes by the environment: a command line can be read by everybody on the machine."""
    given = sa.make_url(url)
    environment = {**os.environ, **({"PGPASSWORD": str(given.password)} if given.password else {})}
    command = [program, *arguments[:-1], f"--dbname={without_password(url)}", arguments[-1]]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError as exc:
        raise UsageError(f"there is no {program} here; install PostgreSQL's client programs") from exc
    if done.returncode:
        raise StoreError(f"{program} failed: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
