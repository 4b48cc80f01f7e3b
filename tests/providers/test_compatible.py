"""The table of what a compatible server takes: what leaves for each setting, what is refused, and what it costs."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from pipeline.errors import AccountStopped, CannotAsk, EditError, EditFailed, EditRefused, UsageError
from pipeline.pool import WorkPool
from pipeline.prices import read_prices
from pipeline.providers import Tools
from pipeline.providers.compatible import CompatibleProvider
from pipeline.values import EditRequest, EditResult, Handle, Instruction, RateLimits
from tests.fake_api.running import running_fake
from tests.multipart import parts
from tests.pictures import drawn

URL = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTUREDESK_COMPATIBLE_KEY", "secret-7")


SOURCE, OTHER = drawn(), drawn("JPEG", colour="blue")
MASK = drawn(mode="RGBA", colour=(0, 0, 0, 0))
ENCODED = base64.b64encode(SOURCE.read()).decode()
GOOD = {"data": [{"b64_json": ENCODED}]}
USAGE = {"input_tokens": 1030, "input_tokens_details": {"text_tokens": 6, "image_tokens": 1024}, "output_tokens": 500}


def asked(prompt: str = "warmer", **others: Any) -> EditRequest:
    return EditRequest("edit 1", SOURCE, Instruction(prompt), **{"client_id": "pd-1", **others})


class Server:
    """A server that takes everything, and what it got.

    Args:
        body: What it answers.
        status: With which status.
        headers: And which headers.
    """

    def __init__(self, body: Any = None, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.body, self.status, self.headers = GOOD if body is None else body, status, headers
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.status, json=self.body, headers=self.headers)


def with_provider(server: Server, work: Callable[[CompatibleProvider], Awaitable[Any]], **options: Any) -> Any:
    async def use() -> Any:
        settings = {"base_url": URL, "ai_model": "house-model", **options}
        tools = Tools(WorkPool(1), prices=read_prices({"compatible": settings.get("prices", [])}))
        provider = CompatibleProvider(settings, tools, transport=httpx.MockTransport(server))
        try:
            return await work(provider)
        finally:
            await provider.aclose()

    return asyncio.run(use())


def made(server: Server, request: EditRequest | None = None, **options: Any) -> EditResult:
    async def work(provider: CompatibleProvider) -> EditResult:
        provider.check(request or asked())
        answer = await provider.submit(request or asked())
        assert isinstance(answer, EditResult)
        return answer

    result: EditResult = with_provider(server, work, **options)
    return result


def sent(request: EditRequest | None = None, **options: Any) -> httpx.Request:
    """What leaves for an edit."""
    server = Server()
    made(server, request, **options)
    (found,) = server.requests
    return found


def refusal(request: EditRequest, **options: Any) -> EditRefused:
    """Why a row does not fit the table."""

    async def check(provider: CompatibleProvider) -> EditRefused:
        with pytest.raises(EditRefused) as caught:
            provider.check(request)
        return caught.value

    found: EditRefused = with_provider(Server(), check, **options)
    return found


def test_by_default_only_model_instruction_and_picture_leave() -> None:
    request = sent()
    assert request.url.path == "/v1/images/edits"
    assert parts(request) == [
        ("model", "house-model"),
        ("prompt", "warmer"),
        ("image", ("picture-0.png", SOURCE.read(), "image/png")),
    ]
    assert request.headers["authorization"] == "Bearer secret-7"
    assert request.headers["x-client-request-id"] == "pd-1"


def test_the_picture_has_the_name_that_the_server_wants() -> None:
    found = parts(sent(picture_part="input_reference"))
    assert [name for name, _ in found] == ["model", "prompt", "input_reference"]


def test_several_pictures_have_a_name_of_their_own() -> None:
    """One alone keeps the other name."""
    options: dict[str, Any] = {"picture_part": "image", "further_part": "image[]"}
    several = [part for part in parts(sent(asked(references=(OTHER,)), **options)) if part[0] == "image[]"]
    assert several == [
        ("image[]", ("picture-0.png", SOURCE.read(), "image/png")),
        ("image[]", ("picture-1.jpg", OTHER.read(), "image/jpeg")),
    ]
    assert "image" in dict(parts(sent(**options)))


def test_json_holds_the_picture_as_a_data_url() -> None:
    body = json.loads(sent(form="json").content)
    assert body == {"model": "house-model", "prompt": "warmer", "image": f"data:image/png;base64,{ENCODED}"}


def test_json_holds_several_pictures_and_the_mask_as_data_urls() -> None:
    row = asked(references=(OTHER,), mask=MASK, n=2)
    body = json.loads(sent(row, form="json", further_part="images", takes_mask=True, max_outputs=4).content)
    urls = [body["images"][0], body["images"][1], body["mask"]]
    assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [SOURCE.read(), OTHER.read(), MASK.read()]
    assert [url.partition(";")[0] for url in urls] == ["data:image/png", "data:image/jpeg", "data:image/png"]
    assert body["n"] == 2


def test_a_mask_is_a_part_of_its_own() -> None:
    assert dict(parts(sent(asked(mask=MASK), takes_mask=True)))["mask"] == ("mask.png", MASK.read(), "image/png")


def test_variations_get_no_instruction() -> None:
    request = sent(endpoint="/images/variations")
    assert request.url.path == "/v1/images/variations"
    assert [name for name, _ in parts(request)] == ["model", "image"]


def test_further_fields_are_sent_as_they_are() -> None:
    fields = {"response_format": "b64_json", "seed": 7, "steps": 2.5}
    found = dict(parts(sent(fields=fields)))
    assert (found["response_format"], found["seed"], found["steps"]) == ("b64_json", "7", "2.5")
    body = json.loads(sent(fields={**fields, "upscale": True, "style": {"name": "oil"}}, form="json").content)
    assert {name: body[name] for name in fields} == fields
    assert (body["upscale"], body["style"]) == (True, {"name": "oil"})


def test_a_yes_in_a_form_is_written_as_in_json() -> None:
    assert dict(parts(sent(fields={"upscale": True})))["upscale"] == "true"


def test_size_quality_and_number_are_sent_if_the_row_has_them() -> None:
    row = asked(size="512x512", quality="fine", n=3, ai_model="other")
    found = dict(parts(sent(row, qualities=[], max_outputs=3)))
    assert (found["size"], found["quality"], found["n"], found["model"]) == ("512x512", "fine", "3", "other")


@pytest.mark.parametrize(
    ("others", "options", "column", "fits"),
    [
        ({"n": 2}, {}, "n", "at most 1"),
        ({"n": 5}, {"max_outputs": 4}, "n", "at most 4"),
        ({"mask": MASK}, {}, "mask", "takes_mask"),
        ({"markup": MASK}, {"takes_mask": True}, "markup", "give a mask"),
        ({"references": (OTHER,)}, {}, "references", "further_part"),
        ({"size": "512x512"}, {"sizes": None}, "size", "takes none"),
        ({"size": "512x512"}, {"sizes": ["1024x1024", "2048x2048"]}, "size", "takes 1024x1024, 2048x2048"),
        ({"quality": "high"}, {}, "quality", "takes none"),
        ({"quality": "high"}, {"qualities": ["hd"]}, "quality", "takes hd"),
    ],
)
def test_what_the_table_does_not_have_is_refused_and_says_which_setting(
    others: dict[str, Any], options: dict[str, Any], column: str, fits: str
) -> None:
    error = refusal(asked(**others), **options)
    assert error.column == column
    assert fits in str(error)


def test_the_table_is_told_to_the_desk() -> None:
    async def look(provider: CompatibleProvider) -> None:
        assert (provider.max_outputs, provider.max_references, provider.takes_mask) == (4, 15, True)
        assert provider.max_in_flight == 3

    with_provider(Server(), look, max_outputs=4, further_part="image[]", takes_mask=True, max_in_flight=3)


def test_another_table_gives_other_pictures() -> None:
    """So answers of one are not used for the other."""

    async def version(provider: CompatibleProvider) -> str:
        return provider.version

    settings: list[dict[str, Any]] = [{}, {"ai_model": "b"}, {"endpoint": "/e"}, {"fields": {"seed": 1}}]
    versions = [with_provider(Server(), version, **options) for options in settings]
    assert len(set(versions)) == 4


@pytest.mark.parametrize("options", [{"base_url": ""}, {"base_url": "example"}, {"form": "xml"}, {"max_outputs": 0}])
def test_a_table_that_does_not_fit_is_a_wrong_setting(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"providers\.compatible\."):
        made(Server(), **options)


def test_a_server_may_want_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PICTUREDESK_COMPATIBLE_KEY")
    assert "authorization" not in sent(needs_key=False).headers
    server = Server()
    with pytest.raises(AccountStopped, match="set PICTUREDESK_COMPATIBLE_KEY"):
        made(server)
    assert server.requests == []


def test_the_key_may_come_from_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "another-9")
    assert sent(api_key_env="HOUSE_KEY").headers["authorization"] == "Bearer another-9"


def test_a_price_for_each_picture_is_known_before_and_after() -> None:
    """Three pictures at 0.04 $."""
    prices = [{"picture": 0.04}]
    server = Server({"data": [{"b64_json": ENCODED}] * 3, "usage": USAGE})
    result = made(server, asked(n=3), max_outputs=3, prices=prices)
    assert result.cost_microusd == 120_000
    assert result.usage == {"picture": 3, "text_in": 6, "image_in": 1024, "image_out": 500}

    async def estimate(provider: CompatibleProvider) -> None:
        found = provider.estimate(asked(n=3))
        assert (found.low_microusd, found.high_microusd, found.images) == (120_000, 120_000, 3)

    with_provider(server, estimate, max_outputs=3, prices=prices)


def test_a_price_by_tokens_is_known_after() -> None:
    """6 × 5 + 1024 × 8 + 500 × 30 = 30 + 8192 + 15,000."""
    prices = [{"text_in": 5, "image_in": 8, "image_out": 30}]
    assert made(Server({**GOOD, "usage": USAGE}), prices=prices).cost_microusd == 23_222

    async def estimate(provider: CompatibleProvider) -> None:
        found = provider.estimate(asked())
        assert (found.low_microusd, found.high_microusd) == (None, None)

    with_provider(Server(), estimate, prices=prices)


def test_without_a_price_the_cost_is_not_known() -> None:
    assert made(Server({**GOOD, "usage": USAGE})).cost_microusd is None


def test_a_price_by_tokens_is_not_known_if_the_server_does_not_tell_them() -> None:
    assert made(Server(GOOD), prices=[{"text_in": 5, "image_in": 8, "image_out": 30}]).cost_microusd is None


def test_the_pictures_of_an_answer_may_lie_elsewhere_and_are_fetched_later() -> None:
    """What was answered is in the handle, so that a restart fetches and does not pay again."""
    server = Server({"data": [{"url": f"{URL}/pictures/1.png"}], "usage": USAGE}, headers={"x-request-id": "r-1"})

    async def submit(provider: CompatibleProvider) -> str:
        answer = await provider.submit(asked())
        assert isinstance(answer, Handle)
        return answer.task_id

    task_id = with_provider(server, submit)

    def storage(status: int, content: bytes) -> EditResult | EditError | None:
        class Storage(Server):
            def __call__(self, request: httpx.Request) -> httpx.Response:
                assert request.url.path == "/v1/pictures/1.png"
                return httpx.Response(status, content=content)

        async def poll(provider: CompatibleProvider) -> EditResult | EditError | None:
            try:
                return await provider.poll(Handle(task_id))
            except EditError as exc:
                return exc

        found: EditResult | EditError | None = with_provider(Storage(), poll, prices=[{"picture": 0.04}])
        return found

    assert type(storage(503, b"")) is CannotAsk
    assert type(storage(404, b"")) is EditFailed
    result = storage(200, SOURCE.read())
    assert isinstance(result, EditResult)
    assert result.outputs[0].data == SOURCE.read()
    assert (result.cost_microusd, result.request_id, result.ai_model) == (40_000, "r-1", "house-model")


def test_the_key_goes_to_no_other_server() -> None:
    """A picture may lie in somebody's storage."""
    server = Server({"data": [{"url": "http://127.0.0.1:10/1.png"}]})

    async def fetch(provider: CompatibleProvider) -> None:
        answer = await provider.submit(asked())
        assert isinstance(answer, Handle)
        with pytest.raises(CannotAsk):  # nobody listens there
            await provider.poll(answer)

    with_provider(server, fetch)
    assert [str(request.url) for request in server.requests] == [f"{URL}/images/edits"], "it went over a client without"


@pytest.mark.parametrize("body", [{}, [], {"data": []}, {"data": [{}]}, {"data": [{"b64_json": "%"}]}, "no"])
def test_an_answer_without_a_picture_is_most_likely_billed(body: Any) -> None:
    with pytest.raises(EditFailed) as caught:
        made(Server(body))
    assert (caught.value.code, caught.value.cost_microusd) == ("bad_answer", None)


def test_an_error_does_not_show_the_key() -> None:
    with pytest.raises(EditFailed) as caught:
        made(Server({"error": {"message": "key secret-7 may not do this"}}, status=400))
    assert "key [key] may not do this" in str(caught.value)


def test_an_error_does_not_show_the_key_by_another_name() -> None:
    with pytest.raises(EditFailed) as caught:
        made(Server({"error": {"message": "no", "param": "secret-7", "code": "bad secret-7"}}, status=400))
    assert "secret-7" not in str(caught.value)
    assert "secret-7" not in caught.value.code


def test_limits_that_were_told_hold_until_others_are() -> None:
    """A gateway's own error tells none."""
    server = Server(headers={"x-ratelimit-limit-requests": "60"})

    async def twice(provider: CompatibleProvider) -> None:
        await provider.submit(asked())
        assert provider.limits == RateLimits(requests=60)
        server.status, server.headers = 502, None
        with pytest.raises(EditError):
            await provider.submit(asked())
        assert provider.limits == RateLimits(requests=60)

    with_provider(server, twice)


def test_the_fake_service_is_compatible() -> None:
    """Over a real connection, with the prices by tokens that it bills."""

    async def edit(url: str) -> EditResult:
        prices = [{"text_in": 5, "image_in": 8, "image_out": 30}]
        settings = {"base_url": f"{url}/v1", "ai_model": "gpt-image-2", "prices": prices, "takes_mask": True}
        provider = CompatibleProvider(settings, Tools(WorkPool(1), prices=read_prices({"compatible": prices})))
        try:
            answer = await provider.submit(asked(mask=MASK))
        finally:
            await provider.aclose()
        assert isinstance(answer, EditResult)
        return answer

    with running_fake() as fake:
        assert asyncio.run(edit(fake.url)).cost_microusd == fake.billed() > 0
