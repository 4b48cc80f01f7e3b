"""What is paid, what is not paid twice, and what becomes of answers that come late, badly or never."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.desk import Desk
from pipeline.errors import (
    AccountStopped,
    AnswerLost,
    BudgetReached,
    CannotAsk,
    EditFailed,
    EditRefused,
    RetryLater,
    ServerFailed,
)
from pipeline.intake import take_in
from pipeline.limits import Gate
from pipeline.states import EditState
from pipeline.store import ledger, reading, running, workers
from pipeline.values import EditRequest, EditResult, Handle, OutputPicture, PictureFacts
from tests.attempts import begin, give_up
from tests.fakes import ScriptedProvider, inverted
from tests.runner.desks import edits, make_desk, run, states

PRICE_MICROUSD = 40_000
DONE = (EditState.APPROVED, EditState.IN_REVIEW)


def test_not_now_is_sent_again_later(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [RetryLater("rate_limit", "wait", retry_after_s=0.05)]
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert states(desk)[0] in (EditState.APPROVED, EditState.IN_REVIEW)
    assert ScriptedProvider.sent == ["one", "one"]


def test_a_lost_answer_is_held_for_a_person_and_not_paid_again(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [AnswerLost("timeout", "no answer after 600 s")]
    desk = make_desk(tmp_path, "one")
    run(desk)
    run(desk)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.IN_DOUBT], ["one"])


def test_a_lost_answer_is_sent_once_more_where_the_desk_says_so(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [AnswerLost("timeout", "no answer after 600 s")]
    desk = make_desk(tmp_path, "one", in_doubt="resend")
    run(desk)
    assert ScriptedProvider.sent == ["one", "one"]


def test_the_account_stops_the_run_and_keeps_the_queue(tmp_path: Path) -> None:
    names = ("one", "two", "three")  # any of them may be first
    ScriptedProvider.script = {name: [AccountStopped("invalid_api_key", "set OPENAI_API_KEY")] for name in names}
    desk = make_desk(tmp_path, *names, concurrency=1)
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, AccountStopped)
    assert (states(desk), len(ScriptedProvider.sent)) == ([EditState.QUEUED] * 3, 1)


def test_the_budget_stops_before_it_can_be_passed(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two", "three", budget_usd=0.1, concurrency=1)
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, BudgetReached)
    assert len(ScriptedProvider.sent) == 2
    assert states(desk).count(EditState.QUEUED) == 1


def test_concurrent_requests_cannot_pass_the_budget_together(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, *map(str, range(8)), budget_usd=0.1, concurrency=8)
    run(desk)
    assert len(ScriptedProvider.sent) == 2


def test_a_crash_after_sending_leaves_the_edit_in_doubt(tmp_path: Path) -> None:
    """What a kill -9 leaves: an open attempt, and nobody who knows the answer."""
    desk = make_desk(tmp_path, "one")
    begin(desk.db, 1, owner="killed", reserved_microusd=40_000)
    run(desk)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.IN_DOUBT], [])


def test_a_free_edit_survives_any_number_of_crashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ScriptedProvider, "is_repeatable", True)
    desk = make_desk(tmp_path, "one")
    for number in range(8):
        attempt = begin(desk.db, 1, owner=f"killed {number}")
        ((left, _),) = [(a.id, a.edit_id) for a in workers.take_over(desk.db, owner="next").attempts]
        assert left == attempt
        if number < 7:
            give_up(desk.db, attempt, EditState.QUEUED, owner="next", code=ledger.INTERRUPTED)
    run(desk)
    assert states(desk)[0] in (EditState.APPROVED, EditState.IN_REVIEW)
    assert ScriptedProvider.sent == ["one"]


def test_a_crash_with_a_task_id_asks_for_the_answer_instead_of_paying_again(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [Handle("task-7")]
    desk = make_desk(tmp_path, "one")
    attempt = begin(desk.db, 1, owner="killed", reserved_microusd=40_000)
    ledger.save_task_id(desk.db, attempt, "task-7")

    def answer(request_source: bytes) -> EditResult:
        return EditResult((OutputPicture(request_source, "image/png"),), cost_microusd=40_000)

    running.save_source(
        desk.db,
        1,
        original_sha256="0" * 64,
        source=_stored(desk, tmp_path / "shop" / "0.png"),
        facts={"file_name": "0.png"},
    )
    ScriptedProvider.finished["task-7"] = answer((tmp_path / "shop" / "0.png").read_bytes())
    run(desk)
    assert ScriptedProvider.sent == []
    assert states(desk)[0] in (EditState.APPROVED, EditState.IN_REVIEW)


def _stored(desk: Desk, path: Path) -> Any:
    data = path.read_bytes()
    return PictureFacts(desk.blobs.put(data, "image/png"), "image/png", (64, 48), len(data))


def test_equal_requests_are_paid_once(tmp_path: Path) -> None:
    """Two assets, one picture, one instruction."""
    desk = make_desk(tmp_path, "same", "same")
    (tmp_path / "shop" / "1.png").write_bytes((tmp_path / "shop" / "0.png").read_bytes())
    run(desk)
    assert ScriptedProvider.sent == ["same"]
    first, second = edits(desk)
    assert first.outputs[0].picture == second.outputs[0].picture
    assert (first.cost_microusd, second.cost_microusd) in ((40_000, 0), (0, 40_000))


# Servers that fail.


def test_a_server_that_failed_is_asked_once_more(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [ServerFailed("server_error", "500")]
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert states(desk)[0] in DONE
    assert ScriptedProvider.sent == ["one", "one"]
    assert [attempt.state for attempt in reading.attempts(desk.db, 1)] == ["lost", "succeeded"]


def test_a_server_that_failed_twice_leaves_the_edit_in_doubt(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [ServerFailed("server_error", "500")] * 3
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.IN_DOUBT], ["one", "one"])


def test_a_second_lost_answer_is_held_even_where_the_first_was_sent_again(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [AnswerLost("timeout", "none")] * 3
    desk = make_desk(tmp_path, "one", in_doubt="resend")
    run(desk)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.IN_DOUBT], ["one", "one"])


def test_not_now_for_ever_fails_the_edit_after_five_attempts(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [RetryLater("not_ready", "wait", retry_after_s=0)] * 9
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, len(ScriptedProvider.sent)) == (EditState.FAILED, 5)
    assert "after 5 attempts" in (edit.error or "")


def test_haste_slows_the_whole_lane_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(Gate, "slow_down", lambda _, wait_s: waits.append(wait_s))
    ScriptedProvider.script["one"] = [RetryLater("rate_limited", "wait", retry_after_s=0.05)] * 7
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert waits == [0.05] * 7
    assert states(desk)[0] in DONE


def test_a_failure_that_cost_money_is_charged(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditFailed("bad_answer", "no picture", cost_microusd=7, usage={"text_in": 1})]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, edit.cost_microusd) == (EditState.FAILED, 7)
    assert ledger.purse(desk.db, "batch:1") == (7, 0)


def test_a_refusal_keeps_its_stage_and_categories(tmp_path: Path) -> None:
    details = {"stage": "output", "categories": ["violence"]}
    ScriptedProvider.script["one"] = [EditRefused("moderation_blocked", "blocked", details=details)]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (attempt,) = reading.attempts(desk.db, 1)
    assert attempt.details == details


# Answers that come later.


def test_an_accepted_request_is_asked_for_until_it_is_answered(tmp_path: Path) -> None:
    answers: list[EditResult | None] = []

    def accept(request: EditRequest) -> Handle:
        answers.extend([None, None, inverted(request)])
        return Handle("task-1")

    async def poll(self: ScriptedProvider, handle: Handle) -> EditResult | None:
        assert handle.task_id == "task-1"
        return answers.pop(0)

    ScriptedProvider.script["one"] = [accept]
    desk = make_desk(tmp_path, "one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedProvider, "poll", poll)
        run(desk)
    assert states(desk)[0] in DONE
    assert (answers, reading.attempts(desk.db, 1)[0].task_id) == ([], "task-1")


def test_a_task_that_failed_is_booked_like_any_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def poll(self: ScriptedProvider, handle: Handle) -> EditResult | None:
        raise EditRefused("moderation_blocked", "the output was blocked")

    monkeypatch.setattr(ScriptedProvider, "poll", poll)
    ScriptedProvider.script["one"] = [Handle("task-1")]
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert states(desk) == [EditState.REFUSED]


def test_an_account_that_stops_a_poll_keeps_the_task_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop(self: ScriptedProvider, handle: Handle) -> EditResult | None:
        raise AccountStopped("wrong_key", "set the key")

    ScriptedProvider.script["one"] = [Handle("task-1")]
    desk = make_desk(tmp_path, "one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedProvider, "poll", stop)
        assert isinstance(run(desk).stopped_by, AccountStopped)
    assert states(desk) == [EditState.SENDING]
    ScriptedProvider.finished["task-1"] = EditResult((_negative(tmp_path),), cost_microusd=PRICE_MICROUSD)
    run(desk)
    assert states(desk)[0] in DONE
    assert ScriptedProvider.sent == ["one"]


def test_a_lost_request_is_found_by_its_own_name_instead_of_paid_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(self: ScriptedProvider, client_id: str) -> Handle | None:
        return Handle(f"task of {client_id}")

    monkeypatch.setattr(ScriptedProvider, "find", find)
    desk = make_desk(tmp_path, "one")
    begin(desk.db, 1, owner="killed", client_id="pd-7", reserved_microusd=PRICE_MICROUSD)
    ScriptedProvider.finished["task of pd-7"] = EditResult((_negative(tmp_path),), cost_microusd=PRICE_MICROUSD)
    run(desk)
    assert states(desk)[0] in DONE
    assert ScriptedProvider.sent == []


def test_what_cannot_be_looked_for_now_is_left_for_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def find(self: ScriptedProvider, client_id: str) -> Handle | None:
        asked.append(client_id)
        raise CannotAsk("not_reached", "no network")

    desk = make_desk(tmp_path, "one")
    begin(desk.db, 1, owner="killed", client_id="pd-7", reserved_microusd=PRICE_MICROUSD)
    with monkeypatch.context() as patch:
        patch.setattr(ScriptedProvider, "find", find)
        run(desk)
    assert set(asked) == {"pd-7"}
    assert len(asked) > 1
    assert (states(desk), ScriptedProvider.sent) == ([EditState.SENDING], [])
    assert ledger.purse(desk.db, "batch:1") == (0, PRICE_MICROUSD)


def test_what_never_left_is_sent_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(self: ScriptedProvider, client_id: str) -> Handle | None:
        raise RetryLater("never_sent", "no batch holds it", retry_after_s=0)

    monkeypatch.setattr(ScriptedProvider, "find", find)
    desk = make_desk(tmp_path, "one")
    begin(desk.db, 1, owner="killed", reserved_microusd=PRICE_MICROUSD)
    run(desk)
    assert states(desk)[0] in DONE
    assert ledger.purse(desk.db, "batch:1") == (PRICE_MICROUSD, 0)


def test_equal_requests_are_paid_once_although_the_answer_comes_later(tmp_path: Path) -> None:
    ScriptedProvider.script["same"] = [Handle("task-1")]
    desk = make_desk(tmp_path, "same", "same")
    (tmp_path / "shop" / "1.png").write_bytes((tmp_path / "shop" / "0.png").read_bytes())
    ScriptedProvider.finished["task-1"] = EditResult((_negative(tmp_path),), cost_microusd=PRICE_MICROUSD)
    run(desk)
    assert ScriptedProvider.sent == ["same"]
    assert sorted(edit.cost_microusd for edit in edits(desk)) == [0, PRICE_MICROUSD]


def test_a_task_of_an_earlier_run_serves_equal_requests_of_this_one(tmp_path: Path) -> None:
    ScriptedProvider.script["same"] = [Handle("task-1")]
    desk = make_desk(tmp_path, "same", "same")
    (tmp_path / "shop" / "1.png").write_bytes((tmp_path / "shop" / "0.png").read_bytes())

    async def stop(self: ScriptedProvider, handle: Handle) -> EditResult | None:
        raise AccountStopped("wrong_key", "set the key")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedProvider, "poll", stop)
        run(desk)
    assert sorted(states(desk)) == [EditState.QUEUED, EditState.SENDING], "who waits for an equal one is not stuck"
    ScriptedProvider.finished["task-1"] = EditResult((_negative(tmp_path),), cost_microusd=PRICE_MICROUSD)
    run(desk)
    assert ScriptedProvider.sent == ["same"]
    assert set(states(desk)) <= set(DONE)


# Budgets.


def test_a_budget_waits_for_reservations_that_may_come_back(tmp_path: Path) -> None:
    """Each edit may cost 40,000 and costs 10,000: three fit, one after the other."""
    for prompt in ("one", "two", "three"):
        ScriptedProvider.script[prompt] = [_cheap]
    desk = make_desk(tmp_path, "one", "two", "three", budget_usd=0.07, concurrency=3)
    outcome = run(desk)
    assert outcome.stopped_by is None
    assert ledger.purse(desk.db, "batch:1") == (30_000, 0)


def test_money_in_doubt_counts_against_the_budget(tmp_path: Path) -> None:
    ScriptedProvider.script = {name: [AnswerLost("timeout", "none")] for name in ("one", "two")}
    desk = make_desk(tmp_path, "one", "two", budget_usd=0.07, concurrency=1)
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, BudgetReached)
    assert "in doubt" in str(outcome.stopped_by)
    assert sorted(states(desk)) == [EditState.IN_DOUBT, EditState.QUEUED]


def test_a_batchs_own_budget_holds_for_every_run(tmp_path: Path) -> None:
    """Whoever goes on with it: another command, or the worker beside the page."""
    desk = make_desk(tmp_path, "one", "two", concurrency=1)
    ledger.set_budget(desk.db, 1, 50_000)
    assert isinstance(run(desk).stopped_by, BudgetReached)
    assert isinstance(run(desk).stopped_by, BudgetReached)
    assert len(ScriptedProvider.sent) == 1
    ledger.set_budget(desk.db, 1, 90_000)
    assert run(desk).stopped_by is None


def test_the_months_cap_holds_over_batches(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two", monthly_cap_usd=0.1, concurrency=1)
    assert run(desk).stopped_by is None
    (tmp_path / "shop" / "next.csv").write_text("asset_id,source,prompt\nmore,0.png,three\n")
    take_in(desk, tmp_path / "shop" / "next.csv", actor="ada")
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, BudgetReached)
    assert "monthly_cap_usd" in str(outcome.stopped_by)


def test_an_unknown_price_is_not_sent_under_a_budget(tmp_path: Path) -> None:
    unknown = {"providers": {"scripted": {"price_microusd": None}}}
    desk = make_desk(tmp_path, "one", budget_usd=1, **unknown)
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, edit.error_code, ScriptedProvider.sent) == (EditState.FAILED, "price_unknown", [])


# Reuse.


def test_another_batch_reuses_the_output_for_nothing(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    run(desk)
    (tmp_path / "shop" / "again.csv").write_text("asset_id,source,prompt\nother,0.png,one\n")
    take_in(desk, tmp_path / "shop" / "again.csv", actor="ada")
    run(desk)
    first, second = edits(desk)
    assert ScriptedProvider.sent == ["one"]
    assert second.outputs[0].picture == first.outputs[0].picture
    assert (second.cost_microusd, second.saved_microusd) == (0, PRICE_MICROUSD)


def test_a_fresh_batch_is_made_anew(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    run(desk)
    (tmp_path / "shop" / "again.csv").write_text("asset_id,source,prompt\nother,0.png,one\n")
    take_in(desk, tmp_path / "shop" / "again.csv", actor="ada", is_fresh=True)
    run(desk)
    assert ScriptedProvider.sent == ["one", "one"]


def test_another_desk_with_the_same_pictures_reuses_the_output_for_nothing(tmp_path: Path) -> None:
    first = make_desk(tmp_path / "a", "one", blobs=str(tmp_path / "store"))
    run(first)
    second = make_desk(tmp_path / "b", "one", blobs=str(tmp_path / "store"))
    run(second)
    ((mine,), (theirs,)) = edits(first), edits(second)
    assert ScriptedProvider.sent == ["one"]
    assert mine.outputs[0].picture == theirs.outputs[0].picture
    assert (theirs.cost_microusd, theirs.saved_microusd) == (0, PRICE_MICROUSD)


def test_a_shared_answer_whose_picture_is_gone_is_made_anew(tmp_path: Path) -> None:
    first = make_desk(tmp_path / "a", "one", blobs=str(tmp_path / "store"))
    run(first)
    picture = edits(first)[0].outputs[0].picture
    first.blobs.path(picture.sha256, picture.media_type).unlink()
    run(make_desk(tmp_path / "b", "one", blobs=str(tmp_path / "store")))
    assert ScriptedProvider.sent == ["one", "one"]


def _cheap(request: EditRequest) -> EditResult:
    return EditResult(inverted(request).outputs, cost_microusd=10_000)


def _negative(folder: Path) -> OutputPicture:
    Image.new("RGB", (64, 48), "white").save(folder / "answer.png")
    return OutputPicture((folder / "answer.png").read_bytes(), "image/png")
