"""What a desk of a million edits is measured by, on SQLite and on PostgreSQL: loading, export, pages."""

import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline import audit, batches, claiming, costs, insights
from pipeline.claiming import QueueFilter
from pipeline.desk import Desk
from pipeline.insights import Wanted
from pipeline.intake import take_in
from pipeline.people import local_person
from pipeline.states import EditState
from pipeline.store import batching, reading, searching
from pipeline.store.insights import By
from pipeline.store.moves import EDIT
from pipeline.store.reading import EditFilter
from pipeline.store.spending import CostBy
from pipeline.values import Change, Kind
from tests import postgres
from tests.bench.million import desk_with_pictures, million_desk

_ROWS = 100_000
_FILES = 1_000
_TURNS = 200
_LINES = 50
"""Of a page of a list, where it is measured how long a page takes."""

_SHOWN = 1_000
"""Of a page's table, as `review_app.paging` turns it."""

_COUNT_S = 0.4
"""As long as a page of counts counts on, see `review_app.counting`."""

_KINDS = ("sqlite", "postgresql")


def load_s(kind: str) -> tuple[float, float, str]:
    """From a manifest of 100,000 rows to its committed edits, against splitting it by the csv module."""
    with tempfile.TemporaryDirectory() as folder, _in_database(kind):
        path = _manifest(Path(folder))
        desk = Desk.open(Path(folder) / "desk", create=True, **_options(Path(folder) / "desk"))
        began = time.perf_counter()
        assert take_in(desk, path, actor="bench").loaded.added == _ROWS
        value = time.perf_counter() - began
        desk.close()
        began = time.perf_counter()
        with path.open(encoding="utf-8", newline="") as file:
            assert sum(1 for _ in csv.reader(file)) == _ROWS + 1
        return value, time.perf_counter() - began, "s"


@cache
def csv_export(kind: str) -> dict[str, float]:
    """An export of a million rows as a table, in a process of its own: rows, seconds, cpu_s and peak_mb."""
    with _in_database(kind):
        return _exported(million_desk(kind, is_all_approved=True).root)


@cache
def whole_export() -> dict[str, float]:
    """An export of 100,000 assets with pictures, in a process of its own; see `tests.bench.exporting`."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "desk"
        desk_with_pictures(root, _ROWS).close()
        return _exported(root, "whole")


def _exported(root: Path, *how: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.exporting", str(root), *how]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def keyset_p99_ms() -> float:
    """The slowest list's p99 of a page of 50 lines, beginning anywhere, on the slower database."""
    return max(quantile for kind in _KINDS for quantile in keyset_ms(kind).values())


def keyset_ms(kind: str) -> dict[str, float]:
    """By list, the p99 of a page of 50 lines that begins anywhere."""
    desk = million_desk(kind)
    with desk.db.read() as connection:
        last = connection.execute(sa.select(sa.func.max(EDIT.c.id))).scalar_one()
    where = random.Random(20)
    turns = [where.randrange(1, last) for _ in range(_TURNS)]
    return {name: _p99_ms(turn, turns) for name, turn in lists_of(desk).items()}


def pages_s(kind: str) -> dict[str, float]:
    """By page, the seconds that what it reads takes; the second time, as for everybody but the first."""
    desk = million_desk(kind)
    return {name: min(_seconds(page), _seconds(page)) for name, page in pages_of(desk).items()}


def lists_of(desk: Desk) -> dict[str, Callable[[int], Any]]:
    """Every list that is turned, from behind or before this edit."""
    db = desk.db
    one_batch = EditFilter(batch_id=reading.batch_id(db, reading.batch_names(db)[0]))
    return {
        "search": lambda at: searching.search(db, EditFilter(), before=at, limit=_LINES),
        "search by state": lambda at: searching.search(
            db, EditFilter(states=frozenset({EditState.REJECTED})), before=at, limit=_LINES
        ),
        "search in a batch": lambda at: searching.search(db, one_batch, before=at, limit=_LINES),
        "queue": lambda at: claiming.queue(desk, QueueFilter(), after=at, limit=10),
        "problems": lambda at: list(batching.problems(db, before=at, limit=_LINES)),
        "audit log": lambda at: audit.latest(desk, before=at, limit=_LINES),
        "audit log of an edit": lambda at: audit.latest(desk, edit_id=at, limit=_LINES),
        "batches": lambda at: batches.listed(desk, before=at, limit=10),
        "edits of an export": lambda at: reading.edit_ids(db, one_batch, after=at, limit=_LINES),
    }


def pages_of(desk: Desk) -> dict[str, Callable[[], Any]]:
    """What each page reads when it is opened."""
    db, ada = desk.db, local_person("ada")
    states = frozenset({EditState.APPROVED})
    flagged = EditFilter(kind=Kind.LOGO, change=Change.INTRODUCED)

    def batch_list() -> None:
        batches.under_way(desk)
        batches.listed(desk, limit=20)

    def search(wanted: EditFilter) -> None:
        searching.search(db, wanted, limit=_SHOWN)
        reading.count_edits(db, wanted, most=10_001)

    def export() -> None:
        for each in (EditState.APPROVED, EditState.IN_REVIEW, EditState.REJECTED):
            reading.count_edits(db, EditFilter(states=frozenset({each})))
        reading.edits(db, reading.edit_ids(db, EditFilter(states=states), limit=200))

    def review() -> None:
        claiming.progress(desk)
        claiming.release(desk, [each.claim.token for each in claiming.claim(desk, by=ada, count=8)], by=ada)

    return {
        "batches": batch_list,
        "what went wrong": lambda: list(batching.problems(db, limit=_SHOWN)),
        "search": lambda: search(EditFilter()),
        "search by flag": lambda: search(flagged),
        "search by name": lambda: search(EditFilter(name_has="mug-replace-000-17")),
        "export": export,
        "review": review,
        "audit log": lambda: audit.latest(desk, limit=_SHOWN),
        "audit log by kind": lambda: audit.latest(desk, kind="edit.rejected", limit=_SHOWN),
        "audit log by person": lambda: audit.latest(desk, actor="ada@example.com", limit=_SHOWN),
        "audit log by kind that never was": lambda: audit.latest(desk, kind="edit.none", limit=_SHOWN),
        "asset": lambda: reading.rounds(db, reading.edit(db, 1).asset.id),
        "costs": lambda: costs.overview(desk, by_person=ada, by=CostBy.BATCH, most_s=_COUNT_S),
        "insights": lambda: insights.look(desk, Wanted(), by=ada, per=By.RECIPE, most_s=_COUNT_S),
    }


def _p99_ms(turn: Callable[[int], Any], turns: list[int]) -> float:
    turn(turns[0])
    return 1000 * sorted(_seconds(lambda at=at: turn(at)) for at in turns)[int(0.99 * len(turns))]  # type: ignore[misc]


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _manifest(folder: Path) -> Path:
    (folder / "pictures").mkdir()
    for number in range(_FILES):
        (folder / "pictures" / f"{number}.jpg").write_bytes(b"x")
    lines = (
        f"item-{n},SKU-{n},pictures/{n % _FILES}.jpg,Put the item on a white ground,{n % 90}.99,blue\n"
        for n in range(_ROWS)
    )
    path = folder / "shop.csv"
    path.write_text(f"asset_id,sku,source,prompt,price,colour\n{''.join(lines)}", "utf-8")
    return path


@contextmanager
def _in_database(kind: str) -> Iterator[None]:
    if kind == "sqlite":
        yield
        return
    with postgres.desks_are_in_it():
        yield


def _options(root: Path) -> dict[str, Any]:
    url = postgres.database_for(root)
    return {} if url is None else {"database": url}
