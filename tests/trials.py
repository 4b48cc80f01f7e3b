"""Two workers on one desk, killed again and again while they send edits to the fake service."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from PIL import Image

from pipeline import audit
from pipeline.desk import Desk
from pipeline.intake import take_in
from pipeline.states import IN_FLIGHT, EditState
from pipeline.store import ledger, reading, workers
from pipeline.store.moves import EDIT
from pipeline.store.reading import EditFilter
from tests.desks import new_desk
from tests.two_ledgers import compare, environment, settled_books

SOURCES = 10
_DEADLINE_S = 120.0


def desk_to_make(folder: Path, edits: int, **options: Any) -> Desk:
    """A desk with so many different edits queued for the fake service."""
    desk = new_desk(folder / "desk", provider="openai", detectors=(), **options)
    shop = folder / "shop"
    shop.mkdir()
    for number in range(SOURCES):
        Image.new("RGB", (64, 48), (number * 20, 90, 160)).save(shop / f"{number}.png")
    rows = "".join(f"item-{n},{n % SOURCES}.png,make it vintage {n}\n" for n in range(edits))
    (shop / "shop.csv").write_text(f"asset_id,source,prompt\n{rows}")
    take_in(desk, shop / "shop.csv", actor="ada")
    return desk


class Crowd:
    """Worker processes of one desk.

    Args:
        desk: The desk.
        settings: Their environment.
        concurrency: Requests in flight of each.
    """

    def __init__(self, desk: Desk, settings: dict[str, str], concurrency: int = 8) -> None:
        self._desk = desk
        self._settings = settings
        self._words = [sys.executable, "-m", "pipeline.cli", "--desk", str(desk.root), "worker"]
        self._words += ["--concurrency", str(concurrency)]
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, **settings: str) -> None:
        """One more worker."""
        with (self._desk.root / "workers.log").open("ab") as log:
            process = subprocess.Popen(self._words, env=self._settings | settings, stdout=log, stderr=log)
        self.processes.append(process)

    def await_all(self) -> None:
        """Until each has said that it lives."""
        pids = {process.pid for process in self.processes}
        wait_until(lambda: pids <= {each.pid for each in workers.all_workers(self._desk.db)})

    def kill(self, process: "subprocess.Popen[bytes]") -> str | None:
        """Kill -9; gives the name of what it was on the desk, if it was known there."""
        names = {each.pid: each.name for each in workers.all_workers(self._desk.db)}
        process.kill()
        process.wait()
        self.processes.remove(process)
        return names.get(process.pid)

    def stop(self) -> None:
        """Let all of them finish."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            assert process.wait(_DEADLINE_S) == 0


@contextmanager
def crowd(desk: Desk, url: str, *, concurrency: int = 8, **settings: str) -> Iterator[Crowd]:
    """Two workers; none is left behind."""
    found = Crowd(desk, environment(url) | {"PYTHONPATH": os.getcwd()} | settings, concurrency)  # noqa: PTH109 - a search path
    found.start()
    found.start()
    try:
        found.await_all()
        yield found
    finally:
        for process in found.processes:
            process.kill()
            process.wait()


@dataclass(frozen=True, slots=True)
class End:
    """How a trial ended, with both ledgers equal."""

    in_doubt: int
    billed_usd: float


def finish(desk: Desk, workers_: Crowd, *, within_s: float = 1200) -> None:
    """Let the workers make all that is left, and stop them."""
    wait_until(lambda: left_to_do(desk) == 0, within_s)
    workers_.stop()


def compared(desk: Desk, url: str, edits: int, *, also: frozenset[EditState] = frozenset()) -> End:
    """Hold the desk's ledger against the service's: nothing lost, nothing paid twice unseen, to the micro-dollar."""
    books = settled_books(url)
    states, problems = compare(desk, books)
    assert problems == [], problems[:5]
    assert states.total() == edits
    assert set(states) <= {EditState.APPROVED, EditState.IN_REVIEW, EditState.IN_DOUBT, *also}, states
    costs: Counter[str] = Counter()
    for entry in books["entries"]:
        costs[entry["client_id"]] += entry["cost_microusd"]
    ledger.settle(desk.db, costs, actor="ada", not_billed=ledger.doubtful(desk.db))
    assert sum(line.microusd or 0 for line in reading.booked(desk.db).values()) == books["total_microusd"]
    assert audit.verify(desk).is_whole
    return End(states[EditState.IN_DOUBT], books["total_microusd"] / 1e6)


def kind_of_database(desk: Desk) -> str:
    """For a report."""
    return "postgresql" if desk.db.is_shared else "sqlite"


def left_to_do(desk: Desk) -> int:
    """Edits that workers still have work on."""
    return reading.count_edits(desk.db, EditFilter(states=IN_FLIGHT))


def kill_and_recover(desk: Desk, workers_: Crowd, draw: random.Random, *, both: bool) -> float | None:
    """Kill one or both at a moment when there is work; gives how long the survivor took to take the dead one's over."""
    victims = list(workers_.processes) if both else [draw.choice(workers_.processes)]
    names = [workers_.kill(victim) for victim in victims]
    began = time.monotonic()
    for _ in victims if both else ():
        workers_.start()
    wait_until(lambda: not _owned_by(desk, names))
    took_s = time.monotonic() - began
    while len(workers_.processes) < 2:
        workers_.start()
    workers_.await_all()
    return None if both else took_s


def wait_until(is_so: Callable[[], bool], within_s: float = _DEADLINE_S) -> None:
    """Wait, and fail if it does not come about."""
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def wait_until_left(desk: Desk, enough: int) -> None:
    """Wait until no more than so many edits are left to do."""
    wait_until(lambda: left_to_do(desk) <= enough)


def _owned_by(desk: Desk, names: list[str | None]) -> bool:
    """Whether one of these workers still counts as living, or owns anything."""
    known = [name for name in names if name is not None]
    if any(each.name in known for each in workers.all_workers(desk.db)):
        return True
    owned = sa.select(EDIT.c.id).where(EDIT.c.owner.in_(known)).limit(1)
    with desk.db.read() as connection:
        return connection.execute(owned).first() is not None
