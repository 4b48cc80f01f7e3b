"""Claims: who looks at what, and what several people make of one edit."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import claiming, review
from pipeline.claiming import QueueFilter
from pipeline.desk import Desk
from pipeline.errors import Conflict, Forbidden
from pipeline.people import Person, local_person
from pipeline.review import Screen
from pipeline.routing import DEFAULT_FILE
from pipeline.states import DecisionKind, EditState, Role
from pipeline.store import claims, loading, reading
from pipeline.store.moves import EDIT
from pipeline.tables import now
from pipeline.values import Change, Kind
from tests.desks import build_desk, new_desk

pytestmark = pytest.mark.usefixtures("each_database")

ADA, BOB, EVE = (Person(name, Role.REVIEWER) for name in ("ada", "bob", "eve"))
ANN, ABE = Person("ann", Role.APPROVER), Person("abe", Role.APPROVER)
HAT, MUG, BAG, CAP, SOCK, KNIFE = range(1, 7)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = build_desk(tmp_path / "desk")
    yield opened
    opened.close()


@pytest.fixture
def pairs(tmp_path: Path) -> Iterator[Desk]:
    """A desk where two must approve."""
    root = tmp_path / "desk"
    new_desk(root).close()
    (root / "policy.toml").write_text(DEFAULT_FILE.replace("approvals = 1", "approvals = 2"))
    opened = build_desk(root)
    yield opened
    opened.close()


def claimed(desk: Desk, by: Person, count: int = 9, **wanted: object) -> list[int]:
    found = claiming.claim(desk, QueueFilter(**wanted), by=by, count=count)  # type: ignore[arg-type]
    return [each.edit.id for each in found]


def state(desk: Desk, edit_id: int) -> EditState:
    return reading.edit(desk.db, edit_id).state


def end_leases(desk: Desk) -> None:
    with desk.db.write() as connection:
        connection.execute(sa.update(EDIT).values(claim_until=now() - timedelta(seconds=1)))


def test_no_edit_is_claimed_by_two(desk: Desk) -> None:
    assert claimed(desk, ADA, 2) == [HAT, MUG]
    assert claimed(desk, BOB) == [BAG, CAP, KNIFE]
    assert claimed(desk, EVE) == []


@pytest.mark.parametrize("wanted", [{}, {"asked_by": "ada"}], ids=["by index", "walked"])
def test_many_who_claim_at_once_get_different_edits(desk: Desk, wanted: dict[str, str]) -> None:
    def one(number: int) -> list[int]:
        return claimed(desk, Person(f"reviewer {number}", Role.REVIEWER), 1, **wanted)

    with ThreadPoolExecutor(8) as threads:
        found = [edit for edits in threads.map(one, range(8)) for edit in edits]
    assert sorted(found) == [HAT, MUG, BAG, CAP, KNIFE]


def test_a_narrow_queue_is_walked_while_others_write(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else claims between the walk and the claim: what they took is not claimed twice."""
    look_up = claims._look_up

    def others_write(search: Any) -> Any:
        monkeypatch.setattr(claims, "_look_up", look_up)
        assert claimed(desk, BOB, 1) == [HAT]
        return look_up(search)

    monkeypatch.setattr(claims, "_look_up", others_write)
    assert claimed(desk, ADA, 2, asked_by="ada") == [MUG, BAG]


def test_the_queue_can_be_narrowed(desk: Desk) -> None:
    assert claimed(desk, ADA, kind=Kind.TEXT) == [MUG]
    assert claimed(desk, ADA, change=Change.LOST) == [BAG]
    assert claimed(desk, ADA, asked_by="nobody") == []


def test_what_was_left_out_stays_free(desk: Desk) -> None:
    (one,) = claiming.claim(desk, by=ADA, leave_out=[HAT])
    assert one.edit.id == MUG
    assert claimed(desk, BOB, 1) == [HAT]


def test_who_left_leaves_nothing_stuck(desk: Desk) -> None:
    claimed(desk, ADA)
    end_leases(desk)
    assert claimed(desk, BOB, 1) == [HAT]


def test_a_claim_is_kept_by_use_and_given_back(desk: Desk) -> None:
    found = claiming.claim(desk, by=ADA, count=2)
    tokens = [each.claim.token for each in found]
    end_leases(desk)
    assert sorted(claiming.renew(desk, tokens, by=ADA)) == sorted(tokens)
    assert claiming.renew(desk, tokens, by=BOB) == []
    assert claimed(desk, BOB, 1) == [BAG]
    assert claiming.release(desk, tokens[:1], by=ADA) == 1
    assert claimed(desk, BOB, 1) == [HAT]


def test_only_the_claimant_decides(desk: Desk) -> None:
    (one,) = claiming.claim(desk, by=ADA)
    with pytest.raises(Conflict, match="ada is looking at it"):
        review.accept(desk, HAT, by=BOB)
    review.accept(desk, HAT, by=ADA, screen=Screen(claim=one.claim.token, shown_ms=900))
    edit = reading.edit(desk.db, HAT)
    assert (edit.state, edit.claimed_by, edit.claim_until) == (EditState.APPROVED, None, None)
    assert reading.decisions(desk.db, [HAT])[-1].shown_ms == 900


def test_a_claim_that_ended_and_that_another_took_decides_no_more(desk: Desk) -> None:
    (old,) = claiming.claim(desk, by=ADA)
    end_leases(desk)
    claimed(desk, BOB, 1)
    with pytest.raises(Conflict, match="bob is looking"):
        review.accept(desk, HAT, by=ADA, screen=Screen(claim=old.claim.token))


def test_a_claim_that_ended_and_that_nobody_took_still_decides(desk: Desk) -> None:
    (old,) = claiming.claim(desk, by=ADA)
    end_leases(desk)
    assert review.accept(desk, HAT, by=ADA, screen=Screen(claim=old.claim.token)) is EditState.APPROVED


def test_the_result_of_a_re_prompt_comes_back_to_who_asked(desk: Desk) -> None:
    with desk.db.write() as connection:
        values = {"priority": loading.REPROMPT_PRIORITY, "asked_by": "bob"}
        connection.execute(sa.update(EDIT).where(EDIT.c.id == CAP).values(**values, updated_at=now()))
    assert CAP not in claimed(desk, ADA)
    assert claimed(desk, BOB) == [CAP]
    claiming.release(desk, [_token(desk, CAP)], by=BOB)
    with desk.db.write() as connection:
        connection.execute(sa.update(EDIT).where(EDIT.c.id == CAP).values(updated_at=now() - claiming.RESERVED))
    assert claimed(desk, EVE) == [CAP]


def test_a_result_that_its_asker_has_approved_waits_for_nobody_but_the_second(pairs: Desk) -> None:
    with pairs.db.write() as connection:
        values = {"priority": loading.REPROMPT_PRIORITY, "asked_by": "bob"}
        connection.execute(sa.update(EDIT).where(EDIT.c.id == CAP).values(**values, updated_at=now()))
    assert CAP not in claimed(pairs, ADA)
    review.accept(pairs, CAP, by=BOB)
    assert claimed(pairs, EVE) == [CAP]


def _token(desk: Desk, edit_id: int) -> str:
    with desk.db.read() as connection:
        return str(connection.execute(sa.select(EDIT.c.claim_token).where(EDIT.c.id == edit_id)).scalar_one())


def test_viewers_and_requesters_neither_claim_nor_decide(desk: Desk) -> None:
    for role in (Role.VIEWER, Role.REQUESTER):
        with pytest.raises(Forbidden, match="that takes a reviewer"):
            claimed(desk, Person("vic", role))
        with pytest.raises(Forbidden):
            review.accept(desk, HAT, by=Person("vic", role))
        with pytest.raises(Forbidden):
            review.undo(desk, SOCK, by=Person("vic", role))


def test_an_escalated_edit_is_for_another_approver(desk: Desk) -> None:
    assert review.escalate(desk, HAT, by=ANN) is EditState.IN_REVIEW
    assert HAT not in claimed(desk, BOB)
    with pytest.raises(Forbidden, match="escalated"):
        review.accept(desk, HAT, by=BOB)
    with pytest.raises(Conflict, match="another approver"):
        review.accept(desk, HAT, by=ANN)
    assert claimed(desk, ABE) == [HAT]
    assert review.accept(desk, HAT, by=ABE) is EditState.APPROVED


def test_who_is_alone_decides_on_what_they_escalated(desk: Desk) -> None:
    alone = local_person("ada")
    review.escalate(desk, HAT, by=alone)
    assert claimed(desk, alone, 1) == [HAT]
    assert review.accept(desk, HAT, by=alone) is EditState.APPROVED


def test_two_must_approve_where_the_policy_says_so(pairs: Desk) -> None:
    assert review.accept(pairs, HAT, by=ADA) is EditState.IN_REVIEW
    assert HAT not in claimed(pairs, ADA)
    with pytest.raises(Conflict, match="approved it already"):
        review.accept(pairs, HAT, by=ADA)
    assert claimed(pairs, BOB) == [HAT]
    assert review.accept(pairs, HAT, by=BOB) is EditState.APPROVED


@pytest.mark.parametrize("name", ["an", "ANN", "a", 'ann"', "é", "n%", ""])
def test_only_ones_own_approval_keeps_an_edit_away(pairs: Desk, name: str) -> None:
    """Names that are alike, or a part of another, are other people's."""
    review.accept(pairs, HAT, by=ANN)
    assert HAT in claimed(pairs, Person(name, Role.REVIEWER), 1)
    claiming.release(pairs, [_token(pairs, HAT)], by=Person(name, Role.REVIEWER))
    review.accept(pairs, CAP, by=Person(name, Role.REVIEWER))
    assert CAP not in claimed(pairs, Person(name, Role.REVIEWER))


def test_a_disagreement_goes_to_an_approver(pairs: Desk) -> None:
    review.accept(pairs, HAT, by=ADA)
    assert review.reject(pairs, HAT, by=BOB, reason="other") is EditState.IN_REVIEW
    assert HAT not in claimed(pairs, EVE)
    assert claimed(pairs, ANN, 1) == [HAT]
    assert review.reject(pairs, HAT, by=ANN, reason="other") is EditState.REJECTED


def test_an_approver_settles_what_they_disagree_with(pairs: Desk) -> None:
    """There may be no other approver."""
    for edit_id in (HAT, BAG):
        review.accept(pairs, edit_id, by=ADA, screen=Screen(output_id=reading.edit(pairs.db, edit_id).outputs[0].id))
    assert review.reject(pairs, HAT, by=ANN, reason="other") is EditState.REJECTED
    other = reading.edit(pairs.db, BAG).outputs[1].id
    assert review.accept(pairs, BAG, by=ANN, screen=Screen(output_id=other)) is EditState.APPROVED
    assert reading.edit(pairs.db, BAG).accepted_output_id == other


def test_who_works_alone_is_enough(pairs: Desk) -> None:
    assert review.accept(pairs, HAT, by=local_person("ada")) is EditState.APPROVED


def test_who_approves_another_output_than_the_first_disagrees(pairs: Desk) -> None:
    """Neither output has two approvals, so an approver chooses."""
    warm, cold = (Screen(output_id=output.id) for output in reading.edit(pairs.db, BAG).outputs)
    review.accept(pairs, BAG, by=ADA, screen=warm)
    assert review.accept(pairs, BAG, by=BOB, screen=cold) is EditState.IN_REVIEW
    assert reading.edit(pairs.db, BAG).escalated_by == "bob"
    assert review.accept(pairs, BAG, by=ANN, screen=cold) is EditState.APPROVED
    assert reading.edit(pairs.db, BAG).accepted_output_id == cold.output_id


def test_two_who_approve_the_same_of_several_outputs_are_enough(pairs: Desk) -> None:
    cold = Screen(output_id=reading.edit(pairs.db, BAG).outputs[1].id)
    review.accept(pairs, BAG, by=ADA, screen=cold)
    assert review.accept(pairs, BAG, by=BOB, screen=cold) is EditState.APPROVED


def test_the_first_who_rejects_rejects(pairs: Desk) -> None:
    assert review.reject(pairs, HAT, by=ADA, reason="other") is EditState.REJECTED


def test_undo_gives_back_what_was_before(pairs: Desk) -> None:
    review.accept(pairs, HAT, by=ADA)
    review.accept(pairs, HAT, by=BOB)
    assert review.undo(pairs, HAT, by=BOB) is EditState.IN_REVIEW
    assert reading.edit(pairs.db, HAT).approvals == ("ada",)
    review.reject(pairs, HAT, by=BOB, reason="other")
    assert review.undo(pairs, HAT, by=BOB) is EditState.IN_REVIEW
    edit = reading.edit(pairs.db, HAT)
    assert (edit.approvals, edit.escalated_by) == (("ada",), None)


def test_a_reviewer_takes_back_their_own_last_ten(desk: Desk) -> None:
    review.reject(desk, HAT, by=ADA, reason="other")
    with pytest.raises(Conflict, match="ada decided"):
        review.undo(desk, HAT, by=BOB)
    assert review.undoable(desk, by=ADA) == [HAT]
    for _ in range(10):
        review.escalate(desk, CAP, by=ADA)
        review.undo(desk, CAP, by=ADA)
    assert review.undoable(desk, by=ADA) == []
    with pytest.raises(Conflict, match="last 10"):
        review.undo(desk, HAT, by=ADA)
    assert review.undo(desk, HAT, by=ANN) is EditState.IN_REVIEW


def test_after_so_many_rounds_an_approver_must_ask(desk: Desk) -> None:
    with desk.db.write() as connection:
        connection.execute(sa.update(EDIT).where(EDIT.c.id == HAT).values(round=5))
    with pytest.raises(Conflict, match="escalate it"):
        review.reprompt(desk, HAT, by=ADA, prompt="again")
    assert review.reprompt(desk, HAT, by=ANN, prompt="again") is EditState.SUPERSEDED


def test_a_decision_sent_twice_is_one_whatever_happened_between(pairs: Desk) -> None:
    screen = Screen(revision=reading.edit(pairs.db, HAT).revision, idempotency_key="k")
    review.accept(pairs, HAT, by=ADA, screen=screen)
    review.accept(pairs, HAT, by=BOB)
    assert review.accept(pairs, HAT, by=ADA, screen=screen) is EditState.APPROVED
    assert [each.kind for each in reading.decisions(pairs.db, [HAT])] == [DecisionKind.ACCEPT] * 2


def test_the_name_of_a_decision_is_one_persons_and_of_one_output(pairs: Desk) -> None:
    """A program that names decisions after the edit would else be told that the second approval was kept."""
    warm, cold = reading.edit(pairs.db, BAG).outputs
    screen = Screen(revision=reading.edit(pairs.db, BAG).revision, output_id=warm.id, idempotency_key="accept-3")
    review.accept(pairs, BAG, by=ADA, screen=screen)
    for again in (screen, replace(screen, output_id=None)):
        assert review.accept(pairs, BAG, by=ADA, screen=again) is EditState.IN_REVIEW
    for by, other in ((BOB, screen), (ADA, replace(screen, output_id=cold.id))):
        with pytest.raises(Conflict, match="belongs to another decision"):
            review.accept(pairs, BAG, by=by, screen=other)
    assert [each.actor for each in reading.decisions(pairs.db, [BAG])] == ["ada"]


def test_the_head_of_the_queue_is_read_from_its_index(desk: Desk) -> None:
    head = (
        "SELECT id FROM edit WHERE state IN ('in_review', 'refused', 'in_doubt') "
        "AND claimed_by IS NULL ORDER BY priority, id LIMIT 5"
    )
    with desk.db.read() as connection:
        if desk.db.is_shared:  # six rows are read quicker without any index
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = str(connection.exec_driver_sql(f"EXPLAIN {'' if desk.db.is_shared else 'QUERY PLAN'} {head}").all())
    assert "ix_edit_unclaimed" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
