"""Whether the history is as it was written: no event or decision changed, removed, added or put elsewhere."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.desk import Desk
from pipeline.errors import StoreError, UsageError
from pipeline.records import EventRecord
from pipeline.store import chain, reading
from pipeline.store.chain import History, Link, Record

MOST_BREAKS = 20

_TELLS_SAMPLES = ("is_sample", "reasons")


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes:
        events: How many there are.
        decisions: How many there are.
        head: The hash of the last event: noted elsewhere, it vouches for everything before it.
        holds_expected: Whether the chain holds the hash that was noted; None if none was given.
        breaks: Where the history is not as it was written: the first twenty places.
    """

    events: int
    decisions: int
    head: str
    holds_expected: bool | None
    breaks: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.breaks and self.holds_expected is not False


def latest(
    desk: Desk,
    *,
    kind: str | None = None,
    actor: str | None = None,
    edit_id: int | None = None,
    before: int | None = None,
    limit: int = 1000,
) -> list[EventRecord]:
    """What happened last, newest first, as anybody may read it: nothing tells a sampled edit from another.

    Args:
        desk: The desk.
        kind: How the kinds begin, as in ``edit.``.
        actor: By this person, runner or policy.
        edit_id: To this edit.
        before: Before the event with this id.
        limit: The most to give.
    """
    found = reading.latest_events(desk.db, kind=kind, actor=actor, edit_id=edit_id, before=before, limit=limit)
    return [
        replace(event, data={name: value for name, value in event.data.items() if name not in _TELLS_SAMPLES})
        for event in found
    ]


def verify(desk: Desk, *, expected: str | None = None) -> Audit:
    """Read the whole history and hold every event and decision against its hash; memory stays flat.

    Args:
        desk: The desk.
        expected: A head that was noted before: the history up to it must be as it was.
    """
    with chain.history(desk.db) as history:
        return verify_history(history, expected=expected)


def verify_history(history: History, *, expected: str | None = None) -> Audit:
    """The same, of a history in somebody's transaction."""
    decisions = _Decisions(history.records())
    events, last, holds, breaks = 0, chain.ORIGIN, expected == chain.ORIGIN, []
    for link in history.links():
        if link.hash_after(last) != link.hash:
            breaks.append(
                f"event {link.id} does not follow from the one before it: it was changed, or events before it were "
                "changed, removed or put elsewhere"
            )
        breaks += decisions.check(link)
        events, last = events + 1, link.hash
        holds = holds or link.hash == expected
    breaks += decisions.rest()
    if (history.end.hash, history.end.length) != (last, events):
        breaks.append(f"{history.end.length} events were written and {events} are there: the last ones were removed")
    return Audit(events, decisions.count, last, None if expected is None else holds, tuple(breaks[:MOST_BREAKS]))


def verify_apart(desk: Desk, *, expected: str | None = None) -> Audit:
    """The same in a process of its own, so that a long history keeps nobody waiting who is served by this one.

    Raises:
        UsageError: What is expected is no hash.
        StoreError: The history could not be read.
    """
    if expected is not None and not re.fullmatch("[0-9a-f]{64}", expected):
        raise UsageError(f"found {expected!r}; expected a hash as this page shows it: 64 digits and letters a to f")
    command = [sys.executable, "-m", "pipeline.cli", "--desk", str(desk.root), "audit", "verify", "--json"]
    if expected is not None:
        command.append(f"--expect={expected}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    try:
        found = json.loads(done.stdout)
    except ValueError as exc:
        raise StoreError(f"the history could not be read: {done.stderr.strip()}") from exc
    del found["whole"]
    return Audit(**{**found, "breaks": tuple(found["breaks"])})


class _Decisions:
    """Decisions in order, held against the events that recorded them."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self._next = next(records, None)
        self.count = 0

    def check(self, link: Link) -> list[str]:
        """What is wrong with the decisions that this event recorded."""
        if link.vouches_for is not None:
            many, sum_of_all = link.vouches_for
            hashes = [record.hash for record in (self._take() for _ in range(many)) if record is not None]
            if chain.records_hash(hashes) == sum_of_all:
                return []
            return [f"the {many} decisions before event {link.id} are not as they were"]
        if link.record is None:
            return []
        found = self._next
        if found is None or found.edit_id != link.edit_id:
            return [f"the decision of event {link.id} on edit {link.edit_id} was removed"]
        self._take()
        if found.hash != link.record:
            return [f"decision {found.id} on edit {found.edit_id} is not as event {link.id} recorded it"]
        return []

    def rest(self) -> list[str]:
        """Decisions that no event recorded."""
        added = []
        while (record := self._take()) is not None:
            added.append(f"decision {record.id} on edit {record.edit_id} was recorded by no event")
        return added

    def _take(self) -> Record | None:
        taken, self._next = self._next, next(self._records, None)
        self.count += taken is not None
        return taken
