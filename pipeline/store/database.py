"""Engines and transactions.

SQLite gets two engines on one file. Writes go through one connection, ``BEGIN IMMEDIATE`` and a process-wide lock:
sessions are threads of one process, and SQLite's own waiting starves them (30 threads: 138 of 450 runs failed without
the lock, 0 with it; our measurement, 2026-11-20). Reads never wait for a write. ``synchronous=FULL``, because a lost
commit is a lost payment.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.errors import StoreError

_BUSY_TIMEOUT_S = 30

_UPGRADING = threading.Lock()
"""Alembic keeps the upgrade that is under way in its own module: one at a time in a process, over all its desks."""


class Database:
    """A desk's database.

    Args:
        url: SQLAlchemy URL; today ``sqlite:///PATH``.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith("sqlite:///"):
            raise ValueError(f"expected a URL like sqlite:///desk.db, received {sa.make_url(url).render_as_string()}")
        self.url = url
        self._lock = threading.Lock()
        self._group = threading.local()
        self._write_engine = sa.create_engine(url, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0)
        self._read_engine = sa.create_engine(url, poolclass=sa.pool.QueuePool, pool_size=8, max_overflow=24)
        sa.event.listen(self._write_engine, "connect", _set_up_connection)
        sa.event.listen(self._read_engine, "connect", _set_up_connection)
        sa.event.listen(self._write_engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
        sa.event.listen(self._read_engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write; committed at the end, rolled back on an error. Within a group: the group's."""
        shared: sa.Connection | None = getattr(self._group, "connection", None)
        if shared is not None:
            yield shared
            return
        with self._lock, _clear_errors(), self._write_engine.begin() as connection:
            yield connection

    @contextmanager
    def group(self) -> Iterator[None]:
        """Let every `write` of this thread share one transaction: all of them are committed at the end, or none."""
        with self.write() as connection:
            self._group.connection = connection
            try:
                yield
            finally:
                self._group.connection = None

    @contextmanager
    def part(self) -> Iterator[None]:
        """Within a group: what goes wrong in here is rolled back alone, and the rest of the group goes on."""
        shared: sa.Connection | None = getattr(self._group, "connection", None)
        assert shared is not None, "a part belongs to a group"
        shared.exec_driver_sql("SAVEPOINT part")
        try:
            yield
        except BaseException:
            shared.exec_driver_sql("ROLLBACK TO part")
            raise
        finally:
            shared.exec_driver_sql("RELEASE part")

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view that never waits for a writer."""
        with _clear_errors(), self._read_engine.connect() as connection:
            yield connection

    def upgrade(self) -> None:
        """Bring the tables to this version's form; safe to repeat."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
        # SQLite changes a table by making it anew, which its references forbid; they are checked at the end instead.
        self._set_references(enforced=False)
        try:
            with _UPGRADING, self.write() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise StoreError(
                        f"the desk's tables could not be brought up to date ({broken}); nothing was changed"
                    )
        finally:
            self._set_references(enforced=True)

    def _set_references(self, *, enforced: bool) -> None:
        """Outside any transaction, on the one connection that writes."""
        with _clear_errors(), self._lock, self._write_engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute(f"PRAGMA foreign_keys={'ON' if enforced else 'OFF'}")

    def close(self) -> None:
        """Let go of every connection."""
        self._write_engine.dispose()
        self._read_engine.dispose()


def _set_up_connection(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    connection.isolation_level = None  # SQLAlchemy's "begin" event says when a transaction starts
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_S * 1000}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as exc:
        cause = str(exc.orig)
        if "full" in cause or "disk I/O" in cause:
            raise StoreError(f"the desk's disk cannot be written ({cause}); free some space and run again") from exc
        if "locked" in cause:
            raise StoreError("the desk's database is busy in another process; try again in a moment") from exc
        if "unable to open" in cause or "readonly" in cause:
            raise StoreError(f"the desk's database cannot be opened for writing ({cause}); check the folder") from exc
        raise
