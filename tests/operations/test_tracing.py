"""What a collector gets of an edit and of the page, and that nothing happens without one."""

import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline import providers, tracing
from pipeline.errors import EditRefused
from pipeline.states import EditState, Role
from pipeline.values import EditRequest, Handle
from review_app.api import routes
from tests.commands import shared_pool
from tests.desks import build_desk
from tests.fakes import ScriptedProvider, inverted
from tests.operations.collector import Collector, TakenSpan, collector
from tests.review_app.calling import Caller, ticket
from tests.runner.desks import make_desk, run, states

STEPS = ["edit", "prepare", "wait", "send", "keep", "look", "route"]
SECRET = "sk-proj-Zx81QmLp20"


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedProvider]:
    monkeypatch.setitem(providers.BUILT_IN, "scripted", "tests.fakes:ScriptedProvider")
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    ScriptedProvider.script, ScriptedProvider.sent, ScriptedProvider.finished = {}, [], {}
    return ScriptedProvider


def of_edit(taken: Collector, edit_id: int) -> list[TakenSpan]:
    """The spans of the one trace in which this edit is."""
    (trace,) = {span.trace for span in taken.spans if span.attributes.get("picturedesk.edit") == edit_id}
    return [span for span in taken.spans if span.trace == trace]


def test_all_that_happens_to_an_edit_is_one_trace_that_tells_no_words(
    tmp_path: Path, scripted: type[ScriptedProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is answered at once, one later by its task id, and one is refused in words that hold a key."""

    def later(request: EditRequest) -> Handle:
        scripted.finished["task-2"] = inverted(request)
        return Handle("task-2")

    refusal = EditRefused("moderated", f"{SECRET} says no to the secret recipe")
    scripted.script = {"the later recipe": [later], "the refused recipe": [refusal]}
    desk = make_desk(tmp_path, "the first recipe", "the later recipe", "the refused recipe")
    with collector() as taken:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", taken.url)
        with tracing.on("picturedesk-test"):
            run(desk)
    assert states(desk) == [EditState.APPROVED, EditState.APPROVED, EditState.REFUSED]
    first, later_spans, refused = (of_edit(taken, number) for number in (1, 2, 3))
    assert sorted(span.name for span in first) == sorted(STEPS)
    assert sorted(span.name for span in later_spans) == sorted([*STEPS, "edit"]), "begun, and taken up again"
    (root,) = [span for span in first if not span.parent]
    assert root.name == "edit"
    assert root.attributes["picturedesk.state"] == "approved"
    assert root.attributes["picturedesk.provider"] == "scripted"
    assert {span.parent for span in first if span.name in ("prepare", "wait", "send", "keep", "look")} == {root.number}
    sent = {span.trace: span.attributes for span in taken.spans if span.name == "send"}
    assert sent[first[0].trace]["picturedesk.request_id"] == "r-1"
    assert sent[later_spans[0].trace]["picturedesk.request_id"] == "task-2"
    assert sent[refused[0].trace]["picturedesk.code"] == "moderated"
    assert {span.service for span in taken.spans} == {"picturedesk-test"}
    told = b"".join(taken.raw)
    assert [each for each in (b"recipe", SECRET.encode(), b"asset-0", str(tmp_path).encode()) if each in told] == []
    desk.close()


def test_an_answer_of_the_page_is_a_span_by_its_route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = build_desk(tmp_path / "desk")
    with collector() as taken, TestClient(Starlette(routes=routes(desk))) as client:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{taken.url}/v1/traces")
        with tracing.on("picturedesk-page"):
            assert Caller(client, ticket(desk, Role.VIEWER)).get("edits/1").status_code == 200
            assert client.get(f"/api/page/pictures/{'0' * 64}?ticket={SECRET}").status_code == 403
    assert [(span.name, span.attributes["picturedesk.status"]) for span in taken.spans] == [
        ("GET /api/page/edits/{edit:int}", 200),
        ("GET /api/page/pictures/{sha256:str}", 403),
    ]
    assert SECRET.encode() not in b"".join(taken.raw)
    desk.close()


def test_without_a_collector_nothing_of_it_is_imported() -> None:
    code = (
        "import sys\nfrom pipeline import tracing\n"
        "with tracing.on('x'), tracing.edit(1), tracing.step('send'): tracing.note(edit=1)\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
