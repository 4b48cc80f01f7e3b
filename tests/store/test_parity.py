"""One desk on both databases: whatever is asked of it, the answers are the same."""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.desk import Desk
from pipeline.states import DecisionKind, EditState
from pipeline.store import (
    Database,
    access,
    batching,
    deciding,
    exporting,
    insights,
    reading,
    routed,
    searching,
    spending,
    tallies,
)
from pipeline.store.exporting import ApprovedRow
from pipeline.store.insights import By, Counted
from pipeline.store.reading import EditFilter
from pipeline.store.spending import CostBy
from pipeline.tables import Table
from pipeline.values import Change, Kind
from tests import postgres
from tests.decided_desk import ADA

BATCH = 1
SOME = (1, 2, 30, 999)
HIGHEST = EditFilter(states=frozenset({EditState.IN_REVIEW, EditState.APPROVED}), batch_id=BATCH)
FILTERS = (
    EditFilter(),
    HIGHEST,
    EditFilter(kind=Kind.TEXT, change=Change.ALTERED),
    EditFilter(recipe="render-text", name_has="MUG", provider="openai"),
    EditFilter(asked_by=ADA.name),
    EditFilter(asset_name="mug-render-000"),
)
COUNTED = (Counted(), Counted(batch_id=BATCH, since=date(2026, 11, 3), until=date(2026, 11, 12), provider="openai"))

CHANGES = {
    "pause",
    "resume",
    "cancel",
    "set_budget",
    "set_destinations",
    "record_stop",
    "clear_stop",
    "set_role",
    "remove_person",
}
CHANGES |= {"add_token", "revoke_token", "record_export", "decide", "undo"}
SAID_BY_OTHERS = {"in_order", "filtered", "batch_record"}
"""Parts of questions."""


def _exported(db: Database) -> list[Any]:
    with exporting.approved(db, None) as found:
        return [
            (batch, [_told_alike(row) for row in rows])
            for is_whole in (False, True)
            for batch, rows in found.pages(is_whole=is_whole)
        ]


def _told_alike(row: ApprovedRow) -> list[Any]:
    """Of moments the first letters are read, of lists what is in them: the two databases write them differently."""
    lists = {"made": json.loads(row.made), "flags": sorted(row.flags or ()), "rounds": sorted(row.rounds or ())}
    return [_MOMENT.sub(r"\1", cell) if isinstance(cell, str) else cell for cell in {**row._asdict(), **lists}.values()]


_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?(\+00)?$")


QUESTIONS: dict[str, Callable[[Database], Any]] = {
    "batches": reading.batches,
    "batch_names": reading.batch_names,
    "batch_names_by_id": reading.batch_names_by_id,
    "batch_named": lambda db: reading.batch_named(db, reading.batch_names(db)[-1]),
    "batch_id": lambda db: reading.batch_id(db, reading.batch_names(db)[0]),
    "count_edits": lambda db: [reading.count_edits(db, each, most=most) for each in FILTERS for most in (None, 7)],
    "edit_ids": lambda db: [reading.edit_ids(db, each, after=5, limit=40) for each in FILTERS],
    "edits": lambda db: reading.edits(db, SOME),
    "edit": lambda db: reading.edit(db, 30),
    "each_edit": lambda db: list(reading.each_edit(db, HIGHEST)),
    "each_routed": lambda db: list(reading.each_routed(db)),
    "last_round": lambda db: [reading.last_round(db, edit_id) for edit_id in (*SOME, 2**64)],
    "rounds": lambda db: reading.rounds(db, 3),
    "decisions": lambda db: reading.decisions(db, range(1, 60)),
    "events": lambda db: reading.events(db, SOME),
    "latest_events": lambda db: reading.latest_events(db, kind="Edit.", actor=ADA.name, before=900, limit=40),
    "picture": lambda db: reading.picture(db, reading.edit(db, 1).outputs[0].picture.sha256),
    "attempts": lambda db: [reading.attempts(db, edit_id) for edit_id in SOME],
    "booked": reading.booked,
    "sample_counts": lambda db: reading.sample_counts(db, reading.decisions(db, range(1, 60))[0].policy_hash),
    "recipes_in_use": reading.recipes_in_use,
    "search": lambda db: [searching.search(db, each, before=250, limit=30) for each in FILTERS],
    "decided_edits": lambda db: list(routed.decided_edits(db, last=150)),
    "approved_edits": lambda db: spending.approved_edits(db, batch_id=BATCH),
    "approved": _exported,
    "costs": lambda db: [spending.costs(db, by, batch_id=each) for by in CostBy for each in (None, BATCH)],
    "purses": lambda db: spending.purses(db, ["batch:1", "batch:2", "month:2026-11", "month:1999-01"]),
    "ledger_lines": lambda db: [list(spending.ledger_lines(db, batch_id=each)) for each in (None, BATCH)],
    "under_way": batching.under_way,
    "number_of": lambda db: [batching.number_of(db, name) for name in (*reading.batch_names(db), "none")],
    "name_of": lambda db: [batching.name_of(db, number) for number in (1, 2, 99)],
    "next_round": lambda db: [deciding.next_round(db, number) for number in range(1, 60)],
    "newest": lambda db: batching.newest(db, before=3, limit=9),
    "figures": lambda db: batching.figures(db, [2, 1, 3]),
    "destinations_of": lambda db: [
        batching.destinations_of(db, name) for name in ("no batch", *reading.batch_names(db))
    ],
    "problems": lambda db: list(batching.problems(db, batch_id=BATCH, limit=9)) + list(batching.problems(db, limit=9)),
    "people": access.people,
    "role_of": lambda db: [access.role_of(db, name) for name in (ADA.name, "nobody")],
    "tokens": access.tokens,
    "token_with": lambda db: access.token_with(db, "0" * 64),
    "decided": lambda db: deciding.decided(db, "no key", 1, DecisionKind.ACCEPT, actor="ada", output_id=None),
    "undone": lambda db: deciding.undone(db, "no key"),
    "recent": lambda db: deciding.recent(db, ADA.name),
}

INSIGHTS: dict[str, Callable[[Database, Counted], Any]] = {
    "words": lambda counts, of: [insights.words(counts, of, by, most=9) for by in By],
    "words_by_day": insights.words_by_day,
    "reasons": insights.reasons,
    "flagged": lambda counts, of: [
        insights.flagged(counts, of, part, most=9) for part in ("change", "label", "detector", "nothing")
    ],
    "flagged_reasons": insights.flagged_reasons,
    "pace": insights.pace,
    "shown": lambda counts, of: sorted(insights.shown(counts, of)),
    "pairs": lambda counts, of: sorted(insights.pairs(counts, of)),
    "spent": lambda counts, of: [insights.spent(counts, of, by) for by in By if by is not By.PROMPT],
    "spent_by_day": insights.spent_by_day,
    "rounds": insights.rounds,
    "waits": insights.waits,
    "waiting": insights.waiting,
    "known": lambda counts, _: insights.known(counts),
    "counted_costs": lambda counts, _: [spending.counted_costs(counts, by, {1: "first"}) for by in CostBy],
}


@pytest.fixture(scope="module")
def both(weeks: Desk) -> Iterator[tuple[Database, Database]]:
    """The desk of three weeks, and the same rows on PostgreSQL."""
    with postgres.empty_desk() as url:
        copy = Database(url)
        with weeks.db.read() as source, copy.write() as target:
            tables = Table.metadata.sorted_tables
            for table in reversed(tables):
                target.execute(sa.delete(table))
            for table in tables:
                rows = [dict(row) for row in source.execute(sa.select(table).order_by(*table.primary_key)).mappings()]
                if rows and table.name != "batch_count":  # which counts by itself
                    target.execute(sa.insert(table), rows)
        yield weeks.db, copy
        copy.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_databases_answer_alike(both: tuple[Database, Database], question: str) -> None:
    here, there = (QUESTIONS[question](db) for db in both)
    assert here == there
    assert _written(here) == _written(there), "equal, but of other types"


def _written(answer: object) -> str:
    def plain(value: object) -> object:
        return asdict(value) if is_dataclass(value) and not isinstance(value, type) else repr(value)

    return json.dumps(answer, default=plain, sort_keys=True)


def test_what_is_counted_comes_to_the_same(both: tuple[Database, Database], tmp_path: Path) -> None:
    found = []
    for number, db in enumerate(both):
        root = tmp_path / str(number)
        root.mkdir()
        counts = tallies.open_tallies(root)
        assert tallies.bring_up(db, counts) == 0
        answers = {name: [ask(counts, of) for of in COUNTED] for name, ask in INSIGHTS.items()}
        with counts.read() as connection:
            tables = {table.name: sorted(map(repr, connection.execute(sa.select(table)))) for table in tallies.TALLIES}
        found.append((answers, tables))
        counts.close()
    assert found[0] == found[1]
    assert all(rows for name, rows in found[0][1].items() if name != "reused")


def test_every_question_is_asked() -> None:
    def public(module: ModuleType) -> set[str]:
        return {
            name
            for name, each in inspect.getmembers(module, inspect.isfunction)
            if each.__module__ == module.__name__ and name[0] != "_"
        }

    modules = (reading, searching, routed, spending, exporting, batching, access, deciding)
    asked = {*QUESTIONS, *CHANGES, *SAID_BY_OTHERS, "counted_costs"}
    assert set().union(*map(public, modules)) - asked == set()
    assert public(insights) - INSIGHTS.keys() == set()
