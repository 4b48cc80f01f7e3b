"""Rate limits as strict as they can be: no 60 seconds hold more than the limit."""

import time
from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 60.0


@dataclass(slots=True)
class Window:
    """What was taken in the last 60 seconds."""

    taken: deque[tuple[float, float]] = field(default_factory=deque)
    total: float = 0

    def wait_s(self, amount: float, limit: float) -> float:
        """Seconds until this amount fits; 0 if it does now."""
        moment = time.monotonic()
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

    def take(self, amount: float) -> None:
        """Count it."""
        self.taken.append((time.monotonic(), amount))
        self.total += amount


class Windows:
    """The windows of every key."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], Window] = {}

    def take(self, key: str, amounts: dict[str, tuple[float, float | None]]) -> tuple[float, dict[str, str]]:
        """Take these amounts, all or none; gives the seconds to wait (0 if taken) and the headers to answer with.

        Args:
            key: Whose.
            amounts: By name, the amount and the limit per minute (None for none).
        """
        limited = {name: (amount, limit) for name, (amount, limit) in amounts.items() if limit is not None}
        windows = {name: self._windows.setdefault((key, name), Window()) for name in limited}
        wait_s = max((windows[name].wait_s(*pair) for name, pair in limited.items()), default=0)
        if not wait_s:
            for name, (amount, _) in limited.items():
                windows[name].take(amount)
        headers = {}
        for name, (_, limit) in limited.items():
            headers[f"x-ratelimit-limit-{name}"] = f"{limit:g}"
            headers[f"x-ratelimit-remaining-{name}"] = f"{max(0, limit - windows[name].total):g}"
        return wait_s, headers
