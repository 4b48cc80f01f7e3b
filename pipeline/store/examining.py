"""What a database says of itself, for `picturedesk doctor`: whether it can be trusted with money."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from pipeline.clocks import ahead_s
from pipeline.store.database import Database
from pipeline.store.running import MEMORY

_SETTINGS = ("server_version_num", "synchronous_commit", "fsync", "full_page_writes", "max_connections")


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What was found.

    Attributes:
        kind: ``sqlite`` or ``postgresql``.
        version: Of the server or the library, such as 15.18.
        settings: Of its durability and size, by its own names.
        ahead_s: How far its clock is surely ahead of ours, in seconds; 0 for SQLite, which has none of its own.
        round_trip_s: What one question takes.
    """

    kind: str
    version: str
    settings: Mapping[str, str]
    ahead_s: float
    round_trip_s: float


def facts(db: Database) -> DatabaseFacts:
    """Ask it.

    Raises:
        StoreError: It cannot be reached.
    """
    with db.read() as connection:
        connection.execute(sa.text("SELECT 1"))  # what comes now does not wait for the connection
        began = time.perf_counter()
        connection.execute(sa.text("SELECT 1"))
        round_trip_s = time.perf_counter() - began
        if connection.dialect.name == "sqlite":
            settings = {name: str(_one(connection, f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
            return DatabaseFacts(
                "sqlite", str(_one(connection, "SELECT sqlite_version()")), settings, 0.0, round_trip_s
            )
        settings = {name: str(_one(connection, f"SHOW {name}")) for name in _SETTINGS}
        asked = datetime.now(UTC)
        now: datetime = _one(connection, "SELECT clock_timestamp()")
        found_s = ahead_s(now, asked=asked, answered=datetime.now(UTC))
        number = int(settings["server_version_num"])
        version = f"{number // 10_000}.{number % 10_000}"
        return DatabaseFacts("postgresql", version, settings, found_s, round_trip_s)


def takes_back(db: Database) -> bool:
    """Whether a write that is not committed leaves nothing, and is seen by nobody else meanwhile.

    Raises:
        StoreError: Nothing can be written.
    """
    name = f"doctor-{uuid4().hex}"
    probe = sa.select(sa.func.count()).where(MEMORY.c.provider == name)
    try:
        with db.write() as connection:
            connection.execute(sa.insert(MEMORY).values(provider=name, name="probe", value="", expires_at=None))
            is_there = connection.execute(probe).scalar_one() == 1
            with db.read() as other:
                is_seen = other.execute(probe).scalar_one() != 0
            raise _TakeBack
    except _TakeBack:
        pass
    with db.read() as connection:
        return is_there and not is_seen and connection.execute(probe).scalar_one() == 0


class _TakeBack(Exception):
    """Ends the transaction."""


def _one(connection: sa.Connection, question: str) -> Any:  # noqa: ANN401 - whatever it answers
    return connection.exec_driver_sql(question).scalar_one()
