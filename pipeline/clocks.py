"""Clocks of other machines, held against ours."""

from datetime import datetime


def ahead_s(said: datetime, *, asked: datetime, answered: datetime) -> float:
    """How far another clock is surely ahead of ours, in seconds; below 0 it is behind.

    Args:
        said: What it said, at some moment between the two others.
        asked: By our clock, before the question.
        answered: By our clock, after the answer.
    """
    if said > answered:
        return (said - answered).total_seconds()
    return min(0.0, (said - asked).total_seconds())
