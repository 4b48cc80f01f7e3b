"""A worker among others: it says that it lives, and sees who does so no more.

In a thread of its own, so that a busy loop is not taken for death. Somebody is dead whose beat has not changed for
three seconds of this machine's steady clock, or at once if it was a process of this machine that is gone.
"""

import os
import platform
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.errors import StoreError
from pipeline.store import Database, workers
from pipeline.store.workers import WorkerRecord

BEAT_S = 1.0
SILENT_S = 3.0
LATELY_S = 15.0
_MAY_BE_TAKEN_FOR_DEAD_S = 2.0
"""Whoever has not been heard for so long asks before it sends."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(slots=True)
class _Heard:
    beaten_at: datetime
    at_s: float


class Crew:
    """The living workers of a desk, as one of them sees them.

    Args:
        db: The desk's database.
        name: This one's name, the owner of what it works on.
    """

    def __init__(self, db: Database, name: str) -> None:
        self._db = db
        self._name = name
        self._heard: dict[str, _Heard] = {}
        self._silent: list[WorkerRecord] = []
        self._is_left = False
        self._beaten_at_s = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._live, name="crew", daemon=True)

    def join(self) -> None:
        """Become one of them.

        Raises:
            StoreError: The database cannot be written.
        """
        self._beat()
        self._listen()
        self._thread.start()

    def leave(self) -> None:
        """Be one of them no longer; what this one still has is left to the others."""
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()
            workers.leave(self._db, self._name)

    def silent(self) -> list[WorkerRecord]:
        """Those whose work is to be taken over; asked for once, they are watched anew."""
        found, self._silent, self._is_left = self._silent, [], False
        return found

    @property
    def has_left_work(self) -> bool:
        """Whether somebody's work may have to be taken over."""
        return bool(self._silent) or self._is_left

    @property
    def is_heard(self) -> bool:
        """Whether nobody can have taken this one for dead."""
        return _now_s() - self._beaten_at_s < _MAY_BE_TAKEN_FOR_DEAD_S

    def _live(self) -> None:
        while not self._is_over.wait(BEAT_S):
            try:
                self._beat()
                self._listen()
            except StoreError:  # while nobody can be heard, nobody is silent
                self._heard.clear()

    def _beat(self) -> None:
        began = _now_s()
        workers.beat(self._db, self._name, host=_host(), pid=os.getpid())
        self._beaten_at_s = began

    def _listen(self) -> None:
        present = {each.name: each for each in workers.all_workers(self._db) if each.name != self._name}
        self._is_left = self._is_left or not self._heard.keys() <= present.keys()
        self._heard = {name: heard for name, heard in self._heard.items() if name in present}
        self._silent = [each for each in present.values() if self._is_silent(each)]

    def _is_silent(self, other: WorkerRecord) -> bool:
        heard = self._heard.get(other.name)
        if heard is None or heard.beaten_at != other.beaten_at:
            self._heard[other.name] = _Heard(other.beaten_at, _now_s())
            return is_gone(other)
        return is_gone(other) or _now_s() - heard.at_s >= SILENT_S


def living(db: Database) -> list[WorkerRecord]:
    """Workers that were heard lately, as far as the clocks of their machines and of this one agree."""
    lately = datetime.now(UTC) - timedelta(seconds=LATELY_S)
    return [each for each in workers.all_workers(db) if each.beaten_at > lately and not is_gone(each)]


def is_gone(worker: WorkerRecord) -> bool:
    """Whether it was a process of this machine that has ended; who is elsewhere, or has its number anew, may live."""
    if worker.host != _host():
        return False
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _host() -> str:
    return platform.node()


def _now_s() -> float:
    """Steady, and running on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)
