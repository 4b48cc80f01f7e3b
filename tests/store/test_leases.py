"""On PostgreSQL, leases are taken beside decisions: nobody waits, and nobody is given what somebody decides on."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import claiming, review
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.review import Screen
from pipeline.states import Role
from pipeline.store import Database, claims, reading
from pipeline.store.claims import Claimant
from pipeline.store.moves import EDIT
from pipeline.store.reading import EditFilter
from tests import postgres
from tests.desks import build_desk

ADA, BOB = (Person(name, Role.REVIEWER) for name in ("ada", "bob"))
HAT, MUG, BAG, CAP, SOCK, KNIFE = range(1, 7)
SOON_S = 20
"""Far below what anybody waits for a lock."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with postgres.desks_are_in_it():
        opened = build_desk(tmp_path / "desk")
        yield opened
        opened.close()


@pytest.fixture
def others() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def soon(future: "Future[Any]") -> Any:
    return future.result(SOON_S)


def claimed(desk: Desk, by: Person, count: int) -> list[int]:
    return [each.edit.id for each in claiming.claim(desk, by=by, count=count)]


def test_what_is_being_decided_on_is_passed_over(desk: Desk, others: ThreadPoolExecutor) -> None:
    """An edit without a lease that somebody decides on by the command line is not handed out meanwhile."""
    with desk.db.group():
        review.escalate(desk, HAT, by=ADA)
        assert soon(others.submit(claimed, desk, BOB, 2)) == [MUG, BAG]


def test_a_lease_holds_until_the_decision_is_written(desk: Desk, others: ThreadPoolExecutor) -> None:
    (one,) = claiming.claim(desk, by=ADA)
    tokens = [one.claim.token]
    with desk.db.group():
        review.accept(desk, HAT, by=ADA, screen=Screen(claim=one.claim.token))
        assert soon(others.submit(claiming.renew, desk, tokens, by=ADA)) == tokens
    assert claiming.renew(desk, tokens, by=ADA) == []


def test_what_is_given_back_during_a_decision_is_the_decisions(desk: Desk, others: ThreadPoolExecutor) -> None:
    """It waits for the decision: taken back, the edit is free; carried out, there is nothing to give back."""
    found = claiming.claim(desk, by=ADA, count=2)
    for (edit_id, token), fails in zip(
        [(each.edit.id, each.claim.token) for each in found], (True, False), strict=True
    ):
        try:
            with desk.db.group():
                review.accept(desk, edit_id, by=ADA, screen=Screen(claim=token))
                giving = others.submit(claiming.release, desk, [token], by=ADA)
                with pytest.raises(TimeoutError):
                    giving.result(0.3)
                if fails:
                    raise InterruptedError
        except InterruptedError:
            pass
        assert soon(giving) == int(fails)
    assert [each.claimed_by for each in reading.edits(desk.db, [HAT, MUG])] == [None, None]


def test_whoever_is_locked_out_for_a_moment_keeps_nobody_waiting(desk: Desk, others: ThreadPoolExecutor) -> None:
    """Rows that another machine has locked: claims, sweeps and renewals go round them."""
    found = claiming.claim(desk, by=ADA, count=2)
    elsewhere = Database(desk.db.url)
    with elsewhere.write() as connection:
        connection.execute(sa.select(EDIT.c.id).where(EDIT.c.id.in_([HAT, BAG])).with_for_update())
        assert soon(others.submit(claimed, desk, BOB, 1)) == [CAP]
        tokens = [each.claim.token for each in found]
        assert sorted(soon(others.submit(claiming.renew, desk, tokens, by=ADA))) == sorted(tokens)
    elsewhere.close()
    assert claimed(desk, BOB, 9) == [BAG, KNIFE]


def test_eight_who_take_and_give_back_at_once_never_hold_the_same(desk: Desk) -> None:
    """Two machines' connections; leases of the same five edits, two hundred times."""
    machines = [desk.db, Database(desk.db.url)]
    held: set[int] = set()

    def work(number: int) -> None:
        db, who = machines[number % 2], Claimant(f"reviewer {number}", is_approver=False, is_alone=False)
        for _ in range(25):
            found = claims.claim(db, who, EditFilter(), count=2, lease=claiming.LEASE, reserved=claiming.RESERVED)
            for each in found:
                assert each.edit_id not in held
                held.add(each.edit_id)
            tokens = [each.token for each in found]
            assert sorted(claims.renew(db, who.name, tokens, lease=claiming.LEASE)) == sorted(tokens)
            held.difference_update(each.edit_id for each in found)
            assert claims.release(db, who.name, tokens) == len(tokens)

    with ThreadPoolExecutor(8) as threads:
        working = [threads.submit(work, number) for number in range(8)]
        for each in working:
            soon(each)
    machines[1].close()
    assert claimed(desk, BOB, 9) == [HAT, MUG, BAG, CAP, KNIFE]
