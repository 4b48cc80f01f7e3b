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
from itertools import zip_longest

from pipeline.store.loading import BATCH_PRIORITY
from pipeline.store.pacing import Pace, Taken, Want
from pipeline.values import Estimate, RateLimits

_log = logging.getLogger(__name__)

_SHARE = 0.995
_SHRINK = 0.7
_GROW = 0.02
_LEAST = 0.1
_MINUTE_S = 60.0

_AT_ONCE_S = 0.1
"""What is taken at once: ten transactions a second."""

_SPARE_S = 0.05
"""So long before a moment, at least, it is asked for."""

_HURRIED_S = 0.15
"""A reviewer's requests look so much further ahead than batches, and so get the next moment."""

_SPREAD_S = 0.025
"""Workers that wait for the same moment ask for it in another order each time."""

_GAP_S = 0.02
"""Requests that come one by one are asked for together, if others were so shortly before."""

_LONG_S = 5.0
"""What is written down and could not leave for so long is taken back: a crash would leave it in doubt."""

_WRITING_S = 0.02
"""To write a request down takes so long at first; how long it took of late is measured."""

_MOST_WRITING_S = 2.0
_FORGET = 0.98

_FORGIVEN_S = 0.005
"""What 99.5 % leaves of a second."""

_MOST_FORGIVEN_S = 0.15
"""Half of what 99.5 % leaves of a minute; the other half is for the way."""


class Turn:
    """Leave to write one request down, and then to send it.

    Args:
        gate: Whose.
        estimate: What it takes.
        priority: The smallest goes first.
    """

    def __init__(self, gate: "Gate", estimate: Estimate, priority: int) -> None:
        self.estimate = estimate
        self.priority = priority
        self._gate = gate
        self._since = 0.0

    def begin(self) -> None:
        """It is written down from now on."""
        self._since = time.monotonic()

    async def due(self) -> None:
        """Wait for the moment at which it may leave; once it is written down.

        Raises:
            CancelledError: There will be none soon: all is to wait, or the gate was closed.
            StoreError: The desk cannot be asked.
        """
        self._gate.wrote_in(time.monotonic() - self._since)
        while (moment := await self._gate.moment(self)) is not None:
            if (wait_s := moment - time.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            if time.monotonic() - moment <= self._gate.forgiven_s(self.estimate):
                return
            self._gate.forfeited += 1
            self.priority = _FIRST

    def over(self) -> None:
        """It left and came back, or will not leave."""
        self._gate.over(self)


_FIRST = -1


@dataclass(order=True, slots=True)
class _Waiting:
    priority: int
    number: int
    turn: Turn = field(compare=False)
    future: "asyncio.Future[float | None]" = field(compare=False)

    @property
    def is_hurried(self) -> bool:
        return self.priority < BATCH_PRIORITY


class Gate:
    """Lets requests of one provider leave, one after the other, as fast and as many at once as it allows.

    They wait twice: until they are to be written down, shortly before they can leave, and then for their moment. So
    none is written down for long before it leaves, and no moment passes by for one that is still being written.

    Args:
        limits: What is known at first; `learn` tells more.
        at_once: How many may be without an answer.
        pace: The moments at which requests of this account may leave, shared with all workers.

    Attributes:
        forfeited: Moments that passed by unused, because this process was too late.
    """

    def __init__(self, limits: RateLimits, at_once: int, pace: Pace) -> None:
        self.forfeited = 0
        self._limited = _limited(limits)
        self._at_once = at_once
        self._pace = pace
        self._outside = 0
        self._factor = 1.0
        self._writing_s = _WRITING_S
        self._open_at = self._free_at = self._ask_at = 0.0
        self._numbers = itertools.count()
        self._queue: list[_Waiting] = []
        self._written: set[Turn] = set()
        self._again: asyncio.TimerHandle | None = None
        self._line: list[_Waiting] = []
        self._asking: list[_Waiting] = []
        self._news = asyncio.Event()
        self._porter: asyncio.Task[None] | None = None
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, "pace")  # others are long at work in the loop's own threads
        self._telling: set[asyncio.Future[None]] = set()

    async def leave(self, estimate: Estimate, *, priority: int) -> Turn:
        """Wait for this request's turn: the smallest priority first, then the one that came first.

        It is to be written down then, and leaves when it is `Turn.due`. Whoever left says `come_back` when the answer
        is there.
        """
        turn = Turn(self, estimate, priority)
        waiting = self._waiting(turn)
        heapq.heappush(self._queue, waiting)
        self._let_in()
        try:
            await waiting.future
        except asyncio.CancelledError:
            if not waiting.future.cancelled():  # it was let in at this very time
                self._written.discard(turn)
                self.come_back()
            raise
        return turn

    def enter(self) -> None:
        """Count a request that left before this run."""
        self._outside += 1

    def come_back(self) -> None:
        """A request has its answer."""
        self._outside -= 1
        # Not yet: whoever read the answer may say first that all is to slow down.
        asyncio.get_running_loop().call_soon(self._let_in)

    def learn(self, limits: RateLimits) -> None:
        """Take on what a reply told."""
        if (limited := _limited(limits)) != self._limited:
            self._limited = limited
            self._free_at = self._ask_at = 0.0
            self._news.set()
            self._let_in()

    def slow_down(self, wait_s: float) -> None:
        """The provider had enough: nothing leaves for a while, of any worker, and then more slowly of this one."""
        self._open_at = max(self._open_at, time.monotonic() + wait_s)
        self._factor = max(_LEAST, self._factor * _SHRINK)
        self._news.set()
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
        if self._again is not None:
            self._again.cancel()
        for waiting in (*self._queue, *self._line, *self._asking):
            waiting.future.cancel()

    # Until it is to be written down.

    def _let_in(self) -> None:
        """Let in whoever is first, and soon can leave."""
        if self._again is not None:
            self._again.cancel()
        while _is_anybody(self._queue):
            wait_s = self._shut_for_s(self._queue[0])
            if wait_s > 0:
                if wait_s < math.inf:
                    self._again = asyncio.get_running_loop().call_later(wait_s, self._let_in)
                return
            waiting = heapq.heappop(self._queue)
            self._outside += 1
            self._written.add(waiting.turn)
            waiting.turn.begin()
            waiting.future.set_result(None)

    def _shut_for_s(self, first: _Waiting) -> float:
        """How long the first has to wait until it is let in; infinite: until another comes back."""
        if self._outside >= max(1, int(self._at_once * self._factor)):
            return math.inf
        now = time.monotonic()
        opens_at = self._open_at
        if self._takes_s(first.turn.estimate):
            before_s = 0.0 if first.is_hurried else sum(map(self._longest_s, self._written))
            leaves_at = max(now, self._free_at) + before_s
            opens_at = max(opens_at, leaves_at - self._writing_s - _SPARE_S - _AT_ONCE_S)
        return opens_at - now

    def wrote_in(self, seconds: float) -> None:
        """So long it took to write a request down: as many are let in ahead as that takes at its slowest."""
        self._writing_s = min(max(seconds, self._writing_s * _FORGET), _MOST_WRITING_S)

    # Until its moment.

    async def moment(self, turn: Turn) -> float | None:
        """The moment at which a request that is written down may leave; None for at once."""
        if not self._takes_s(turn.estimate):
            self._written.discard(turn)
            return None
        if self._is_closed:
            raise asyncio.CancelledError
        waiting = self._waiting(turn)
        heapq.heappush(self._line, waiting)
        if waiting.is_hurried:
            self._ask_at = 0.0
            self._news.set()
        if self._porter is None or self._porter.done():
            self._porter = asyncio.create_task(self._ask())
        return await waiting.future

    def over(self, turn: Turn) -> None:
        """It has left, or will not."""
        self._written.discard(turn)

    def forgiven_s(self, estimate: Estimate) -> float:
        """How late such a request may leave.

        If each leaves within its own share of the limit after its moment, no window has more than one above the limit;
        half of that is for the way to the provider.
        """
        takes_s = self._takes_s(estimate).values()
        return min((max(takes_s) + _FORGIVEN_S) / 2, _MOST_FORGIVEN_S) if takes_s else math.inf

    async def _ask(self) -> None:
        """Ask for moments as long as anybody needs one."""
        while _is_anybody(self._line):
            now = time.monotonic()
            if self._open_at - now > _LONG_S:
                self._take_back()
            elif (wait_s := max(self._open_at, self._ask_at) - now) > 0:
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._news.wait()
            else:
                await self._serve()
                self._let_in()

    async def _serve(self) -> None:
        """Give their moments to those who are first in line."""
        asking = self._asking = self._first_in_line()
        wants = [Want(self._takes_s(waiting.turn.estimate), self._within_s(waiting)) for waiting in asking]
        loop = asyncio.get_running_loop()
        try:
            taken: Taken = await loop.run_in_executor(self._thread, self._pace.take, wants)
        except Exception as exc:  # each of them says so, and what becomes of its edit
            for waiting in asking:
                if not waiting.future.done():
                    waiting.future.set_exception(exc)
            return
        finally:
            self._asking = []
        self._plan(asking, taken)
        is_over = time.monotonic() < self._open_at  # the provider had enough meanwhile
        for waiting, moment in zip_longest(asking, [] if is_over else taken.moments):
            if moment is None:
                heapq.heappush(self._line, waiting)
            elif not waiting.future.done():
                self._written.discard(waiting.turn)
                waiting.future.set_result(moment)

    def _plan(self, asking: list[_Waiting], taken: Taken) -> None:
        """When to ask again."""
        now = time.monotonic()
        self._free_at = taken.free_at
        self._ask_at = max(now + _GAP_S, taken.free_at - _SPARE_S)
        if taken.next_at is None:
            return
        if taken.next_at - now > _LONG_S:
            self._open_at = max(self._open_at, taken.next_at)
        within_s = self._within_s(asking[len(taken.moments)])
        self._ask_at = taken.next_at - within_s + _AT_ONCE_S - random.uniform(0, _SPREAD_S)  # noqa: S311

    def _take_back(self) -> None:
        for waiting in self._line:
            waiting.future.cancel()

    def _first_in_line(self) -> list[_Waiting]:
        """As many as may find moments that are near enough."""
        found: list[_Waiting] = []
        ahead_s = 0.0
        while _is_anybody(self._line) and ahead_s <= self._within_s(self._line[0]):
            found.append(heapq.heappop(self._line))
            ahead_s += self._longest_s(found[-1].turn)
        return found

    def _within_s(self, waiting: _Waiting) -> float:
        return _SPARE_S + _AT_ONCE_S + waiting.is_hurried * _HURRIED_S

    def _longest_s(self, turn: Turn) -> float:
        return max(self._takes_s(turn.estimate).values(), default=0.0)

    def _takes_s(self, estimate: Estimate) -> dict[str, float]:
        """By unit that is limited, how long nobody else may leave after such a request."""
        amounts = {"requests": 1, "images": estimate.images, "tokens": estimate.tokens}
        return {
            unit: amounts[unit] * _MINUTE_S / (limit * _SHARE * self._factor)
            for unit, limit in self._limited.items()
            if amounts[unit]
        }

    def _waiting(self, turn: Turn) -> _Waiting:
        return _Waiting(turn.priority, next(self._numbers), turn, asyncio.get_running_loop().create_future())

    def _told(self, telling: "asyncio.Future[None]") -> None:
        self._telling.discard(telling)
        if not telling.cancelled() and (exc := telling.exception()) is not None:
            _log.warning("the other workers could not be told to slow down: %s", exc)


def _is_anybody(line: list[_Waiting]) -> bool:
    while line and line[0].future.done():
        heapq.heappop(line)
    return bool(line)


def _limited(limits: RateLimits) -> dict[str, float]:
    return {unit: limit for unit, limit in asdict(limits).items() if limit is not None}
