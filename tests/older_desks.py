"""Desks whose tables are of an earlier version."""

from collections.abc import Iterable

from alembic import command
from alembic.config import Config

import pipeline.migrations
from pipeline.store import Database


def fill_older(db: Database, version: str, statements: Iterable[str]) -> None:
    """Make an empty database's tables as that version had them, and carry these out."""
    config = Config()
    config.set_main_option("script_location", str(next(iter(pipeline.migrations.__path__))))
    with db.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        for statement in statements:
            connection.exec_driver_sql(statement)
