"""A provider's bill held against what a run booked."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import bills, costs
from pipeline.desk import Desk
from pipeline.errors import AnswerLost, UsageError
from pipeline.states import EditState
from pipeline.store import ledger, reading
from pipeline.values import EditRequest, EditResult
from tests.fakes import ScriptedProvider, inverted
from tests.runner.desks import edits, make_desk, run, states


@pytest.fixture
def doubtful(tmp_path: Path) -> Desk:
    """A desk with one edit that was answered for $0.04, and one whose answer was lost."""
    ScriptedProvider.script["two"] = [AnswerLost("timeout", "none")]
    desk = make_desk(tmp_path, "one", "two", concurrency=1)
    run(desk)
    return desk


def client_id(desk: Desk, edit_id: int) -> str:
    return reading.attempts(desk.db, edit_id)[0].client_id


def settle(
    desk: Desk, *entries: dict[str, Any], is_complete: bool = False, provider: str | None = None
) -> bills.Settlement:
    path = desk.root / "bill.jsonl"
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    return bills.settle(desk, path, is_complete=is_complete, actor="ada", provider=provider)


def test_doubt_is_an_unknown_amount_beside_the_total(doubtful: Desk) -> None:
    summary = costs.summarise(doubtful)
    assert (summary.total_microusd, summary.doubtful, summary.doubtful_microusd) == (40_000, 1, 40_000)


def test_what_the_bill_lists_is_charged(doubtful: Desk) -> None:
    found = settle(doubtful, {"client_id": client_id(doubtful, 2), "cost_microusd": 31_234})
    assert (found.billed, found.not_billed, found.queued_again) == (1, 0, 0)
    assert ledger.purse(doubtful.db, "batch:1") == (71_234, 0)
    assert (edits(doubtful)[1].cost_microusd, states(doubtful)[1]) == (31_234, EditState.IN_DOUBT)
    assert costs.summarise(doubtful).doubtful == 0


def test_what_a_complete_bill_lacks_cost_nothing_and_is_sent_again(doubtful: Desk) -> None:
    found = settle(doubtful, {"client_id": client_id(doubtful, 1), "cost_usd": "0.04"}, is_complete=True)
    assert (found.billed, found.not_billed, found.queued_again, found.differences) == (0, 1, 1, ())
    assert states(doubtful)[1] is EditState.QUEUED
    run(doubtful)
    assert ScriptedProvider.sent == ["one", "two", "two"]


def test_what_another_bill_lacks_stays_in_doubt(doubtful: Desk) -> None:
    settle(doubtful, {"client_id": client_id(doubtful, 1), "cost_usd": 0.04})
    assert states(doubtful)[1] is EditState.IN_DOUBT
    assert ledger.purse(doubtful.db, "batch:1") == (40_000, 40_000)


def test_settling_twice_charges_once(doubtful: Desk) -> None:
    entry = {"client_id": client_id(doubtful, 2), "cost_microusd": 40_000}
    settle(doubtful, entry)
    found = settle(doubtful, entry)
    assert (found.billed, found.differences) == (0, ())
    assert ledger.purse(doubtful.db, "batch:1") == (80_000, 0)


def test_differences_and_strangers_are_named(doubtful: Desk) -> None:
    known = client_id(doubtful, 1)
    found = settle(doubtful, {"client_id": known, "cost_usd": "0.05"}, {"client_id": "x", "cost_usd": 1})
    assert found.differences == ((known, 40_000, 50_000),)
    assert found.strangers == ("x",)


@pytest.mark.parametrize("entries", [(), ({"client_id": "somebody else's", "cost_usd": 1},)])
def test_a_bill_that_knows_nothing_of_this_desk_ends_no_doubt(doubtful: Desk, entries: tuple[dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match="no request of this desk"):
        settle(doubtful, *entries, is_complete=True)
    assert states(doubtful)[1] is EditState.IN_DOUBT


def test_an_empty_bill_holds_for_the_provider_that_it_is_said_to_be_of(doubtful: Desk) -> None:
    assert settle(doubtful, is_complete=True, provider="another").still_doubtful == 1
    found = settle(doubtful, is_complete=True, provider="scripted")
    assert (found.not_billed, found.still_doubtful) == (1, 0)


def test_what_a_later_bill_has_after_all_is_charged(doubtful: Desk) -> None:
    name = client_id(doubtful, 2)
    settle(doubtful, {"client_id": client_id(doubtful, 1), "cost_usd": "0.04"}, is_complete=True)
    found = settle(doubtful, {"client_id": name, "cost_microusd": 31_234})
    assert (found.billed, found.differences) == (1, ())
    assert ledger.purse(doubtful.db, "batch:1") == (71_234, 0)
    assert costs.summarise(doubtful).total_microusd == 71_234
    assert settle(doubtful, {"client_id": name, "cost_microusd": 31_234}).billed == 0


def test_a_bill_puts_the_price_to_a_charge_that_had_none(tmp_path: Path) -> None:
    def unpriced(request: EditRequest) -> EditResult:
        return EditResult(inverted(request).outputs, cost_microusd=None)

    ScriptedProvider.script["one"] = [unpriced]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.cost_microusd, edit.unpriced, costs.summarise(desk).unpriced) == (0, 1, 1)
    assert ledger.purse(desk.db, "batch:1") == (40_000, 0), "the most that it can have cost"
    found = settle(desk, {"client_id": client_id(desk, 1), "cost_microusd": 12_345})
    assert (found.billed, found.differences) == (1, ())
    (edit,) = edits(desk)
    assert (edit.cost_microusd, edit.unpriced, costs.summarise(desk).unpriced) == (12_345, 0, 0)
    assert ledger.purse(desk.db, "batch:1") == (12_345, 0)
    assert reading.batches(desk.db)[0].cost_microusd == 12_345


def test_the_ledger_as_csv_adds_up_to_the_total(doubtful: Desk) -> None:
    header, *lines = "".join(costs.ledger_csv(doubtful, batch=None)).splitlines()
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    assert [row["status"] for row in rows] == ["charged", "doubtful"]
    assert [row["amount_usd"] for row in rows] == ["0.040000", "0.040000"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("bill.json", '{"entries": [{"client_id": "ID", "cost_microusd": 31234}]}'),
        ("bill.json", '[{"client_id": "ID", "cost_usd": 0.031234}]'),
        ("bill.csv", "client_id,cost_usd,day\nID,0.031234,today\n"),
        ("bill.csv", "\ufeffclient_id,cost_microusd\nID,31234\n"),
    ],
)
def test_a_bill_comes_in_several_forms(doubtful: Desk, name: str, text: str) -> None:
    path = doubtful.root / name
    path.write_text(text.replace("ID", client_id(doubtful, 2)), "utf-8")
    assert bills.settle(doubtful, path, is_complete=False, actor="ada").billed == 1
    assert edits(doubtful)[1].cost_microusd == 31_234


@pytest.mark.parametrize(
    "text",
    [
        "client_id,price\nx,1\n",
        '{"client_id": "x"}',
        "{no json",
        "client_id,cost_usd\nx,free\n",
        "\x00\xff",
        "3",
        "[1, 2]",
        "client_id,cost_usd\nx,-1\n",
        "client_id,cost_usd\nx,Infinity\n",
        "client_id,cost_usd\nx,NaN\n",
        "[" * 5000,
    ],
)
def test_a_bill_that_cannot_be_read_says_what_is_expected_and_changes_nothing(doubtful: Desk, text: str) -> None:
    path = doubtful.root / "bill.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"bill\.csv"):
        bills.settle(doubtful, path, is_complete=True, actor="ada")
    assert states(doubtful)[1] is EditState.IN_DOUBT
