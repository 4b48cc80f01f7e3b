"""The desk's ledger held against the fake service's: what was paid, for what, and how often."""

import os
import time
from collections import Counter
from typing import Any

import httpx

from pipeline.desk import Desk
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.store.reading import EditFilter


def environment(url: str) -> dict[str, str]:
    """Of a command that sends its edits to the fake service; no detector looks."""
    ours = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": f"{url}/v1"}
    return {**os.environ, **ours, "PICTUREDESK_DETECTORS": "[]", "PICTUREDESK_WORKERS": "1"}


def settled_books(url: str) -> dict[str, Any]:
    """The service's books once it has finished what a killed client left behind."""
    books: dict[str, Any] = {}
    while (now := httpx.get(f"{url}/fake/ledger").json()) != books:
        books = now
        time.sleep(1)
    return books


def compare(desk: Desk, books: dict[str, Any]) -> tuple[Counter[EditState], list[str]]:
    """Where the edits are, and each request whose money the two ledgers tell differently."""
    billed: Counter[str] = Counter()
    for entry in books["entries"]:
        billed[entry["client_id"]] += entry["cost_microusd"]
    states: Counter[EditState] = Counter()
    problems, known, booked = [], set(), reading.booked(desk.db)
    for edit in reading.each_edit(desk.db, EditFilter()):
        states[edit.state] += 1
        paid_knowingly = 0
        for attempt in reading.attempts(desk.db, edit.id):
            known.add(attempt.client_id)
            is_paid = attempt.client_id in billed
            paid_knowingly += is_paid and attempt.state != "lost"
            price = booked[attempt.client_id].microusd  # None: an answer that did not say what it cost
            if attempt.state != "lost" and price not in (None, billed[attempt.client_id]):
                problems.append(f"{edit.asset.name}: {attempt.state} for {attempt.cost_microusd}, billed {is_paid}")
        if paid_knowingly > 1:
            problems.append(f"{edit.asset.name}: paid {paid_knowingly} times")
    problems += [f"{client_id}: billed, and unknown to the desk" for client_id in billed.keys() - known]
    return states, problems
