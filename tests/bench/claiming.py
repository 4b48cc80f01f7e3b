"""Sixteen reviewers at one queue, threads of one process as on the page's server, with a million edits behind it."""

import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from pipeline import claiming, review
from pipeline.claiming import Claimed
from pipeline.desk import Desk, create_files
from pipeline.people import Person
from pipeline.review import Screen
from pipeline.settings import FILE_NAME as SETTINGS_FILE
from pipeline.states import EditState, Role
from pipeline.store.chain import EVENT
from tests import postgres
from tests.bench.million import EDITS, multiply
from tests.desks import build_desk

_REVIEWERS = 16
_THINK_S = 0.05
_LAST_S = 60
_BARE_S = 20

_SERVER = "-c listen_addresses='' -c shared_buffers=512MB -c max_wal_size=4GB"
"""It waits for its disk, as a real one does."""

_NEXT = (
    "SELECT id FROM edit WHERE state IN ('in_review', 'refused', 'in_doubt') AND claimed_by IS NULL "
    "ORDER BY priority, id LIMIT 1"
)
_CLAIM = (
    "UPDATE edit SET claimed_by = 'bare', claim_token = 'bare', claim_until = updated_at WHERE id = ({}) RETURNING id"
)
_DECIDE = "UPDATE edit SET state = 'approved', claimed_by = NULL WHERE id = {} AND state <> 'approved'"


@dataclass
class ClaimRun:
    """How long claims and decisions took, in milliseconds."""

    claims_ms: list[float] = field(default_factory=list)
    decisions_ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0
    seen: list[int] = field(default_factory=list)

    @property
    def p99_ms(self) -> float:
        """Of a claim."""
        return _percentile(self.claims_ms, 99)

    def told(self) -> str:
        """For the one who measures."""
        both = ((name, each) for name, each in (("claim", self.claims_ms), ("decision", self.decisions_ms)))
        parts = [f"{name} p50 {_percentile(each, 50):.1f}, p99 {_percentile(each, 99):.1f} ms" for name, each in both]
        return f"{'; '.join(parts)}; {len(self.seen)} edits, {self.cpu_ms:.2f} ms of CPU each in this process"


@cache
def claim_runs(kind: str) -> tuple[ClaimRun, ClaimRun]:
    """The desk's, and the bare statements' on the same rows; ``sqlite`` or ``postgresql``."""
    with _million(kind) as desk:
        people = [Person(f"reviewer-{number}", Role.REVIEWER) for number in range(_REVIEWERS)]
        _together(desk, [_by_desk(desk, person) for person in people], 2)  # connections and statements are made once
        ours = _together(desk, [_by_desk(desk, person) for person in people], _LAST_S)
        with _bare(desk) as reviewers:
            bare = _together(desk, reviewers, _BARE_S)
    for name, run in (("ours", ours), ("bare", bare)):
        sys.stdout.write(f"{kind}, {_REVIEWERS} reviewers, {name}: {run.told()}\n")
        assert len(run.seen) == len(set(run.seen)), "an edit was given to two"
    return ours, bare


Reviewer = tuple[Callable[[], Any], Callable[[Any], int]]
"""Claims the next one, and decides on it; gives its id."""


def _together(desk: Desk, reviewers: list[Reviewer], last_s: float) -> ClaimRun:
    run, end, cpu = ClaimRun(), time.monotonic() + last_s, time.process_time()
    failed: list[BaseException] = []

    def work(number: int, claim: Callable[[], Any], decide: Callable[[Any], int]) -> None:
        try:
            time.sleep(_THINK_S * number / len(reviewers))
            while time.monotonic() < end:
                began = time.perf_counter()
                claimed = claim()
                run.claims_ms.append(1000 * (time.perf_counter() - began))
                time.sleep(_THINK_S)
                began = time.perf_counter()
                run.seen.append(decide(claimed))
                run.decisions_ms.append(1000 * (time.perf_counter() - began))
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=work, args=(number, *each)) for number, each in enumerate(reviewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    run.cpu_ms = 1000 * (time.process_time() - cpu) / max(1, len(run.seen))
    return run


def _by_desk(desk: Desk, by: Person) -> Reviewer:
    def claim() -> Claimed:
        (claimed,) = claiming.claim(desk, by=by)
        return claimed

    def decide(claimed: Claimed) -> int:
        edit = claimed.edit
        output = edit.outputs[0].id if edit.outputs else None
        screen = Screen(revision=edit.revision, output_id=output, claim=claimed.claim.token, shown_ms=900)
        if edit.state is EditState.IN_REVIEW:
            review.accept(desk, edit.id, by=by, screen=screen)
        else:
            review.reject(desk, edit.id, by=by, reason="other", screen=screen)
        return edit.id

    return claim, decide


@contextmanager
def _bare(desk: Desk) -> Iterator[list[Reviewer]]:
    """One statement for a claim and one for a decision, by the database's own driver."""
    url = desk.db.url
    if url.startswith("sqlite"):
        lock = threading.Lock()
        one = sqlite3.connect(desk.root / "desk.db", isolation_level=None, check_same_thread=False)
        one.execute("PRAGMA synchronous=FULL")
        yield [_bare_reviewer(one, _NEXT, "?", lock) for _ in range(_REVIEWERS)]
        one.close()
        return
    opened = [psycopg.connect(url, autocommit=True) for _ in range(_REVIEWERS)]
    yield [_bare_reviewer(each, f"{_NEXT} FOR UPDATE SKIP LOCKED", "%s", threading.Lock()) for each in opened]
    for each in opened:
        each.close()


def _bare_reviewer(connection: Any, following: str, mark: str, lock: threading.Lock) -> Reviewer:
    def claim() -> int:
        with lock:
            return int(connection.execute(_CLAIM.format(following)).fetchone()[0])

    def decide(edit_id: int) -> int:
        with lock:
            connection.execute(_DECIDE.format(mark), (edit_id,))
        return edit_id

    return claim, decide


@contextmanager
def _million(kind: str) -> Iterator[Desk]:
    """A desk of a million edits, five of six of which wait."""
    with tempfile.TemporaryDirectory(prefix="picturedesk-bench-") as name, _database(kind) as url:
        root = Path(name) / "desk"
        if url is not None:
            create_files(root)
            settings = root / SETTINGS_FILE
            settings.write_text(f'database = "{url}"\n{settings.read_text("utf-8")}', "utf-8")
        desk = build_desk(root)
        with desk.db.write() as connection:
            connection.execute(sa.delete(EVENT))  # a million edits' history would only take its time to be made
        multiply(desk.db, EDITS)
        yield desk
        desk.close()


@contextmanager
def _database(kind: str) -> Iterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    server = postgres.Server(_SERVER)
    try:
        with server.database() as url:
            yield url
    finally:
        server.remove()


def _percentile(values: list[float], which: int) -> float:
    return statistics.quantiles(values, n=100)[which - 1]
