"""How far an export is, told no more often than anybody looks."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

_EVERY_S: Final = 0.1


class ExportProgress(NamedTuple):
    """How far an export is.

    Attributes:
        step: ``writing``, or ``sending`` to a bucket.
        done: Pictures written, rows of a table alone, or files sent.
        total: Of how many; None if nobody knows.
    """

    step: str
    done: int
    total: int | None


class Teller:
    """Tells of a step: that it begins, at once.

    Args:
        tell: Whom.
        step: Which.
        total: Of how many; None if nobody knows.
    """

    def __init__(self, tell: Callable[[ExportProgress], None], step: str, total: int | None) -> None:
        self._tell = tell
        self._step = step
        self._total = total
        self._again_at = 0.0
        self(0)

    def __call__(self, done: int) -> None:
        """So many are done; the last one is told in any case."""
        now = time.monotonic()
        if now >= self._again_at or done == self._total:
            self._again_at = now + _EVERY_S
            self._tell(ExportProgress(self._step, done, self._total))
