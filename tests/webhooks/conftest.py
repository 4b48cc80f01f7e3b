"""A desk that may send to loopback, and a clock that a test puts forward."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.desk import Desk
from pipeline.webhooks.sending import Sender
from tests.desks import build_desk
from tests.webhooks.receiver import Receiver

PAGE = "https://desk.example.com"


class Clock:
    """Stands still unless it is put forward."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, **span: float) -> None:
        self.now += timedelta(**span)


def opened(root: Path) -> Desk:
    """The small desk: five edits in review, of which one is refused, and one approved by the policy."""
    build_desk(root).close()
    return Desk.open(root, allow_private_webhooks=True, page_url=PAGE)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = opened(tmp_path / "desk")
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


def send(desk: Desk, clock: Clock | None = None, *, timeout_s: float = 5) -> int:
    """Send all that is due at the clock's time."""
    return asyncio.run(Sender(desk, clock=clock, timeout_s=timeout_s).once())
