"""A database that goes away and comes back, and a page that is told to end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from pipeline.desk import Desk
from pipeline.health_routes import health_routes
from pipeline.metrics import Metrics
from pipeline.states import EditState, Role
from pipeline.store import reading
from review_app import workspace
from review_app.api import routes
from tests import postgres
from tests.desks import build_desk
from tests.navigation import APP
from tests.review_app.calling import Caller, decision, ticket

WAIT_S = 60


@contextmanager
def server_is_away() -> Iterator[None]:
    """The database's server is stopped, and started again."""
    postgres.server().stop()
    try:
        yield
    finally:
        postgres.server().start()


def test_the_page_says_that_its_database_is_away_and_goes_on_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTUREDESK_ACTOR", "ada")
    ours = sys.modules["__main__"]
    with postgres.desks_are_in_it():
        (tmp_path / "desk").mkdir()
        with closing(build_desk(tmp_path / "desk")) as desk, closing(Metrics(desk)) as metrics:
            monkeypatch.setenv(workspace.DESK_VARIABLE, str(desk.root))
            monkeypatch.setenv("PICTUREDESK_DATABASE", desk.db.url)
            page = AppTest.from_file(str(APP / "navigation.py"), default_timeout=WAIT_S)
            page.switch_page("app_pages/batch_list.py").run()
            assert not page.exception
            served = Starlette(routes=[*health_routes(desk, metrics, trusts_loopback=True), *routes(desk)])
            with TestClient(served, base_url="http://localhost") as client:
                approver = Caller(client, ticket(desk, Role.APPROVER))
                (claim,) = approver.claim(count=1)
                with server_is_away():
                    refused = approver.post("decisions", **decision(claim))
                    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
                    assert "cannot be reached" in refused.json()["error"]
                    assert client.get("/readyz").json()["database"] == "does not answer"
                    assert client.get("/healthz").status_code == 200
                    page.run()
                    assert not page.exception
                    assert [each.value for each in page.title] == ["The desk's database does not answer"]
                # The same decision with the same key, as the browser's outbox sends it again.
                assert approver.post("decisions", **decision(claim)).json()["state"] == "approved"
                assert reading.edit(desk.db, claim["edit"]["id"]).state is EditState.APPROVED
                page.run()
                assert "The desk's database does not answer" not in [each.value for each in page.title]
                assert not page.exception
            workspace.open_desk(str(desk.root)).close()
            workspace.open_desk.clear()
    sys.modules["__main__"] = ours


def test_a_page_that_is_told_to_end_answers_what_it_was_asked(tmp_path: Path) -> None:
    Desk.open(tmp_path, create=True).close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "pipeline.cli", "--desk", str(tmp_path), "review", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--no-browser", "--no-worker"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )
    try:
        _wait_until_ready(port, process)
        with socket.create_connection(("127.0.0.1", port)) as asking:
            head = ("POST /api/page/session HTTP/1.1", "Host: localhost", "Content-Length: 2", "Expect: 100-continue")
            asking.sendall("\r\n".join((*head, "", "")).encode())
            answers = asking.makefile("rb")
            assert (answers.readline().split()[1], answers.readline()) == (b"100", b"\r\n"), "it waits for the rest"
            process.send_signal(signal.SIGTERM)
            _wait_until_closed(port)
            asking.sendall(b"{}")
            answer = answers.readline()
        assert answer.split()[1] == b"401", "nobody asked, but it was answered"
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        assert process.poll() is None
        try:
            if httpx.get(f"http://localhost:{port}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("it did not come up")


def _wait_until_closed(port: int) -> None:
    """Nobody new is let in."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("it goes on")
