"""The provider whose answers a test writes down, and no waiting."""

import pytest

from pipeline import providers
from tests.fakes import ScriptedProvider


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedProvider]:
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    ScriptedProvider.script, ScriptedProvider.sent, ScriptedProvider.finished = {}, [], {}
    for name in ("runner._IDLE_S", "runner._LOOK_FOR_REPROMPTS_S", "booking._SERVER_WAIT_S"):
        monkeypatch.setattr(f"pipeline.{name}", 0.01)
    return ScriptedProvider
