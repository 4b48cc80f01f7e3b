"""OpenAI's own client through the gateway: real HTTP to the desk, and from it to a service that makes the pictures."""

import asyncio
import base64
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from pipeline.desk import Desk
from pipeline.erasure import erase_named
from pipeline.people import local_person
from pipeline.runner import Runner
from pipeline.states import EditState, Role
from pipeline.store import reading
from pipeline.store.reading import EditFilter
from tests.commands import shared_pool
from tests.desks import drawn_picture, new_desk
from tests.e2e.servers import ReviewServer
from tests.fake_api.running import RunningFake, eventually, quick_options, running_fake
from tests.http_api.serving import Caller, Served, served
from tests.review_app.calling import token

RED, BLUE = drawn_picture("red"), drawn_picture("blue")
ALWAYS = "review_everything = true\n"
THREADS = 40
"""That answer at once (https://www.starlette.io/threadpool/, read on 2026-11-22)."""


@pytest.fixture(scope="module")
def maker() -> Iterator[RunningFake]:
    with running_fake(quick_options()) as fake:
        yield fake


@pytest.fixture
def desk(tmp_path: Path, maker: RunningFake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk whose pictures the service makes, and of which a person sees every one."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setattr("pipeline.runner.WorkPool", lambda _: shared_pool())
    root = tmp_path / "desk"
    new_desk(root).close()
    settings = root / "picturedesk.toml"
    text = settings.read_text("utf-8").replace('provider = "local"', 'provider = "openai"', 1)
    text = text.replace('detectors = ["faces", "text", "logos"]', "detectors = []")
    own = f'[providers.openai]\nbase_url = "{maker.url}/v1"\nai_model = "gpt-image-2.5-flare"\n[api]\nwait_s = 20\n'
    settings.write_text(f"{text}\n{own}", "utf-8")
    (root / "policy.toml").write_text(ALWAYS, "utf-8")
    opened = Desk.open(root)
    yield opened
    opened.close()


@pytest.fixture
def gateway(desk: Desk) -> Iterator[Served]:
    with served(desk) as found:
        yield found


def client_of(url: str, bearer: str, **headers: str) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(
        api_key=bearer, base_url=f"{url}/v1", max_retries=0, timeout=60, http_client=http, default_headers=headers
    )


def in_background(ask: Any) -> "Future[Any]":
    """What a call in a thread of its own gives."""
    pool = ThreadPoolExecutor(1)
    found = pool.submit(ask)
    pool.shutdown(wait=False)
    return found


def said(answer: Any, name: str) -> Any:
    """A field that OpenAI's answer has not."""
    return getattr(answer, name)


def waiting(desk: Desk, state: EditState, count: int = 1) -> list[int]:
    return eventually(
        lambda: ids if len(ids := reading.edit_ids(desk.db, EditFilter(frozenset({state})))) == count else []
    )


def run(desk: Desk) -> None:
    asyncio.run(Runner(desk).run())


def test_the_official_client_gets_the_picture_that_a_person_approved(desk: Desk) -> None:
    """The whole application in a process of its own; it waits while the runner works and an approver looks."""
    with ReviewServer(desk.root) as server:
        shop = client_of(server.url, token(desk, Role.REQUESTER))
        approver = Caller(server.url, token(desk, Role.APPROVER))
        asked = in_background(
            lambda: shop.images.edit(
                image=[("hat.png", RED, "image/png"), ("ground.png", BLUE, "image/png")],
                mask=("mask.png", transparent(), "image/png"),
                prompt="make it warmer",
                model="picturedesk",
                size="1536x1024",
                user="order 7",
            )
        )
        (edit_id,) = waiting(desk, EditState.QUEUED)
        run(desk)
        edit = approver.get(f"/edits/{edit_id}").json()
        assert (edit["state"], edit["batch"]["name"][:8], edit["extra"]) == (
            "in_review",
            "gateway ",
            {"user": "order 7"},
        )
        assert not asked.done()
        decided = approver.post(
            f"/edits/{edit_id}/decisions", json={"decision": "accept", "revision": edit["revision"]}
        )
        assert decided.json()["state"] == "approved"
        answer = asked.result(60)
        approved = approver.get(f"{server.url}{edit['outputs'][0]['picture']['url']}").content
        approver.close()
        shop.close()
    assert isinstance(answer, openai.types.ImagesResponse)
    assert answer.data is not None
    assert answer.data[0].b64_json is not None
    assert base64.b64decode(answer.data[0].b64_json) == approved
    width, height = Image.open(io.BytesIO(approved)).size
    assert (answer.size, answer.output_format) == (f"{width}x{height}", "png")
    attempt = reading.attempts(desk.db, edit_id)[0]
    assert answer.usage is not None
    assert answer.usage.total_tokens == sum(attempt.usage.values()) - attempt.usage.get("picture", 0) > 0
    sent = reading.edit(desk.db, edit_id)
    assert (sent.instruction.prompt, sent.size, len(sent.references), sent.asked_by) == (
        *("make it warmer", "1536x1024", 1),
        "token:requester-machine",
    )
    assert attempt.sent["mask"]


def transparent() -> bytes:
    """Of the size of the drawn pictures; to be edited in the middle."""
    image = Image.new("RGBA", (320, 240), "white")
    image.paste((0, 0, 0, 0), (100, 100, 200, 200))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_what_is_not_approved_in_time_is_a_task_and_the_same_request_again_is_the_same_edit(
    desk: Desk, gateway: Served, maker: RunningFake
) -> None:
    bearer = token(desk, Role.REQUESTER)
    shop = client_of(gateway.url, bearer, Prefer="respond-async")
    picture = ("hat.png", RED, "image/png")
    before = maker.billed()
    answer = shop.images.edit(image=picture, prompt="make it warmer", model="openai/gpt-image-2.5-flare")
    assert answer.data is None
    task = said(answer, "id")
    assert said(answer, "status") == "queued"
    again = shop.images.edit(image=picture, prompt="make it warmer", model="openai/gpt-image-2.5-flare")
    assert said(again, "id") == task
    run(desk)
    once = maker.billed() - before
    assert once == reading.edit(desk.db, 1).cost_microusd > 0
    ask = httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {bearer}"}, verify=False)
    assert ask.get(f"/v1/tasks/{task}").json()["status"] == "in_progress"
    gateway.caller(Role.REVIEWER).post("/edits/1/decisions", json={"decision": "accept"})
    done = ask.get(f"/v1/tasks/{task}").json()
    assert (done["status"], done["output_payload"]["format"]) == ("succeeded", "openoctopus.image.output.v1")
    (asset,) = done["output_payload"]["assets"]
    made = reading.edit(desk.db, 1).outputs[0].picture
    fetched = httpx.get(asset["url"])
    assert fetched.content == desk.blobs.read(made.sha256, made.media_type)
    assert httpx.get(asset["url"][:-1]).status_code == 401
    assert ask.get("/v1/tasks/task_99").json() == {"id": "task_99", "status": "not_found"}
    final = shop.images.edit(
        image=picture, prompt="make it warmer", model="openai/gpt-image-2.5-flare", response_format="url"
    )
    assert final.data is not None
    assert httpx.get(str(final.data[0].url)).content == fetched.content
    assert maker.billed() - before == once
    other = client_of(gateway.url, bearer, Prefer="wait=0", **{"Idempotency-Key": "another-one"})
    assert said(other.images.edit(image=picture, prompt="make it warmer"), "id") != task
    for each in (shop, other, ask):
        each.close()


def test_a_rejected_picture_is_an_error_that_the_client_does_not_send_again(desk: Desk, gateway: Served) -> None:
    shop = client_of(gateway.url, token(desk, Role.REQUESTER))
    asked = in_background(lambda: shop.images.edit(image=("a.png", RED, "image/png"), prompt="make it warmer"))
    (edit_id,) = waiting(desk, EditState.QUEUED)
    run(desk)
    reviewer = gateway.caller(Role.REVIEWER)
    said = {"decision": "re-prompt", "prompt": "make it cooler"}
    assert reviewer.post(f"/edits/{edit_id}/decisions", json=said).json()["state"] == "superseded"
    run(desk)
    (second,) = waiting(desk, EditState.IN_REVIEW)
    assert not asked.done()
    said = {"decision": "reject", "reason": "logo", "note": "top left"}
    assert reviewer.post(f"/edits/{second}/decisions", json=said).json()["state"] == "rejected"
    with pytest.raises(openai.BadRequestError) as caught:
        asked.result(60)
    assert caught.value.code == "rejected_by_reviewer"
    assert "(logo: top left)" in str(caught.value)
    assert caught.value.response.headers["x-should-retry"] == "false"
    shop.close()


def test_what_cannot_be_carried_out_is_said_as_openai_says_it(desk: Desk, gateway: Served) -> None:
    bearer = token(desk, Role.REQUESTER)
    shop = client_of(gateway.url, bearer, Prefer="respond-async")
    picture = ("a.png", RED, "image/png")

    def refused(kind: type[openai.APIStatusError], code: str, param: str | None = None, **said: Any) -> str:
        with pytest.raises(kind) as caught:
            shop.images.edit(**{"image": picture, "prompt": "make it warmer", **said})
        assert (caught.value.code, caught.value.param) == (code, param)
        return str(caught.value)

    refused(openai.NotFoundError, "model_not_found", param="model", model="dall-e-9")
    refused(openai.NotFoundError, "model_not_found", param="model", model="picturedesk/none")
    refused(openai.BadRequestError, "invalid", param="background", background="transparent")
    refused(openai.BadRequestError, "invalid", param="n", n=11)
    refused(openai.BadRequestError, "invalid", param="size", size="large")
    recipe = {"model": "picturedesk/render-text", "prompt": '{"word": "SALE"}'}
    assert "unknown parameter 'word'" in refused(openai.BadRequestError, "invalid", param="prompt", **recipe)
    assert "not a picture" in refused(openai.BadRequestError, "invalid", param="image", image=("a.png", b"no"))
    recipe = {"model": "picturedesk/outpaint", "param": "prompt"}
    assert "says itself what to do" in refused(openai.BadRequestError, "invalid", **recipe)
    assert "expected what to do" in refused(openai.BadRequestError, "invalid", param="prompt", prompt=" ")
    refused(openai.BadRequestError, "invalid", param="stream", stream=True)
    assert reading.batch_names(desk.db) == []
    answer = shop.images.edit(image=picture, prompt='{"text": "SALE"}', model="picturedesk/render-text")
    assert said(answer, "status") == "queued"
    assert reading.edit(desk.db, 1).instruction.parameters == {"text": "SALE"}
    with pytest.raises(openai.AuthenticationError):
        client_of(gateway.url, "sk-nobody").images.edit(image=picture, prompt="x")
    with pytest.raises(openai.PermissionDeniedError):
        client_of(gateway.url, token(desk, Role.VIEWER)).images.edit(image=picture, prompt="x")
    names = [model.id for model in shop.models.list()]
    assert names[0] == "picturedesk"
    assert {"picturedesk/render-text", "openai/gpt-image-2.5-flare"} <= set(names)
    shop.close()


def test_another_kind_of_file_is_made_of_the_approved_one_if_it_is_asked_for(desk: Desk, gateway: Served) -> None:
    shop = client_of(gateway.url, token(desk, Role.REQUESTER), Prefer="respond-async")
    said: dict[str, Any] = {"image": ("a.png", RED, "image/png"), "prompt": "make it warmer"}
    shop.images.edit(**said)
    run(desk)
    gateway.caller(Role.REVIEWER).post("/edits/1/decisions", json={"decision": "accept"})
    raw = shop.images.with_raw_response.edit(**said, output_format="jpeg")
    answer = raw.parse()
    assert answer.data is not None
    assert Image.open(io.BytesIO(base64.b64decode(str(answer.data[0].b64_json)))).format == "JPEG"
    assert raw.headers["x-picturedesk-converted"].startswith("to image/jpeg")
    shop.close()


def test_a_mask_is_no_further_picture_and_a_key_is_of_one_request(desk: Desk, gateway: Served) -> None:
    bearer = token(desk, Role.REQUESTER)
    shop = client_of(gateway.url, bearer, Prefer="respond-async")
    picture, marked = ("a.png", RED, "image/png"), ("b.png", transparent(), "image/png")
    masked = shop.images.edit(image=picture, mask=marked, prompt="make it warmer", safety_identifier="u-1")
    several = shop.images.edit(image=[picture, marked], prompt="make it warmer")
    assert said(masked, "id") != said(several, "id")
    edit = reading.edit(desk.db, said(masked, "edit")["id"])
    assert (len(edit.references), dict(edit.asset.extra)) == (0, {"safety_identifier": "u-1"})
    keyed = client_of(gateway.url, bearer, Prefer="respond-async", **{"Idempotency-Key": "order-7"})
    first = keyed.images.edit(image=picture, prompt="make it warmer")
    assert said(keyed.images.edit(image=picture, prompt="make it warmer"), "id") == said(first, "id")
    with pytest.raises(openai.BadRequestError) as caught:
        keyed.images.edit(image=picture, prompt="make it cooler")
    assert caught.value.code == "other_request"
    assert len(reading.edit_ids(desk.db, EditFilter())) == 3
    for each in (shop, keyed):
        each.close()


def test_a_retry_after_midnight_is_the_same_edit_for_24_hours(
    desk: Desk, gateway: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = client_of(gateway.url, token(desk, Role.REQUESTER), Prefer="respond-async")
    began = datetime.now(UTC)

    def at(hours: float) -> Any:
        now = began + timedelta(hours=hours)
        monkeypatch.setattr("pipeline.http_api.gateway.datetime", SimpleNamespace(now=lambda _: now))
        monkeypatch.setattr("pipeline.store.answering.now", lambda: now)
        return said(shop.images.edit(image=("a.png", RED, "image/png"), prompt="make it warmer"), "id")

    task = at(0)
    assert at(23.9) == task
    assert at(24.1) != task
    assert len(reading.batch_names(desk.db)) == 2
    shop.close()


def test_what_was_cancelled_or_erased_may_be_asked_for_again(desk: Desk, gateway: Served) -> None:
    shop = client_of(gateway.url, token(desk, Role.REQUESTER), Prefer="wait=0")

    def ask() -> Any:
        return shop.images.edit(image=("a.png", RED, "image/png"), prompt="make it warmer")

    task = said(ask(), "id")
    gateway.caller(Role.ADMIN).post("/batches/1/cancel")
    assert [said(ask(), name) for name in ("id", "status")] == [task, "queued"]
    run(desk)
    gateway.caller(Role.REVIEWER).post("/edits/1/decisions", json={"decision": "reject", "reason": "logo"})
    with pytest.raises(openai.BadRequestError, match="rejected"):
        ask()
    erase_named(desk, reading.edit(desk.db, 1).asset.name, batch=None, by=local_person("ada"))
    other = said(ask(), "id")
    assert other != task
    assert said(ask(), "id") == other
    shop.close()


def test_json_brings_pictures_as_data_urls_and_by_address(desk: Desk, gateway: Served) -> None:
    shop = client_of(gateway.url, token(desk, Role.REQUESTER), Prefer="respond-async")

    def link(data: bytes) -> dict[str, str]:
        return {"image_url": f"data:image/png;base64,{base64.b64encode(data).decode()}"}

    def ask(*images: dict[str, str], **more: Any) -> Any:
        body = {"model": "picturedesk", "prompt": "make it warmer", "images": list(images), **more}
        return shop.post("/images/edits", cast_to=openai.types.ImagesResponse, body=body)

    same = shop.images.edit(image=("a.png", RED, "image/png"), prompt="make it warmer")
    assert said(ask(link(RED)), "id") == said(same, "id")
    far = {"image_url": "https://pictures.example.com/hat.png"}
    edit = reading.edit(desk.db, said(ask(far, link(BLUE), size="1024x1024", stream=False), "edit")["id"])
    assert (edit.asset.source_uri, len(edit.references), edit.size) == (far["image_url"], 1, "1024x1024")
    assert said(ask(link(RED), mask=link(transparent())), "id") != said(same, "id")

    def refused(*images: dict[str, str], **more: Any) -> tuple[str | None, str]:
        with pytest.raises(openai.BadRequestError) as caught:
            ask(*images, **more)
        return caught.value.param, str(caught.value)

    count = len(reading.edit_ids(desk.db, EditFilter()))
    assert "send image_url" in refused({"file_id": "file-1"})[1]
    assert "private address" in refused({"image_url": "https://169.254.169.254/latest"})[1]
    assert "only https" in refused({"image_url": "http://example.com/a.png"})[1]
    assert "private address" in refused(link(RED), {"image_url": "https://[::1]/a.png"})[1]
    assert "not fetched" in refused(link(RED), mask=far)[1]
    assert refused(link(RED), mask=far)[0] == "mask"
    assert refused(link(b"no picture"))[0] == "images"
    assert refused({})[0] == "images"
    assert refused()[0] == "images"
    assert refused(link(RED), n="2")[0] == "n"
    assert refused(link(RED), stream=True)[0] == "stream"
    assert len(reading.edit_ids(desk.db, EditFilter())) == count
    shop.close()


def test_a_model_is_told_by_its_name_and_a_key_of_openai_is_told_apart(desk: Desk, gateway: Served) -> None:
    shop = client_of(gateway.url, token(desk, Role.REQUESTER))
    assert shop.models.retrieve("picturedesk/outpaint").id == "picturedesk/outpaint"
    with pytest.raises(openai.NotFoundError) as caught:
        shop.models.retrieve("gpt-image-1")
    assert caught.value.code == "model_not_found"
    shop.close()
    with pytest.raises(openai.AuthenticationError, match="begin with pd_"):
        client_of(gateway.url, "sk-proj-abc").models.list()


def test_what_a_provider_does_not_take_is_not_called_moderation(desk: Desk, gateway: Served) -> None:
    shop = client_of(gateway.url, token(desk, Role.REQUESTER), Prefer="wait=0")

    def ask() -> Any:
        return shop.images.edit(image=("a.png", RED, "image/png"), prompt="flip horizontally", model="local/local", n=2)

    ask()
    run(desk)
    with pytest.raises(openai.BadRequestError) as caught:
        ask()
    assert (caught.value.code, caught.value.type) == ("bad_operation", "invalid_request_error")
    shop.close()


def test_more_may_wait_than_the_server_has_threads_while_others_are_answered(desk: Desk, gateway: Served) -> None:
    """If a request that waits held one of the 40 threads, the rest were not ordered, and nobody could cancel."""
    headers = {"Authorization": f"Bearer {token(desk, Role.REQUESTER)}", "Prefer": "wait=600"}
    count = 2 * THREADS

    async def ask_all() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(timeout=120, verify=False, headers=headers, limits=limits) as client:

            async def ask(number: int) -> httpx.Response:
                files = {"image": ("a.png", RED, "image/png")}
                said = {"prompt": f"make it warmer by {number}"}
                return await client.post(f"{gateway.url}/v1/images/edits", data=said, files=files)

            return await asyncio.gather(*map(ask, range(count)))

    asked = in_background(lambda: asyncio.run(ask_all()))
    waiting(desk, EditState.QUEUED, count)
    assert gateway.caller(Role.VIEWER).get("/me").status_code == 200
    assert not asked.done()
    assert gateway.caller(Role.ADMIN).post("/batches/1/cancel").json()["edits"] == count
    assert {answer.json()["error"]["code"] for answer in asked.result(60)} == {"cancelled"}
