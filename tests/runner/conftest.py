"""The provider whose answers a test writes down, no waiting, and one worker process for all tests."""

from collections.abc import Iterator

import pytest

from pipeline import providers
from pipeline.pool import WorkPool
from tests.fakes import ScriptedProvider


class SharedPool(WorkPool):
    """Goes on when a run is over: to start a process takes a second."""

    def close(self) -> None:
        """Not yet."""


@pytest.fixture(scope="session")
def shared_pool() -> Iterator[SharedPool]:
    pool = SharedPool(1)
    yield pool
    WorkPool.close(pool)


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch, shared_pool: SharedPool) -> type[ScriptedProvider]:
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    ScriptedProvider.script, ScriptedProvider.sent, ScriptedProvider.finished = {}, [], {}
    for name in ("runner._IDLE_S", "runner._LOOK_FOR_REPROMPTS_S", "booking._SERVER_WAIT_S"):
        monkeypatch.setattr(f"pipeline.{name}", 0.01)
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool)
    return ScriptedProvider
