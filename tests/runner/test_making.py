"""The runner, with real files, a real database and a provider whose answers are written down."""

import asyncio
import csv
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline import providers
from pipeline.desk import Desk
from pipeline.errors import AccountStopped, AnswerLost, BudgetReached, EditFailed, EditRefused, RetryLater
from pipeline.intake import take_in
from pipeline.records import EditRecord
from pipeline.runner import Runner, RunOutcome
from pipeline.states import EditState
from pipeline.store import ledger, reading, running
from pipeline.store.reading import EditFilter
from pipeline.values import EditResult, Handle, OutputPicture
from tests.attempts import begin, give_up
from tests.fakes import ScriptedProvider, inverted


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedProvider]:
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    ScriptedProvider.script, ScriptedProvider.sent, ScriptedProvider.finished = {}, [], {}
    for name in ("_IDLE_S", "_LOOK_FOR_REPROMPTS_S", "_SERVER_WAIT_S"):
        monkeypatch.setattr(f"pipeline.runner.{name}", 0.01)
    return ScriptedProvider


def make_desk(tmp_path: Path, *prompts: str, **options: Any) -> Desk:
    """A desk with one row for each prompt, each on a picture of its own; no detector looks."""
    settings = {"provider": "scripted", "detectors": (), "workers": 1, **options}
    desk = Desk.open(tmp_path / "desk", create=True, **settings)
    folder = tmp_path / "shop"
    folder.mkdir(exist_ok=True)
    with (folder / "shop.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["asset_id", "source", "prompt"])
        for number, prompt in enumerate(prompts):
            Image.new("RGB", (64, 48), (number * 20, 90, 160)).save(folder / f"{number}.png")
            writer.writerow([f"asset-{number}", f"{number}.png", prompt])
    take_in(desk, folder / "shop.csv", actor="ada")
    return desk


def run(desk: Desk) -> RunOutcome:
    return asyncio.run(Runner(desk).run())


def edits(desk: Desk) -> list[EditRecord]:
    return list(reading.each_edit(desk.db, EditFilter()))


def states(desk: Desk) -> list[EditState]:
    return [edit.state for edit in edits(desk)]


def test_a_batch_is_made_booked_and_routed(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two")
    outcome = run(desk)
    assert (outcome.progress.done, outcome.progress.cost_microusd) == (2, 80_000)
    first, second = edits(desk)
    assert {first.state, second.state} <= {EditState.APPROVED, EditState.IN_REVIEW}
    assert first.outputs[0].picture.size_wh == (64, 48)
    assert first.asset.source_facts["file_name"] == "0.png"
    assert reading.batches(desk.db)[0].cost_microusd == 80_000


def test_running_again_sends_nothing(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    run(desk)
    run(desk)
    assert ScriptedProvider.sent == ["one"]


def test_a_broken_picture_fails_its_row_alone(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two")
    (tmp_path / "shop" / "0.png").write_bytes(b"no picture")
    run(desk)
    bad, good = edits(desk)
    assert (bad.state, bad.error_code) == (EditState.FAILED, "not_a_picture")
    assert good.state in (EditState.APPROVED, EditState.IN_REVIEW)
    assert ScriptedProvider.sent == ["two"]


def test_a_refusal_goes_to_a_person_with_its_code(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditRefused("moderation", "blocked at input: violence")]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, edit.error_code, edit.error) == (EditState.REFUSED, "moderation", "blocked at input: violence")


def test_a_failure_is_not_sent_again(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditFailed("invalid_image_file", "no")]
    desk = make_desk(tmp_path, "one")
    run(desk)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.FAILED], ["one"])


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
    ScriptedProvider.script["one"] = [AccountStopped("invalid_api_key", "set OPENAI_API_KEY")]
    desk = make_desk(tmp_path, "one", "two", "three", concurrency=1)
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, AccountStopped)
    assert (states(desk), ScriptedProvider.sent) == ([EditState.QUEUED] * 3, ["one"])


def test_the_budget_stops_before_it_can_be_passed(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two", "three", budget_usd=0.1, concurrency=1)
    outcome = run(desk)
    assert isinstance(outcome.stopped_by, BudgetReached)
    assert ScriptedProvider.sent == ["one", "two"]
    assert states(desk)[2] is EditState.QUEUED


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
        ((left, _),) = [(a.id, a.edit_id) for a in running.take_over(desk.db, owner="next")[0]]
        assert left == attempt
        if number < 7:
            give_up(desk.db, attempt, EditState.QUEUED, code=ledger.INTERRUPTED)
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
    from pipeline.values import PictureFacts

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


def test_steps_are_made_one_on_the_other(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    (tmp_path / "shop" / "steps.csv").write_text("asset_id,source,steps\ntwice,0.png,first => second\n")
    take_in(desk, tmp_path / "shop" / "steps.csv", actor="ada")
    run(desk)
    first, second = edits(desk)[1:]
    assert (first.state, second.parent_id) == (EditState.SUPERSEDED, first.id)
    assert second.input_sha256 == first.outputs[0].picture.sha256
    with Image.open(desk.blobs.path(second.outputs[0].picture.sha256, "image/png")) as twice_inverted:
        assert twice_inverted.convert("RGB").getpixel((0, 0)) == (0, 90, 160)


def test_a_broken_answer_is_booked_and_fails_the_edit(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditResult((OutputPicture(b"junk", "image/png"),), cost_microusd=40_000)]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, edit.error_code, edit.cost_microusd) == (EditState.FAILED, "bad_output", 40_000)


def test_an_unforeseen_error_goes_to_its_edit_and_the_others_are_made(tmp_path: Path) -> None:
    ScriptedProvider.script["one"] = [EditResult(())]
    desk = make_desk(tmp_path, "one", "two")
    run(desk)
    bad, good = edits(desk)
    assert bad.state is EditState.FAILED
    assert good.state in (EditState.APPROVED, EditState.IN_REVIEW)


def test_several_outputs_go_to_a_person(tmp_path: Path) -> None:
    def two(request: Any) -> EditResult:
        return EditResult((*inverted(request).outputs, OutputPicture(request.source.read(), "image/png")))

    ScriptedProvider.script["one"] = [two]
    desk = make_desk(tmp_path, "one")
    run(desk)
    (edit,) = edits(desk)
    assert (edit.state, len(edit.outputs)) == (EditState.IN_REVIEW, 2)


def test_half_written_pictures_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    left = desk.root / "pictures" / "ab" / "cd" / ".tmp-xyz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    run(desk)
    assert not left.exists()
