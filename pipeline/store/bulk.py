"""Thousands of rows into a table at once: past what SQLAlchemy does for each value, and by COPY on PostgreSQL.

A manifest of 100,000 rows took half the CPU by it, checks included (our measurement, 2026-11-21).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import sqlalchemy as sa


def insert_many(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    same: Mapping[str, Any] | None = None,
) -> None:
    """Insert rows whose values are as the database keeps them; see `kept`.

    Args:
        connection: The transaction.
        table: Where to.
        names: Columns.
        rows: Their values, in that order.
        same: Further columns, with the value that all rows have.
    """
    quote = connection.dialect.identifier_preparer.quote
    alike = same or {}
    into = f"{quote(table.name)} ({', '.join([quote(name) for name in (*names, *alike)])})"
    if connection.dialect.name == "postgresql":
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN") as copy:
            for row in rows:
                copy.write_row((*row, *alike.values()))
    elif rows:
        values = ", ".join((*("?" for _ in names), *map(_literal, alike.values())))
        connection.exec_driver_sql(f"INSERT INTO {into} VALUES ({values})", list(rows))  # noqa: S608 - our own names


def new_ids(connection: sa.Connection, table: sa.Table, count: int) -> range:
    """So many ids that nobody else gets, in the transaction of who writes history."""
    if connection.dialect.name != "postgresql":
        last = connection.execute(sa.select(sa.func.coalesce(sa.func.max(table.c.id), 0))).scalar_one()
        return range(last + 1, last + 1 + count)
    sequence = sa.func.pg_get_serial_sequence(table.name, "id")
    first = connection.execute(sa.select(sa.func.nextval(sequence))).scalar_one()
    if count > 1:
        connection.execute(sa.select(sa.func.setval(sequence, first + count - 1)))
    return range(first, first + count)


def kept(table: sa.Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a row's columns as the database keeps them: JSON as text, moments in UTC, states by their value."""
    return {name: _kept(value, is_json=isinstance(table.c[name].type, sa.JSON)) for name, value in values.items()}


def moment_text(moment: datetime) -> str:
    """A moment as a column keeps it, which is UTC in both databases."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _literal(value: str | int | None) -> str:
    """A kept value as SQLite reads it in a statement: to bind it for each row takes longer."""
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(int(value))


def _kept(value: Any, *, is_json: bool) -> Any:  # noqa: ANN401 - a column's value
    if is_json and value is not None:
        return json.dumps(value)
    if isinstance(value, Enum):
        return value.value
    return moment_text(value) if isinstance(value, datetime) else value
