"""What a worker does beside making edits: it works for help desks, in a thread of its own."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import logs
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError

_LOOK_S = 2.0
_AFTER_AN_ERROR_S = 15.0
_SWEEP_EVERY = 1800
_END_S = 5.0


@contextmanager
def errands(desk: Desk) -> Iterator[None]:
    """Meanwhile, do what the desk's settings ask for besides; what is begun when it ends is done by the next worker."""
    if not desk.settings.tickets:
        yield
        return
    is_over = threading.Event()
    thread = threading.Thread(target=_run, args=(desk, is_over), name="errands", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(_END_S)


def _run(desk: Desk, is_over: threading.Event) -> None:
    from pipeline.tickets.working import TicketWork

    work, rounds, said = TicketWork(desk), 0, ""
    while not is_over.is_set():
        wait_s = _LOOK_S
        try:
            if rounds % _SWEEP_EVERY == 0:
                work.sweep()
            work.step(is_over)
        except Exception as exc:  # the edits are made all the same
            wait_s = _AFTER_AN_ERROR_S
            message = str(exc) if isinstance(exc, PicturedeskError) else f"{type(exc).__name__}: {exc}"
            if message != said and not is_over.is_set():
                said = message
                logs.say("errands.stopped", message, level=logging.WARNING)
        rounds += 1
        is_over.wait(wait_s)
    work.close()
