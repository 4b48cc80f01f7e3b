"""The provider whose answers a test writes down, no waiting, and one worker process for all tests."""

import pytest

from pipeline import providers
from tests.commands import shared_pool
from tests.fakes import ScriptedProvider


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedProvider]:
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    ScriptedProvider.script, ScriptedProvider.sent, ScriptedProvider.finished = {}, [], {}
    for name in ("runner._IDLE_S", "runner._LOOK_FOR_REPROMPTS_S", "booking._SERVER_WAIT_S"):
        monkeypatch.setattr(f"pipeline.{name}", 0.01)
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    return ScriptedProvider


@pytest.fixture(autouse=True)
def database(each_database: None) -> None:
    """Every test of the runner, on both databases."""
