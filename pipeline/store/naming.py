"""Which pictures a desk's rows name, read page by page: nothing of it grows with the desk in this process's memory."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from pipeline.blobs import kept_sha256
from pipeline.store.chain import EVENT
from pipeline.store.database import Database
from pipeline.store.loading import ASSET
from pipeline.store.moves import EDIT
from pipeline.store.running import ATTEMPT, OUTPUT, SCAN
from pipeline.store.walking import walk

_PAGE = 2000


def named_pictures(db: Database) -> Iterator[str]:
    """The sha256 of every picture that a row names, some several times.

    Sources and their originals, outputs (what is decided on is one), reviewers' marks, and what was sent or scanned.
    """
    readers: tuple[tuple[sa.Table, tuple[str, ...], Callable[[sa.RowMapping], Iterator[str | None]]], ...] = (
        (ASSET, ("original_sha256", "source_sha256"), _values),
        (OUTPUT, ("sha256", "notes"), _of_output),
        (EDIT, ("input_sha256", "mask", "markup", "references"), _of_edit),
        (ATTEMPT, ("sent",), _of_attempt),
    )
    for table, columns, read in readers:
        for row in walk(db, sa.select(table.c.id, *(table.c[name] for name in columns)), start=0, page=_PAGE):
            yield from filter(None, read(row._mapping))
    for scan in walk(db, sa.select(SCAN.c.sha256).distinct(), start="", page=_PAGE):
        yield scan.sha256


def desk_id(db: Database) -> str | None:
    """Names the desk wherever its database is moved to: the hash of its first event; None before that."""
    with db.read() as connection:
        found = connection.execute(sa.select(EVENT.c.hash).order_by(EVENT.c.id).limit(1)).scalar_one_or_none()
    return None if found is None else str(found)[:16]


class Names:
    """Names in a file of this machine that is gone afterwards, to be looked up: as many as there are."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="picturedesk-names-")
        self._file = sqlite3.connect(Path(self._folder.name) / "names.db")
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute("CREATE TABLE name (sha256 TEXT PRIMARY KEY, is_seen INTEGER DEFAULT 0) WITHOUT ROWID")
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()
        self._folder.cleanup()

    def add(self, names: Iterable[str]) -> None:
        """Remember these, once each."""
        self._file.executemany("INSERT OR IGNORE INTO name (sha256) VALUES (?)", ((name,) for name in names))

    def __contains__(self, sha256: str) -> bool:
        return self._file.execute("SELECT 1 FROM name WHERE sha256 = ?", (sha256,)).fetchone() is not None

    def see(self, sha256: str) -> None:
        """Note that it was found."""
        self._file.execute("UPDATE name SET is_seen = 1 WHERE sha256 = ?", (sha256,))

    def unseen(self) -> Iterator[str]:
        """Those that were not found."""
        yield from (row[0] for row in self._file.execute("SELECT sha256 FROM name WHERE is_seen = 0"))


def _values(row: sa.RowMapping) -> Iterator[str | None]:
    yield from (str(value) for name, value in row.items() if name != "id" and value)


def _of_output(row: sa.RowMapping) -> Iterator[str | None]:
    yield row["sha256"]
    yield (row["notes"] or {}).get("composited_from")


def _of_edit(row: sa.RowMapping) -> Iterator[str | None]:
    yield row["input_sha256"]
    yield from map(kept_sha256, (row["mask"], row["markup"], *(row["references"] or ())))


def _of_attempt(row: sa.RowMapping) -> Iterator[str | None]:
    sent = row["sent"] or {}
    yield from (sent.get(name) for name in ("source", "mask", "markup"))
    yield from sent.get("references") or ()
