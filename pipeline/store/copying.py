"""The database into a file and out of it, whole and as of one moment, while others work on it."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import StoreError, UsageError
from pipeline.store.chain import DECISION, EVENT
from pipeline.store.database import Database
from pipeline.store.ledger import CHARGE
from pipeline.store.loading import ASSET, BATCH
from pipeline.store.moves import EDIT
from pipeline.store.running import ATTEMPT, OUTPUT, PICTURE
from pipeline.store.walking import walk
from pipeline.values import PictureFacts

_COUNTED = (BATCH, ASSET, EDIT, ATTEMPT, OUTPUT, PICTURE, CHARGE, DECISION, EVENT)
_PAGE = 2_000


def copy_sqlite(db: Database, target: Path) -> None:
    """Copy an SQLite database by its own backup function: one moment of it, and nobody waits.

    Raises:
        StoreError: It cannot be read, or the copy cannot be written.
    """
    path = sa.make_url(db.url).database
    try:
        with (
            closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(target)) as to,
        ):
            source.backup(to)
    except sqlite3.Error as exc:
        raise StoreError(f"the database could not be copied to {target} ({exc}); is the disk full?") from exc


def dump_postgresql(db: Database, target: Path) -> None:
    """Write a PostgreSQL database into a file by ``pg_dump``: one moment of it, and nobody waits.

    Raises:
        UsageError: There is no ``pg_dump`` here.
        StoreError: It failed; says why.
    """
    _postgresql("pg_dump", db.url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


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
        counted = {table.name: sa.select(sa.func.count()).select_from(table) for table in _COUNTED}
        return {name: int(connection.execute(statement).scalar_one()) for name, statement in counted.items()}


def each_picture(db: Database) -> Iterator[PictureFacts]:
    """All pictures that rows name, by their sha256."""
    for row in walk(db, sa.select(PICTURE), start="", page=_PAGE):
        yield PictureFacts(row.sha256, row.media_type, (row.width, row.height), row.byte_count)


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
