"""OpenOctopus in both forms of its answer, its words for errors, and what it costs."""

import asyncio
import base64
import io
import json
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from typing import Any

import httpx
import pytest
from PIL import Image

from pipeline.errors import (
    AccountStopped,
    AnswerLost,
    CannotAsk,
    EditError,
    EditFailed,
    EditRefused,
    RetryLater,
    ServerFailed,
)
from pipeline.pool import WorkPool
from pipeline.prices import read_prices
from pipeline.providers import Tools
from pipeline.providers.openoctopus import OpenOctopusProvider
from pipeline.values import EditRequest, EditResult, Handle, Instruction
from tests.fake_api.running import RunningFake, quick_options, running_fake
from tests.pictures import drawn

URL = "http://127.0.0.1:9"
PRICES: list[dict[str, Any]] = [
    {"picture": 0.05},
    {"ai_models": ["gpt-image-2"], "picture": 0.08, "from": date(2026, 1, 1)},
]
Answers = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENOCTOPUS_API_KEY", "ooq_test")


@pytest.fixture(params=["async", "sync"], scope="module")
def fake(request: pytest.FixtureRequest) -> Iterator[RunningFake]:
    """The service in each of its forms."""
    with running_fake(quick_options(octopus_mode=request.param)) as running:
        yield running


SOURCE, OTHER = drawn(), drawn("JPEG", colour="blue")


def asked(prompt: str = "warmer", **others: Any) -> EditRequest:
    return EditRequest("edit 1", SOURCE, Instruction(prompt), **{"client_id": "pd-1", **others})


def with_provider(
    url: str, work: Callable[[OpenOctopusProvider], Awaitable[Any]], *, answers: Answers | None = None, **options: Any
) -> Any:
    """Does something with a provider; ``answers`` stands for a service that the fake one cannot be."""

    async def use() -> Any:
        tools = Tools(WorkPool(1), prices=read_prices({"openoctopus": PRICES}))
        settings = {"base_url": f"{url}/octopus/v1", "poll_s": 0.01, **options}
        transport = None if answers is None else httpx.MockTransport(answers)
        provider = OpenOctopusProvider(settings, tools, transport=transport)
        try:
            return await work(provider)
        finally:
            await provider.aclose()

    return asyncio.run(use())


async def _made(provider: OpenOctopusProvider, request: EditRequest) -> EditResult:
    answer = await provider.submit(request)
    while isinstance(answer, Handle):
        found = await provider.poll(answer)
        if found is not None:
            return found
        await asyncio.sleep(provider.poll_s)
    return answer


def made(url: str, request: EditRequest, **options: Any) -> EditResult:
    async def work(provider: OpenOctopusProvider) -> EditResult:
        return await _made(provider, request)

    result: EditResult = with_provider(url, work, **options)
    return result


def polled(body: Any, status: int = 200, task_id: str = "|task-1") -> EditResult | EditError | None:
    """What a task of that state comes to."""

    async def work(provider: OpenOctopusProvider) -> EditResult | EditError | None:
        try:
            return await provider.poll(Handle(f"{provider.account}|{task_id}"))
        except EditError as exc:
            return exc

    found: EditResult | EditError | None = with_provider(URL, work, answers=lambda _: httpx.Response(status, json=body))
    return found


def refused(status: int, body: Any) -> EditError:
    """What a request comes to that is answered so."""

    async def work(provider: OpenOctopusProvider) -> EditError:
        with pytest.raises(EditError) as caught:
            await provider.submit(asked())
        return caught.value

    error: EditError = with_provider(URL, work, answers=lambda _: httpx.Response(status, json=body))
    return error


def test_an_edit_is_made_whichever_form_the_service_has(fake: RunningFake) -> None:
    before = fake.ledger()["billed"]
    result = made(fake.url, asked())
    with Image.open(io.BytesIO(result.outputs[0].data)) as picture:
        assert picture.size == (48, 32)
        assert picture.convert("RGB").getpixel((5, 5)) == (0, 255, 255)  # red in negative
    assert result.outputs[0].media_type == "image/png"
    assert (result.cost_microusd, result.usage) == (50_000, {"picture": 1})
    assert result.ai_model == "openoctopus/gpt-image-2"
    assert fake.ledger()["billed"] == before + 1


def test_an_edit_costs_what_its_own_model_costs(fake: RunningFake) -> None:
    result = made(fake.url, asked(ai_model="gpt-image-2"))
    assert (result.cost_microusd, result.ai_model) == (80_000, "gpt-image-2")


def test_a_later_run_polls_the_handle_of_an_earlier_one(fake: RunningFake) -> None:
    """The task id alone is kept; also the addresses of a direct answer are one."""

    async def submit(provider: OpenOctopusProvider) -> str:
        answer = await provider.submit(asked(ai_model="gpt-image-2"))
        assert isinstance(answer, Handle)
        return answer.task_id

    async def poll(provider: OpenOctopusProvider) -> EditResult:
        while (result := await provider.poll(Handle(task_id))) is None:
            await asyncio.sleep(provider.poll_s)
        return result

    before = fake.ledger()["billed"]
    task_id = with_provider(fake.url, submit)
    result = with_provider(fake.url, poll)
    assert (result.cost_microusd, result.ai_model) == (80_000, "gpt-image-2")
    assert fake.ledger()["billed"] == before + 1


def test_moderation_after_the_edit_is_a_refusal_in_either_form(fake: RunningFake) -> None:
    with pytest.raises(EditRefused) as caught:
        made(fake.url, asked("fake:refuse-output"))
    assert caught.value.code == "moderation_blocked"


def test_a_queue_that_is_full_is_tried_again(fake: RunningFake) -> None:
    """Its 503 says that it is retryable: nothing was made."""
    before = fake.ledger()["billed"]
    with pytest.raises(RetryLater):
        made(fake.url, asked("fake:overloaded"))
    assert fake.ledger()["billed"] == before


def test_an_answer_without_a_picture_is_most_likely_billed(fake: RunningFake) -> None:
    with pytest.raises(EditFailed) as caught:
        made(fake.url, asked("fake:garbage"))
    assert caught.value.code == "bad_answer"
    assert caught.value.cost_microusd != 0


def test_an_account_without_balance_stops_the_run(fake: RunningFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENOCTOPUS_API_KEY", "ooq_empty")
    with pytest.raises(AccountStopped, match="add credit") as caught:
        made(fake.url, asked())
    assert caught.value.code == "account_exhausted"


def test_a_wrong_key_stops_the_run(fake: RunningFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENOCTOPUS_API_KEY", "ooq_wrong")
    with pytest.raises(AccountStopped, match="set OPENOCTOPUS_API_KEY"):
        made(fake.url, asked())


def test_the_picture_is_sent_where_either_form_looks_for_it() -> None:
    """A gateway that drops ``image`` silently would bill a picture that is no edit of anything."""
    bodies: list[dict[str, Any]] = []

    def take(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(202, json={"id": "task-1", "status": "queued"})

    async def submit(provider: OpenOctopusProvider) -> None:
        await provider.submit(asked(references=(OTHER,), quality="high"))
        await provider.submit(asked(source_url="https://shop.example/red.png", references=(OTHER,)))

    with_provider(URL, submit, answers=take, resolution="2k")
    urls = [
        f"data:{picture.facts.media_type};base64,{base64.b64encode(picture.read()).decode()}"
        for picture in (SOURCE, OTHER)
    ]
    inline, by_url = bodies
    assert inline == {
        "model": "openoctopus/gpt-image-2",
        "prompt": "warmer",
        "image": urls[0],
        "input": {"images": urls, "quality": "high", "resolution": "2k"},
    }
    assert by_url["image"] == "https://shop.example/red.png"
    assert by_url["input"] == {"images": ["https://shop.example/red.png", urls[1]], "resolution": "2k"}


@pytest.mark.parametrize("body", [{"status": "queued"}, {"status": "running"}, {}, [], None, {"status": "new word"}])
def test_a_task_that_is_not_over_has_no_answer_yet(body: Any) -> None:
    assert polled(body) is None


def test_a_task_that_is_not_known_any_more_is_in_doubt() -> None:
    """The service answers 200 to it."""
    error = polled({"id": "task-1", "status": "not_found"})
    assert type(error) is AnswerLost
    assert error.code == "task_unknown"


def test_a_refusal_to_tell_of_a_task_leaves_it_in_doubt() -> None:
    """It may have been made and billed."""
    assert type(polled({"code": "not_found", "message": "No"}, 404)) is AnswerLost


@pytest.mark.parametrize(("status", "body"), [(200, {"status": "not_found"}), (404, {"message": "No"})])
def test_a_task_of_another_account_is_left_to_a_run_that_has_its_key(status: int, body: Any) -> None:
    async def poll(provider: OpenOctopusProvider) -> CannotAsk:
        with pytest.raises(CannotAsk) as caught:
            await provider.poll(Handle("another||task-1"))
        return caught.value

    error = with_provider(URL, poll, answers=lambda _: httpx.Response(status, json=body))
    assert (error.code, error.is_hopeless) == ("other_account", True)


def test_a_cancelled_task_is_to_be_sent_again_by_hand() -> None:
    error = polled({"id": "task-1", "status": "cancelled"})
    assert type(error) is EditFailed
    assert error.code == "task_cancelled"
    assert "--retry-failed" in str(error)


@pytest.mark.parametrize(
    ("retryable", "kind"), [(True, RetryLater), (False, EditFailed), (None, EditFailed), ("true", EditFailed)]
)
def test_a_failed_task_says_whether_it_may_be_sent_again(retryable: Any, kind: type[EditError]) -> None:
    error = {"code": "upstream_failed", "message": "The model did not answer", "retryable": retryable}
    found = polled({"id": "task-1", "status": "failed", "error": error})
    assert type(found) is kind
    assert found.code == "upstream_failed"
    assert "The model did not answer" in str(found)


@pytest.mark.parametrize("error", [None, {}, "no", []])
def test_a_task_may_fail_without_a_reason(error: Any) -> None:
    found = polled({"id": "task-1", "status": "failed", "error": error})
    assert type(found) is EditFailed
    assert found.code == "task_failed"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_task_that_cannot_be_asked_for_is_asked_for_later(status: int) -> None:
    error = polled({"code": "upstream_failed", "message": "No", "retryable": False}, status)
    assert type(error) is CannotAsk
    assert not error.is_hopeless


@pytest.mark.parametrize(
    ("status", "code", "retryable", "kind", "ours"),
    [
        (400, "invalid_request", False, EditFailed, "invalid_request"),
        (400, "content_policy_violation", False, EditRefused, "moderation_blocked"),
        (401, "invalid_api_key", False, AccountStopped, "wrong_key"),
        (402, "insufficient_balance", False, AccountStopped, "account_exhausted"),
        (402, "insufficient_balance", True, AccountStopped, "account_exhausted"),
        (404, "model_not_available", False, EditFailed, "unknown_ai_model"),
        (429, "rate_limited", True, RetryLater, "rate_limited"),
        (502, "provider_submit_failed", True, RetryLater, "gateway_error"),
        (502, "upstream_failed", False, AnswerLost, "gateway_error"),
        (503, "queue_unavailable", True, RetryLater, "server_error"),
        (503, "queue_unavailable", False, ServerFailed, "server_error"),
        (504, "upstream_timeout", False, AnswerLost, "gateway_error"),
    ],
)
def test_an_error_counts_by_its_status_and_by_whether_it_is_retryable(
    status: int, code: str, retryable: bool, kind: type[EditError], ours: str
) -> None:
    error = refused(status, {"code": code, "message": "No.", "retryable": retryable})
    assert (type(error), error.code) == (kind, ours)


def test_a_picture_may_be_in_the_answer_itself() -> None:
    """By a data URL, or as ``b64_json``; the first is kept as a handle, for it is paid for."""
    encoded = base64.b64encode(SOURCE.read()).decode()
    for entry in ({"url": f"data:image/png;base64,{encoded}"}, {"b64_json": encoded}):
        result = made(URL, asked(), answers=lambda _, entry=entry: httpx.Response(200, json={"data": [entry]}))
        assert result.outputs[0].data == SOURCE.read()


@pytest.mark.parametrize("body", [None, [], {}, {"data": []}, {"data": [{}]}, "no"])
def test_an_answer_that_holds_nothing_is_most_likely_billed(body: Any) -> None:
    error = refused(200, body)
    assert type(error) is EditFailed
    assert (error.code, error.cost_microusd) == ("bad_answer", None)


TASK = {"status": "succeeded", "output_payload": {"assets": [{"url": f"{URL}/octopus/v1/files/task-1/assets/0"}]}}


def fetched(status: int, task_id: str) -> EditResult | EditError | None:
    """A task that is over, and whose picture is answered so."""

    def answer(request: httpx.Request) -> httpx.Response:
        is_task = "/tasks/" in request.url.path
        return httpx.Response(200, json=TASK) if is_task else httpx.Response(status, content=b"")

    async def poll(provider: OpenOctopusProvider) -> EditResult | EditError | None:
        try:
            return await provider.poll(Handle(f"{provider.account}|{task_id}"))
        except EditError as exc:
            return exc

    found: EditResult | EditError | None = with_provider(URL, poll, answers=answer)
    return found


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_picture_that_is_paid_for_is_fetched_again_later(status: int) -> None:
    assert type(fetched(status, "|task-1")) is CannotAsk


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_picture_that_is_gone_was_paid_for(status: int) -> None:
    error = fetched(status, "|task-1")
    assert type(error) is EditFailed
    assert (error.code, error.cost_microusd) == ("picture_gone", 50_000)


def test_a_picture_that_is_gone_cost_what_its_own_model_costs() -> None:
    error = fetched(404, "gpt-image-2|task-1")
    assert type(error) is EditFailed
    assert error.cost_microusd == 80_000


def test_the_key_goes_to_no_other_server() -> None:
    """A picture may lie in somebody's storage."""
    seen: list[str | None] = []

    async def storage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        seen.append("key" if b"authorization" in head else None)
        data = SOURCE.read()
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()
        writer.close()

    async def poll(provider: OpenOctopusProvider) -> EditResult | None:
        server = await asyncio.start_server(storage, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/picture.png"
        try:
            return await provider.poll(Handle(f"{provider.account}||assets:{json.dumps([url])}"))
        finally:
            server.close()

    result = with_provider("http://api.octopus.invalid", poll)
    assert result.outputs[0].data == SOURCE.read()
    assert seen == [None]


@pytest.mark.parametrize(
    ("others", "column"), [({"n": 2}, "n"), ({"mask": SOURCE}, "mask"), ({"size": "1024x1024"}, "size")]
)
def test_what_its_inputs_have_no_place_for_is_refused_before_sending(others: dict[str, Any], column: str) -> None:
    async def check(provider: OpenOctopusProvider) -> None:
        with pytest.raises(EditRefused) as caught:
            provider.check_options(asked(**others))
        assert caught.value.column == column

    with_provider(URL, check)


def test_its_price_is_known_before_sending() -> None:
    async def estimate(provider: OpenOctopusProvider) -> None:
        for ai_model, microusd in ((None, 50_000), ("gpt-image-2", 80_000)):
            found = provider.estimate(asked(ai_model=ai_model))
            assert (found.low_microusd, found.high_microusd) == (microusd, microusd)

    with_provider(URL, estimate)
