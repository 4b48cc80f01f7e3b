"""How often somebody may ask: a bucket for each, which fills as time passes."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_REMEMBERED = 10_000
"""Callers; one that is forgotten has a full bucket again."""


class Rates:
    """Counts the requests of each caller, in this process.

    Args:
        per_minute: How many each may make; as many at once, after a minute of silence.
        clock: Seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count one request; gives 0 if it may be made, or else the seconds until one may."""
        with self._lock:
            now = self._clock()
            left, at = self._left.pop(caller, (self._most, now))
            left = min(self._most, left + (now - at) * self._most / 60)
            wait_s = 0.0 if left >= 1 else (1 - left) * 60 / self._most
            self._left[caller] = (left - 1 if left >= 1 else left), now
            if len(self._left) > _REMEMBERED:
                self._left.popitem(last=False)
            return wait_s
