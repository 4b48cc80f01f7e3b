"""Attempts and money: reservations, charges, doubt, and what ends it."""

import asyncio
from pathlib import Path

import pytest

from pipeline.errors import BudgetReached, Conflict
from pipeline.states import EditState
from pipeline.store import Database, ledger, reading, spending
from pipeline.store.journal import Journal
from pipeline.store.ledger import Caps, Sending, StoredOutput
from pipeline.store.spending import CostBy
from tests.attempts import begin, finish, give_up
from tests.older_desks import fill_older
from tests.store.conftest import PICTURE, load, produce, row

OUTPUT = StoredOutput(PICTURE, "", {}, ())


def test_what_a_request_can_cost_is_put_aside_before_it_leaves(db: Database) -> None:
    load(db, row("mug"))
    begin(db, 1, reserved_microusd=70_000)
    assert ledger.purse(db, "batch:1") == (0, 70_000)


def test_the_answer_turns_the_reservation_into_the_charge(db: Database) -> None:
    load(db, row("mug"))
    attempt = begin(db, 1, reserved_microusd=70_000)
    finish(db, attempt, [OUTPUT], cost_microusd=13_681, usage={"image_out": 439, "image_in": 64})
    assert ledger.purse(db, "batch:1") == (13_681, 0)
    assert spending.costs(db, CostBy.BATCH)[0].tokens["image_out"] == 439


def test_a_cap_counts_what_is_put_aside(db: Database) -> None:
    """Of 100,000 two times 40,000 may be out; a third waits, and leaves no trace."""
    load(db, row("mug"), row("hat"), row("bag"))
    caps = Caps(batch_microusd=100_000)
    begin(db, 1, reserved_microusd=40_000, caps=caps)
    begin(db, 2, reserved_microusd=40_000, caps=caps)
    with pytest.raises(BudgetReached) as caught:
        begin(db, 3, reserved_microusd=40_000, caps=caps)
    assert (caught.value.spent_microusd, caught.value.reserved_microusd) == (0, 80_000)
    assert ledger.purse(db, "batch:1") == (0, 80_000)
    assert reading.edit(db, 3).state is EditState.QUEUED
    assert reading.attempts(db, 3) == []


def test_the_month_has_a_cap_over_all_batches(db: Database) -> None:
    load(db, row("mug"), row("hat"))
    caps = Caps(month_microusd=50_000)
    begin(db, 1, reserved_microusd=40_000, caps=caps)
    with pytest.raises(BudgetReached, match="monthly_cap_usd"):
        begin(db, 2, reserved_microusd=40_000, caps=caps)
    assert ledger.purse(db, "batch:1") == (0, 40_000), "the batch's part of the refused one is taken back"


def test_an_unknown_price_is_no_zero(db: Database) -> None:
    """It is shown as unknown, and the purse counts the most that it can be."""
    load(db, row("mug"))
    attempt = begin(db, 1, reserved_microusd=70_000)
    finish(db, attempt, [OUTPUT], cost_microusd=None)
    (costs,) = spending.costs(db, CostBy.BATCH)
    assert (costs.unpriced, costs.cost_microusd) == (1, 0)
    assert reading.attempts(db, 1)[0].cost_microusd is None
    assert ledger.purse(db, "batch:1") == (70_000, 0)


def test_an_attempt_ends_once(db: Database) -> None:
    load(db, row("mug"))
    attempt = begin(db, 1)
    finish(db, attempt, [OUTPUT], cost_microusd=5)
    with pytest.raises(Conflict, match="succeeded"):
        give_up(db, attempt, EditState.FAILED)
    assert ledger.purse(db, "batch:1") == (5, 0)


def test_a_bill_ends_the_doubt(db: Database) -> None:
    """Of two lost requests one was billed: it is charged, the other is let go of."""
    load(db, row("mug"), row("hat"))
    for edit in (1, 2):
        attempt = begin(db, edit, reserved_microusd=70_000, client_id=f"pd-{edit}")
        give_up(db, attempt, EditState.IN_DOUBT, is_lost=True)
    assert list(ledger.doubtful(db)) == ["pd-1", "pd-2"]
    assert ledger.settle(db, {"pd-1": 13_681}, actor="ada", not_billed=["pd-2"]) == (1, 1)
    assert ledger.doubtful(db) == {}
    assert ledger.purse(db, "batch:1") == (13_681, 0)
    assert {name: each.microusd for name, each in reading.booked(db).items()} == {"pd-1": 13_681, "pd-2": 0}


def test_settling_twice_charges_once(db: Database) -> None:
    load(db, row("mug"))
    give_up(db, begin(db, 1, reserved_microusd=70_000, client_id="pd-1"), EditState.IN_DOUBT, is_lost=True)
    ledger.settle(db, {"pd-1": 13_681}, actor="ada")
    assert ledger.settle(db, {"pd-1": 13_681}, actor="ada") == (0, 0)
    assert spending.costs(db, CostBy.BATCH)[0].cost_microusd == 13_681


def test_a_fresh_edit_is_not_answered_by_an_earlier_one(db: Database) -> None:
    load(db, row("mug"), row("twin"))
    produce(db, 1)
    fresh = Sending(1, "key-1", "pd-fresh", {}, 0, is_fresh=True)
    assert ledger.begin(db, 2, fresh, owner="runner", caps=Caps()) is not None
    assert reading.edit(db, 2).state is EditState.SENDING


def test_all_that_was_sent_is_kept(db: Database) -> None:
    load(db, row("mug"))
    sending = Sending(1, "key", "pd-1", {"prompt": "make it square", "source": "a" * 64}, 0, ai_model="m")
    ledger.begin(db, 1, sending, owner="runner", caps=Caps())
    (attempt,) = reading.attempts(db, 1)
    assert (attempt.client_id, attempt.sent) == ("pd-1", {"prompt": "make it square", "source": "a" * 64})


@pytest.mark.parametrize("by", list(CostBy))
def test_sums_by_anything_come_to_the_same(db: Database, by: CostBy) -> None:
    load(db, row("mug"), row("hat"), row("bag"))
    produce(db, 1, cost_microusd=13_681)
    produce(db, 2, cost_microusd=7)
    give_up(db, begin(db, 3, reserved_microusd=70_000), EditState.IN_DOUBT, is_lost=True)
    rows = spending.costs(db, by)
    assert sum(each.cost_microusd for each in rows) == 13_688
    assert sum(each.doubtful_microusd for each in rows) == 70_000
    lines = list(spending.ledger_lines(db))
    assert sum(line.amount_microusd or 0 for line in lines if line.status == "charged") == 13_688
    assert [line.status for line in lines] == ["charged", "charged", "doubtful"]


def test_a_group_of_writes_is_one_commit_and_each_answers_for_itself(db: Database) -> None:
    """One of three fails: the other two are written, and only it hears of the failure."""
    load(db, row("mug"), row("hat"), row("bag"))
    caps = Caps(batch_microusd=50_000)

    async def write() -> list[object]:
        journal = Journal(db)
        jobs = [
            journal.run(ledger.begin, n, Sending(1, f"k{n}", f"pd-{n}", {}, 25_000), owner="runner", caps=caps)
            for n in (1, 2, 3)
        ]
        done = await asyncio.gather(*jobs, return_exceptions=True)
        await asyncio.to_thread(journal.close)
        return list(done)

    done = asyncio.run(write())
    assert [isinstance(each, BudgetReached) for each in done].count(True) == 1
    assert ledger.purse(db, "batch:1") == (0, 50_000)


def test_an_older_desk_keeps_its_money(tmp_path: Path) -> None:
    """Tables of the first version, with a charge and a lost request, are brought up to date."""
    db = Database(f"sqlite:///{tmp_path / 'old.db'}")
    at = "2026-10-31 23:59:59.000000"
    fill_older(
        db,
        "0001",
        (
            f"INSERT INTO batch VALUES (1, 'old', 'old.csv', '0', '{at}')",
            "INSERT INTO asset (id, batch_id, name, variant, sku, line, source_uri, source_stamp, row_hash,"
            " source_facts, extra) VALUES (1, 1, 'mug', '', '', 2, '/mug.png', '', '', '{}', '{}')",
            "INSERT INTO edit (id, batch_id, asset_id, round, state, revision, priority, prompt, operations,"
            ' parameters, next_steps, provider, n, "references", asked_by, cost_microusd, route, created_at,'
            " updated_at) VALUES (1, 1, 1, 1, 'in_doubt', 0, 10, 'x', '[]', '{}', '[]', 'openai', 1, '[]', 'ada', 7,"
            f" '{{}}', '{at}', '{at}')",
            "INSERT INTO attempt (id, edit_id, number, state, owner, request_id, reserved_microusd, started_at) VALUES"
            f" (1, 1, 1, 'succeeded', 'r', '', 40000, '{at}'), (2, 1, 2, 'lost', 'r', '', 70000, '{at}')",
            "INSERT INTO charge (id, batch_id, edit_id, attempt_id, provider, amount_microusd, usage, created_at)"
            f" VALUES (1, 1, 1, 1, 'openai', 7, '{{}}', '{at}')",
        ),
    )
    db.upgrade()
    assert ledger.purse(db, "batch:1") == (7, 70_000)
    assert ledger.purse(db, "month:2026-10") == (7, 70_000)
    assert list(ledger.doubtful(db)) == ["attempt-2"]
    db.close()
