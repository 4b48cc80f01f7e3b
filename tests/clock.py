"""The desk's own time, set by hand: what happened over weeks is written in seconds, and its history stays whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, tzinfo
from typing import Self
from unittest.mock import patch


class Clock:
    """Stands where it was set.

    Args:
        moment: With a time zone.
    """

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self, zone: tzinfo) -> datetime:
        """What `datetime.now` gives."""
        return self.moment.astimezone(zone)

    def go_on(self, **span: float) -> Self:
        """Put it forward by so much, as `timedelta` takes it."""
        self.moment += timedelta(**span)
        return self


@contextmanager
def set_clock(moment: datetime) -> Iterator[Clock]:
    """Let the store write this moment for now; nothing else is touched."""
    clock = Clock(moment)
    with patch("pipeline.tables.datetime", clock):
        yield clock
