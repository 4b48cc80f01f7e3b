"""When to try again: soon, then later and later, over a day."""

import random

MOST_TRIES = 11
"""The waits between them come to 25.6 hours, give or take the jitter."""

_FIRST_S = 5.0
_TIMES = 4.0
_LONGEST_S = 6 * 3600.0
_LONGEST_PAUSE_S = 300.0
_JITTER = 0.2


def wait_s(tries: int) -> float | None:
    """Seconds after the try with that number, the first being 1: 5, 20, 80 and so on up to 6 hours; None at the end."""
    if tries >= MOST_TRIES:
        return None
    return _about(min(_FIRST_S * _TIMES ** (tries - 1), _LONGEST_S))


def pause_s(failures: int) -> float:
    """Seconds in which nothing is sent to a receiver that failed so often in a row: 5, 10, 20 and so on up to 300."""
    return _about(min(_FIRST_S * 2.0 ** min(failures - 1, 30), _LONGEST_PAUSE_S))


def _about(seconds: float) -> float:
    """A little more or less, so that what failed together does not come back together."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
