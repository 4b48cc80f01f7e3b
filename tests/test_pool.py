"""Worker processes that may die."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pipeline.errors import EditRefused, RetryLater, WorkerCrashed
from pipeline.pool import WorkPool


def double(number: int) -> int:
    return 2 * number


def die(_: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def refuse(_: int) -> int:
    raise EditRefused("needs_region", "say where")


def wait_a_bit(number: int) -> int:
    time.sleep(0.2)
    return number


def test_errors_come_back_as_they_are() -> None:
    async def work(pool: WorkPool) -> None:
        with pytest.raises(EditRefused, match="say where") as caught:
            await pool.run(refuse, 1)
        assert caught.value.code == "needs_region"

    with WorkPool(1) as pool:
        asyncio.run(work(pool))


def test_a_picture_that_kills_its_worker_takes_no_other_with_it() -> None:
    async def work(pool: WorkPool) -> None:
        others = [asyncio.create_task(pool.run(wait_a_bit, number)) for number in range(4)]
        with pytest.raises(WorkerCrashed):
            await pool.run(die, 1)
        assert await asyncio.gather(*others) == [0, 1, 2, 3]
        assert await pool.run(double, 21) == 42

    with WorkPool(2) as pool:
        asyncio.run(work(pool))


def test_who_waits_is_told_if_no_worker_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(_: WorkPool) -> None:
        raise OSError("cannot allocate memory")

    monkeypatch.setattr(WorkPool, "_hire", no_memory)
    with WorkPool(1) as pool, pytest.raises(OSError, match="cannot allocate"):
        asyncio.run(pool.run(double, 1))


def test_an_error_with_fields_survives_the_way_back() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(RetryLater("rate_limit", "wait", retry_after_s=1.5)))
    assert (error.code, str(error), error.retry_after_s) == ("rate_limit", "wait", 1.5)


def test_workers_end_with_a_parent_that_is_killed() -> None:
    code = (
        "import asyncio, sys; from pipeline.pool import WorkPool; from tests.test_pool import double\n"
        "if __name__ == '__main__':\n"
        "    pool = WorkPool(2); asyncio.run(pool.run(double, 1)); print('ready', flush=True); sys.stdin.read()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline().strip() == "ready"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    parent.stdin.close()
    parent.stdout.close()
    assert alive == []
