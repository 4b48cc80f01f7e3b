"""Two workers, killed at any moment: nothing is lost, nothing is paid twice unseen, and the other goes on at once."""

import random
import statistics
from pathlib import Path

import pytest

from pipeline.desk import Desk
from pipeline.states import EditState
from pipeline.store import ledger, reading
from tests.fake_command import fake_command
from tests.soak_report import soak_report
from tests.trials import crowd, desk_to_make, kill_and_recover, left_to_do, wait_until
from tests.two_ledgers import compare, settled_books

pytestmark = pytest.mark.usefixtures("each_database")

ROUGH = ("--drop", "0.02", "--rate-limited", "0.02", "--server-error", "0.01")
RECOVERED_WITHIN_S = 5.0


def test_a_worker_is_killed_and_the_other_goes_on(tmp_path: Path) -> None:
    _trial(tmp_path, edits=60, kills=2, slow="200-400", seed=3)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_kills_lose_nothing_and_pay_nothing_twice_unseen(tmp_path: Path) -> None:
    _trial(tmp_path, edits=10_000, kills=100, slow="50-200", seed=1)


def _wait_until_left(desk: Desk, enough: int) -> None:
    wait_until(lambda: left_to_do(desk) <= enough)


def _trial(folder: Path, *, edits: int, kills: int, slow: str, seed: int) -> None:
    draw = random.Random(seed)
    desk = desk_to_make(folder, edits)
    recoveries: list[float] = []
    with fake_command("--quick", "--latency", slow, *ROUGH, "--seed", str(seed)) as url:
        with crowd(desk, url) as workers:
            for number in range(kills):
                enough = edits * (kills - number) // (kills + 1) + draw.randrange(max(1, edits // kills // 2))
                _wait_until_left(desk, enough)
                took_s = kill_and_recover(desk, workers, draw, both=number % 5 == 4)
                recoveries += [] if took_s is None else [took_s]
            wait_until(lambda: left_to_do(desk) == 0, within_s=1200)
            workers.stop()
        books = settled_books(url)
    states, problems = compare(desk.root, books)
    assert problems == []
    assert states.total() == edits
    assert set(states) <= {EditState.APPROVED, EditState.IN_REVIEW, EditState.IN_DOUBT}, states
    costs = {entry["client_id"]: entry["cost_microusd"] for entry in books["entries"]}
    ledger.settle(desk.db, costs, actor="ada", not_billed=set(ledger.doubtful(desk.db)) - set(costs))
    assert sum(line.microusd or 0 for line in reading.booked(desk.db).values()) == books["total_microusd"]
    soak_report(
        "two workers killed",
        database="postgresql" if desk.db.is_shared else "sqlite",
        edits=edits,
        kills=kills,
        lost=0,
        paid_twice_unseen=0,
        in_doubt=states[EditState.IN_DOUBT],
        billed_usd=books["total_microusd"] / 1e6,
        recovery_s_max=round(max(recoveries), 2),
        recovery_s_median=round(statistics.median(recoveries), 2),
    )
    assert max(recoveries) <= RECOVERED_WITHIN_S
    desk.close()
