"""Shares of a count, with how sure they are."""

import math
from collections.abc import Callable
from functools import lru_cache

_Z = 1.96
"""Of 95 %."""

_REMEMBERED = 256
"""Bounds: the policy asks for the same ones for each edit that it approves."""


def share(part: int, whole: int) -> float:
    """Part of whole; 0 of nothing."""
    return part / whole if whole else 0.0


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95 % interval of a share; (0, 1) of nothing. Wilson 1927, doi 10.1080/01621459.1927.10502953."""
    if not whole:
        return 0.0, 1.0
    found = part / whole
    middle = (found + _Z * _Z / (2 * whole)) / (1 + _Z * _Z / whole)
    half = _Z / (1 + _Z * _Z / whole) * math.sqrt(found * (1 - found) / whole + _Z * _Z / (4 * whole * whole))
    return max(0.0, middle - half), min(1.0, middle + half)


def lift(part: int, whole: int, other_part: int, other_whole: int) -> tuple[float, tuple[float, float]] | None:
    """How many times as large the first share is as the other, with its 95 % interval; None if either part is 0.

    The interval is of the ratio's logarithm: Katz et al. 1978, doi 10.2307/2530610.
    """
    if not part or not other_part:
        return None
    ratio = (part / whole) / (other_part / other_whole)
    spread = _Z * math.sqrt(1 / part - 1 / whole + 1 / other_part - 1 / other_whole)
    return ratio, (ratio * math.exp(-spread), ratio * math.exp(spread))


@lru_cache(maxsize=_REMEMBERED)
def at_most(part: int, whole: int, sureness: float = 0.95) -> float:
    """The share that a whole has at most, seen ``part`` of ``whole``, with that sureness; 1 of nothing.

    Exact and one-sided: 0 of 300 is at most 1 % at 95 %. Clopper and Pearson 1934, doi 10.1093/biomet/26.4.404.
    """
    if part >= whole:
        return 1.0
    return _solved(lambda share: _chance_of_at_most(part, whole, share) - (1 - sureness))


@lru_cache(maxsize=_REMEMBERED)
def at_least(part: int, whole: int, sureness: float = 0.95) -> float:
    """The share that a whole has at least, seen ``part`` of ``whole``, with that sureness; 0 of nothing."""
    if not part:
        return 0.0
    # Not by the share of the others: the terms of the sum would be as many as they are.
    return _solved(lambda share: _chance_of_at_most(part - 1, whole, share) - sureness)


def _chance_of_at_most(part: int, whole: int, share: float) -> float:
    """Of a binomial draw. Decreases with the share; terms by logarithms, so that large counts do not underflow."""
    logs = (
        math.lgamma(whole + 1)
        - math.lgamma(k + 1)
        - math.lgamma(whole - k + 1)
        + k * math.log(share)
        + (whole - k) * math.log1p(-share)
        for k in range(part + 1)
    )
    return math.fsum(map(math.exp, logs))


def _solved(falling: Callable[[float], float]) -> float:
    """Where a function that falls on (0, 1) passes zero."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2
