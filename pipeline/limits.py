"""How fast requests may leave: a provider's limits per minute, and what it says when it had enough.

One gate for each provider holds back what would be too much at once or too much in a minute. The pacing is
aiolimiter's leaky bucket. Requests are spread evenly, because services count in windows that nobody publishes: at
99.5 % of the limit, and never more than 0.12 s of it in a hurry to catch up, no window of 60 s holds more than the
limit. What a reviewer waits for leaves first.
"""

import asyncio
import heapq
import itertools
import time
from dataclasses import astuple, dataclass, field

from aiolimiter import AsyncLimiter

from pipeline.values import Estimate, RateLimits

_SHARE = 0.995
_CATCH_UP = 1 / 500
_SHRINK = 0.7
_GROW = 0.02
_LEAST = 0.1
_NOTICEABLE = 1.1
_MINUTE_S = 60.0


@dataclass(order=True, slots=True)
class _Waiting:
    priority: int
    number: int
    estimate: Estimate = field(compare=False)
    turn: "asyncio.Future[None]" = field(compare=False)


class Gate:
    """Lets requests of one provider leave, one after the other, as fast and as many at once as it allows.

    Args:
        limits: What is known at first; `learn` tells more.
        at_once: How many may be without an answer.
    """

    def __init__(self, limits: RateLimits, at_once: int) -> None:
        self._limits = limits
        self._at_once = at_once
        self._outside = 0
        self._returned = asyncio.Event()
        self._factor = self._paced_for = 1.0
        self._open_at = 0.0
        self._queue: list[_Waiting] = []
        self._numbers = itertools.count()
        self._porter: asyncio.Task[None] | None = None
        self._buckets = self._made()

    async def leave(self, estimate: Estimate, *, priority: int) -> None:
        """Wait for this request's turn: the smallest priority first, then the one that came first.

        Whoever left says `come_back` when the answer is there.
        """
        is_open = not self._queue and not any(self._buckets) and time.monotonic() >= self._open_at
        if is_open and self._has_room():
            self._outside += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, _Waiting(priority, next(self._numbers), estimate, turn))
        if self._porter is None or self._porter.done():
            self._porter = asyncio.create_task(self._open())
        await turn

    def enter(self) -> None:
        """Count a request that left before this run."""
        self._outside += 1

    def come_back(self) -> None:
        """A request has its answer."""
        self._outside -= 1
        self._returned.set()

    def learn(self, limits: RateLimits) -> None:
        """Take on what a reply told."""
        if limits != self._limits:
            self._limits = limits
            self._buckets = self._made()

    def slow_down(self, wait_s: float) -> None:
        """The provider had enough: nothing leaves for a while, and then more slowly."""
        self._open_at = max(self._open_at, time.monotonic() + wait_s)
        self._factor = max(_LEAST, self._factor * _SHRINK)
        self._buckets = self._made()

    def speed_up(self) -> None:
        """A request went well: slowly back to the usual speed."""
        if self._factor < 1:
            self._factor = min(1.0, self._factor + _GROW)
            if self._factor == 1 or self._factor >= self._paced_for * _NOTICEABLE:
                self._buckets = self._made()

    def close(self) -> None:
        """Let nobody through any more: whoever waits is cancelled."""
        if self._porter is not None:
            self._porter.cancel()
        for waiting in self._queue:
            waiting.turn.cancel()
        self._queue.clear()

    def _has_room(self) -> bool:
        return self._outside < max(1, int(self._at_once * self._factor))

    async def _open(self) -> None:
        while self._queue:
            await self._until_free()
            await self._take_room(self._queue[0].estimate)
            await self._until_free()  # the provider may have had enough meanwhile
            # Whoever is first by now goes: it may have come while there was no room.
            while self._queue:
                first = heapq.heappop(self._queue)
                if not first.turn.done():
                    self._outside += 1
                    first.turn.set_result(None)
                    break

    async def _until_free(self) -> None:
        """Wait while all is to wait, or as many are outside as may be."""
        while True:
            wait_s = self._open_at - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif not self._has_room():
                self._returned.clear()
                await self._returned.wait()
            else:
                return

    async def _take_room(self, estimate: Estimate) -> None:
        for bucket, amount in zip(self._buckets, (1, estimate.images, estimate.tokens), strict=True):
            rest = float(amount)
            while bucket is not None and rest > 0:
                part = min(rest, bucket.max_rate)
                await bucket.acquire(part)
                rest -= part

    def _made(self) -> list[AsyncLimiter | None]:
        self._paced_for = self._factor
        return [_bucket(limit, self._factor) for limit in astuple(self._limits)]


def _bucket(limit: float | None, factor: float) -> AsyncLimiter | None:
    """A bucket that holds one request and a little to catch up with, and leaks at the limit's pace."""
    if limit is None:
        return None
    size = 1 + limit * _CATCH_UP
    return AsyncLimiter(size, size * _MINUTE_S / (limit * _SHARE * factor))
