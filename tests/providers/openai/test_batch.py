"""Batches of edits on the fake service: gathered, split, polled by a later run, and found after a crash."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import openai
import pytest
from openai.types import Batch

from pipeline.errors import AnswerLost, CannotAsk, EditError, EditFailed, EditRefused, RetryLater
from pipeline.pool import WorkPool
from pipeline.providers import Tools
from pipeline.providers.openai import batch
from pipeline.providers.openai.batch import OpenAIBatchProvider
from pipeline.providers.openai.images import OpenAIProvider
from pipeline.values import EditRequest, EditResult, Handle, Instruction
from tests.fake_api.running import RunningFake, eventually, quick_options, running_fake
from tests.pictures import drawn

PROMPT = "make it warmer"
POLL_S = 0.01
TOGETHER_S = 1.0
"""Long enough that edits asked for at once never fall into two batches."""


SOURCE = drawn()


def asked(client_id: str, prompt: str = PROMPT, **others: Any) -> EditRequest:
    return EditRequest(client_id, SOURCE, Instruction(prompt), client_id=client_id, **others)


def with_provider(
    url: str,
    work: Callable[[OpenAIBatchProvider], Awaitable[Any]],
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    **options: Any,
) -> Any:
    """Does something with a provider object of its own, as a run of its own would have it."""

    async def use() -> Any:
        settings = {"base_url": f"{url}/v1", "gather_s": 0.05, "poll_s": POLL_S, **options}
        provider = OpenAIBatchProvider(settings, Tools(WorkPool(1)), transport=transport)
        try:
            return await work(provider)
        finally:
            await provider.aclose()

    return asyncio.run(use())


def handles(url: str, requests: Sequence[EditRequest], **options: Any) -> list[Handle]:
    """Submits them all at once, and leaves."""

    async def submit(provider: OpenAIBatchProvider) -> list[Handle]:
        found = await asyncio.gather(*[provider.submit(request) for request in requests])
        assert all(isinstance(handle, Handle) for handle in found)
        return [handle for handle in found if isinstance(handle, Handle)]

    answer: list[Handle] = with_provider(url, submit, **options)
    return answer


def answers(url: str, asked_for: Sequence[Handle], **options: Any) -> list[EditResult | EditError]:
    """What a later run gets for these handles: results, and errors as they were raised."""

    async def poll(provider: OpenAIBatchProvider) -> list[EditResult | EditError]:
        return [await _answer(provider, handle) for handle in asked_for]

    found: list[EditResult | EditError] = with_provider(url, poll, **options)
    return found


async def _answer(provider: OpenAIBatchProvider, handle: Handle) -> EditResult | EditError:
    try:
        while (result := await provider.poll(handle)) is None:
            await asyncio.sleep(provider.poll_s)
    except EditError as exc:
        return exc
    return result


def only(found: Sequence[EditResult | EditError]) -> EditResult | EditError:
    (answer,) = found
    return answer


def batches(fake: RunningFake) -> list[Batch]:
    """Those of the service, the newest first."""
    with fake.client() as client:
        return list(client.batches.list())


def lines_of(client: openai.OpenAI, found: Batch) -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.files.content(found.input_file_id).text.splitlines()]


def test_edits_that_come_together_go_into_one_batch(fake: RunningFake) -> None:
    found = handles(fake.url, [asked(f"pd-{number}") for number in range(5)], gather_s=TOGETHER_S)
    assert len({handle.task_id for handle in found}) == 5
    (made,) = batches(fake)
    with fake.client() as client:
        lines = lines_of(client, made)
    assert sorted(line["custom_id"] for line in lines) == [f"pd-{number}" for number in range(5)]


def test_each_edit_gets_its_own_answer_whatever_their_order(fake: RunningFake) -> None:
    """Told apart by the number of pictures; the service answers in an order of its own."""
    requests = [asked(f"pd-{n}", n=n) for n in range(1, 6)]
    found = answers(fake.url, handles(fake.url, requests))
    assert [len(result.outputs) for result in found if isinstance(result, EditResult)] == [1, 2, 3, 4, 5]


def test_a_batch_is_split_at_the_most_lines(fake: RunningFake) -> None:
    found = handles(fake.url, [asked(f"pd-{number}") for number in range(5)], max_lines=2, gather_s=TOGETHER_S)
    with fake.client() as client:
        sizes = [len(lines_of(client, made)) for made in batches(fake)]
    assert sorted(sizes) == [1, 2, 2]
    assert all(isinstance(answer, EditResult) for answer in answers(fake.url, found))


def test_a_batch_is_split_at_the_most_bytes(fake: RunningFake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is too long by itself goes alone, for the service to judge."""
    monkeypatch.setattr(batch, "MAX_BYTES", 1000)
    prompts = ["x" * 100, "y" * 100, "z" * 2000, "w" * 100]
    found = handles(fake.url, [asked(f"pd-{prompt[0]}", prompt) for prompt in prompts])
    with fake.client() as client:
        contents = [sorted(line["custom_id"] for line in lines_of(client, made)) for made in batches(fake)]
    assert ["pd-z"] in contents
    assert sorted(name for names in contents for name in names) == ["pd-w", "pd-x", "pd-y", "pd-z"]
    assert all(isinstance(answer, EditResult) for answer in answers(fake.url, found))


def test_an_edit_that_comes_later_goes_into_the_next_batch(fake: RunningFake) -> None:
    async def one_by_one(provider: OpenAIBatchProvider) -> None:
        for number in range(2):
            await provider.submit(asked(f"pd-{number}"))

    with_provider(fake.url, one_by_one)
    assert len(batches(fake)) == 2


def test_a_later_run_polls_the_handles_of_an_earlier_one(fake: RunningFake) -> None:
    """What it knows of the edit is the task id alone."""
    kept_in_desk = [handle.task_id for handle in handles(fake.url, [asked("pd-1", ai_model="gpt-image-2")])]
    result = only(answers(fake.url, [Handle(task_id) for task_id in kept_in_desk]))
    assert isinstance(result, EditResult)
    assert result.ai_model == "gpt-image-2"
    assert result.outputs[0].media_type == "image/png"
    assert result.request_id.startswith("req_")
    assert fake.ledger()["billed"] == 1


def test_a_batch_costs_half() -> None:
    """By hand, for gpt-image-2.5-flare in medium quality, a source of 48 × 32 and an output of 1536 × 1024:

    text in   14 bytes / 3, rounded up, and 1      = 6 tokens at 5 µ$   = 30
    image in  2 × 1 squares of 32                  = 2 tokens at 8 µ$   = 16
    image out 24 × 16 × 3,572,864 / 4,000,000, up  = 343 tokens at 30 µ$ = 10,290
    together                                                     10,336; half 5,168
    """
    with running_fake() as fake:
        alone = asyncio.run(_alone(fake.url))
        gathered = only(answers(fake.url, handles(fake.url, [asked("pd-1")])))
        assert isinstance(gathered, EditResult)
        assert gathered.usage == {"text_in": 6, "image_in": 2, "image_out": 343} == alone.usage
        assert alone.cost_microusd == 10_336
        assert gathered.cost_microusd == 5_168
        assert [entry["cost_microusd"] for entry in fake.ledger()["entries"]] == [10_336, 5_168]


async def _alone(url: str) -> EditResult:
    provider = OpenAIProvider({"base_url": f"{url}/v1"}, Tools(WorkPool(1)))
    try:
        answer = await provider.submit(asked("pd-alone"))
    finally:
        await provider.aclose()
    assert isinstance(answer, EditResult)
    return answer


def test_the_estimate_is_half_as_well() -> None:
    async def compare(provider: OpenAIBatchProvider) -> None:
        single = OpenAIProvider({"base_url": "http://127.0.0.1:9/v1"}, Tools(WorkPool(1)))
        row = asked("pd-1", size="1024x1024", quality="high")
        whole, half = single.estimate(row), provider.estimate(row)
        assert whole.high_microusd is not None
        assert half.high_microusd == whole.high_microusd / 2
        await single.aclose()

    with_provider("http://127.0.0.1:9", compare)


def test_an_unfinished_batch_has_no_answer_yet() -> None:
    with running_fake(quick_options(batch_s=600)) as fake:
        (handle,) = handles(fake.url, [asked("pd-1")])

        async def poll(provider: OpenAIBatchProvider) -> EditResult | None:
            return await provider.poll(handle)

        assert with_provider(fake.url, poll) is None


def test_one_bad_line_does_not_touch_its_neighbours(fake: RunningFake) -> None:
    """Each kind of line in one batch; what failed is in the error file and was not billed."""
    prompts = {"good": PROMPT, "refused": "fake:refuse", "failed": "fake:500", "garbage": "fake:garbage"}
    requests = [asked(f"pd-{name}", prompt) for name, prompt in prompts.items()]
    found = handles(fake.url, requests, gather_s=TOGETHER_S)
    good, refused, failed, garbage = answers(fake.url, found)
    assert len(batches(fake)) == 1
    assert isinstance(good, EditResult)
    assert type(refused) is EditRefused
    assert refused.code == "moderation_blocked"
    assert type(failed) is RetryLater
    assert failed.code == "server_error"
    assert type(garbage) is EditFailed
    assert (garbage.code, garbage.cost_microusd) == ("bad_answer", None)
    billed = {entry["client_id"] for entry in fake.ledger()["entries"]}
    assert billed == {"pd-good", "pd-garbage"}


def test_a_wrong_line_fails_and_names_its_mistake(fake: RunningFake) -> None:
    """The provider holds a row against the table first; this one went past it."""
    error = only(answers(fake.url, handles(fake.url, [asked("pd-1", size="7x7")])))
    assert type(error) is EditFailed
    assert error.code == "invalid_value"
    assert error.cost_microusd == 0
    assert "(size)" in str(error)


def test_a_batch_that_is_not_accepted_fails_unbilled() -> None:
    with running_fake(quick_options(batch_outcome="failed")) as fake:
        error = only(answers(fake.url, handles(fake.url, [asked("pd-1")])))
        assert type(error) is EditFailed
        assert error.code == "invalid_json_line"
        assert error.cost_microusd == 0
        assert "The batch was failed on demand." in str(error)
        assert "--retry-failed" in str(error)
        assert fake.ledger()["billed"] == 0


def test_a_full_queue_is_waited_for() -> None:
    """The account's tokens in batches are a limit of their own, told only after the batch was taken."""
    errors = {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}]}
    ended = {"id": "batch_1", "status": "failed", "errors": errors}
    error = only(_answers_of_batch(ended))
    assert type(error) is RetryLater
    assert error.retry_after_s == 300
    assert "Enqueued token limit reached." in str(error)


@pytest.mark.parametrize("errors", [None, {}, {"data": []}, {"data": [{}]}])
def test_a_batch_may_fail_without_a_reason(errors: Any) -> None:
    error = only(_answers_of_batch({"id": "batch_1", "status": "failed", "errors": errors}))
    assert type(error) is EditFailed
    assert error.code == "batch_failed"


def test_a_batch_that_ended_without_a_line_for_the_edit_leaves_it_in_doubt() -> None:
    ended = {"id": "batch_1", "status": "completed", "output_file_id": None, "error_file_id": None}
    error = only(_answers_of_batch(ended))
    assert type(error) is AnswerLost
    assert error.code == "answer_missing"


@pytest.mark.parametrize(("status", "kind"), [("expired", RetryLater), ("cancelled", EditFailed)])
def test_what_an_ended_batch_did_not_get_to_was_not_made(status: str, kind: type[EditError]) -> None:
    """Where it has no line at all for the edit."""
    ended = {"id": "batch_1", "status": status, "output_file_id": None, "error_file_id": None}
    error = only(_answers_of_batch(ended))
    assert type(error) is kind
    assert error.code == f"batch_{status}"


def _answers_of_batch(body: dict[str, Any]) -> list[EditResult | EditError]:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    handle = Handle("batch_1/pd-1/gpt-image-2.5-flare")
    return answers("http://127.0.0.1:9", [handle], transport=transport)


def test_what_was_made_before_a_batch_expired_is_kept_and_the_rest_may_be_sent_again() -> None:
    with running_fake(quick_options(batch_outcome="expired")) as fake:
        requests = [asked(f"pd-{number}") for number in range(4)]
        found = answers(fake.url, handles(fake.url, requests, gather_s=TOGETHER_S))
        assert len([answer for answer in found if isinstance(answer, EditResult)]) == 2
        late = [answer for answer in found if isinstance(answer, EditError)]
        assert [(type(error), error.code) for error in late] == [(RetryLater, "batch_expired")] * 2
        assert fake.ledger()["billed"] == 2


def test_a_cancelled_batch_is_to_be_sent_again_by_hand() -> None:
    with running_fake(quick_options(batch_s=600)) as fake:
        found = handles(fake.url, [asked("pd-1")])
        with fake.client() as client:
            client.batches.cancel(batches(fake)[0].id)
        eventually(lambda: batches(fake)[0].status == "cancelled")
        error = only(answers(fake.url, found))
        assert type(error) is EditFailed
        assert error.code == "batch_cancelled"


def test_a_batch_that_the_service_forgot_leaves_its_edits_in_doubt(fake: RunningFake) -> None:
    async def poll(provider: OpenAIBatchProvider) -> None:
        with pytest.raises(AnswerLost) as caught:
            await provider.poll(Handle(f"batch_gone/pd-1-{provider.account}/gpt-image-2.5-flare"))
        assert caught.value.code == "batch_unknown"

    with_provider(fake.url, poll)


def test_a_batch_of_another_account_is_left_to_a_run_that_has_its_key(fake: RunningFake) -> None:
    async def poll(provider: OpenAIBatchProvider) -> None:
        with pytest.raises(CannotAsk) as caught:
            await provider.poll(Handle("batch_gone/pd-1-another/gpt-image-2.5-flare"))
        assert (caught.value.code, caught.value.is_hopeless) == ("other_account", True)
        assert await provider.find("pd-1-another") is None, "its list may have it"

    with_provider(fake.url, poll)


def test_answers_that_are_gone_may_have_been_billed(fake: RunningFake) -> None:
    (handle,) = handles(fake.url, [asked("pd-1")])
    eventually(lambda: batches(fake)[0].status == "completed")
    with fake.client() as client:
        client.files.delete(str(batches(fake)[0].output_file_id))
    error = only(answers(fake.url, [handle]))
    assert type(error) is AnswerLost
    assert error.code == "answers_gone"


def test_a_service_that_cannot_be_reached_is_asked_again_later(fake: RunningFake) -> None:
    """Also while the answers are fetched: they are paid for."""
    (handle,) = handles(fake.url, [asked("pd-1")])

    async def poll(provider: OpenAIBatchProvider) -> None:
        with pytest.raises(CannotAsk) as caught:
            await provider.poll(handle)
        assert not caught.value.is_hopeless

    with_provider(fake.url, poll, transport=Broken(method="GET", path="/v1/batches/"))
    eventually(lambda: batches(fake)[0].status == "completed")
    with_provider(fake.url, poll, transport=Broken(method="GET", path="/content"))
    assert isinstance(only(answers(fake.url, [handle])), EditResult)


class Broken(httpx.AsyncBaseTransport):
    """Loses the answers of some requests: the service gets them, and nobody hears of it."""

    def __init__(self, *, method: str, path: str) -> None:
        self._to = httpx.AsyncHTTPTransport()
        self._method, self._path = method, path

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._to.handle_async_request(request)
        if self._method in ("", request.method) and self._path in request.url.path:
            await response.aclose()
            raise httpx.ReadError("broken", request=request)
        return response

    async def aclose(self) -> None:
        await self._to.aclose()


def failures(url: str, transport: httpx.AsyncBaseTransport, client_ids: Sequence[str]) -> list[BaseException]:
    """What each of several edits gets that could not be sent."""

    async def submit(provider: OpenAIBatchProvider) -> list[BaseException]:
        submits = [provider.submit(asked(client_id)) for client_id in client_ids]
        found = await asyncio.gather(*submits, return_exceptions=True)
        return [answer for answer in found if isinstance(answer, BaseException)]

    found: list[BaseException] = with_provider(url, submit, transport=transport, gather_s=TOGETHER_S)
    return found


def test_after_a_crash_the_batch_is_found_and_answers(fake: RunningFake) -> None:
    """The batch was made, and the run ended before the desk had its handle."""
    handles(fake.url, [asked("pd-1"), asked("pd-2", ai_model="gpt-image-2")])

    async def settle(provider: OpenAIBatchProvider) -> EditResult | EditError:
        handle = await provider.find("pd-2")
        assert handle is not None
        return await _answer(provider, handle)

    result = with_provider(fake.url, settle)
    assert isinstance(result, EditResult)
    assert result.ai_model == "gpt-image-2"
    (billed,) = [entry for entry in fake.ledger()["entries"] if entry["client_id"] == "pd-2"]
    assert result.cost_microusd == billed["cost_microusd"]


def test_what_no_batch_holds_never_left(fake: RunningFake) -> None:
    """Another program's batches do not count, and are not read."""
    handles(fake.url, [asked("pd-1")])
    with fake.client() as client:
        foreign = client.files.create(file=("lines.jsonl", b'{"custom_id": "pd-9"}\n'), purpose="batch")
        client.batches.create(input_file_id=foreign.id, endpoint="/v1/images/edits", completion_window="24h")

    async def find(provider: OpenAIBatchProvider) -> Handle | None:
        return await provider.find(f"pd-9-{provider.account}")

    with pytest.raises(RetryLater) as caught:
        with_provider(fake.url, find)
    assert caught.value.code == "never_sent"


def test_a_batch_is_found_on_a_later_page_of_the_list(fake: RunningFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_PAGE", 2)
    names = [f"pd-{number}" for number in range(5)]
    handles(fake.url, [asked(name) for name in names], max_lines=1)
    assert len(batches(fake)) == 5

    async def find(provider: OpenAIBatchProvider) -> list[Handle | None]:
        return [await provider.find(name) for name in names]

    found = with_provider(fake.url, find)
    assert [handle.task_id.split("/")[1] for handle in found] == names


@pytest.mark.parametrize("path", ["/v1/batches", "/content"])
def test_a_search_that_cannot_be_made_does_not_say_that_the_edit_never_left(fake: RunningFake, path: str) -> None:
    """The caller would send it again, and pay twice."""
    handles(fake.url, [asked("pd-1")])

    async def find(provider: OpenAIBatchProvider) -> None:
        with pytest.raises(CannotAsk):
            await provider.find("pd-1")

    with_provider(fake.url, find, transport=Broken(method="GET", path=path))


def test_an_old_batch_whose_lines_are_gone_does_not_end_the_search(fake: RunningFake) -> None:
    """The service keeps a batch's lines for 30 days, and the batch in its list for longer."""
    handles(fake.url, [asked("pd-1")])
    with fake.client() as client:
        client.files.delete(batches(fake)[0].input_file_id)
    handles(fake.url, [asked("pd-2")])

    async def find(provider: OpenAIBatchProvider) -> Handle | None:
        return await provider.find("pd-2")

    assert with_provider(fake.url, find) is not None


def test_searches_at_the_same_time_read_the_list_once(fake: RunningFake) -> None:
    """After a crash there are as many as there were edits without an answer."""
    names = [f"pd-{number}" for number in range(5)]
    handles(fake.url, [asked(name) for name in names], gather_s=TOGETHER_S)
    pages: list[str] = []

    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            pages.append(request.url.path)
            return await super().handle_async_request(request)

    async def find(provider: OpenAIBatchProvider) -> list[Handle | None]:
        return await asyncio.gather(*map(provider.find, names))

    assert None not in with_provider(fake.url, find, transport=Counting())
    assert pages.count("/v1/batches") == 1


def test_a_picture_that_the_service_lost_is_sent_anew_after_its_line_failed(fake: RunningFake) -> None:
    async def thrice(provider: OpenAIBatchProvider) -> list[EditResult | EditError]:
        found = []
        for number in range(3):
            handle = await provider.submit(asked(f"pd-{number}"))
            assert isinstance(handle, Handle)
            found.append(await _answer(provider, handle))
            with fake.client() as client:
                pictures = [entry.id for entry in client.files.list() if entry.purpose == "vision"]
                if number == 0:
                    client.files.delete(pictures[0])
        return found

    first, second, third = with_provider(fake.url, thrice)
    assert isinstance(first, EditResult)
    assert isinstance(second, RetryLater)
    assert second.code == "file_gone"
    assert isinstance(third, EditResult)


def test_a_batch_whose_order_was_not_answered_is_looked_for(fake: RunningFake) -> None:
    """To send it again would pay for it twice."""

    async def submit(provider: OpenAIBatchProvider) -> list[EditResult | Handle]:
        return await asyncio.gather(*(provider.submit(asked(name)) for name in ("pd-1", "pd-2")))

    found = with_provider(fake.url, submit, transport=Broken(method="POST", path="/v1/batches"))
    assert len(batches(fake)) == 1
    assert all(isinstance(answer, EditResult) for answer in answers(fake.url, found))
    assert fake.ledger()["billed"] == 2


def test_an_order_that_cannot_be_found_leaves_its_edits_in_doubt(fake: RunningFake) -> None:
    lost = failures(fake.url, Broken(method="", path="/v1/batches"), ["pd-1", "pd-2"])
    assert [type(error) for error in lost] == [AnswerLost, AnswerLost]


def test_a_lost_upload_of_the_lines_may_be_sent_again(fake: RunningFake) -> None:
    """A file alone costs nothing."""
    lost = failures(fake.url, Broken(method="POST", path="/v1/files"), ["pd-1"])
    assert [type(error) for error in lost] == [RetryLater]
    assert batches(fake) == []


def test_an_order_that_never_left_may_be_sent_again() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/batches":
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json={"id": "file-1"})

    found = failures("http://127.0.0.1:9", httpx.MockTransport(refuse), ["pd-1", "pd-2"])
    assert [type(error) for error in found] == [RetryLater, RetryLater]


def test_a_refused_order_fails_every_edit_in_it_and_the_next_batch_goes_on(fake: RunningFake) -> None:
    refused = ["yes"]

    class RefusingOnce(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/v1/batches" and refused:
                refused.pop()
                error = {"message": "Too many batches.", "code": "bad_order"}
                return httpx.Response(400, json={"error": error})
            return await super().handle_async_request(request)

    async def twice(provider: OpenAIBatchProvider) -> Any:
        first = await asyncio.gather(provider.submit(asked("a")), provider.submit(asked("b")), return_exceptions=True)
        return first, await provider.submit(asked("c"))

    first, second = with_provider(fake.url, twice, transport=RefusingOnce(), gather_s=TOGETHER_S)
    assert [type(error) for error in first] == [EditFailed, EditFailed]
    assert isinstance(second, Handle)
