"""How fast requests may leave: a provider's limits per minute, and what it says when it had enough.

One gate for each provider and worker holds back what would be too much at once or too much in a minute. The moments
at which requests may leave are kept in the desk (`pipeline.store.pacing`), so that all workers together keep to the
limit. They are spread evenly, because services count in windows that nobody publishes: at 99.5 % of the limit, and
with lateness forgiven only so far, no 60 s hold more than the limit, and no second more than one request above it.
What a reviewer waits for leaves first.
"""

import asyncio
import heapq
import itertools
import logging
import math
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field

from pipeline.store.loading import BATCH_PRIORITY
from pipeline.store.pacing import MOST_AHEAD_S, Pace, Taken, Want
from pipeline.values import Estimate, RateLimits

_log = logging.getLogger(__name__)

_SHARE = 0.995
_SHRINK = 0.7
_GROW = 0.02
_LEAST = 0.1
_MINUTE_S = 60.0

_AHEAD_S = 0.15
"""How far ahead moments are taken for batches; a reviewer's requests look further, and so get the next one."""

_AT_ONCE_S = 0.1
"""What is asked for at once: ten transactions a second, and there is time to write an attempt down before it leaves."""

_SPREAD_S = 0.025
"""Workers that wait for the same moment ask for it in another order each time."""

_WRITING_S = 0.02
"""A request that leaves at once needs so long to be written down."""

_GAP_S = 0.02
"""Requests that come one by one are asked for together, if others were so shortly before."""

_FORGIVEN_S = 0.005
"""What 99.5 % leaves of a second."""

_MOST_FORGIVEN_S = 0.15
"""Half of what 99.5 % leaves of a minute; the other half is for the way."""


class Turn:
    """Leave to send one request, at its moment.

    Args:
        gate: Whose.
        estimate: What it takes.
        moment: When, by the monotonic clock; None for at once.
    """

    def __init__(self, gate: "Gate", estimate: Estimate, moment: float | None) -> None:
        self._gate = gate
        self._estimate = estimate
        self._moment = moment

    async def due(self) -> None:
        """Wait for the moment; if it has passed by too long, for another one, ahead of all who wait.

        Raises:
            CancelledError: The gate was closed before there was one.
        """
        while self._moment is not None:
            wait_s = self._moment - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif -wait_s <= self._gate.forgiven_s(self._estimate):
                break
            else:
                self._moment = await self._gate.another(self._estimate)
        self._moment = None

    def give_back(self) -> None:
        """Let the next in line have the moment, unless it was used."""
        moment, self._moment = self._moment, None
        if moment is not None:
            self._gate.hand_on(moment, self._estimate)


@dataclass(order=True, slots=True)
class _Waiting:
    priority: int
    number: int
    estimate: Estimate = field(compare=False)
    is_outside: bool = field(compare=False)
    moment: "asyncio.Future[float]" = field(compare=False)

    @property
    def is_hurried(self) -> bool:
        return self.priority < BATCH_PRIORITY


class Gate:
    """Lets requests of one provider leave, one after the other, as fast and as many at once as it allows.

    Args:
        limits: What is known at first; `learn` tells more.
        at_once: How many may be without an answer.
        pace: The moments at which requests of this account may leave, shared with all workers.

    Attributes:
        forfeited: Moments that passed by unused, because this process was too late.
    """

    def __init__(self, limits: RateLimits, at_once: int, pace: Pace) -> None:
        self._limited = _limited(limits)
        self._at_once = at_once
        self._pace = pace
        self.forfeited = 0
        self._outside = 0
        self._news = asyncio.Event()
        self._factor = 1.0
        self._open_at = 0.0
        self._ask_at = 0.0
        self._queue: list[_Waiting] = []
        self._asking: list[_Waiting] = []
        self._numbers = itertools.count()
        self._porter: asyncio.Task[None] | None = None
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, "pace")  # others are long at work in the loop's own threads
        self._telling: set[asyncio.Future[None]] = set()

    async def leave(self, estimate: Estimate, *, priority: int) -> Turn:
        """Wait for this request's turn: the smallest priority first, then the one that came first.

        The turn is known a little ahead: in between, the request is written down. Whoever left says `come_back` when
        the answer is there.

        Raises:
            StoreError: The desk cannot be asked.
        """
        is_paced = bool(self._takes_s(estimate))
        if not is_paced and not self._queue and self._room() > 0 and time.monotonic() >= self._open_at:
            self._outside += 1
            return Turn(self, estimate, None)
        return Turn(self, estimate, await self._in_line(estimate, priority, is_outside=False))

    def enter(self) -> None:
        """Count a request that left before this run."""
        self._outside += 1

    def come_back(self) -> None:
        """A request has its answer."""
        self._outside -= 1
        self._news.set()

    def learn(self, limits: RateLimits) -> None:
        """Take on what a reply told."""
        if (limited := _limited(limits)) != self._limited:
            self._limited = limited
            self._ask_at = 0.0
            self._news.set()

    def slow_down(self, wait_s: float) -> None:
        """The provider had enough: nothing leaves for a while, of any worker, and then more slowly of this one."""
        self._open_at = max(self._open_at, time.monotonic() + wait_s)
        self._factor = max(_LEAST, self._factor * _SHRINK)
        if self._limited:
            loop = asyncio.get_running_loop()
            telling = loop.run_in_executor(self._thread, self._pace.hold_off, list(self._limited), wait_s)
            self._telling.add(telling)
            telling.add_done_callback(self._told)

    def speed_up(self) -> None:
        """A request went well: slowly back to the usual speed."""
        self._factor = min(1.0, self._factor + _GROW)

    def close(self) -> None:
        """Let nobody through any more: whoever waits is cancelled."""
        self._is_closed = True
        if self._porter is not None:
            self._porter.cancel()
        for waiting in (*self._queue, *self._asking):
            waiting.moment.cancel()
        self._queue.clear()

    # For turns.

    def forgiven_s(self, estimate: Estimate) -> float:
        """How late such a request may leave.

        If each leaves within its own share of the limit after its moment, no window has more than one above the limit;
        half of that is for the way to the provider.
        """
        takes_s = self._takes_s(estimate).values()
        return min((max(takes_s) + _FORGIVEN_S) / 2, _MOST_FORGIVEN_S) if takes_s else math.inf

    async def another(self, estimate: Estimate) -> float:
        """The next moment, for a request that is written down and missed its own."""
        self.forfeited += 1
        if self._is_closed:
            raise asyncio.CancelledError
        return await self._in_line(estimate, -1, is_outside=True)

    def hand_on(self, moment: float, estimate: Estimate) -> None:
        """Give a moment to the first in line, if that one may go, takes no more, and is in time for it."""
        if not self._is_anybody_there() or not self._open_at <= time.monotonic() <= moment:
            return
        first, has = self._queue[0], self._takes_s(estimate)
        is_enough = all(takes_s <= has.get(unit, 0.0) for unit, takes_s in self._takes_s(first.estimate).items())
        if is_enough and (first.is_outside or self._room() > 0):
            self._let_go(heapq.heappop(self._queue), moment)

    # In line.

    async def _in_line(self, estimate: Estimate, priority: int, *, is_outside: bool) -> float:
        moment: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(priority, next(self._numbers), estimate, is_outside, moment)
        heapq.heappush(self._queue, waiting)
        if waiting.is_hurried:
            self._ask_at = 0.0
            self._news.set()
        if self._porter is None or self._porter.done():
            self._porter = asyncio.create_task(self._open())
        try:
            return await moment
        except asyncio.CancelledError:
            if not moment.cancelled():  # it was let go at this very time
                self._never_left(waiting)
            raise

    def _never_left(self, waiting: _Waiting) -> None:
        if waiting.moment.exception() is None:
            self._outside -= not waiting.is_outside
            self._news.set()
            self.hand_on(waiting.moment.result(), waiting.estimate)

    async def _open(self) -> None:
        while self._is_anybody_there():
            wait_s = self._shut_for_s(self._queue[0])
            if wait_s == 0:
                await self._serve()
                continue
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news.wait()

    def _is_anybody_there(self) -> bool:
        while self._queue and self._queue[0].moment.done():
            heapq.heappop(self._queue)
        return bool(self._queue)

    def _shut_for_s(self, first: _Waiting) -> float | None:
        """How long the first in line has to wait until it may ask for its moment; None: until something happens."""
        if not (first.is_outside or self._room() > 0):
            return None
        ask_at = self._ask_at if self._takes_s(first.estimate) else 0.0
        return max(0.0, max(self._open_at, ask_at) - time.monotonic())

    def _room(self) -> int:
        return max(1, int(self._at_once * self._factor)) - self._outside

    async def _serve(self) -> None:
        """Give their moments to those who are first in line."""
        asking = self._asking = self._first_in_line()
        wants = [self._want(waiting) for waiting in asking]
        try:
            taken = await self._taken(wants)
        except Exception as exc:  # each of them says so, and what becomes of its edit
            for waiting in asking:
                if not waiting.moment.done():
                    waiting.moment.set_exception(exc)
            return
        finally:
            self._asking = []
        if time.monotonic() < self._open_at:  # the provider had enough meanwhile
            taken = Taken([], None)
        for waiting in asking[len(taken.moments) :]:
            heapq.heappush(self._queue, waiting)
        for waiting, moment in zip(asking, taken.moments, strict=False):
            if waiting.moment.done():
                self.hand_on(moment, waiting.estimate)
            else:
                self._let_go(waiting, moment)

    def _first_in_line(self) -> list[_Waiting]:
        """As many as there is room for, and as may find moments that are near enough."""
        found: list[_Waiting] = []
        room, ahead_s = self._room(), 0.0
        while self._is_anybody_there() and ahead_s <= MOST_AHEAD_S:
            room -= not self._queue[0].is_outside
            if room < 0:
                break
            found.append(heapq.heappop(self._queue))
            ahead_s += max(self._takes_s(found[-1].estimate).values(), default=0.0)
        return found

    async def _taken(self, wants: list[Want]) -> Taken:
        if not any(want.takes_s for want in wants):
            return Taken([time.monotonic()] * len(wants), None)
        loop = asyncio.get_running_loop()
        taken: Taken = await loop.run_in_executor(self._thread, self._pace.take, wants)
        if taken.next_at is None:
            self._ask_at = time.monotonic() + _GAP_S
        else:
            within_s = wants[len(taken.moments)].within_s
            self._ask_at = taken.next_at - within_s + _AT_ONCE_S - random.uniform(0, _SPREAD_S)  # noqa: S311
        return taken

    def _want(self, waiting: _Waiting) -> Want:
        soonest_s = 0.0 if waiting.is_outside else _WRITING_S
        within_s = MOST_AHEAD_S if waiting.is_hurried else _AHEAD_S
        return Want(self._takes_s(waiting.estimate), soonest_s, within_s)

    def _let_go(self, waiting: _Waiting, moment: float) -> None:
        self._outside += not waiting.is_outside
        waiting.moment.set_result(moment)

    def _takes_s(self, estimate: Estimate) -> dict[str, float]:
        """By unit that is limited, how long nobody else may leave after such a request."""
        amounts = {"requests": 1, "images": estimate.images, "tokens": estimate.tokens}
        return {
            unit: amounts[unit] * _MINUTE_S / (limit * _SHARE * self._factor)
            for unit, limit in self._limited.items()
            if amounts[unit]
        }

    def _told(self, telling: "asyncio.Future[None]") -> None:
        self._telling.discard(telling)
        if not telling.cancelled() and (exc := telling.exception()) is not None:
            _log.warning("the other workers could not be told to slow down: %s", exc)


def _limited(limits: RateLimits) -> dict[str, float]:
    return {unit: limit for unit, limit in asdict(limits).items() if limit is not None}
