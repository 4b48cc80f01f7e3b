"""How many workers are hired for the calls that wait."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from pipeline.engines.hands import Hands, Outcome, carry_out
from tests.contract.engine_work import double


class Clerk:
    """A worker that does its work in the thread that waits for it."""

    def __init__(self) -> None:
        self._begun: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def ready(self) -> None:
        """At once."""

    def begin(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._begun.append((function, args))

    def finish(self) -> Outcome:
        return carry_out(*self._begun.pop(0))

    def kill(self) -> None:
        """There is no process."""


class Office(Hands):
    """Clerks, counted."""

    hired = 0

    def _hire(self) -> Clerk:
        self.hired += 1
        return Clerk()


def test_one_call_after_the_other_is_work_for_one_worker() -> None:
    """A second one would keep its place on a cluster, and its models in memory, and do nothing; tried many times."""

    async def calls(office: Office) -> None:
        for number in range(3):
            assert await office.run(double, number) == 2 * number

    for _ in range(100):
        with Office(3) as office:
            asyncio.run(calls(office))
        assert office.hired == 1


def test_calls_at_the_same_time_are_work_for_as_many_workers_as_there_may_be() -> None:
    """None of these calls ends before three are at work."""

    async def calls(office: Office) -> None:
        await asyncio.gather(*(office.run(meet) for _ in range(6)))

    met = threading.Barrier(3, timeout=30)

    def meet() -> None:
        met.wait()

    with Office(3) as office:
        asyncio.run(calls(office))
    assert office.hired == 3
