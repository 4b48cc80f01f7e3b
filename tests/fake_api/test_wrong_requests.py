"""Requests that cannot be: refused by name, never answered 500, and never repaired."""

import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.fake_api.drawing import data_url, opened, picture
from tests.fake_api.running import RunningFake

KEY = {"authorization": "Bearer sk-test"}
RED = ("red.png", picture(), "image/png")
SMALL_MASK = ("mask.png", picture((32, 32), (0, 0, 0, 0), "RGBA"), "image/png")


@pytest.fixture(scope="module")
def client(shared_fake: RunningFake) -> Iterator[openai.OpenAI]:
    with shared_fake.client() as opened_client:
        yield opened_client


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"model": "gpt-image-1"}, "model_not_found", "model"),
        ({"model": "gpt-image-9"}, "model_not_found", "model"),
        ({"extra_body": {"strength": 0.5}}, "unknown_parameter", "strength"),
        ({"extra_body": {"response_format": "url"}}, "unknown_parameter", "response_format"),
        ({"n": 11}, "invalid_value", "n"),
        ({"n": 0}, "invalid_value", "n"),
        ({"extra_body": {"n": "²"}}, "invalid_value", "n"),
        ({"size": "1000x1000"}, "invalid_value", "size"),
        ({"size": "large"}, "invalid_value", "size"),
        ({"quality": "max", "model": "gpt-image-2"}, "invalid_value", "quality"),
        ({"input_fidelity": "high", "model": "gpt-image-2"}, "invalid_input_fidelity_model", "input_fidelity"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
        ({"output_format": "svg"}, "invalid_value", "output_format"),
        ({"prompt": ""}, "missing_required_parameter", "prompt"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", None),
        ({"image": [RED] * 17}, "invalid_value", "image"),
        ({"image": ("red.png", b"no picture", "image/png")}, "invalid_image_file", "image"),
        ({"image": ("red.png", picture()[:-40], "image/png")}, "invalid_image_file", "image"),
        ({"image": picture()}, "unsupported_file_mimetype", "image"),
        ({"mask": SMALL_MASK}, None, "mask"),
        ({"markup": RED, "model": "gpt-image-2"}, "invalid_value", "markup"),
        ({"markup": RED, "model": "gpt-image-2.5-flare"}, "invalid_value", "markup"),
    ],
)
def test_what_openai_refuses_is_refused_and_named(
    client: openai.OpenAI, asked: dict[str, Any], code: str | None, param: str | None
) -> None:
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        client.images.edit(**{"image": RED, "prompt": "make it warmer", **asked})
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ('{"prompt": 5}', 400),
        ('{"prompt": "x", "image": "a.png"}', 400),
        ('{"prompt": "x", "images": []}', 400),
        ('{"prompt": "x", "images": null}', 400),
        ('{"prompt": "x", "images": [{}]}', 400),
        ('{"prompt": "x", "images": [{"file_id": "a", "image_url": "b"}]}', 400),
        ('{"prompt": "x", "images": [{"image_url": "data:image/png;base64,?"}]}', 400),
        ('{"prompt": "x", "images": [{"image_url": "http://example.com/a.png"}]}', 400),
        ('{"prompt": "x", "images": [{"image_url": "http://["}]}', 400),
        ('{"prompt": "x", "images": [{"file_id": "../secret"}]}', 404),
        (json.dumps({"prompt": "x", "images": [{"file_id": "x" * 300}]}), 404),
    ],
)
def test_a_json_request_that_is_wrong_is_refused(shared_fake: RunningFake, body: str, status: int) -> None:
    headers = {**KEY, "content-type": "application/json"}
    answer = shared_fake.ask("POST", "/v1/images/edits", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")


def test_a_json_request_that_is_right_is_answered(shared_fake: RunningFake) -> None:
    body = {"prompt": "x", "images": [{"image_url": data_url(picture())}]}
    answer = shared_fake.ask("POST", "/v1/images/edits", json=body, headers=KEY).raise_for_status()
    assert opened(answer.json()["data"][0]["b64_json"]).getpixel((0, 0)) == (0, 255, 255)


@pytest.mark.parametrize("asked", [{}, {"purpose": "cats"}, {"purpose": "batch", "expires_after[seconds]": "3600"}])
def test_an_upload_needs_a_purpose_and_all_of_an_expiry(shared_fake: RunningFake, asked: dict[str, str]) -> None:
    answer = shared_fake.ask("POST", "/v1/files", headers=KEY, data=asked, files={"file": RED})
    assert answer.status_code == 400


@pytest.mark.parametrize("query", ["limit=x", "limit=0", "limit=101", "limit=-1", "limit=²", "after=batch_none"])
def test_a_page_that_cannot_be_is_refused(shared_fake: RunningFake, query: str) -> None:
    answer = shared_fake.ask("GET", f"/v1/batches?{query}", headers=KEY)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"endpoint": "/v1/responses"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": "file-none"}, "input_file_id"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": "soon"}}, "expires_after"),
        ({"output_expires_after": 3600}, "expires_after"),
    ],
)
def test_a_batch_that_is_asked_for_wrongly_is_not_started(
    client: openai.OpenAI, shared_fake: RunningFake, asked: dict[str, Any], param: str
) -> None:
    lines = client.files.create(file=("lines.jsonl", b"{}"), purpose="batch")
    right = {"endpoint": "/v1/images/edits", "completion_window": "24h", "input_file_id": lines.id}
    answer = shared_fake.ask("POST", "/v1/batches", headers=KEY, json={**right, **asked})
    assert (answer.status_code // 100, answer.json()["error"]["param"]) == (4, param)
    assert list(client.batches.list()) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("{", "double quotes"),
        ("[1]", "expected an object"),
        ('{"drops": 1}', "unknown options drops"),
        ('{"refused": 1, "drop": "much"}', 'drop: .*"much"'),
        ('{"refused": 1, "drop": 2}', "drop: .*less than or equal to 1"),
        ('{"refused": 1, "drop": NaN}', "drop: .*NaN"),
        ('{"refused": 1, "drop": true}', "drop: .*true"),
        ('{"refused": 1, "engine": "magic"}', "engine: "),
        ('{"refused": 1, "latency_ms": [5]}', "latency_ms.1: "),
        ('{"refused": 1, "seed": 1.5}', "seed: "),
        ('{"refused": 1, "images_per_minute": 0}', "images_per_minute: "),
        ('{"refused": 1, "folder": "/tmp"}', "folder cannot be changed"),
    ],
)
def test_an_option_that_cannot_be_is_refused_and_changes_nothing(
    shared_fake: RunningFake, values: str, said: str
) -> None:
    answer = shared_fake.ask("POST", "/fake/options", content=values)
    assert answer.status_code == 400
    assert re.search(said, answer.json()["error"])
    assert shared_fake.edit().data
