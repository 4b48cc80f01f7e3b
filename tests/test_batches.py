"""Batches as a whole: paused, resumed, cancelled and budgeted, beside a runner that is at work."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import audit, batches, cli, providers, review
from pipeline.batches import Standing
from pipeline.desk import Desk
from pipeline.errors import AccountStopped, Conflict, Forbidden, RetryLater
from pipeline.intake import take_in
from pipeline.people import Person, local_person
from pipeline.pool import WorkPool
from pipeline.runner import Runner
from pipeline.states import EditState, Role
from pipeline.store import Database, batching, reading, running
from pipeline.values import EditRequest, EditResult, Handle
from tests import processes
from tests.attempts import living_worker
from tests.fakes import ScriptedProvider, inverted
from tests.older_desks import fill_older
from tests.runner.desks import edits, make_desk, states

ADA = Person("ada", Role.REQUESTER)
ANN = Person("ann", Role.APPROVER)
VIC = Person("vic", Role.VIEWER)
DONE = {EditState.APPROVED, EditState.IN_REVIEW}
QUEUED, CANCELLED = EditState.QUEUED, EditState.CANCELLED


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider whose answers a test writes down, and pictures looked at in this process."""
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    ScriptedProvider.script, ScriptedProvider.sent, ScriptedProvider.finished = {}, [], {}
    for name in ("_IDLE_S", "_LOOK_FOR_REPROMPTS_S"):
        monkeypatch.setattr(f"pipeline.runner.{name}", 0.01)
    monkeypatch.setattr(WorkPool, "run", _run_here)


async def _run_here(_: WorkPool, work: Callable[..., object], *args: object, **options: object) -> object:
    return work(*args, **options)


def run(desk: Desk) -> None:
    asyncio.run(Runner(desk).run())


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came to that")


async def beside_a_runner(desk: Desk, story: Callable[[], "asyncio.Future[None] | object"]) -> None:
    """Tell a story while a runner follows the desk; then stop it as a first Ctrl-C does."""
    runner = Runner(desk)
    work = asyncio.create_task(runner.run(follow=True))
    await story()  # type: ignore[misc]
    runner._stop()
    await asyncio.wait_for(work, 60)


def prompts(count: int) -> list[str]:
    return [f"edit {number}" for number in range(count)]


def events(desk: Desk, kind: str) -> list[tuple[str, str]]:
    found = reading.latest_events(desk.db, kind=kind, limit=10_000)
    return [(event.kind, event.actor) for event in reversed(found)]


def test_a_pause_in_the_middle_stops_the_sending_and_a_resume_goes_on(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, *prompts(60), concurrency=2)

    async def story() -> None:
        await until(lambda: len(ScriptedProvider.sent) >= 4)
        batches.pause(desk, "shop", by=ADA)
        sent = len(ScriptedProvider.sent)
        await until(lambda: batches.status_of(desk, "shop").in_flight == 0)
        assert len(ScriptedProvider.sent) <= sent + 2, "only what was begun before may still have left"
        status = batches.status_of(desk, "shop")
        assert (status.standing, status.queued) == (Standing.PAUSED, 60 - len(ScriptedProvider.sent))
        stood = list(ScriptedProvider.sent)
        await asyncio.sleep(0.2)  # twenty looks of the runner
        assert stood == ScriptedProvider.sent
        assert all(edit.state in {QUEUED, *DONE} for edit in edits(desk)), "what was in flight came home"
        batches.resume(desk, "shop", by=ADA)
        await until(lambda: batches.status_of(desk, "shop").queued == 0)

    asyncio.run(beside_a_runner(desk, story))
    assert set(states(desk)) <= DONE
    assert sorted(ScriptedProvider.sent) == sorted(prompts(60)), "each was sent once"
    assert events(desk, "batch.") == [("batch.created", "ada"), ("batch.paused", "ada"), ("batch.resumed", "ada")]
    assert audit.verify(desk).is_whole


def test_cancelling_ends_a_batch_and_nothing_that_was_in_flight_is_lost(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, *prompts(40), concurrency=2)

    async def story() -> None:
        await until(lambda: len(ScriptedProvider.sent) >= 4)
        batches.cancel(desk, "shop", by=ADA)
        await until(lambda: batches.status_of(desk, "shop").in_flight == 0)

    asyncio.run(beside_a_runner(desk, story))
    sent = len(ScriptedProvider.sent)
    assert sent <= 6
    status = batches.status_of(desk, "shop")
    assert (status.standing, status.queued, status.cancelled) == (Standing.CANCELLED, 0, 40 - sent)
    assert status.spent_microusd == 40_000 * sent
    assert events(desk, "edit.cancelled") == [("edit.cancelled", "ada")] * (40 - sent)
    run(desk)
    assert len(ScriptedProvider.sent) == sent
    assert batches.resume(desk, "shop", by=ADA) == 40 - sent
    run(desk)
    assert sorted(ScriptedProvider.sent) == sorted(prompts(40)), "each was sent once, and paid once"
    assert batches.status_of(desk, "shop").spent_microusd == 40_000 * 40
    assert audit.verify(desk).is_whole


def test_loading_the_same_rows_again_takes_a_cancelled_batch_up(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two")
    batches.cancel(desk, "shop", by=ADA)
    loaded = take_in(desk, tmp_path / "shop" / "shop.csv", actor="ada").loaded
    assert (loaded.added, loaded.unchanged, loaded.resumed) == (0, 0, 2)
    assert states(desk) == [QUEUED] * 2
    assert take_in(desk, tmp_path / "shop" / "shop.csv", actor="ada").loaded.unchanged == 2


def test_what_a_runner_would_queue_again_of_a_cancelled_batch_is_cancelled(tmp_path: Path) -> None:
    """Sent, cancelled meanwhile, and then told to come back later; and a chained step behind one that was sent."""
    desk = make_desk(tmp_path, "one", "two => three", concurrency=1)
    with desk.db.write() as connection:
        connection.exec_driver_sql(
            "UPDATE edit SET prompt = 'two', next_steps = "
            """'[{"prompt": "three", "operations": [], "recipe": null, "parameters": {}}]' WHERE id = 2"""
        )

    def cancel_and(
        answer: Callable[[EditRequest], EditResult | Handle],
    ) -> Callable[[EditRequest], EditResult | Handle]:
        def answered(request: EditRequest) -> EditResult | Handle:
            if batches.status_of(desk, "shop").batch.cancelled_at is None:
                batches.cancel(desk, "shop", by=ADA)
            return answer(request)

        return answered

    def later(request: EditRequest) -> EditResult:
        raise RetryLater("rate_limited", "wait", retry_after_s=0)

    ScriptedProvider.script = {"one": [cancel_and(later)], "two": [cancel_and(later)]}  # either may be first
    run(desk)
    assert states(desk) == [CANCELLED, CANCELLED]
    batches.resume(desk, "shop", by=ADA)
    ScriptedProvider.script = {"two": [cancel_and(inverted)]}
    run(desk)
    assert [edit.state for edit in edits(desk)][1:] == [EditState.SUPERSEDED, CANCELLED]
    assert "three" not in ScriptedProvider.sent


def test_a_re_prompt_waits_with_its_paused_batch_and_outlives_a_cancelled_one(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two", concurrency=1)
    _make_only_the_first(desk)
    review.undo(desk, 1, by=local_person("ada"))  # the policy approved it
    batches.pause(desk, "shop", by=ADA)
    review.reprompt(desk, 1, by=local_person("ada"), prompt="again")
    run(desk)
    assert "again" not in ScriptedProvider.sent
    batches.cancel(desk, "shop", by=ADA)
    assert states(desk) == [EditState.SUPERSEDED, CANCELLED, CANCELLED]
    review.undo(desk, 1, by=local_person("ada"))
    assert states(desk)[0] is EditState.IN_REVIEW, "the re-prompt can be taken back"
    assert batches.resume(desk, "shop", by=ADA) == 1, "and is then not queued again"
    batches.cancel(desk, "shop", by=ADA)
    review.reprompt(desk, 1, by=local_person("ada"), prompt="by hand")
    run(desk)
    assert ScriptedProvider.sent[-1] == "by hand"
    assert states(desk)[-1] in DONE


def _make_only_the_first(desk: Desk) -> None:
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET not_before = '2999-01-01' WHERE id = 2")

    async def story() -> None:
        await until(lambda: states(desk)[0] in DONE)

    asyncio.run(beside_a_runner(desk, story))


def test_roles_say_who_may_what(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one")
    for act in (batches.pause, batches.resume, batches.cancel):
        with pytest.raises(Forbidden, match="that takes a requester"):
            act(desk, "shop", by=VIC)
    with pytest.raises(Forbidden, match="approver"):
        batches.set_budget(desk, "shop", 5, by=ADA)
    assert states(desk) == [QUEUED]
    assert batches.status_of(desk, "shop").batch.paused_at is None
    with pytest.raises(Conflict, match="neither"):
        batches.resume(desk, "shop", by=ADA)
    batches.pause(desk, "shop", by=ADA)
    with pytest.raises(Conflict, match="paused already"):
        batches.pause(desk, "shop", by=ADA)


def test_a_reached_budget_stops_its_batch_alone_and_more_lets_it_go_on(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two", "three", concurrency=1)
    (tmp_path / "shop" / "next.csv").write_text("asset_id,source,prompt\nmore,0.png,four\n")
    take_in(desk, tmp_path / "shop" / "next.csv", actor="ada")
    batches.set_budget(desk, "shop", 0.05, by=ANN)

    async def story() -> None:
        await until(lambda: batches.status_of(desk, "shop").batch.stopped is not None)
        await until(lambda: batches.status_of(desk, "next").queued == 0)
        status = batches.status_of(desk, "shop")
        with living_worker(desk.db):
            status = batches.status_of(desk, "shop")
        assert status.standing is Standing.STOPPED
        assert status.batch.stopped is not None
        assert "the budget of $0.0500 is reached" in status.batch.stopped["message"]
        assert "larger budget" in status.what_to_do
        assert status.queued == 2
        batches.set_budget(desk, "shop", 1, by=ANN)
        await until(lambda: batches.status_of(desk, "shop").queued == 0)

    asyncio.run(beside_a_runner(desk, story))
    assert sorted(ScriptedProvider.sent) == ["four", "one", "three", "two"]
    kinds = [kind for kind, _ in events(desk, "batch.")]
    assert kinds == ["batch.created", "batch.created", "batch.budget", "batch.stopped", "batch.budget"]


def test_what_stopped_a_run_stands_at_its_batches_until_they_go_on(tmp_path: Path) -> None:
    stop = AccountStopped("account_exhausted", "add credit")
    ScriptedProvider.script = {"one": [stop] * 2, "two": [stop] * 2}  # either may be first
    desk = make_desk(tmp_path, "one", "two", concurrency=1)
    run(desk)
    run(desk)
    ScriptedProvider.script = {}
    stopped = batches.status_of(desk, "shop").batch.stopped
    assert stopped is not None
    assert (stopped["code"], stopped["message"]) == ("account_exhausted", "add credit")
    assert len(events(desk, "batch.stopped")) == 1, "said once, however often it happens"
    run(desk)
    assert set(states(desk)) <= DONE
    assert batches.status_of(desk, "shop").batch.stopped is None


def test_a_wrong_setting_is_said_at_once_and_the_other_providers_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make_desk(tmp_path, "one", "two", concurrency=1)
    monkeypatch.setitem(providers.BUILT_IN, "unusable", "tests.runner.test_stopping:Unusable")
    with desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE edit SET provider = 'unusable' WHERE id = 1")

    async def story() -> None:
        await until(lambda: states(desk)[1] in DONE)
        await until(lambda: batches.status_of(desk, "shop").batch.stopped is not None)

    asyncio.run(beside_a_runner(desk, story))
    stopped = batches.status_of(desk, "shop").batch.stopped
    assert stopped is not None
    assert (stopped["code"], stopped["message"]) == ("wrong_setting", "providers.unusable.base_url is missing")
    assert len(events(desk, "batch.stopped")) == 1


def test_a_pause_outlives_a_killed_runner(tmp_path: Path) -> None:
    """Paused while a runner is at work, which is killed then: another process sends nothing more until it is told."""
    desk = make_desk(tmp_path, *["make it black and white"] * 150, provider="local")
    settings = desk.root / "picturedesk.toml"
    settings.write_text(settings.read_text().replace('["faces", "text", "logos"]', "[]"))
    process = processes.start("pipeline.cli", "--desk", str(desk.root), "run")
    deadline = time.monotonic() + 60
    while batches.status_of(desk, "shop").queued > 145 and time.monotonic() < deadline:
        time.sleep(0.01)
    batches.pause(desk, "shop", by=ADA)
    process.kill()
    process.join()
    before = batches.status_of(desk, "shop")
    assert before.queued > 0
    again = Desk.open(desk.root)
    run(again)
    after = batches.status_of(desk, "shop")
    assert (after.standing, after.in_flight, after.problems) == (Standing.PAUSED, 0, 0)
    assert after.queued >= before.queued
    batches.resume(desk, "shop", by=ADA)
    run(again)
    assert set(states(desk)) <= DONE


def test_a_paused_batch_is_passed_over_by_claims(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, "one", "two")
    (tmp_path / "shop" / "next.csv").write_text("asset_id,source,prompt\nmore,0.png,three\n")
    take_in(desk, tmp_path / "shop" / "next.csv", actor="ada")
    batches.pause(desk, "shop", by=ADA)
    assert [line.batch_id for line in running.queued_lines(desk.db)] == [2]
    claim = {"owner": "r", "provider": "scripted", "limit": 9, "batch_id": None}
    assert running.claim_queued(desk.db, **claim) == [3]  # type: ignore[arg-type]
    batches.resume(desk, "shop", by=ADA)
    assert running.claim_queued(desk.db, **claim, leave_out=[1]) == []  # type: ignore[arg-type]
    assert running.claim_queued(desk.db, **claim) == [1, 2]  # type: ignore[arg-type]


def test_claims_cost_the_same_whatever_a_paused_batch_has_queued(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, which no busy neighbour changes."""
    desk = make_desk(tmp_path, "one")
    (tmp_path / "shop" / "next.csv").write_text("asset_id,source,prompt\nmore,0.png,three\n")
    take_in(desk, tmp_path / "shop" / "next.csv", actor="ada")
    batches.pause(desk, "shop", by=ADA)
    few = _steps_of_a_claim(desk)
    with desk.db.write() as connection:
        names = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(edit)") if row[1] != "id"]
        columns = ", ".join(f'"{name}"' for name in names)
        for _ in range(12):  # doubles each time
            connection.exec_driver_sql(f"INSERT INTO edit ({columns}) SELECT {columns} FROM edit WHERE batch_id = 1")
    assert batches.status_of(desk, "shop").queued == 4_096
    assert _steps_of_a_claim(desk) <= few + 10


def _steps_of_a_claim(desk: Desk) -> int:
    """In tens of instructions."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with desk.db.read() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
    driver.set_progress_handler(count, 10)
    running.claim_queued(desk.db, owner="r", provider="scripted", limit=0, batch_id=None)
    running.queued_lines(desk.db)
    driver.set_progress_handler(None, 10)
    return steps


def test_a_batch_says_who_started_it_and_what_went_wrong_what_it_may_have_cost(tmp_path: Path) -> None:
    from pipeline.errors import AnswerLost

    ScriptedProvider.script["two"] = [AnswerLost("timeout", "no answer came")]
    desk = make_desk(tmp_path, "one", "two")
    run(desk)
    status = batches.status_of(desk, "shop")
    assert (status.batch.created_by, status.problems, status.total) == ("ada", 1, 2)
    assert status.standing is Standing.TO_REVIEW
    (line,) = batching.problems(desk.db, limit=10)
    assert (line.edit_id, line.batch, line.asset, line.doubtful_microusd) == (2, "shop", "asset-1", 40_000)
    assert list(batching.problems(desk.db, before=2, limit=10)) == []


def test_the_command_lists_pauses_budgets_and_cancels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = make_desk(tmp_path, "one", "two")
    monkeypatch.setenv("PICTUREDESK_ACTOR", "ada")

    def said(*arguments: str) -> dict[str, object]:
        done = CliRunner().invoke(cli.app, ["--desk", str(desk.root), "batch", *arguments, "--json"])
        assert done.exit_code == 0, done.output
        (batch,) = json.loads(done.output)["batches"]
        return dict(batch)

    assert said("list")["standing"] == "waiting for a runner"
    assert said("pause", "shop")["standing"] == "paused"
    assert said("budget", "shop", "2.5")["budget_usd"] == 2.5
    assert said("resume", "shop")["queued"] == 2
    assert (said("cancel", "shop")["cancelled"], said("list", "--all")["standing"]) == (2, "cancelled")
    shown = CliRunner().invoke(cli.app, ["--desk", str(desk.root), "batch", "list"])
    assert "Nothing is under way" in shown.output
    assert [actor for _, actor in events(desk, "batch.")] == ["ada"] * 5


def test_a_batch_of_an_older_desk_says_who_started_it(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'old.db'}")
    at = "2026-10-31 23:59:59.000000"
    started = f"INSERT INTO event (at, kind, actor, batch_id, data) VALUES ('{at}', 'batch.created', 'ada', 1, '{{}}')"
    fill_older(db, "0001", [f"INSERT INTO batch VALUES (1, 'old', 'old.csv', '0', '{at}')", started])
    db.upgrade()
    (found,) = batching.figures(db, [1])
    assert (found.batch.created_by, found.batch.paused_at, found.batch.stopped) == ("ada", None, None)
    assert found.batch.destinations == ()
    db.close()
