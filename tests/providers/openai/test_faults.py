"""Each error that OpenAI's API is known to answer, and what it means for the edit, the run and the money."""

import json
from typing import Any

import httpx
import pytest

from pipeline.errors import (
    AccountStopped,
    AnswerLost,
    EditError,
    EditFailed,
    EditRefused,
    RetryLater,
    ServerFailed,
)
from pipeline.providers.openai.faults import fault, read_fault

KEY = "sk-live-1234567890"


def error_of(
    status: int,
    code: str | None = None,
    kind: str | None = "invalid_request_error",
    message: str = "No.",
    *,
    headers: dict[str, str] | None = None,
    param: str | None = None,
    **more: Any,
) -> EditError:
    """What an answer in OpenAI's envelope comes to."""
    error = {"message": message, "type": kind, "param": param, "code": code, **more}
    return read(httpx.Response(status, json={"error": error}, headers=headers))


def read(response: httpx.Response) -> EditError:
    return fault(response, "openai", key_variable="OPENAI_API_KEY", key=KEY)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "moderation_blocked", "image_generation_user_error"),
        (400, "moderation_blocked", "invalid_request_error"),
        (400, None, "image_generation_user_error"),
        (400, "content_policy_violation", "invalid_request_error"),
        (403, "moderation_blocked", "image_generation_user_error"),
    ],
)
def test_moderation_is_a_refusal_that_asks_for_other_words(status: int, code: str | None, kind: str) -> None:
    error = error_of(status, code, kind, "Your request was rejected by the safety system.")
    assert type(error) is EditRefused
    assert error.code == "moderation_blocked"
    assert "re-prompt it in other words" in str(error)


@pytest.mark.parametrize(
    ("stage", "where"), [("input", "the instruction or the source"), ("output", "the picture that it made")]
)
def test_moderation_says_where_and_why(stage: str, where: str) -> None:
    details = {"moderation_stage": stage, "categories": ["violence", "sexual"]}
    error = error_of(400, "moderation_blocked", "image_generation_user_error", moderation_details=details)
    assert isinstance(error, EditRefused)
    assert str(error).startswith(f"openai's moderation blocked {where} (violence, sexual)")
    assert error.details == {"stage": stage, "categories": ["violence", "sexual"]}


def test_moderation_without_details_is_read_from_its_message() -> None:
    error = error_of(400, "moderation_blocked", message="Rejected. safety_violations=['sexual', violence].")
    assert isinstance(error, EditRefused)
    assert error.details == {"stage": "", "categories": ["sexual", "violence"]}
    assert "blocked this edit (sexual, violence)" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "billing_hard_limit_reached", "invalid_request_error"),
        (429, "credit_balance_exhausted", "insufficient_quota"),
        (429, "organization_spend_limit_exceeded", "insufficient_quota"),
        (429, "project_spend_limit_exceeded", "insufficient_quota"),
        (429, "organization_usage_limit_exceeded", "insufficient_quota"),
        (429, "insufficient_quota", "insufficient_quota"),
        (429, None, "insufficient_quota"),
        (429, "some_new_name", "insufficient_quota"),
        (402, "insufficient_balance", "invalid_request_error"),
    ],
)
def test_an_account_without_credit_stops_the_run(status: int, code: str | None, kind: str) -> None:
    """Also where the status says that waiting would help: it would not."""
    error = error_of(status, code, kind, "You exceeded your current quota.", headers={"retry-after": "1"})
    assert type(error) is AccountStopped
    assert error.code == "account_exhausted"
    assert "You exceeded your current quota." in str(error)
    assert "add credit or raise the limit at the provider, then run again" in str(error)


def test_a_wrong_key_stops_the_run_and_names_the_variable() -> None:
    error = error_of(401, "invalid_api_key", message=f"Incorrect API key provided: {KEY}.")
    assert type(error) is AccountStopped
    assert error.code == "wrong_key"
    assert "set OPENAI_API_KEY to a valid one, or choose --provider local" in str(error)


def test_an_unverified_organisation_stops_the_run_and_says_to_verify_it() -> None:
    error = error_of(403, None, message="Your organization must be verified to use the model `gpt-image-2`.")
    assert type(error) is AccountStopped
    assert error.code == "no_permission"
    assert "must be verified to use the model" in str(error)
    assert "verify the organisation" in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", "requests"),
        ("rate_limit_exceeded", "input-images"),
        ("slow_down", "rate_limit_error"),
        (None, None),
    ],
)
def test_a_rate_limit_is_waited_for_as_long_as_the_header_says(code: str | None, kind: str | None) -> None:
    error = error_of(429, code, kind, headers={"retry-after": "17"})
    assert type(error) is RetryLater
    assert error.code == "rate_limited"
    assert error.retry_after_s == 17


def test_an_older_rate_limit_says_in_words_how_long_to_wait() -> None:
    text = "You've exceeded the rate limit, please slow down and try again after 51.81557421875 seconds"
    error = error_of(429, "rate_limit_exceeded", "rate_limit_error", text)
    assert isinstance(error, RetryLater)
    assert error.retry_after_s == 51.81557421875


@pytest.mark.parametrize(
    ("code", "param", "message"),
    [
        ("invalid_image_file", "image", "Invalid image file or mode for image, please check your image file."),
        ("invalid_input_fidelity_model", "input_fidelity", "The model 'gpt-image-2' does not support it."),
        ("unsupported_file_mimetype", "image", "Invalid file 'image': unsupported mimetype."),
        ("unknown_parameter", "colour", "Unknown parameter: 'colour'."),
    ],
)
def test_a_wrong_request_fails_its_row_alone_and_is_not_billed(code: str, param: str, message: str) -> None:
    error = error_of(400, code, message=message, param=param)
    assert type(error) is EditFailed
    assert error.code == code
    assert error.cost_microusd == 0
    assert f"({param}): {message}" in str(error)
    assert str(error).endswith("Mend the row, and run again with --retry-failed")


def test_a_wrong_request_without_a_code_has_one_of_ours() -> None:
    assert error_of(400, None).code == "bad_request"


@pytest.mark.parametrize(
    ("status", "code"), [(404, "model_not_found"), (400, "invalid_model"), (404, "model_not_available")]
)
def test_an_unknown_model_is_to_be_changed_in_its_column(status: int, code: str) -> None:
    error = error_of(status, code, message="The model 'gpt-image-9' does not exist", param="model")
    assert type(error) is EditFailed
    assert error.code == "unknown_ai_model"
    assert "choose another in the column ai_model" in str(error)


@pytest.mark.parametrize(
    ("status", "code", "kind"), [(500, None, "server_error"), (503, "server_is_overloaded", "server_error")]
)
def test_a_server_that_says_it_failed_may_be_asked_once_more(status: int, code: str | None, kind: str) -> None:
    error = error_of(status, code, kind, "The server had an error.")
    assert type(error) is ServerFailed
    assert error.code == "server_error"
    assert str(status) in str(error)


@pytest.mark.parametrize("status", [408, 502, 504, 520, 524])
def test_what_a_gateway_answers_leaves_the_edit_in_doubt(status: int) -> None:
    """Behind it the picture may have been made: this is never sent again by itself."""
    error = read(httpx.Response(status, text=f"<html><h1>{status} Bad Gateway</h1></html>"))
    assert type(error) is AnswerLost
    assert error.code == "gateway_error"
    assert "the edit may have been made and billed" in str(error)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"no"', b'{"error": null}', b'{"error": []}', b'{"error": {"message": 5}}', b"\xff\x00"],
)
def test_an_error_that_cannot_be_read_is_an_error_all_the_same(body: bytes) -> None:
    error = read(httpx.Response(400, content=body))
    assert type(error) is EditFailed
    assert error.code == "bad_request"


def test_an_error_may_be_a_mere_sentence() -> None:
    assert "no such colour" in str(read(httpx.Response(400, json={"error": "no such colour"})))
    assert "no such colour" in str(read(httpx.Response(400, text="no such colour")))


def test_an_error_may_have_no_envelope() -> None:
    """As OpenOctopus answers."""
    found = read_fault({"code": "invalid_request", "message": "prompt is required", "retryable": False})
    assert (found.code, found.message) == ("invalid_request", "prompt is required")


@pytest.mark.parametrize("status", [400, 402, 403, 404, 429, 500])
@pytest.mark.parametrize("secret", [KEY, "sk-proj-Abc_123-xyz", "sk-***************cdef"])
def test_a_key_that_the_server_repeats_is_not_shown(status: int, secret: str) -> None:
    text = str(error_of(status, None, message=f"The key {secret} may not do this."))
    assert secret not in text
    assert secret[3:] not in text
    assert "[key]" in text


def test_a_key_of_any_form_is_not_shown() -> None:
    answer = httpx.Response(400, json={"error": {"message": "hunter2-of-our-gateway is unknown"}})
    error = fault(answer, "compatible", key_variable="PICTUREDESK_COMPATIBLE_KEY", key="hunter2-of-our-gateway")
    assert "hunter2" not in str(error)


def test_a_page_of_text_becomes_one_line() -> None:
    error = error_of(400, None, message="line one\n\n  line two\t" + "x" * 5000)
    assert "line one line two xxx" in str(error)
    assert len(str(error)) < 500
    assert json.dumps(str(error)).count("\\n") == 0
