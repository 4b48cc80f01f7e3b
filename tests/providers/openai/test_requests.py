"""What leaves for OpenAI's API, part by part, held against the types of the official client."""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from openai.types.batch_create_params import BatchCreateParams
from openai.types.file_create_params import FileCreateParams
from openai.types.image_edit_params import ImageEditParamsNonStreaming
from openai.types.image_generate_params import ImageGenerateParamsNonStreaming
from openai.types.image_input_reference_param import ImageInputReferenceParam
from pydantic import ConfigDict, TypeAdapter, ValidationError

from pipeline.pool import WorkPool
from pipeline.providers import Tools
from pipeline.providers.openai.batch import OpenAIBatchProvider
from pipeline.providers.openai.images import OpenAIProvider
from pipeline.values import EditRequest, EditResult, Handle, Instruction, PictureFile
from tests.fake_api.running import RunningFake, running_fake
from tests.multipart import Upload, parts
from tests.pictures import drawn

PROMPT = 'Färbe es – 中文, the "colour"\nto red & 100 %'
_STRICT = ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class StrictEdit(ImageEditParamsNonStreaming):
    __pydantic_config__ = _STRICT  # type: ignore[misc]


class StrictGeneration(ImageGenerateParamsNonStreaming):
    __pydantic_config__ = _STRICT  # type: ignore[misc]


class StrictFile(FileCreateParams):
    __pydantic_config__ = _STRICT  # type: ignore[misc]


class StrictBatch(BatchCreateParams):
    __pydantic_config__ = _STRICT  # type: ignore[misc]


class StrictReference(ImageInputReferenceParam):
    __pydantic_config__ = _STRICT  # type: ignore[misc]


class Recorder(httpx.AsyncBaseTransport):
    """Notes every request, and passes it on."""

    def __init__(self, to: httpx.AsyncBaseTransport | None = None) -> None:
        self._to = to or httpx.AsyncHTTPTransport()
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        return await self._to.handle_async_request(request)

    async def aclose(self) -> None:
        await self._to.aclose()

    def only(self, path: str) -> httpx.Request:
        """The one request that went there."""
        (found,) = self.all(path)
        return found

    def all(self, path: str) -> list[httpx.Request]:
        """What went there, in order."""
        return [request for request in self.requests if request.url.path == path]


@pytest.fixture(scope="module")
def fake() -> Iterator[RunningFake]:
    with running_fake() as running:
        yield running


SOURCE = drawn()
BLUE = drawn("JPEG", colour="blue")
GREEN = drawn("WEBP", colour="green")
OVERLAY = drawn(mode="RGBA", colour=(0, 0, 0, 0))


def asked(prompt: str = PROMPT, source: PictureFile | None = SOURCE, **others: Any) -> EditRequest:
    return EditRequest("edit 1", source, Instruction(prompt), **{"client_id": "pd-1", **others})


def sent(
    url: str,
    request: EditRequest,
    *,
    to: httpx.AsyncBaseTransport | None = None,
    kind: type[OpenAIProvider] = OpenAIProvider,
    **options: Any,
) -> Recorder:
    """What an edit made leave; it got an answer."""
    recorder = Recorder(to)

    async def send() -> EditResult | Handle:
        provider = kind({"base_url": f"{url}/v1", **options}, Tools(WorkPool(1)), transport=recorder)
        try:
            provider.check(request)
            return await provider.submit(request)
        finally:
            await provider.aclose()

    answer = asyncio.run(send())
    assert isinstance(answer, Handle) or answer.outputs
    return recorder


def files(request: httpx.Request) -> list[tuple[str, Upload]]:
    return [(name, value) for name, value in parts(request) if not isinstance(value, str)]


def texts(request: httpx.Request) -> dict[str, str]:
    """The texts of a form, each of them there once."""
    found = [(name, value) for name, value in parts(request) if isinstance(value, str)]
    assert len(dict(found)) == len(found)
    return dict(found)


def edit_form(request: httpx.Request) -> dict[str, Any]:
    """An edit's form as the official client's arguments; what that client does not know fails."""
    uploads = files(request)
    arguments: dict[str, Any] = dict(texts(request))
    if [name for name, _ in uploads].count("image"):
        (arguments["image"],) = [upload for name, upload in uploads if name == "image"]
        assert "image[]" not in dict(uploads)
    else:
        arguments["image"] = [upload for name, upload in uploads if name == "image[]"]
    arguments |= {name: upload for name, upload in uploads if name not in ("image", "image[]")}
    return dict(TypeAdapter(StrictEdit).validate_python(arguments))


def edit_json(body: Mapping[str, Any]) -> dict[str, Any]:
    """An edit's JSON, which that client has no method for: ``images`` and ``mask`` are references to pictures, there is
    ``moderation`` (OpenAI's OpenAPI description of 2026-08-21, EditImageBodyJsonParam), and all else is as in a form.
    """
    rest = dict(body)
    for reference in [*rest.pop("images"), *([rest.pop("mask")] if "mask" in rest else [])]:
        assert len(TypeAdapter(StrictReference).validate_python(reference)) == 1
    assert rest.pop("moderation", "auto") in ("auto", "low")
    TypeAdapter(StrictEdit).validate_python({**rest, "image": b"stands for images"}, strict=True)
    return dict(body)


def upload_form(request: httpx.Request) -> dict[str, Any]:
    """An upload's form as the official client's arguments."""
    arguments: dict[str, Any] = {**texts(request), **dict(files(request))}
    nested = {name: arguments.pop(f"expires_after[{name}]", None) for name in ("anchor", "seconds")}
    if any(nested.values()):
        arguments["expires_after"] = nested
    return dict(TypeAdapter(StrictFile).validate_python(arguments))


def answering(request: httpx.Request) -> httpx.Response:
    """A service that takes everything, also what the fake one refuses."""
    if request.url.path.endswith("/files"):
        return httpx.Response(200, json={"id": "file-9", "expires_at": None})
    picture = base64.b64encode(SOURCE.read()).decode()
    return httpx.Response(200, json={"created": 1, "data": [{"b64_json": picture}]})


def test_the_types_refuse_what_the_official_client_does_not_know() -> None:
    """Else the tests below would hold nothing."""
    good = {"image": ("a.png", b"1", "image/png"), "prompt": "warmer"}
    TypeAdapter(StrictEdit).validate_python(good)
    for bad in ({"colour": "red"}, {"moderation": "low"}, {"n": "many"}, {"quality": "ultra"}):
        with pytest.raises(ValidationError):
            TypeAdapter(StrictEdit).validate_python({**good, **bad})


def test_one_picture_travels_as_the_part_image(fake: RunningFake) -> None:
    request = sent(fake.url, asked()).only("/v1/images/edits")
    assert request.method == "POST"
    assert files(request) == [("image", ("source.png", SOURCE.read(), "image/png"))]
    assert edit_form(request)["prompt"] == PROMPT


def test_several_pictures_travel_as_image_brackets_with_the_source_first(fake: RunningFake) -> None:
    request = sent(fake.url, asked(references=(BLUE, GREEN))).only("/v1/images/edits")
    assert [name for name, _ in files(request)] == ["image[]", "image[]", "image[]"]
    assert [data for _, (_, data, _) in files(request)] == [SOURCE.read(), BLUE.read(), GREEN.read()]
    assert [type_ for _, (_, _, type_) in files(request)] == ["image/png", "image/jpeg", "image/webp"]
    assert len(edit_form(request)["image"]) == 3


@pytest.mark.parametrize(
    ("kind", "file_name", "media_type"),
    [
        ("PNG", "source.png", "image/png"),
        ("JPEG", "source.jpg", "image/jpeg"),
        ("WEBP", "source.webp", "image/webp"),
    ],
)
def test_a_picture_has_its_real_media_type(fake: RunningFake, kind: str, file_name: str, media_type: str) -> None:
    source = drawn(kind)
    request = sent(fake.url, asked(source=source)).only("/v1/images/edits")
    assert edit_form(request)["image"] == (file_name, source.read(), media_type)


@pytest.mark.parametrize("name", ["mask", "markup"])
def test_an_overlay_is_a_part_of_its_own(fake: RunningFake, name: str) -> None:
    overlay: dict[str, Any] = {name: OVERLAY}
    request = sent(fake.url, asked(**overlay), ai_model="gpt-image-2.5-flare").only("/v1/images/edits")
    assert [part for part, _ in files(request)] == ["image", name]
    assert edit_form(request)[name] == (f"{name}.png", OVERLAY.read(), "image/png")


def test_what_is_not_set_is_not_sent(fake: RunningFake) -> None:
    """No field says None, and there are no others than these."""
    request = sent(fake.url, asked()).only("/v1/images/edits")
    assert texts(request) == {
        "model": "gpt-image-2.5-flare",
        "prompt": PROMPT,
        "quality": "medium",
        "size": "auto",
        "n": "1",
        "output_format": "png",
    }


def test_what_is_set_is_sent(fake: RunningFake) -> None:
    options: dict[str, Any] = {"output_format": "webp", "output_compression": 80, "background": "opaque"}
    row = asked(size="1024x1536", quality="high", n=3, ai_model="gpt-image-2")
    form = edit_form(sent(fake.url, row, **options).only("/v1/images/edits"))
    del form["image"]
    assert form == {
        "model": "gpt-image-2",
        "prompt": PROMPT,
        "quality": "high",
        "size": "1024x1536",
        "n": 3,
        "output_format": "webp",
        "output_compression": 80,
        "background": "opaque",
    }


def test_a_row_wins_over_the_settings(fake: RunningFake) -> None:
    settings: dict[str, Any] = {"ai_model": "gpt-image-2", "quality": "low", "size": "1536x1024"}
    plain = edit_form(sent(fake.url, asked(), **settings).only("/v1/images/edits"))
    assert (plain["model"], plain["quality"], plain["size"]) == ("gpt-image-2", "low", "1536x1024")
    row = asked(ai_model="gpt-image-2.5-sunburst", quality="max", size="1024x1024")
    own = edit_form(sent(fake.url, row, **settings).only("/v1/images/edits"))
    assert (own["model"], own["quality"], own["size"]) == ("gpt-image-2.5-sunburst", "max", "1024x1024")


def test_fidelity_is_a_field_of_edits_alone() -> None:
    """Its models end on 2026-12-01, so this service knows no models."""

    async def send(source: PictureFile | None) -> Recorder:
        recorder = Recorder(httpx.MockTransport(answering))
        options = {"base_url": "http://127.0.0.1:9/v1", "ai_model": "gpt-image-1.5", "input_fidelity": "high"}
        provider = OpenAIProvider(options, Tools(WorkPool(1)), transport=recorder)
        await provider.submit(asked(source=source))
        await provider.aclose()
        return recorder

    edit = asyncio.run(send(SOURCE)).only("/v1/images/edits")
    assert edit_form(edit)["input_fidelity"] == "high"
    generation = asyncio.run(send(None)).only("/v1/images/generations")
    assert "input_fidelity" not in json.loads(generation.content)


def test_a_request_says_who_sends_it_and_how_we_call_it(fake: RunningFake) -> None:
    request = sent(fake.url, asked(client_id="pd-77")).only("/v1/images/edits")
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.headers["x-client-request-id"] == "pd-77"
    assert "openai-organization" not in request.headers
    assert "openai-project" not in request.headers
    named = sent(fake.url, asked(), organization="org-1", project="proj-2").only("/v1/images/edits")
    assert named.headers["openai-organization"] == "org-1"
    assert named.headers["openai-project"] == "proj-2"


def test_a_form_says_how_long_it_is(fake: RunningFake) -> None:
    """A body in pieces of unknown length is refused by some gateways."""
    request = sent(fake.url, asked(references=(BLUE,))).only("/v1/images/edits")
    assert int(request.headers["content-length"]) == len(request.content)
    assert "transfer-encoding" not in request.headers


def test_pictures_are_named_by_file_id_once_they_are_uploaded(fake: RunningFake) -> None:
    recorder = sent(fake.url, asked(references=(BLUE,), mask=OVERLAY), source="file")
    uploads = [upload_form(request) for request in recorder.all("/v1/files")]
    assert [upload["file"][1:] for upload in uploads] == [
        (SOURCE.read(), "image/png"),
        (BLUE.read(), "image/jpeg"),
        (OVERLAY.read(), "image/png"),
    ]
    assert [upload["file"][0].rpartition(".")[2] for upload in uploads] == ["png", "jpg", "png"]
    for upload in uploads:
        assert upload["purpose"] == "vision"
        assert upload["expires_after"] == {"anchor": "created_at", "seconds": 2_592_000}  # 30 days
    body = edit_json(json.loads(recorder.only("/v1/images/edits").content))
    source, blue = body["images"]
    assert source["file_id"] != blue["file_id"] != body["mask"]["file_id"]
    with fake.client() as client:
        assert client.files.content(source["file_id"]).content == SOURCE.read()
        assert client.files.content(blue["file_id"]).content == BLUE.read()
        assert client.files.content(body["mask"]["file_id"]).content == OVERLAY.read()


def test_a_json_edit_has_numbers_as_numbers_and_nothing_unset(fake: RunningFake) -> None:
    recorder = sent(fake.url, asked(n=2), source="data_url", output_format="jpeg", output_compression=70)
    request = recorder.only("/v1/images/edits")
    assert request.headers["content-type"] == "application/json"
    body = edit_json(json.loads(request.content))
    del body["images"]
    assert body == {
        "model": "gpt-image-2.5-flare",
        "prompt": PROMPT,
        "quality": "medium",
        "size": "auto",
        "n": 2,
        "output_format": "jpeg",
        "output_compression": 70,
    }


@pytest.mark.parametrize("picture", [SOURCE, BLUE, GREEN], ids=["png", "jpeg", "webp"])
def test_a_data_url_holds_the_very_picture(fake: RunningFake, picture: PictureFile) -> None:
    recorder = sent(fake.url, asked(source=picture, mask=OVERLAY), source="data_url")
    body = edit_json(json.loads(recorder.only("/v1/images/edits").content))
    (reference,) = body["images"]
    for url, expected in ((reference["image_url"], picture), (body["mask"]["image_url"], OVERLAY)):
        head, _, encoded = url.partition(",")
        assert head == f"data:{expected.facts.media_type};base64"
        assert base64.b64decode(encoded, validate=True) == expected.read()
    assert not recorder.all("/v1/files")


def test_the_manifests_own_url_stands_for_the_source_alone() -> None:
    """What has no URL of its own is uploaded."""
    request = asked(source_url="https://shop.example/red.png", references=(BLUE,))
    recorder = sent("http://127.0.0.1:9", request, to=httpx.MockTransport(answering), source="url")
    body = edit_json(json.loads(recorder.only("/v1/images/edits").content))
    assert body["images"] == [{"image_url": "https://shop.example/red.png"}, {"file_id": "file-9"}]
    assert upload_form(recorder.only("/v1/files"))["file"][1] == BLUE.read()


def test_a_source_that_was_changed_has_no_url_and_is_uploaded(fake: RunningFake) -> None:
    recorder = sent(fake.url, asked(source_url=None), source="url")
    body = edit_json(json.loads(recorder.only("/v1/images/edits").content))
    assert [list(reference) for reference in body["images"]] == [["file_id"]]


@pytest.mark.parametrize("how", ["file", "data_url"])
def test_gentler_moderation_is_asked_for_in_json(fake: RunningFake, how: str) -> None:
    recorder = sent(fake.url, asked(), source=how, moderation="low")
    assert edit_json(json.loads(recorder.only("/v1/images/edits").content))["moderation"] == "low"


def test_without_a_source_a_picture_is_generated(fake: RunningFake) -> None:
    recorder = sent(fake.url, asked(source=None), background="transparent", moderation="auto")
    assert [request.url.path for request in recorder.requests] == ["/v1/images/generations"]
    body = json.loads(recorder.requests[0].content)
    TypeAdapter(StrictGeneration).validate_python(body, strict=True)
    assert body == {
        "model": "gpt-image-2.5-flare",
        "prompt": PROMPT,
        "quality": "medium",
        "size": "auto",
        "n": 1,
        "output_format": "png",
        "background": "transparent",
        "moderation": "auto",
    }


def test_a_batch_is_a_file_of_json_edits_and_an_order_for_it(fake: RunningFake) -> None:
    """A line of it has the very body that the edit would have alone."""
    request = asked(client_id="pd-batch", references=(BLUE,), mask=OVERLAY, n=2)
    recorder = sent(fake.url, request, kind=OpenAIBatchProvider, gather_s=0.01, poll_s=0.01)
    *pictures, lines = [upload_form(sent_file) for sent_file in recorder.all("/v1/files")]
    assert [upload["purpose"] for upload in pictures] == ["vision"] * 3
    assert lines["purpose"] == "batch"
    assert lines["file"][2] == "application/jsonl"
    (line,) = lines["file"][1].splitlines()
    entry = json.loads(line)
    body = edit_json(entry.pop("body"))
    assert entry == {"custom_id": "pd-batch", "method": "POST", "url": "/v1/images/edits"}
    assert [list(reference) for reference in [*body["images"], body["mask"]]] == [["file_id"]] * 3
    assert (body["prompt"], body["n"]) == (PROMPT, 2)
    order = json.loads(recorder.only("/v1/batches").content)
    TypeAdapter(StrictBatch).validate_python(order, strict=True)
    assert (order["endpoint"], order["completion_window"]) == ("/v1/images/edits", "24h")
