"""How the two databases are connected to, what each transaction begins with, and what their errors mean.

SQLite gets two engines on one file: an ``IMMEDIATE`` one of a single connection, so that a read is never made a writer
(one leaked read connection locked everybody out for 30 s; our measurement, 2026-11-20), and one for reads.
``synchronous=FULL``, because a lost commit is a lost payment. PostgreSQL gets one pool; a read is ``REPEATABLE READ``.
"""

import math
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa

from pipeline.errors import DatabaseAway, StoreError, UsageError

_BUSY_TIMEOUT_S = 30
_MAX_IDLE_WRITER_S = 5
"""A process that was stopped in the middle of a write is thrown out after that, and everybody else goes on."""

_CONNECT_TIMEOUT_S = 5
_PING_AFTER_S = 1.0

_WRITERS = 7_421_905_518
"""Names the advisory lock of those who write history, one for each database of the server."""


class Engines(Protocol):
    """One kind of database."""

    write: sa.Engine
    read: sa.Engine
    statement: sa.Engine
    are_shared: bool

    def take_turn(self, connection: sa.Connection) -> None:
        """Wait until nobody else writes history; the transaction's end gives the turn on."""

    def see_alike(self, readers: Sequence[sa.Connection]) -> None:
        """Give new reading transactions the same view; where databases are not shared, while nobody writes."""

    def enforce_references(self, *, enforced: bool) -> None:
        """While tables are made anew, references lead nowhere; outside any transaction."""

    def broken_reference(self, connection: sa.Connection) -> object | None:
        """A reference that leads nowhere, if nothing enforced them meanwhile."""

    def clear_errors(self) -> Any:  # noqa: ANN401 - a context manager
        """Raise a driver's errors as ours, with what to do next."""

    def close(self) -> None:
        """Let go of every connection."""


def open_engines(url: str) -> Engines:
    """The engines for a URL; nothing is connected to yet.

    Raises:
        ValueError: It names no database that a desk can be in.
    """
    if url.startswith("sqlite:///"):
        return _SqliteEngines(url)
    if url.startswith(("postgresql://", "postgres://")):
        return _PostgresEngines(url)
    shown = sa.make_url(url).render_as_string()
    raise ValueError(f"expected a URL like sqlite:///desk.db or postgresql://user@host/name, received {shown}")


class _SqliteEngines:
    are_shared = False

    def __init__(self, url: str) -> None:
        self.write = sa.create_engine(url, poolclass=sa.pool.QueuePool, pool_size=1, max_overflow=0)
        self.read = sa.create_engine(url, poolclass=sa.pool.QueuePool, pool_size=8, max_overflow=24)
        self.statement = self.write
        for engine, begin in ((self.write, "BEGIN IMMEDIATE"), (self.read, "BEGIN")):
            sa.event.listen(engine, "connect", _set_up_sqlite)
            sa.event.listen(engine, "begin", lambda connection, begin=begin: connection.exec_driver_sql(begin))

    def take_turn(self, connection: sa.Connection) -> None:
        """It has been taken: the transaction is an immediate one."""

    def see_alike(self, readers: Sequence[sa.Connection]) -> None:
        """A view begins with the first row that is read."""
        for reader in readers:
            reader.exec_driver_sql("SELECT name FROM sqlite_master LIMIT 1").first()

    def enforce_references(self, *, enforced: bool) -> None:
        """SQLite changes a table by making it anew, which its references forbid; they are checked at the end."""
        with self.write.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute(f"PRAGMA foreign_keys={'ON' if enforced else 'OFF'}")

    def broken_reference(self, connection: sa.Connection) -> object | None:
        """The first row whose reference leads nowhere."""
        return connection.exec_driver_sql("PRAGMA foreign_key_check").first()

    @contextmanager
    def clear_errors(self) -> Iterator[None]:
        """A full disk, a locked or an unreachable file."""
        try:
            yield
        except sa.exc.OperationalError as exc:
            cause = str(exc.orig)
            if "full" in cause or "disk I/O" in cause:
                raise StoreError(f"the desk's disk cannot be written ({cause}); free some space and run again") from exc
            if "locked" in cause:
                raise StoreError("the desk's database is busy in another process; try again in a moment") from exc
            if "unable to open" in cause or "readonly" in cause:
                raise StoreError(
                    f"the desk's database cannot be opened for writing ({cause}); check the folder"
                ) from exc
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self.write.dispose()
        self.read.dispose()


def _set_up_sqlite(connection: sqlite3.Connection, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
    connection.isolation_level = None  # SQLAlchemy's "begin" event says when a transaction starts
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_S * 1000}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


class _PostgresEngines:
    are_shared = True

    def __init__(self, url: str) -> None:
        self.write = sa.create_engine(
            sa.make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=16,
            max_overflow=16,
            connect_args=_POSTGRES_CONNECTION,
        )
        _ping_after_idling(self.write)
        self.statement: sa.Engine = self.write.execution_options(isolation_level="AUTOCOMMIT")
        sa.event.listen(self.write, "connect", _set_up_postgres)
        self.read: sa.Engine = self.write.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def take_turn(self, connection: sa.Connection) -> None:
        """One round trip: the turn, and how long a silent holder may keep it."""
        connection.execute(_TAKE_TURN)

    def see_alike(self, readers: Sequence[sa.Connection]) -> None:
        """The first one's view is lent to the others, for as long as it reads."""
        first, *others = readers
        view = first.execute(sa.select(sa.func.pg_export_snapshot())).scalar_one()
        for reader in others:
            reader.execute(sa.text(f"SET TRANSACTION SNAPSHOT '{view}'"))

    def enforce_references(self, *, enforced: bool) -> None:
        """PostgreSQL changes a table in place, and keeps its references."""

    def broken_reference(self, connection: sa.Connection) -> object | None:
        """There is none: references stayed enforced."""
        return None

    @contextmanager
    def clear_errors(self) -> Iterator[None]:
        """A server that cannot be reached, a full disk, a transaction that was ended from outside."""
        try:
            yield
        except sa.exc.DBAPIError as exc:
            state = getattr(exc.orig, "sqlstate", None) or ""
            cause = str(exc.orig).strip().splitlines()[0] if str(exc.orig).strip() else type(exc.orig).__name__
            if state.startswith("53") and state != "53300":
                raise StoreError(f"the database's disk or memory is full ({cause}); free some and run again") from exc
            if state.startswith("28") or state == "3D000":
                raise StoreError(f"the database refuses us ({cause}); check the address, user and password") from exc
            if (
                exc.connection_invalidated
                or _is_away(state)
                or (isinstance(exc, sa.exc.OperationalError) and not state)
            ):
                raise DatabaseAway(f"the database cannot be reached ({cause}); it is tried again") from exc
            if isinstance(exc, sa.exc.DataError) and "NUL" in cause:
                raise UsageError("a text holds the character NUL, which cannot be kept; take it out") from exc
            if state == "55P03":
                raise StoreError("the desk's database is busy; try again in a moment") from exc
            if state == "22003":
                raise UsageError("a number is larger than any that a database keeps (64 bits)") from exc
            if isinstance(exc, sa.exc.DataError) and "NUL" in cause:
                raise UsageError("a text has NUL, which no database keeps; take it out") from exc
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self.write.dispose()


def _ping_after_idling(engine: sa.Engine) -> None:
    """Connect again where the server was restarted meanwhile; asked before every transaction, that is a tenth of it."""

    def note(_connection: Any, record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        record.info["idle_since"] = time.monotonic()

    def ping(connection: Any, record: Any, _proxy: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        if time.monotonic() - record.info.get("idle_since", math.inf) <= _PING_AFTER_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as exc:
            raise sa.exc.InvalidatePoolError from exc

    sa.event.listen(engine, "checkin", note)
    sa.event.listen(engine, "checkout", ping)


def _is_away(state: str) -> bool:
    """Whether an SQLSTATE says that the server is not there, restarts, is full of clients, or threw us out."""
    return state.startswith(("08", "57P")) or state in ("53300", "25P03")


def _set_up_postgres(connection: Any, _record: Any) -> None:  # noqa: ANN401 - psycopg's, SQLAlchemy's
    """A sum of whole numbers is one, too, as on SQLite: PostgreSQL gives it as ``numeric``, which no column is."""
    from psycopg.types.numeric import IntLoader

    connection.adapters.register_loader("numeric", IntLoader)


# Compiling a claim took 85 ms of its 86, at 1,000,000 edits (our measurement, 2026-11-21): hence no JIT.
_POSTGRES_CONNECTION = {
    "connect_timeout": _CONNECT_TIMEOUT_S,
    "application_name": "picturedesk",
    # A machine that vanished is noticed within 15 s, by both sides.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
    "options": f"-c timezone=UTC -c datestyle=ISO -c jit=off -c lock_timeout={_BUSY_TIMEOUT_S * 1000} "
    "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2",
}

_TAKE_TURN = sa.text(
    f"SELECT pg_advisory_xact_lock({_WRITERS}), "
    f"set_config('idle_in_transaction_session_timeout', '{_MAX_IDLE_WRITER_S}s', true)"
)
