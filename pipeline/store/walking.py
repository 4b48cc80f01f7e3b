"""A whole table in pages, each read in a view of its own: memory stays flat, and nobody is kept from cleaning up."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from pipeline.store.database import Database


def walk(db: Database, statement: sa.Select[Any], *, start: int | str, page: int) -> Iterator[sa.Row[Any]]:
    """All rows in the order of the statement's first column, which no two of them share.

    Args:
        db: The desk's database.
        statement: What to read, without an order.
        start: What stands before the first one, such as 0 or "".
        page: Rows at a time.
    """
    place = statement.selected_columns[0]
    following = statement.where(place > sa.bindparam("after")).order_by(place).limit(page)
    after: Any = start
    while True:
        with db.read() as connection:
            rows = connection.execute(following, {"after": after}).all()
        if not rows:
            return
        yield from rows
        after = rows[-1][0]
