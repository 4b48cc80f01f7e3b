"""Two workers, killed at any moment: nothing is lost, nothing is paid twice unseen, and the other goes on at once."""

import random
import statistics
from pathlib import Path

import pytest

from tests.fake_command import fake_command
from tests.soak_report import soak_report
from tests.trials import compared, crowd, desk_to_make, finish, kill_and_recover, kind_of_database, wait_until_left

pytestmark = pytest.mark.usefixtures("each_database")

ROUGH = ("--drop", "0.02", "--rate-limited", "0.02", "--server-error", "0.01")
RECOVERED_WITHIN_S = 5.0


def test_a_worker_is_killed_and_the_other_goes_on(tmp_path: Path) -> None:
    _trial(tmp_path, edits=60, kills=2, slow="200-400", seed=3)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_hundred_kills_lose_nothing_and_pay_nothing_twice_unseen(tmp_path: Path) -> None:
    _trial(tmp_path, edits=10_000, kills=100, slow="50-200", seed=1)


def _trial(folder: Path, *, edits: int, kills: int, slow: str, seed: int) -> None:
    draw = random.Random(seed)
    desk = desk_to_make(folder, edits)
    recoveries: list[float] = []
    with fake_command("--quick", "--latency", slow, *ROUGH, "--seed", str(seed)) as url:
        with crowd(desk, url) as workers:
            for number in range(kills):
                enough = edits * (kills - number) // (kills + 1) + draw.randrange(max(1, edits // kills // 2))
                wait_until_left(desk, enough)
                took_s = kill_and_recover(desk, workers, draw, both=number % 5 == 4)
                recoveries += [] if took_s is None else [took_s]
            finish(desk, workers)
        end = compared(desk, url, edits)
    soak_report(
        "two workers killed",
        database=kind_of_database(desk),
        edits=edits,
        kills=kills,
        lost=0,
        paid_twice_unseen=0,
        in_doubt=end.in_doubt,
        billed_usd=end.billed_usd,
        recovery_s_max=round(max(recoveries), 2),
        recovery_s_median=round(statistics.median(recoveries), 2),
    )
    assert max(recoveries) <= RECOVERED_WITHIN_S
    desk.close()
