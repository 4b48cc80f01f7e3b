"""A provider's bill against the desk's books: what was lost on the way is settled to the millionth of a dollar.

Each request carries the desk's own name for it (``X-Client-Request-Id``, or ``custom_id`` in a batch), so a bill that
lists these names tells what every request in doubt cost, and which were never billed.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.states import EditState
from pipeline.store import ledger, reading
from pipeline.store.reading import EditFilter

_MOST_MICROUSD = 10**12


@dataclass(frozen=True, slots=True)
class Bill:
    """What a provider says that it billed for one of our requests.

    Attributes:
        client_id: Our name for the request.
        cost_microusd: What it billed.
    """

    client_id: str
    cost_microusd: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a bill came to.

    Attributes:
        billed: Requests that are charged now: they were in doubt, had no known price, or were booked as free.
        not_billed: Doubtful requests that were not billed.
        queued_again: Edits in doubt that cost nothing, and are to be sent again.
        still_doubtful: Requests that the bill does not tell of.
        strangers: Names on the bill that this desk does not know.
        differences: Requests that the desk booked at another amount: name, booked, billed (microusd).
    """

    billed: int
    not_billed: int
    queued_again: int
    still_doubtful: int
    strangers: tuple[str, ...]
    differences: tuple[tuple[str, int, int], ...]


def settle(desk: Desk, path: Path, *, is_complete: bool, actor: str, provider: str | None = None) -> Settlement:
    """Hold a bill against the books, and end the doubt about the requests that it tells of.

    Args:
        desk: The desk.
        path: JSON lines, a JSON object with ``entries``, or CSV; each entry with ``client_id`` and ``cost_microusd``
            (or ``cost_usd``).
        is_complete: Whether the bill has everything that was billed until now: what it does not list cost nothing.
        actor: Who brought it.
        provider: Whose bill it is; whoever has a request on it if None.

    Raises:
        UsageError: The bill cannot be read, or says nothing of this desk and is said to be complete.
    """
    totals: dict[str, int] = {}
    for bill in read_bill(path):
        totals[bill.client_id] = totals.get(bill.client_id, 0) + bill.cost_microusd
    known = reading.booked(desk.db)
    doubtful = ledger.doubtful(desk.db)
    whose = {_account(provider)} if provider else {_account(known[name].provider) for name in totals if name in known}
    if is_complete and not whose:
        raise UsageError(
            f"{path}: no request of this desk is on it, so nothing was settled; if it is true that a provider billed "
            "nothing, say which one with --provider"
        )
    absent = [name for name, sent_to in doubtful.items() if _account(sent_to) in whose and name not in totals]
    differences = tuple(
        (name, booked, total)
        for name, total in sorted(totals.items())
        if name in known and name not in doubtful and (booked := known[name].microusd) not in (None, 0, total)
    )
    billed, not_billed = ledger.settle(desk.db, totals, actor=actor, not_billed=absent if is_complete else ())
    return Settlement(
        billed=billed,
        not_billed=not_billed,
        queued_again=_queue_unpaid(desk, actor),
        still_doubtful=len(ledger.doubtful(desk.db)),
        strangers=tuple(sorted(set(totals) - set(known))),
        differences=differences,
    )


def _account(provider: str) -> str:
    """Who writes the bill: a provider and its batches are on one."""
    return provider.removesuffix("-batch")


def read_bill(path: Path) -> Iterator[Bill]:
    """The entries of a bill.

    Raises:
        UsageError: It cannot be read; says which line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: {exc}; give the bill as JSON lines or CSV, UTF-8") from exc
    for number, entry in _entries(text, path):
        try:
            usd = entry.get("cost_usd")
            amount = Decimal(str(usd)) * 1_000_000 if usd not in (None, "") else Decimal(str(entry["cost_microusd"]))
            if not 0 <= amount <= _MOST_MICROUSD:
                raise ValueError("no amount that a request can cost")
            yield Bill(str(entry["client_id"]), int(amount.to_integral_value()))
        except (AttributeError, KeyError, TypeError, InvalidOperation, ValueError) as exc:
            raise UsageError(
                f"{path}, entry {number}: found {str(entry)[:100]}; expected client_id, and cost_microusd or cost_usd "
                "from 0 to a million dollars"
            ) from exc


def _entries(text: str, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not text.strip():
        return
    if text.lstrip()[:1] not in ("{", "["):
        rows = csv.DictReader(io.StringIO(text))
        if "client_id" not in (rows.fieldnames or ()):
            raise UsageError(f"{path}: found no column client_id; expected client_id, and cost_usd or cost_microusd")
        yield from enumerate(rows, start=1)
        return
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, dict) and "entries" in whole:
        whole = whole["entries"]
    if isinstance(whole, list):
        yield from enumerate(whole, start=1)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise UsageError(f"{path}, line {number}: no JSON ({exc})") from exc


def _queue_unpaid(desk: Desk, actor: str) -> int:
    """Queue the edits in doubt again whose requests turned out to cost nothing: nobody pays twice for them."""
    queued = 0
    for edit_id in reading.edit_ids(desk.db, EditFilter(states=frozenset({EditState.IN_DOUBT}))):
        attempts = reading.attempts(desk.db, edit_id)
        if all(attempt.state != "lost" and not attempt.cost_microusd for attempt in attempts):
            ledger.queue_doubtful(desk.db, edit_id, actor=actor)
            queued += 1
    return queued
