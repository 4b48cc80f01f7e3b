"""Moments at which requests may leave, shared by workers: their spacing, and clocks that differ and leap."""

import itertools
import math
import threading
import time

import pytest
import sqlalchemy as sa

from pipeline.store import Database
from pipeline.store.pacing import Pace, Taken, Want, _database_time

EVERY_S = 0.025
"""Forty a second."""

WITHIN_S = 0.16
ONE = Want({"requests": EVERY_S}, WITHIN_S)


class Clocks:
    """The database's clock, and those of workers that are ahead of it by different spans.

    Attributes:
        real_s: What passes on all of them.
        database_s: What the database's clock shows more.
    """

    def __init__(self) -> None:
        self.real_s = 100.0
        self.database_s = 1_800_000_000.0

    def pace(self, db: Database, *, ahead_s: float) -> Pace:
        return Pace(
            db,
            "openai 12ab",
            clock=lambda _: self.real_s + self.database_s,
            monotonic=lambda: self.real_s + ahead_s,
        )


def real(taken: Taken, *, ahead_s: float) -> list[float]:
    """The moments in the time that passes on all clocks."""
    return [moment - ahead_s for moment in taken.moments]


def test_all_workers_together_take_moments_one_step_apart(db: Database) -> None:
    """Whatever their own clocks show: ten workers' moments, side by side, are those of one."""
    clocks = Clocks()
    workers = {ahead_s: clocks.pace(db, ahead_s=ahead_s) for ahead_s in range(-5000, 5000, 1000)}
    moments: list[float] = []
    for _ in range(8):
        for ahead_s, worker in workers.items():
            moments += real(worker.take([ONE, ONE]), ahead_s=ahead_s)
        clocks.real_s += 0.05
    steps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert steps == pytest.approx([EVERY_S] * len(steps), abs=1e-4)
    assert moments[0] == pytest.approx(100, abs=1e-4)
    assert moments[-1] == pytest.approx(clocks.real_s - 0.05 + WITHIN_S, abs=EVERY_S)


def test_what_is_too_far_ahead_is_told_and_not_taken(db: Database) -> None:
    """Seven fit into 0.16 s; whoever looks further gets the next one, and what was let lie is not lost."""
    clocks = Clocks()
    worker = clocks.pace(db, ahead_s=0)
    taken = worker.take([ONE] * 10)
    assert len(taken.moments) == 7
    assert taken.next_at == pytest.approx(100 + 7 * EVERY_S, abs=1e-4)
    assert worker.take([ONE]).moments == []
    assert worker.take([Want(ONE.takes_s, 0.3)]).moments == pytest.approx([100 + 7 * EVERY_S], abs=1e-4)


def test_the_scarcest_unit_decides_and_a_large_request_takes_longer(db: Database) -> None:
    """250,000 tokens at 100,000 a minute: the next one leaves 150 s later, and one without tokens need not wait."""
    worker = Clocks().pace(db, ahead_s=0)
    large = Want({"requests": 1.0, "tokens": 150.0}, WITHIN_S)
    assert worker.take([large]).next_at is None
    assert worker.take([large]).next_at == pytest.approx(250, abs=1e-4)
    assert worker.take([Want({"requests": 1.0}, 2.0)]).moments == pytest.approx([101], abs=1e-4)


def test_moments_of_a_worker_that_was_killed_are_all_that_is_lost(db: Database) -> None:
    clocks = Clocks()
    clocks.pace(db, ahead_s=0).take([ONE] * 10)
    assert clocks.pace(db, ahead_s=7).take([Want(ONE.takes_s, math.inf)]).moments[0] - 7 <= 100 + WITHIN_S + EVERY_S


def test_a_clock_that_is_put_back_blocks_nobody(db: Database) -> None:
    """By an hour, with another worker that has never seen the old time."""
    clocks = Clocks()
    clocks.pace(db, ahead_s=0).take([ONE])
    clocks.database_s -= 3600
    clocks.real_s += 0.01
    moments = real(clocks.pace(db, ahead_s=50).take([ONE]), ahead_s=50)
    assert 100 + EVERY_S <= moments[0] <= 100.01 + EVERY_S + 1e-3


def test_a_clock_that_is_put_forward_lets_no_burst_through(db: Database) -> None:
    """What is in hand by the old time leaves first: no two moments of anybody are closer than a step."""
    clocks = Clocks()
    workers = [clocks.pace(db, ahead_s=0), clocks.pace(db, ahead_s=0)]
    moments = [moment for worker in workers for moment in worker.take([ONE] * 4).moments]
    clocks.database_s += 3600
    for _ in range(6):
        clocks.real_s += 0.05
        moments += [moment for worker in workers for moment in worker.take([ONE] * 4).moments]
    assert len(moments) > 12
    assert min(b - a for a, b in itertools.pairwise(sorted(moments))) >= EVERY_S - 1e-4


def test_drift_and_slow_answers_are_no_leap(db: Database) -> None:
    """A worker whose reading was half a second under way keeps the difference that it knew."""
    clocks = Clocks()
    worker = clocks.pace(db, ahead_s=0)
    first = worker.take([ONE]).moments[0]

    def slow(_: sa.Connection) -> float:
        clocks.real_s += 0.5
        shown = clocks.real_s + clocks.database_s
        clocks.real_s += 0.01
        return shown

    worker._clock = slow
    assert worker.take([ONE]).moments[0] == pytest.approx(first + 0.5, abs=1e-3)


def test_one_that_was_told_to_wait_holds_all_off(db: Database) -> None:
    clocks = Clocks()
    told, other = clocks.pace(db, ahead_s=0), clocks.pace(db, ahead_s=-40)
    other.take([ONE])
    told.hold_off(["requests"], 30)
    told.hold_off(["requests"], 5)
    taken = other.take([ONE])
    assert taken.moments == []
    assert taken.next_at == pytest.approx(130 - 40, abs=1e-4)


def test_accounts_do_not_wait_for_each_other(db: Database) -> None:
    worker, stranger = Clocks().pace(db, ahead_s=0), Pace(db, "openai 34cd")
    worker.hold_off(["requests"], 3600)
    assert len(stranger.take([ONE]).moments) == 1


def test_by_the_database_s_own_clock_a_moment_is_now(db: Database) -> None:
    before = time.monotonic()
    moment = Pace(db, "openai 12ab").take([ONE]).moments[0]
    assert before - 1e-3 <= moment <= time.monotonic() + 1e-3


def test_a_worker_that_is_stopped_in_the_middle_keeps_the_others_for_a_second(db: Database) -> None:
    """PostgreSQL throws it out; a file's lock is held by a process, and given up with it."""
    if not db.is_shared:
        return
    has_lock, is_over = threading.Event(), threading.Event()

    def stopped(connection: sa.Connection) -> float:
        moment = _database_time(connection)
        has_lock.set()
        is_over.wait(60)
        return moment

    def be_stopped() -> None:
        with pytest.raises(Exception, match="cannot be reached"):
            Pace(db, "openai 12ab", clock=stopped).take([ONE])

    Pace(db, "openai 12ab").take([ONE])
    thread, began = threading.Thread(target=be_stopped), time.monotonic()
    thread.start()
    has_lock.wait(60)
    assert len(Pace(db, "openai 12ab").take([Want(ONE.takes_s, 60)]).moments) == 1
    assert 0.5 < time.monotonic() - began < 30
    is_over.set()
    thread.join()
