"""What every engine does alike: the in-process pool and Ray."""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.engines import Engine, open_engine
from pipeline.engines.hands import MOST_DEATHS
from pipeline.errors import EditRefused, UsageError, WorkerCrashed
from pipeline.looking import Looker
from pipeline.pool import WorkPool
from pipeline.settings import Settings
from pipeline.store import reading
from pipeline.store.journal import Journal
from pipeline.values import Change, Kind
from tests.conftest import need
from tests.contract import engine_work as work
from tests.desks import build_queue

WORKERS = 2


@pytest.fixture(params=["pool", "ray"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    opened = _opened(request.param)
    yield opened
    opened.close()


def _opened(name: str, workers: int = WORKERS) -> Engine:
    return open_engine(Settings(engine=name, workers=workers), WorkPool(workers))


def test_results_and_errors_come_back_as_they_are(engine: Engine) -> None:
    async def calls() -> None:
        assert await asyncio.gather(*(engine.run(work.double, number) for number in range(20))) == list(range(0, 40, 2))
        assert await engine.run(work.size_of, bytes(3_000_000)) == 3_000_000
        with pytest.raises(EditRefused, match="say where") as refused:
            await engine.run(work.refuse, 1)
        assert type(refused.value) is EditRefused
        assert refused.value.code == "needs_region"
        with pytest.raises(KeyError, match="a mistake of ours") as mistaken:
            await engine.run(work.mistake, 1)
        assert "engine_work.py" in "".join(mistaken.value.__notes__)
        with pytest.raises(TypeError, match="cannot be sent"):
            await engine.run(work.unsendable)
        assert await engine.run(work.double, 21) == 42

    asyncio.run(calls())


def test_a_worker_killed_at_any_moment_loses_nothing_and_gives_nothing_twice(engine: Engine, tmp_path: Path) -> None:
    """Each call comes back to its caller once; the killed one is carried out by another worker."""
    journal, chance, given = tmp_path / "journal", random.Random(7), list[int]()

    async def call(number: int) -> None:
        given.append(await engine.run(work.wait_and_note, number, 0.05, str(journal)))

    async def kill() -> None:
        for _ in range(2):
            lines = len(_lines(journal)) + chance.randint(1, 4)
            await _until(lambda lines=lines: len(_lines(journal)) >= lines)  # type: ignore[misc]
            os.kill(int(_lines(journal)[-1].split()[1]), signal.SIGKILL)

    async def calls() -> None:
        await asyncio.gather(kill(), *(call(number) for number in range(24)))

    asyncio.run(calls())
    assert sorted(given) == list(range(24))
    begun = [int(line.split()[0]) for line in _lines(journal)]
    assert set(begun) == set(given)
    assert len(begun) <= len(given) + 2 * 2  # what a killed one was doing, and what it had just done


def test_a_picture_that_kills_three_workers_is_given_up_and_takes_no_other_with_it(
    engine: Engine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    deaths, journal = tmp_path / "deaths", tmp_path / "journal"

    async def calls() -> None:
        others = [asyncio.create_task(engine.run(work.wait_and_note, n, 0.02, str(journal))) for n in range(12)]
        with pytest.raises(WorkerCrashed, match="die killed its worker process 3 times"):
            await engine.run(work.die, str(deaths))
        assert await asyncio.gather(*others) == list(range(12))

    asyncio.run(calls())
    assert _lines(deaths) == ["died"] * MOST_DEATHS
    assert capfd.readouterr().out == "", "a command's answer goes there"


def test_a_person_is_told_of_a_picture_that_detectors_died_over(
    engine: Engine, tmp_path: Path, weights_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.looking.look_at_output", work.die_looking)
    desk = build_queue(tmp_path / "desk", 1)
    (record,) = reading.each_edit(desk.db, reading.EditFilter())
    assert record.asset.source is not None
    journal = Journal(desk.db)
    looker = Looker(desk, engine, journal, owner="runner")
    ((flag, *_),) = asyncio.run(looker.flags(record, record.asset.source, mask=None)).values()
    assert (flag.detection.kind, flag.change) == (Kind.DETECTOR, Change.INTRODUCED)
    assert "killed its worker process 3 times" in flag.detection.label
    journal.close()
    desk.close()


def test_who_stops_waiting_takes_back_what_nobody_has_begun(engine: Engine, tmp_path: Path) -> None:
    journal = tmp_path / "journal"

    async def calls() -> None:
        tasks = [asyncio.create_task(engine.run(work.wait_and_note, n, 0.3, str(journal))) for n in range(12)]
        await _until(lambda: len(_lines(journal)) >= WORKERS)
        for task in tasks[6:]:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended[:6] == list(range(6))
        assert all(isinstance(each, asyncio.CancelledError) for each in ended[6:])
        assert await engine.run(work.double, 1) == 2

    asyncio.run(calls())
    assert {int(line.split()[0]) for line in _lines(journal)} == set(range(6))


def test_closing_ends_what_is_at_work_and_leaves_no_worker(engine: Engine, tmp_path: Path) -> None:
    journal = tmp_path / "journal"

    async def calls() -> None:
        tasks = [asyncio.create_task(engine.run(work.wait_and_note, n, 60.0, str(journal))) for n in range(6)]
        await _until(lambda: len(_lines(journal)) >= WORKERS)
        await asyncio.to_thread(engine.close)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended)
        pids = [int(line.split()[1]) for line in _lines(journal)]
        await _until(lambda: not any(map(_is_alive, pids)))

    asyncio.run(calls())


def test_a_cluster_that_is_not_there_is_a_wrong_setting() -> None:
    need("ray", 'pip install "picturedesk[ray]"')
    with pytest.raises(UsageError, match=r"no Ray cluster at 127\.0\.0\.1:9 "):
        asyncio.run(_opened("127.0.0.1:9").run(work.process_id))


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def _until(holds: Callable[[], bool], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)
