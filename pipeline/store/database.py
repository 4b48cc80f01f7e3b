"""Transactions on a desk's database, SQLite or PostgreSQL; their connections are made by `pipeline.store.engines`.

One writer at a time, on both: what is written into the history is chained by hash, so writers would wait for each
other anyway, and every rule of the desk is thought through once. Within a process they wait for a lock, since sessions
are threads and SQLite's own waiting starves them (30 threads: 138 of 450 runs failed without the lock, 0 with it; our
measurement, 2026-11-20); between processes for SQLite's ``BEGIN IMMEDIATE``, or an advisory lock of PostgreSQL.
Leases stand beside that: they write no history, and many are taken at once (`Database.lease`). Reads see one moment,
and never wait for a write.
"""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from pipeline.errors import StoreError, UsageError
from pipeline.store.engines import open_engines
from pipeline.store.turns import Turns

if TYPE_CHECKING:
    from alembic.config import Config

_UPGRADING = threading.Lock()
"""Alembic keeps the upgrade that is under way in its own module: one at a time in a process, over all its desks."""


class Database:
    """A desk's database.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.

    Raises:
        ValueError: It is neither.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = Turns()
        self._group = threading.local()
        self._engines = open_engines(url)

    @property
    def is_shared(self) -> bool:
        """Whether other machines may work on it."""
        return self._engines.are_shared

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write; committed at the end, rolled back on an error. Within a group: the group's."""
        shared: sa.Connection | None = getattr(self._group, "connection", None)
        if shared is not None:
            yield shared
            return
        with self._lock, self._clear_errors(), self._engines.write.begin() as connection:
            self._engines.take_turn(connection)
            yield connection

    @contextmanager
    def lease(self, *, by_statement: bool = False) -> Iterator[sa.Connection]:
        """A short transaction that gives work out and takes it back, beside those that write history.

        It must lock the rows that it changes with ``SKIP LOCKED``: so it waits for nobody, and nobody for it. Only
        `pipeline.store.pacing` waits for its own rows, which nobody else has.

        Args:
            by_statement: Each statement may be a transaction of its own, which saves two of the ways to a server.
        """
        if not self.is_shared:
            with self.write() as connection:
                yield connection
            return
        engines = self._engines
        with self._clear_errors(), engines.statement.connect() if by_statement else engines.write.begin() as opened:
            yield opened

    @contextmanager
    def group(self) -> Iterator[None]:
        """Let every `write` of this thread share one transaction: all of them are committed at the end, or none.

        A group within a group is part of that one.
        """
        outer: sa.Connection | None = getattr(self._group, "connection", None)
        with self.write() as connection:
            self._group.connection = connection
            try:
                yield
            finally:
                self._group.connection = outer

    @contextmanager
    def part(self) -> Iterator[None]:
        """Within a group: what goes wrong in here is rolled back alone, and the rest of the group goes on."""
        shared: sa.Connection | None = getattr(self._group, "connection", None)
        assert shared is not None, "a part belongs to a group"
        shared.exec_driver_sql("SAVEPOINT part")
        try:
            yield
        except BaseException:
            shared.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            raise
        finally:
            shared.exec_driver_sql("RELEASE SAVEPOINT part")

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view that never waits for a writer."""
        with self._clear_errors(), self._engines.read.connect() as connection:
            yield connection

    @contextmanager
    def read_together(self, count: int) -> Iterator[list[sa.Connection]]:
        """Views of one moment, so many, for as many threads."""
        with self._clear_errors(), ExitStack() as views:
            connections = [views.enter_context(self._engines.read.connect()) for _ in range(count)]
            with nullcontext() if self.is_shared else self.write():  # nobody changes anything meanwhile
                self._engines.see_alike(connections)
            yield connections

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        """Errors as ours: what somebody asked for may be a text or a number that no database knows."""
        try:
            with self._engines.clear_errors():
                yield
        except UnicodeEncodeError as exc:
            raise UsageError("a text has half a character (a surrogate), which no database keeps; take it out") from exc
        except OverflowError as exc:
            raise UsageError("a number is larger than any that a database keeps (64 bits)") from exc

    def upgrade(self) -> None:
        """Bring the tables to this version's form; safe to repeat, and nothing is looked at where they have it."""
        from alembic import command

        if self._is_of_this_version():
            return
        config = _alembic()
        with _UPGRADING, self._without_references(), self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            broken = self._engines.broken_reference(connection)
            if broken is not None:
                raise StoreError(f"the desk's tables could not be brought up to date ({broken}); nothing was changed")

    def _is_of_this_version(self) -> bool:
        with self._engines.clear_errors(), self._engines.read.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return False
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
        return found == [_newest_version()]

    @contextmanager
    def _without_references(self) -> Iterator[None]:
        """While tables are made anew, on the one connection that does it, which other threads must not have then."""
        with self._lock, self._engines.clear_errors():
            self._engines.enforce_references(enforced=False)
        try:
            yield
        finally:
            with self._lock, self._engines.clear_errors():
                self._engines.enforce_references(enforced=True)

    def close(self) -> None:
        """Let go of every connection."""
        self._engines.close()


def _alembic() -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    return config


@cache
def _newest_version() -> str | None:
    """What the last migration is called; to read them all takes longer than to open a desk."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_alembic()).get_current_head()
