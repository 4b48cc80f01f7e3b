"""The gate that holds requests back, on a clock that jumps to the next moment at which something happens."""

import asyncio
import itertools
import selectors
import shutil
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Executor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, TypeVarTuple, Unpack

import pytest

from pipeline import limits
from pipeline.limits import Gate
from pipeline.store import Database
from pipeline.store.pacing import Pace
from pipeline.values import Estimate, RateLimits
from tests.desks import tables

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

ONE = Estimate(images=1)
USUAL = 100
_TICK_S = 1e-9
"""A sum of floats may stop short of the moment that it is waiting for; a real clock would move on by itself."""


class _NoWaiting(selectors.DefaultSelector):
    """Instead of waiting, lets the loop's clock jump."""

    clock: "JumpingLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everything waits, and nothing will ever happen")
        self.clock.now += _TICK_S if ready or not timeout else timeout
        return list(ready)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop without waiting: its clock all but stands still while anything can be done.

    Attributes:
        now: Seconds.
        db: The desk's database; what is asked of it is answered in no time.
    """

    def __init__(self, db: Database) -> None:
        selector = _NoWaiting()
        selector.clock = self
        self.now = 1000.0
        self.db = db
        self._accounts = itertools.count()
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """At once, in this thread."""
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done

    def pace(self, account: str | None = None) -> Pace:
        """Of an account of its own, or of one that others ask for, too."""
        name = account or f"account-{next(self._accounts)}"
        return Pace(self.db, name, clock=lambda _: self.now, monotonic=self.time)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[], Coroutine[Any, Any, None]]], None]:
    """Runs a test's coroutine; the gate and its database read the same clock."""

    def on_jumping_clock(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        shutil.copyfile(tables(), tmp_path / "desk.db")
        db = Database(f"sqlite:///{tmp_path / 'desk.db'}")
        loop = JumpingLoop(db)
        monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=loop.time))
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(work())
        db.close()

    return on_jumping_clock


Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


def now() -> float:
    """To the millisecond."""
    return round(asyncio.get_running_loop().time(), 3)


async def settled() -> None:
    """Everything that can be done without time passing is done."""
    for _ in range(50):
        await asyncio.sleep(0)


class Travellers:
    """Requests at a gate, and when each of them left."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.left: list[tuple[str, float]] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def send(self, name: str, *, priority: int = USUAL, estimate: Estimate = ONE) -> None:
        """Let one come to the gate."""
        self.tasks[name] = asyncio.create_task(self._leave(name, priority, estimate))

    async def arrive(self, names: Iterable[str], *, priority: int = USUAL, estimate: Estimate = ONE) -> None:
        """Let some come to the gate, one after the other, and do what can be done at once."""
        for name in names:
            self.send(name, priority=priority, estimate=estimate)
            await settled()

    async def all_gone(self) -> None:
        """Wait until every one has left."""
        await asyncio.gather(*self.tasks.values())

    @property
    def names(self) -> list[str]:
        """Who left, in order."""
        return [name for name, _ in self.left]

    @property
    def times(self) -> list[float]:
        """When they left, in order."""
        return [moment for _, moment in self.left]

    async def _leave(self, name: str, priority: int, estimate: Estimate) -> None:
        turn = await self.gate.leave(estimate, priority=priority)
        await turn.due()
        self.left.append((name, now()))


async def at_gate(at_once: int, known: RateLimits | None = None, *, account: str | None = None) -> Travellers:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    return Travellers(Gate(known or RateLimits(), at_once, loop.pace(account)))


def test_as_many_leave_at_once_as_there_are_slots(run: Run) -> None:
    async def work() -> None:
        found = await at_gate(2)
        await found.arrive("abcd")
        assert found.names == ["a", "b"]
        found.gate.come_back()
        await settled()
        assert found.names == ["a", "b", "c"]
        found.gate.come_back()
        await settled()
        assert found.names == ["a", "b", "c", "d"]

    run(work)


def test_a_request_of_an_earlier_run_takes_a_slot(run: Run) -> None:
    async def work() -> None:
        found = await at_gate(1)
        found.gate.enter()
        await found.arrive("a")
        assert found.names == []
        found.gate.come_back()
        await found.all_gone()
        assert found.names == ["a"]

    run(work)


def test_the_smallest_number_leaves_first_and_then_whoever_came_first(run: Run) -> None:
    """What a reviewer waits for goes ahead, also of those that came long before."""

    async def work() -> None:
        found = await at_gate(1)
        await found.arrive(["outside"])
        await found.arrive(["batch-1", "batch-2"], priority=100)
        await found.arrive(["reviewer-1", "reviewer-2"], priority=1)
        await found.arrive(["batch-3"], priority=100)
        for _ in range(5):
            found.gate.come_back()
            await settled()
        assert found.names == ["outside", "reviewer-1", "reviewer-2", "batch-1", "batch-2", "batch-3"]

    run(work)


def test_nobody_passes_those_who_wait(run: Run) -> None:
    """A slot that becomes free is theirs, not the newcomer's of the same moment."""

    async def work() -> None:
        found = await at_gate(1)
        await found.arrive(["outside", "waiting"])
        found.gate.come_back()
        found.send("newcomer")
        await settled()
        assert found.names == ["outside", "waiting"]

    run(work)


def test_whoever_stops_waiting_takes_no_slot(run: Run) -> None:
    async def work() -> None:
        found = await at_gate(1)
        await found.arrive(["outside", "gone", "next"])
        found.tasks["gone"].cancel()
        await settled()
        found.gate.come_back()
        await settled()
        assert found.names == ["outside", "next"]
        found.gate.come_back()
        await found.arrive(["last"])
        assert found.names == ["outside", "next", "last"]

    run(work)


def test_without_limits_nothing_is_paced(run: Run) -> None:
    async def work() -> None:
        found = await at_gate(1000)
        await found.arrive([f"{number}" for number in range(1000)])
        assert len(found.left) == 1000
        assert set(found.times) == {1000.0}

    run(work)


@pytest.mark.parametrize(
    ("known", "estimate"),
    [
        (RateLimits(requests=60), ONE),
        (RateLimits(images=60), ONE),
        (RateLimits(images=180), Estimate(images=3)),
        (RateLimits(tokens=90_000), Estimate(tokens=1500)),
        (RateLimits(requests=600, images=60, tokens=900_000), Estimate(images=1, tokens=1500)),
    ],
    ids=["requests", "pictures", "several pictures each", "tokens", "the tightest of three"],
)
def test_no_minute_holds_more_than_the_limit_and_little_less(run: Run, known: RateLimits, estimate: Estimate) -> None:
    """Sixty requests a minute, whatever they are counted in: any 60 seconds have at most 60; 200 take 3:20 or so."""

    async def work() -> None:
        found = await at_gate(1000, known)
        await found.arrive([f"{number}" for number in range(200)], estimate=estimate)
        await found.all_gone()
        for first in found.times:
            assert len([moment for moment in found.times if first <= moment < first + 60]) <= 60
        assert 195 < found.times[-1] - found.times[0] < 205

    run(work)


def test_a_request_that_is_larger_than_a_minute_takes_its_time_and_passes(run: Run) -> None:
    """250,000 tokens at 100,000 a minute: two minutes and a half."""

    async def work() -> None:
        found = await at_gate(10, RateLimits(tokens=100_000))
        await found.arrive(["large", "after"], estimate=Estimate(tokens=250_000))
        await found.all_gone()
        assert found.names == ["large", "after"]
        assert 145 < found.times[1] - found.times[0] < 155

    run(work)


def test_whoever_is_first_when_its_time_comes_goes(run: Run) -> None:
    """It may have come while the first of the batch waited for its turn."""

    async def work() -> None:
        found = await at_gate(10, RateLimits(requests=1))
        await found.arrive(["now", "batch"])
        await asyncio.sleep(30)
        await found.arrive(["reviewer"], priority=1)
        await found.all_gone()
        assert found.names == ["now", "reviewer", "batch"]

    run(work)


def test_after_too_much_nothing_leaves_for_as_long_as_was_asked(run: Run) -> None:
    async def work() -> None:
        found = await at_gate(10)
        found.gate.slow_down(30)
        await found.arrive("abc")
        assert found.names == []
        await found.all_gone()
        assert set(found.times) == {1030.0}

    run(work)


def test_a_shorter_wait_does_not_end_a_longer_one(run: Run) -> None:
    """Answers to requests of the same moment come one after the other."""

    async def work() -> None:
        found = await at_gate(10)
        found.gate.slow_down(30)
        found.gate.slow_down(5)
        await found.arrive("a")
        await found.all_gone()
        assert found.times == [1030.0]

    run(work)


def test_nothing_leaves_in_the_place_of_what_was_turned_away(run: Run) -> None:
    """The answer of the one outside says to wait; its slot is free, and stays free until then."""

    async def work() -> None:
        found = await at_gate(1)
        await found.arrive(["turned away", "next"])
        found.gate.slow_down(30)
        found.gate.come_back()
        await settled()
        assert found.names == ["turned away"]
        await found.all_gone()
        assert found.times == [1000.0, 1030.0]

    run(work)


def test_nothing_leaves_by_its_pace_while_all_is_to_wait(run: Run) -> None:
    """At six a minute the second one's turn comes after ten seconds."""

    async def work() -> None:
        found = await at_gate(10, RateLimits(requests=6))
        await found.arrive(["first", "second"])
        found.gate.slow_down(30)
        await found.all_gone()
        assert found.times[1] >= 1030.0

    run(work)


async def _at_once(found: Travellers) -> int:
    """How many are let out together; they all come back."""
    before = len(found.left)
    await found.arrive([f"{before + number}" for number in range(150)])
    count = len(found.left) - before
    while len(found.left) < len(found.tasks):
        found.gate.come_back()
        await settled()
    for _ in range(count):
        found.gate.come_back()
    return count


def test_after_too_much_fewer_leave_at_once_and_after_success_as_many_as_before(run: Run) -> None:
    """Each refusal leaves 70 %, 0.7 × 0.7 × 0.7 = 0.343; each success gives 2 % back."""

    async def work() -> None:
        found = await at_gate(100)
        counts = [await _at_once(found)]
        for _ in range(3):
            found.gate.slow_down(0)
            counts.append(await _at_once(found))
        assert counts == pytest.approx([100, 70, 49, 34], abs=1)
        for _ in range(10):
            found.gate.speed_up()
        assert await _at_once(found) == pytest.approx(54, abs=1)
        for _ in range(50):
            found.gate.speed_up()
        assert await _at_once(found) == 100

    run(work)


def test_a_tenth_and_at_least_one_can_always_leave(run: Run) -> None:
    """Else a provider that refuses for long would never be asked again."""

    async def work() -> None:
        many, one = await at_gate(100), await at_gate(1)
        for _ in range(50):
            many.gate.slow_down(0)
            one.gate.slow_down(0)
        await one.arrive("ab")
        assert one.names == ["a"]
        assert await _at_once(many) == 10

    run(work)


async def _pace_s(found: Travellers) -> float:
    """Seconds between two requests that leave as soon as they may."""
    first = len(found.left)
    await found.arrive([f"{first + number}" for number in range(12)])
    await found.all_gone()
    return (found.times[-1] - found.times[-11]) / 10


def test_after_too_much_the_pace_is_slower_and_after_success_as_before(run: Run) -> None:
    """60 a minute are one each second; 70 % of that one in 1.43 seconds."""

    async def work() -> None:
        found = await at_gate(1000, RateLimits(requests=60))
        assert await _pace_s(found) == pytest.approx(1, rel=0.02)
        found.gate.slow_down(0)
        assert await _pace_s(found) == pytest.approx(1 / 0.7, rel=0.02)
        found.gate.slow_down(0)
        assert await _pace_s(found) == pytest.approx(1 / 0.49, rel=0.02)
        for _ in range(30):
            found.gate.speed_up()
        assert await _pace_s(found) == pytest.approx(1, rel=0.02)

    run(work)


def test_a_limit_that_is_learned_paces_from_then_on(run: Run) -> None:
    async def work() -> None:
        found = await at_gate(1000)
        await found.arrive("abcde")
        assert set(found.times) == {1000.0}
        found.gate.learn(RateLimits(requests=30))
        assert await _pace_s(found) == pytest.approx(2, rel=0.02)

    run(work)


def test_learning_the_same_again_changes_no_pace(run: Run) -> None:
    """Every reply tells the limits: a fresh start with each of them would let twice as many out."""

    async def work() -> None:
        known = RateLimits(requests=60)
        found = await at_gate(1000, known)
        for number in range(30):
            await found.arrive([f"{number}"])
            await found.tasks[f"{number}"]
            found.gate.learn(RateLimits(requests=60))
        assert 28 < found.times[-1] - found.times[0] < 31

    run(work)


def test_close_cancels_whoever_waits(run: Run) -> None:
    async def work() -> None:
        found = await at_gate(1)
        await found.arrive("abc")
        found.gate.close()
        ended = await asyncio.gather(*found.tasks.values(), return_exceptions=True)
        assert found.names == ["a"]
        assert [type(end) for end in ended] == [type(None), asyncio.CancelledError, asyncio.CancelledError]
        found.gate.come_back()
        await settled()
        assert found.names == ["a"]

    run(work)


@pytest.mark.parametrize("hold", ["a pause", "a pace"])
def test_close_also_ends_a_wait_for_the_clock(run: Run, hold: str) -> None:
    async def work() -> None:
        found = await at_gate(10, RateLimits(requests=1) if hold == "a pace" else RateLimits())
        if hold == "a pause":
            found.gate.slow_down(3600)
        await found.arrive("abc")
        found.gate.close()
        await _ended(found.tasks.values())
        assert now() < 1000.1

    run(work)


async def _ended(waiting: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*waiting, return_exceptions=True)
