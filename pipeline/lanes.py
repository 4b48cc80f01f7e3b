"""One provider as the runner sees it: its pace, what it has in hand, and what waits for its answer."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.desk import Desk
from pipeline.limits import Gate
from pipeline.opening import open_provider
from pipeline.pool import WorkPool
from pipeline.providers import Provider
from pipeline.records import EditRecord
from pipeline.store import running
from pipeline.store.journal import Journal
from pipeline.store.pacing import Pace
from pipeline.values import Handle

_AHEAD = 64


@dataclass(frozen=True, slots=True)
class Parked:
    """A request that was accepted and is answered later.

    Attributes:
        key: Names the request by its content.
        since: When it was sent.
    """

    attempt_id: int
    edit_id: int
    key: str
    handle: Handle
    since: datetime


@dataclass(slots=True)
class Lane:
    """A provider at work.

    Attributes:
        provider: Who makes the edits.
        gate: How fast, and how many at once.
        limit: How many requests it may have at once.
        ready: Claimed edits that have not begun.
        active: Edits that are being prepared, sent, or looked at.
        parked: Requests that wait for their answer, by attempt.
        watcher: Asks for the answers of what is parked.
        is_dry: Whether nothing more was queued when last asked.
    """

    provider: Provider
    gate: Gate
    limit: int
    ready: deque[EditRecord] = field(default_factory=deque)
    active: int = 0
    parked: dict[int, Parked] = field(default_factory=dict)
    watcher: "asyncio.Task[None] | None" = None
    is_dry: bool = False

    @property
    def room(self) -> int:
        """How many more edits may begin now: some are prepared and looked at while others are at the provider."""
        return self.limit + min(self.limit, _AHEAD) - self.active - len(self.parked)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is claimed, made or waited for."""
        return not (self.ready or self.active or self.parked)


class DeskMemory:
    """What one provider remembers, kept in the desk."""

    def __init__(self, journal: Journal, desk: Desk, provider: str) -> None:
        self._journal = journal
        self._desk = desk
        # The Files API is one, whether an edit goes by request or by batch.
        self._provider = provider.removesuffix("-batch")

    async def recall(self, name: str) -> str | None:
        """What was remembered under this name, unless it has expired."""
        return running.recall(self._desk.db, self._provider, name)

    async def remember(self, name: str, value: str, *, expires_at: datetime | None) -> None:
        """Keep a value under a name."""
        await self._journal.run(running.remember, self._provider, name, value, expires_at=expires_at)


def open_lane(desk: Desk, name: str, pool: WorkPool, journal: Journal) -> Lane:
    """A lane for the provider of that name."""
    provider = open_provider(desk, name, pool, DeskMemory(journal, desk, name))
    limit = provider.max_in_flight or desk.settings.concurrency
    pace = Pace(desk.db, f"{name} {provider.account}".strip())
    return Lane(provider, Gate(provider.limits, limit, pace), limit)


def parked_now(attempt_id: int, edit_id: int, key: str, handle: Handle) -> Parked:
    """A request that was accepted this moment."""
    return Parked(attempt_id, edit_id, key, handle, datetime.now(UTC))
