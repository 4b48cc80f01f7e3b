"""A desk's whole content from one database to another.

Rows travel as the databases' drivers give them, a few thousand at a time: moments as text in UTC, JSON as the text that
was stored, which both databases keep to the letter. So a row looks the same from both, and one sum over a table's rows
says whether it arrived. All is written, read back and compared in one transaction: what does not arrive whole is not
there at all. The source is written to by nobody meanwhile.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pipeline.errors import StoreError
from pipeline.store import chain, workers
from pipeline.store.chain import ARRIVED, CHAIN_END, EVENT, MOVED, STANDS_FOR_NUL, append_events, event_values
from pipeline.store.database import Database
from pipeline.store.workers import WORKER, WorkerRecord
from pipeline.tables import Table, UtcDateTime
from pipeline.texts import INSTEAD, mended_json

Row = tuple[Any, ...]
OnProgress = Callable[[str, int, int], None]
"""Called with what is done, the rows so far, and all rows."""

_PAGE = 2_000

_LAST = "batch_count"
"""Triggers keep it in step with the edits: its rows come after theirs, in place of what the triggers made."""

_HASHED = {
    ("event", "kind"),
    ("event", "actor"),
    ("event", "data"),
    *(("decision", name) for name in ("actor", "reason", "note", "flags", "approvals_before", "escalated_before")),
    *(("decision", name) for name in ("policy_hash", "idempotency_key", "state_after", "output_sha256")),
}
"""Columns that the chain's hashes cover: in a text of theirs, what stands for a NUL leaves the hash as it was."""


@dataclass(frozen=True, slots=True)
class TableSum:
    """A table's rows, and one sum over all of them in the order of their keys; 64 hex digits."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Money:
    """What the ledger adds up to, in millionths of a US dollar, and the requests whose cost nobody knows yet."""

    charged_microusd: int
    spent_microusd: int
    reserved_microusd: int
    open_requests: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """What was moved.

    Attributes:
        tables: By name; the sums of both databases were equal.
        money: Of both databases, too.
        replaced: Characters that the new database does not keep, by column: how many rows had them.
        head: The hash of the history's last event, as it was moved.
        was_there: It had arrived before, and only the mark at the source was missing.
    """

    tables: Mapping[str, TableSum]
    money: Money
    replaced: Mapping[str, int]
    head: str
    was_there: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds.

    Attributes:
        version: Of its tables; None if it has none.
        rows: By table; a table that is not there is missing.
        size_bytes: All that it takes on its disk.
    """

    version: str | None
    rows: Mapping[str, int]
    size_bytes: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing was put there but the tables."""
        return not any(n for name, n in self.rows.items() if name != CHAIN_END.name)


def contents(db: Database) -> Contents:
    """What a database holds now; its tables may be of an earlier version.

    Raises:
        StoreError: Its tables are somebody else's.
    """
    with db.read() as connection:
        there = set(sa.inspect(connection).get_table_names())
        ours = [table for table in _tables() if table.name in there]
        version = None
        if "alembic_version" in there:
            version = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        elif ours:
            raise StoreError(
                f"{shown(db.url)} has a table called {ours[0].name} that is none of ours; choose an empty database"
            )
        rows = {table.name: _count(connection, table) for table in ours}
        size = connection.exec_driver_sql(_SIZE[connection.dialect.name]).scalar_one()
    return Contents(version, rows, int(size))


def move(
    source: Database,
    target: Database,
    *,
    actor: str,
    seen: Sequence[WorkerRecord],
    check: Callable[[chain.History], None],
    on_progress: OnProgress,
) -> Arrival:
    """Copy everything, see that it arrived, and mark the source as moved; all of it or nothing.

    Args:
        source: A desk's database, with tables of this version.
        target: An empty one, with tables of this version.
        actor: Who moves it.
        seen: The workers that are gone, as they were: none may have said anything since.
        check: Raises if the history that arrived is not whole.
        on_progress: Called now and then.

    Raises:
        DeskMoved: The source was moved before.
        StoreError: The target is not empty, what arrived is not what was sent, or somebody is at work.
    """
    chain.check_is_here(source)
    with source.write() as mark, source.read() as view:
        for connection in (mark, view):
            _let_wait(connection)
        if any(worker not in seen for worker in workers.all_workers(source)):
            raise StoreError("a worker began on this desk meanwhile; stop it, then move again")
        end = chain.History(view).end
        with target.write() as connection:
            _let_wait(connection)
            if _arrived(connection) == end.hash:
                arrival = Arrival({}, _money(connection), {}, end.hash, was_there=True)
            else:
                arrival = _copy(view, connection, shown(source.url), actor, check, on_progress)
        append_events(mark, [event_values(MOVED, actor=actor, data={"to": shown(target.url), "head": end.hash})])
    return arrival


def shown(url: str) -> str:
    """A URL that may be shown: without a password."""
    made = sa.make_url(url)._replace(password=None)  # `set` takes None for "as it was"
    return made.difference_update_query(["password", "sslpassword"]).render_as_string()


def _copy(
    view: sa.Connection,
    connection: sa.Connection,
    origin: str,
    actor: str,
    check: Callable[[chain.History], None],
    on_progress: OnProgress,
) -> Arrival:
    for table in _tables():
        if table.name != CHAIN_END.name and _count(connection, table):
            raise StoreError(f"the new database is not empty: it has rows in {table.name}; choose an empty one")
    _forget_order(connection)
    progress = _Progress(on_progress, 2 * sum(_count(view, table) for table in _tables()))
    for_postgres = connection.dialect.name == "postgresql"
    replaced: Counter[str] = Counter()
    sent, read_back = {}, {}
    for table in _tables():
        progress.of(f"writing {table.name}")
        connection.execute(sa.delete(table))
        total = _Sum()
        mend = _Mending(table, replaced) if for_postgres else None
        with _clear_errors(table, view, connection), closing(_pages(view, table, mend)) as pages:
            _write(connection, table, total.over(progress.over(pages)))
        sent[table.name] = total.told()
    for table in _tables():
        progress.of(f"reading back {table.name}")
        total = _Sum()
        with closing(_pages(connection, table)) as pages:
            for _ in total.over(progress.over(pages)):
                pass
        read_back[table.name] = total.told()
    different = [name for name, total in sent.items() if read_back[name] != total]
    if different:
        raise StoreError(
            f"what arrived is not what was sent, in: {', '.join(different)}; nothing was kept there, and the desk is "
            "as it was"
        )
    money = _money(view)
    if _money(connection) != money:
        raise StoreError("the ledger that arrived has other sums; nothing was kept there, and the desk is as it was")
    progress.of("checking the history")
    history = chain.History(connection)
    check(history)
    _go_on_counting(connection)
    append_events(connection, [event_values(ARRIVED, actor=actor, data={"from": origin, "head": history.end.hash})])
    return Arrival(sent, money, dict(replaced), history.end.hash)


def _tables() -> list[sa.Table]:
    """All that is moved, each after those that it refers to."""
    tables = [table for table in Table.metadata.sorted_tables if table.name != WORKER.name]
    return sorted(tables, key=lambda table: table.name == _LAST)


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _arrived(connection: sa.Connection) -> str | None:
    """The head of the history that was moved here, if one was."""
    found = sa.select(EVENT.c.data).where(EVENT.c.kind == ARRIVED).order_by(EVENT.c.id.desc()).limit(1)
    data = connection.execute(found).scalar_one_or_none()
    return None if data is None else str(data["head"])


def _money(connection: sa.Connection) -> Money:
    tables = Table.metadata.tables
    charge, purse, attempt = tables["charge"], tables["purse"], tables["attempt"]
    sums = [
        sa.select(sa.func.coalesce(sa.func.sum(column), 0)).scalar_subquery()
        for column in (charge.c.amount_microusd, purse.c.spent_microusd, purse.c.reserved_microusd)
    ]
    is_open = attempt.c.state.in_(["started", "lost"])
    opened = sa.select(sa.func.count()).select_from(attempt).where(is_open).scalar_subquery()
    return Money(*map(int, connection.execute(sa.select(*sums, opened)).one()))


# What differs between the databases.

_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def _let_wait(connection: sa.Connection) -> None:
    """Begin the transaction; PostgreSQL ends none because it waits while the other database works."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")  # as the texts of moments say it
    else:
        connection.exec_driver_sql("SELECT 1")


def _forget_order(connection: sa.Connection) -> None:
    """An edit may refer to one that comes after it; PostgreSQL looks at the end of each table anyway."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")


def _go_on_counting(connection: sa.Connection) -> None:
    """The next row's number follows the last one's; SQLite counts so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in _tables():
        column = table.autoincrement_column
        if column is not None:
            sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
            last = sa.select(sa.func.max(column)).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(last, 1), last.is_not(None))))


def _pages(connection: sa.Connection, table: sa.Table, mend: "_Mending | None" = None) -> Generator[list[Row]]:
    """A table's rows in the order of its key, memory flat; texts compare by their bytes, as SQLite does."""
    is_postgres = connection.dialect.name == "postgresql"
    order = [_by_bytes(column) if is_postgres else column for column in table.primary_key.columns]
    columns = [_as_sent(column, is_postgres=is_postgres) for column in table.columns]
    statement = str(sa.select(*columns).order_by(*order).compile(dialect=connection.dialect))
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor(name="moving") if is_postgres else driver.cursor()
    try:
        cursor.execute(statement.replace("%%", "%"))
        while rows := cursor.fetchmany(_PAGE):
            yield rows if mend is None else mend(rows)
    finally:
        cursor.close()


def _by_bytes(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    return column.collate("C") if _is_text(column) else column


def _is_text(column: sa.Column[Any]) -> bool:
    return isinstance(getattr(column.type, "impl_instance", column.type), sa.String)


def _as_sent(column: sa.Column[Any], *, is_postgres: bool) -> sa.ColumnElement[Any]:
    """A column in the form that both databases give and take."""
    if not is_postgres:
        return column
    if isinstance(column.type, sa.JSON):
        return sa.cast(column, sa.Text)
    if isinstance(column.type, UtcDateTime):
        in_utc = sa.func.timezone(sa.literal_column("'UTC'"), column)
        return sa.func.to_char(in_utc, sa.literal_column("'YYYY-MM-DD HH24:MI:SS.US'"))
    if isinstance(column.type, sa.Boolean):
        return sa.cast(column, sa.Integer)
    return column


def _write(connection: sa.Connection, table: sa.Table, pages: Iterable[Sequence[Row]]) -> None:
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in table.columns)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {quote(table.name)} ({names}) FROM STDIN") as copy:
            for rows in pages:
                for row in rows:
                    copy.write_row(row)
        return
    marks = ", ".join("?" * len(table.columns))
    for rows in pages:
        driver.executemany(f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})", rows)  # noqa: S608 - our names


@contextmanager
def _clear_errors(table: sa.Table, *connections: sa.Connection) -> Iterator[None]:
    """A driver's error as ours."""
    try:
        yield
    except tuple(connection.dialect.loaded_dbapi.Error for connection in connections) as exc:
        cause = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        raise StoreError(f"table {table.name}: {cause}; nothing was kept there, and the desk is as it was") from exc


class _Sum:
    """How many rows went by, and one sum over them."""

    def __init__(self) -> None:
        self._rows = 0
        self._hash = hashlib.sha256()

    def over(self, pages: Iterable[list[Row]]) -> Iterator[list[Row]]:
        """The same pages."""
        for rows in pages:
            self._rows += len(rows)
            self._hash.update(repr(rows).encode())
            yield rows

    def told(self) -> TableSum:
        """So far."""
        return TableSum(self._rows, self._hash.hexdigest())


@dataclass(slots=True)
class _Progress:
    tell: OnProgress
    total: int
    done: int = 0
    what: str = field(default="")

    def of(self, what: str) -> None:
        self.what = what
        self.tell(what, self.done, self.total)

    def over(self, pages: Iterable[list[Row]]) -> Iterator[list[Row]]:
        for rows in pages:
            self.done += len(rows)
            self.tell(self.what, self.done, self.total)
            yield rows


class _Mending:
    """What an old desk in SQLite may hold and PostgreSQL does not: NUL in texts, and NaN in JSON.

    Args:
        table: Whose rows.
        replaced: Counts rows by column.
    """

    def __init__(self, table: sa.Table, replaced: Counter[str]) -> None:
        self._table = table
        self._replaced = replaced
        self._places = [
            (place, column, (table.name, column.name) in _HASHED)
            for place, column in enumerate(table.columns)
            if _is_text(column) or isinstance(column.type, sa.JSON)
        ]

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The rows, which most often stay as they are."""
        text = repr(rows)
        if not any(sign in text for sign in (r"\x00", r"\u0000", r"\ud", r"\uD", "NaN", "Infinity")):
            return rows
        return [self._row(row) for row in rows]

    def _row(self, row: Row) -> Row:
        values = list(row)
        for place, column, is_hashed in self._places:
            value = values[place]
            if value is None:
                continue
            is_json = isinstance(column.type, sa.JSON)
            values[place] = (self._json if is_json else self._text)(value, is_hashed)
            if values[place] != value:
                self._replaced[f"{self._table.name}.{column.name}"] += 1
        return tuple(values)

    def _text(self, value: str, is_hashed: bool) -> str:
        return value.replace("\0", STANDS_FOR_NUL if is_hashed else INSTEAD)

    def _json(self, value: str, is_hashed: bool) -> str:
        """JSON that a hash covers stays to the letter: PostgreSQL keeps it as a text, escapes and all."""
        if is_hashed:
            json.loads(value, parse_constant=self._refuse)
            return value
        said = json.loads(value)
        clean = mended_json(said)
        return value if json.dumps(clean) == json.dumps(said) else json.dumps(clean)

    def _refuse(self, constant: str) -> None:
        raise StoreError(
            f"table {self._table.name}: {constant} stands in what the history's hashes cover, and PostgreSQL keeps "
            "none in JSON; this desk stays in SQLite"
        )
