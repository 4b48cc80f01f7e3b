"""A worker tells how it is and what it has done, at a port of its own."""

from pathlib import Path

import httpx
import pytest

from pipeline import providers
from pipeline.errors import EditRefused, RetryLater, UsageError
from pipeline.worker_health import served
from tests.commands import shared_pool
from tests.fakes import ScriptedProvider
from tests.operations.test_health import numbers
from tests.runner.desks import make_desk, run


def test_a_run_counts_its_requests_steps_and_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    busy = RetryLater("rate_limited", "wait", retry_after_s=0)
    ScriptedProvider.script = {"two": [busy], "three": [EditRefused("Moderated by: OpenAI!", "no")]}
    desk = make_desk(tmp_path, "one", "two", "three")
    with served(desk, port=0) as address:
        with pytest.raises(UsageError, match="choose another one"), served(desk, port=int(address.rpartition(":")[2])):
            pass
        run(desk)
        found = numbers(httpx.get(f"{address}/metrics").text)
        assert httpx.get(f"{address}/readyz").json()["status"] == "ready"
    requests = {name: n for name, n in found.items() if name.startswith("picturedesk_provider_requests_total")}
    assert requests == {
        "picturedesk_provider_requests_total{outcome=succeeded,provider=scripted}": 2,
        "picturedesk_provider_requests_total{outcome=retry_later,provider=scripted}": 1,
        "picturedesk_provider_requests_total{outcome=refused,provider=scripted}": 1,
    }
    assert found["picturedesk_errors_total{code=rate_limited}"] == 1
    assert found["picturedesk_errors_total{code=other}"] == 1, "a provider may say anything"
    steps = {name: n for name, n in found.items() if name.startswith("picturedesk_step_duration_seconds_count")}
    assert steps["picturedesk_step_duration_seconds_count{step=send}"] == 4
    assert steps["picturedesk_step_duration_seconds_count{step=look}"] == 2
    desk.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/healthz")
