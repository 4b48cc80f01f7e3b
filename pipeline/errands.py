"""What a worker does beside making edits: it works for help desks and empties the inbox, in threads of their own."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline import logs
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError

_LOOK_S = 2.0
_OF_TIME = 20
"""A look takes no more than one part in so many of a processor."""

_AFTER_AN_ERROR_S = 15.0
_SWEEP_EVERY = 1800
_END_S = 5.0


@contextmanager
def errands(desk: Desk) -> Iterator[None]:
    """Meanwhile, do what the desk's settings ask for besides; what is begun when it ends is done by the next worker."""
    is_over, threads = threading.Event(), []
    for name, run in (("tickets", _tickets), ("inbox", _inbox)):
        if getattr(desk.settings, name):
            threads.append(threading.Thread(target=_kept_up, args=(name, run, desk, is_over), name=name, daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        end = time.monotonic() + _END_S
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))


def _kept_up(name: str, run: Callable[[Desk, threading.Event], None], desk: Desk, is_over: threading.Event) -> None:
    """Begin again after an error, which is said once: the edits are made all the same."""
    said = ""
    while not is_over.is_set():
        try:
            run(desk, is_over)
        except Exception as exc:
            message = str(exc) if isinstance(exc, PicturedeskError) else f"{type(exc).__name__}: {exc}"
            if message != said and not is_over.is_set():
                said = message
                logs.say(f"{name}.stopped", message, level=logging.WARNING)
            is_over.wait(_AFTER_AN_ERROR_S)


def _tickets(desk: Desk, is_over: threading.Event) -> None:
    from pipeline.tickets.working import TicketWork

    work, rounds = TicketWork(desk), 0
    try:
        while not is_over.is_set():
            began = time.monotonic()
            if rounds % _SWEEP_EVERY == 0:
                work.sweep()
            work.step(is_over)
            rounds += 1
            _rest(began, is_over)
    finally:
        work.close()


def _inbox(desk: Desk, is_over: threading.Event) -> None:
    from pipeline.inbox import InboxWork

    assert desk.settings.inbox is not None
    work = InboxWork(desk, desk.settings.inbox)
    while not is_over.is_set():
        began = time.monotonic()
        for taken in work.step():
            logs.say("inbox.taken", batches=len(taken.batches), bad=len(taken.bad))
        _rest(began, is_over)


def _rest(began: float, is_over: threading.Event) -> None:
    is_over.wait(max(_LOOK_S, _OF_TIME * (time.monotonic() - began)))
