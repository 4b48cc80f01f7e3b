"""The typed client against a served desk, and one that loses answers."""

import asyncio
import contextlib
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import client as ours
from pipeline.client import ApiProblem, Client, Source
from pipeline.http_api import shapes
from pipeline.runner import Runner
from pipeline.states import Role
from pipeline.store import reading
from tests.commands import shared_pool
from tests.desks import drawn_picture, new_desk
from tests.http_api.serving import Served, served
from tests.review_app.calling import token

RED, BLUE = drawn_picture("red"), drawn_picture("blue")
RED_SHA256 = hashlib.sha256(RED).hexdigest()


@contextlib.contextmanager
def opened(found: Served, role: Role, **more: Any) -> Iterator[Client]:
    with Client(found.url, token(found.desk, role), **more) as client:
        yield client


def test_a_program_submits_waits_decides_and_downloads(
    api: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    monkeypatch.setattr(ours, "MOST_PICTURES", 2)
    (api.desk.root / "policy.toml").write_text("review_everything = true\n", "utf-8")
    (tmp_path / "hat.png").write_bytes(RED)
    with opened(api, Role.APPROVER) as desk:
        pictures: list[Source | Path | str] = [
            tmp_path / "hat.png",
            Source(data=BLUE, asset_id="mug/1", extra={"shelf": "7"}),
            Source(data=RED),
        ]
        submitted = desk.submit("autumn", pictures, prompt="flip horizontally", key="autumn-1")
        assert (submitted.added, [*submitted.edits]) == (
            3,
            [("hat", ""), ("mug/1", ""), (f"picture-{RED_SHA256[:12]}", "")],
        )
        assert desk.submit("autumn", pictures, prompt="flip horizontally", key="autumn-1") == submitted
        with pytest.raises(TimeoutError, match="is waiting for a runner: after 0 s, 3 edits are still open"):
            desk.wait(submitted.batch_id, timeout_s=0)
        asyncio.run(Runner(api.desk).run())
        made = desk.wait(submitted.batch_id)
        assert (made.counts.review, made.standing) == (3, "to review")
        hat, mug, third = desk.results(submitted.batch_id)
        assert mug.extra == {"shelf": "7"}
        assert desk.decide(hat, "accept", note="good").state == "approved"
        assert desk.decide(mug, "re-prompt", prompt="rotate 180 degrees").next_round == 4
        assert desk.decide(third.id, "reject", reason="other").state == "rejected"
        with pytest.raises(ApiProblem) as caught:
            desk.decide(hat, "reject", reason="other")
        assert (caught.value.status, caught.value.code) == (409, "conflict")
        assert "read it again" in str(caught.value).lower()
        (approved,) = desk.results(submitted.batch_id, states=["approved"])
        assert approved.accepted is not None
        saved = desk.download(approved, tmp_path / "out")
        assert (saved.name, saved.read_bytes()) == ("hat.png", desk.picture(approved.accepted.picture))
        with pytest.raises(ValueError, match="no approved picture"):
            desk.download(desk.edit(mug.id), tmp_path)
        assert [edit.state for edit in desk.results()] == ["approved", "rejected", "queued"]
        exported = desk.export(tmp_path / "all.zip", form="zip", poll_s=0.01)
        assert exported is not None
        assert desk.export(tmp_path / "none.csv", since_last=True, poll_s=0.01) is None
        with zipfile.ZipFile(exported) as archive:
            assert any(name.endswith("hat.png") for name in archive.namelist())
        assert (desk.cancel(submitted.batch_id), desk.resume(submitted.batch_id)) == (1, 1)
        assert [batch.name for batch in desk.batches()] == ["autumn"]
        assert desk.costs("outcome")["approved"] == 1


class LosesAnswers:
    """Carries a request out, and loses the answer; every second one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.count = 0
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._lock:
            self.count += scope["type"] == "http"
            is_lost = self.count % 2 == 1

        async def lose(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send({"type": "http.response.start", "status": 503, "headers": [(b"retry-after", b"3")]})
            else:
                await send({"type": "http.response.body", "body": b""})

        await self._app(scope, receive, lose if is_lost and scope["type"] == "http" else send)


def test_what_got_no_answer_is_sent_again_and_done_once(tmp_path: Path) -> None:
    desk = new_desk(tmp_path / "desk")
    slept: list[float] = []
    with served(desk, around=LosesAnswers) as found, opened(found, Role.APPROVER, sleep=slept.append) as client:
        submitted = client.submit("autumn", [Source(data=RED)], prompt="flip it")
        assert (submitted.added, submitted.unchanged) == (1, 0)
        assert client.cancel(submitted.batch_id) == 1
        assert slept == [3.0, 3.0]
        events = reading.latest_events(desk.db, kind="batch.", limit=10)
        assert [event.kind for event in events] == ["batch.cancelled", "batch.created"]
    desk.close()


def test_no_download_takes_the_place_of_another_whose_name_differs() -> None:
    names = ["a_b", "a/b", "a:b", "..", "é" * 200, "é" * 199]
    edits: list[Any] = [SimpleNamespace(id=n, asset_id=name, variant="") for n, name in enumerate(names, start=1)]
    found = [ours._file_stem(edit) for edit in edits]
    assert found == ["a_b", "a_b-2", "a_b-3", "4", f"{'é' * 90}-5", f"{'é' * 90}-6"]


def test_a_budget_of_nothing_is_a_budget(api: Served) -> None:
    with opened(api, Role.APPROVER) as desk:
        submitted = desk.submit("autumn", [Source(data=RED)], prompt="flip it", budget_usd=0)
        assert desk.batch(submitted.batch_id).budget_usd == 0


def test_a_download_that_got_no_answer_is_asked_for_again(tmp_path: Path) -> None:
    desk = new_desk(tmp_path / "desk")
    slept: list[float] = []
    with served(desk, around=LosesAnswers) as found, opened(found, Role.APPROVER, sleep=slept.append) as client:
        client._stream("/api/v1/me", tmp_path / "out" / "me.json")
    assert slept == [3.0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["me.json"]
    assert b"approver" in (tmp_path / "out" / "me.json").read_bytes()
    desk.close()


def test_files_of_one_name_are_pictures_of_their_own_in_however_many_requests_they_go(
    api: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "MOST_PICTURES", 2)
    files = [tmp_path / f"sku-{number}" / "front.png" for number in range(5)]
    for number, file in enumerate(files):
        file.parent.mkdir()
        file.write_bytes(drawn_picture(f"rgb({number},0,0)"))
    with opened(api, Role.REQUESTER) as desk:
        submitted = desk.submit("autumn", files, prompt="flip it")
        names = [name for name, _ in submitted.edits]
        assert names == ["front", "front-2", "front-3", "front-4", "front-5"]
        assert (submitted.added, submitted.renewed) == (5, 0)
        again = desk.submit("autumn", files, prompt="flip it")
        assert (again.unchanged, again.edits) == (5, submitted.edits)


def test_further_pictures_count_for_how_much_goes_in_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "_MOST_BYTES", 3_000)
    pictures = [Source(data=b"x" * 900, references=[b"y" * 900]) for _ in range(3)]
    assert [len(part) for part in ours._requests(pictures)] == [1, 1, 1]


def test_a_desk_that_cannot_be_reached_is_asked_a_few_times() -> None:
    slept: list[float] = []
    client = Client("http://127.0.0.1:9", "pd_x", retries=3, sleep=slept.append)
    with client, pytest.raises(httpx.ConnectError):
        client.batch(1)
    assert len(slept) == 3
    assert sorted(slept) == slept


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (ours.Counts, shapes.Counts),
        (ours.Batch, shapes.Batch),
        (ours.Picture, shapes.PictureInfo),
        (ours.Flag, shapes.FlagInfo),
        (ours.Output, shapes.Output),
        (ours.Edit, shapes.Edit),
        (ours.Moved, shapes.Moved),
    ],
)
def test_the_client_knows_the_fields_of_the_answers(kind: type[Any], shape: type[BaseModel]) -> None:
    assert {each.name for each in fields(kind)} <= set(shape.model_fields)
