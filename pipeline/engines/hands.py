"""Workers that may die, and the calls that they are given: what every engine has in common.

Each worker has a thread, which hires it, gives it the next call that waits, and waits for what it comes to. A worker
carries out what it was given in that order, so when it dies, the oldest call is the one that it died over: that one is
counted, the others go back in front of the queue. Nothing here belongs to an event loop; several may use the same.
"""

import asyncio
import threading
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from pipeline.errors import PicturedeskError, WorkerCrashed

T = TypeVar("T")

MOST_DEATHS = 3
"""A call that so many workers died over is given up."""

_HIRE_AGAIN_S = 0.5

Outcome = tuple[bool, Any]
"""Whether the function returned, and what it returned or raised."""


class WorkerDied(Exception):
    """The worker is gone, with what it was doing."""


class Worker(Protocol):
    """One process, somewhere."""

    def ready(self) -> None:
        """Wait until it is.

        Raises:
            WorkerDied: It will never be.
        """

    def begin(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Hand it a call; it is carried out after those that it was handed before.

        Raises:
            WorkerDied: It is gone.
        """

    def finish(self) -> Outcome:
        """Wait for the oldest call that it was handed.

        Raises:
            WorkerDied: It is gone, and the oldest call is what it was doing.
        """

    def kill(self) -> None:
        """End it, from any thread and as often as one likes."""


@dataclass(eq=False, slots=True)
class _Call:
    function: Callable[..., Any]
    args: tuple[Any, ...]
    future: "Future[Any]" = field(default_factory=Future)
    is_begun: bool = False
    deaths: int = 0

    @property
    def is_wanted(self) -> bool:
        """Whether somebody still waits for it; from now on it cannot be taken back."""
        if not self.is_begun:
            self.is_begun = self.future.set_running_or_notify_cancel()
        return self.is_begun

    def settle(self, outcome: Outcome) -> None:
        is_good, value = outcome
        (self.future.set_result if is_good else self.future.set_exception)(value)

    def name(self) -> str:
        function = getattr(self.function, "func", self.function)
        return str(getattr(function, "__name__", function))


class Hands(ABC):
    """Workers that carry out calls, each begun again until it is done or has killed three of them.

    Args:
        most: How many workers there may be; each is hired when there is work for it.
        ahead: How many calls one may have been handed at a time; more than one hides how long a picture travels.
    """

    def __init__(self, most: int, *, ahead: int = 1) -> None:
        self.workers = most
        self._ahead = ahead
        self._change = threading.Condition()
        self._waiting: deque[_Call] = deque()
        self._seats: dict[threading.Thread, deque[_Call]] = {}
        self._hired: set[Worker] = set()
        self._idle = 0
        self._is_closing = False

    @abstractmethod
    def _hire(self) -> Worker:
        """A new worker; it may not be ready yet."""

    def submit(self, function: Callable[..., T], *args: Any) -> "Future[T]":  # noqa: ANN401 - passed through
        """What the function will have come to, computed by a worker; its exceptions come back as they are.

        The future raises `WorkerCrashed` if workers died three times over these arguments.
        """
        call = _Call(function, args)
        with self._change:
            self._is_closing = False
            self._waiting.append(call)
            self._staff()
            self._change.notify()
        return call.future

    async def run(self, function: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - passed through
        """The same, for whoever waits for it in an event loop."""
        return await asyncio.wrap_future(self.submit(function, *args))

    def close(self) -> None:
        """Stop the workers; what they were doing is lost, and may be repeated."""
        with self._change:
            self._is_closing = True
            waiting, seats = list(self._waiting), list(self._seats)
            self._waiting.clear()
            self._change.notify_all()
            for worker in self._hired:
                worker.kill()
        for call in waiting:
            call.future.cancel()
        for seat in seats:
            seat.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _staff(self) -> None:
        """More workers, if more calls wait than workers who have none, those included who are only just being hired."""
        free = sum(not begun for begun in self._seats.values())
        for _ in range(min(len(self._waiting) - free, self.workers - len(self._seats))):
            begun: deque[_Call] = deque()
            seat = threading.Thread(target=self._keep_seat, args=(begun,), daemon=True, name=type(self).__name__)
            self._seats[seat] = begun
            seat.start()

    def _keep_seat(self, begun: "deque[_Call]") -> None:
        worker: Worker | None = None
        hired_in_vain = 0
        while self._has_work(begun):
            try:
                if worker is None:
                    worker = self._new_worker()
                hired_in_vain = 0
                self._hand_over(worker, begun)
                if begun:
                    outcome = worker.finish()
                    begun.popleft().settle(outcome)
            except WorkerDied as exc:
                self._part_from(worker)
                worker = None
                hired_in_vain += not begun
                self._put_back(begun)
                if hired_in_vain >= MOST_DEATHS:
                    self._give_up(WorkerCrashed(f"workers die before they begin: {exc}"), begun)
            except Exception as exc:  # no worker can be had: whoever waits is told why, and none waits for ever
                self._part_from(worker)
                worker = None
                self._give_up(exc, begun)
        self._part_from(worker)

    def _has_work(self, begun: "deque[_Call]") -> bool:
        """Wait until there is something to do; False once there never will be."""
        with self._change:
            self._idle += 1
            while not (self._waiting or begun or self._is_closing):
                self._change.wait()
            self._idle -= 1
            if self._is_closing:
                del self._seats[threading.current_thread()]
                for call in begun:
                    call.settle((False, CancelledError()))
            return not self._is_closing

    def _new_worker(self) -> Worker:
        worker = self._hire()
        with self._change:
            self._hired.add(worker)
            if self._is_closing:
                worker.kill()
        try:
            worker.ready()
        except WorkerDied:
            self._part_from(worker)
            with self._change:
                self._change.wait_for(lambda: self._is_closing, _HIRE_AGAIN_S)
            raise
        with self._change:
            self._staff()
        return worker

    def _hand_over(self, worker: Worker, begun: "deque[_Call]") -> None:
        while (call := self._next(begun)) is not None:
            try:
                worker.begin(call.function, call.args)
            except WorkerDied:
                raise
            except Exception as exc:  # what cannot be sent is this call's misfortune alone
                begun.pop().settle((False, exc))

    def _next(self, begun: "deque[_Call]") -> _Call | None:
        """The next call for this worker: one if it has none, further ones only if no other worker waits for one."""
        with self._change:
            room = self._ahead if self._idle == 0 else 1
            while self._waiting and len(begun) < room:
                call = self._waiting.popleft()
                if call.is_wanted:
                    begun.append(call)
                    return call
        return None

    def _put_back(self, begun: "deque[_Call]") -> None:
        """What a dead worker had: the oldest is what it died over."""
        if begun:
            begun[0].deaths += 1
            if begun[0].deaths >= MOST_DEATHS:
                call = begun.popleft()
                call.settle((False, _crashed(call)))
        with self._change:
            if self._is_closing:
                return  # they are told when the seat is left
            self._waiting.extendleft(reversed(begun))
            self._change.notify_all()
        begun.clear()

    def _part_from(self, worker: Worker | None) -> None:
        if worker is not None:
            with self._change:
                self._hired.discard(worker)
            worker.kill()

    def _give_up(self, exc: Exception, begun: "deque[_Call]") -> None:
        with self._change:
            waiting = [*begun, *self._waiting]
            self._waiting.clear()
        begun.clear()
        for call in waiting:
            if call.is_wanted:
                call.settle((False, exc))


def carry_out(function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
    """Call the function, in a worker; where a mistake of ours was made travels as a note."""
    try:
        return True, function(*args)
    except Exception as exc:
        if not isinstance(exc, PicturedeskError):
            with suppress(Exception):
                exc.add_note(traceback.format_exc())
        return False, exc


def _crashed(call: _Call) -> WorkerCrashed:
    return WorkerCrashed(
        f"{call.name()} killed its worker process {MOST_DEATHS} times; the picture may be too large for the machine's "
        "memory, or damaged in a way that a library cannot take"
    )
