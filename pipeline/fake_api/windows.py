"""Rate limits as strict as they can be: no 60 seconds hold more than the limit."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

WINDOW_S = 60.0


@dataclass(slots=True)
class Window:
    """What was taken in the last 60 seconds, as (moment, amount)."""

    taken: deque[tuple[float, float]] = field(default_factory=deque)
    total: float = 0

    def wait_s(self, amount: float, limit: float, moment: float) -> float:
        """Seconds until this amount fits; 0 if it does now."""
        while self.taken and self.taken[0][0] <= moment - WINDOW_S:
            self.total -= self.taken.popleft()[1]
        excess = self.total + amount - limit
        if excess <= 0:
            return 0
        for at, part in self.taken:
            excess -= part
            if excess <= 0:
                return at + WINDOW_S - moment
        return WINDOW_S

    def take(self, amount: float, moment: float) -> None:
        """Count it."""
        self.taken.append((moment, amount))
        self.total += amount

    def empty_in_s(self, moment: float) -> float:
        """Seconds until nothing is counted any more."""
        return self.taken[-1][0] + WINDOW_S - moment if self.taken else 0


class Windows:
    """The windows of every key.

    Args:
        clock: Gives seconds, and never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], Window] = {}

    def take(
        self, key: str, amounts: Mapping[str, tuple[float, float | None]], *, is_counted: bool = True
    ) -> tuple[float, dict[str, str]]:
        """Take these amounts, all or none; gives the seconds to wait (0 if they fit) and the headers to answer with.

        Args:
            key: Whose.
            amounts: By name, the amount and the limit per minute (None for none).
            is_counted: Whether they are taken if they fit.
        """
        limited = {name: (amount, limit) for name, (amount, limit) in amounts.items() if limit is not None}
        if not limited:
            return 0, {}
        moment = self._clock()
        windows = {name: self._windows.setdefault((key, name), Window()) for name in limited}
        wait_s = max(windows[name].wait_s(amount, limit, moment) for name, (amount, limit) in limited.items())
        if is_counted and not wait_s:
            for name, (amount, _) in limited.items():
                windows[name].take(amount, moment)
        headers = {}
        for name, (_, limit) in limited.items():
            headers[f"x-ratelimit-limit-{name}"] = f"{limit:.15g}"
            headers[f"x-ratelimit-remaining-{name}"] = f"{max(0, limit - windows[name].total):.15g}"
            headers[f"x-ratelimit-reset-{name}"] = f"{rounded_up(windows[name].empty_in_s(moment)):.15g}s"
        return wait_s, headers


def rounded_up(wait_s: float) -> float:
    """To whole milliseconds: somebody who waits as long as he is told is never too early."""
    return math.ceil(wait_s * 1000) / 1000
