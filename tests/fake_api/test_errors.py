"""Requests that the fake service refuses, in the words and with the codes that OpenAI uses."""

import openai
import pytest

from tests.fake_api.drawing import opened, picture
from tests.fake_api.running import RunningFake

KEY = {"authorization": "Bearer sk-test"}
RED = ("red.png", picture(), "image/png")


@pytest.mark.parametrize(
    ("key", "error", "code"),
    [
        ("sk-wrong", openai.AuthenticationError, "invalid_api_key"),
        ("sk-empty", openai.RateLimitError, "credit_balance_exhausted"),
        ("sk-limit", openai.BadRequestError, "billing_hard_limit_reached"),
        ("sk-unverified", openai.PermissionDeniedError, None),
    ],
)
def test_an_account_that_may_not_is_told_why(
    shared_fake: RunningFake, key: str, error: type[openai.APIStatusError], code: str | None
) -> None:
    before = shared_fake.ledger()["entries"]
    with pytest.raises(error) as caught:
        shared_fake.edit(key=key)
    assert caught.value.code == code
    assert shared_fake.ledger()["entries"] == before


def test_an_empty_account_is_told_apart_from_one_that_is_too_quick(shared_fake: RunningFake) -> None:
    """Both are 429, and only the type tells that waiting does not help."""
    with pytest.raises(openai.RateLimitError) as empty:
        shared_fake.edit(key="sk-empty")
    with pytest.raises(openai.RateLimitError) as quick:
        shared_fake.edit("fake:429")
    assert (empty.value.type, quick.value.type) == ("insufficient_quota", "requests")
    assert "retry-after" not in empty.value.response.headers
    assert quick.value.response.headers["retry-after"] == "0.200"


def test_no_key_and_a_wrong_one_open_nothing(shared_fake: RunningFake) -> None:
    for method, path in [
        *(("POST", "/v1/images/edits"), ("GET", "/v1/models"), ("GET", "/v1/models/gpt-image-2")),
        *(("GET", "/v1/files"), ("POST", "/v1/files"), ("GET", "/v1/files/file-1"), ("DELETE", "/v1/files/file-1")),
        *(("GET", "/v1/files/file-1/content"), ("GET", "/v1/batches"), ("POST", "/v1/batches")),
        *(("GET", "/v1/batches/batch_1"), ("POST", "/v1/batches/batch_1/cancel")),
    ]:
        for headers in ({}, {"authorization": "Bearer sk-wrong"}):
            answer = shared_fake.ask(method, path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key"), path


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("429", 429, "rate_limit_exceeded"),
        ("500", 500, None),
        ("overloaded", 503, "server_is_overloaded"),
        ("refuse", 400, "moderation_blocked"),
        ("refuse-output", 400, "moderation_blocked"),
    ],
)
def test_a_word_in_the_prompt_chooses_the_error_and_nothing_is_billed(
    shared_fake: RunningFake, word: str, status: int, code: str | None
) -> None:
    before = shared_fake.ledger()["entries"]
    with pytest.raises(openai.APIStatusError) as caught:
        shared_fake.edit(f"make it warmer fake:{word}, please")
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert shared_fake.ledger()["entries"] == before


def test_moderation_says_whether_it_saw_the_request_or_the_picture(shared_fake: RunningFake) -> None:
    stages = []
    for word in ("refuse", "refuse-output"):
        with pytest.raises(openai.BadRequestError, match=r"safety_violations=\[violence\]") as caught:
            shared_fake.edit(f"fake:{word}")
        assert isinstance(caught.value.body, dict)
        stages.append(caught.value.body["moderation_details"]["moderation_stage"])
    assert stages == ["input", "output"]


def test_answers_without_a_picture_are_billed(shared_fake: RunningFake) -> None:
    """The official client checks nothing: ``created`` is a word here, and no byte of the other is a picture."""
    before = shared_fake.ledger()["billed"]
    garbage = shared_fake.edit("fake:garbage").to_dict(warnings=False)
    assert garbage == {"created": "yesterday", "data": [{"b64_json": 5}]}
    broken = shared_fake.edit("fake:broken-picture")
    assert broken.data is not None
    with pytest.raises(OSError, match="cannot identify image"):
        opened(broken.data[0].b64_json)
    assert shared_fake.ledger()["billed"] == before + 2


def test_a_retired_model_names_the_one_that_follows_it(shared_fake: RunningFake) -> None:
    with pytest.raises(openai.NotFoundError, match=r"use gpt-image-2\.5-flare"):
        shared_fake.edit(model="gpt-image-1")


def test_variations_are_retired(shared_fake: RunningFake) -> None:
    answer = shared_fake.ask("POST", "/v1/images/variations", headers=KEY, files={"image": RED})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "endpoint_retired")
