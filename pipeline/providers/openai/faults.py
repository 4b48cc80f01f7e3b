"""What an error of OpenAI's API means for the edit, the account and the money.

The envelope is ``{"error": {"message", "type", "param", "code"}}`` (OpenAPI description of 2026-08-21). Which status,
type and code says what was gathered from OpenAI's help article 5955604, the client openai 3.52.0 and issue reports,
2026-11-20. Whether a blocked request is billed is confirmed nowhere.
"""

import re
from dataclasses import dataclass
from typing import Any

import httpx

from pipeline.errors import AccountStopped, AnswerLost, EditError, EditFailed, EditRefused, RetryLater, ServerFailed
from pipeline.providers.wire import json_body, shortened, wait_s

_BLOCKED = frozenset({"moderation_blocked", "content_policy_violation", "image_generation_user_error"})
_EXHAUSTED = frozenset(
    {
        "billing_hard_limit_reached",
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)
_NO_MODEL = frozenset({"model_not_found", "invalid_model", "model_not_available"})
_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]*)\]")

_LATER = frozenset({409, 425, 429})
_FAILED = frozenset({500, 503})
"""The server itself says that it failed. Other 5xx come from what stands before it: the picture may be made."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The error of an answer, as far as it can be read."""

    message: str
    type: str
    code: str
    param: str
    details: dict[str, Any]


def fault(response: httpx.Response, provider: str, *, key_variable: str, key: str = "") -> EditError:
    """The error that an answer of another status than 200 comes to.

    Args:
        response: The answer.
        provider: For the message.
        key_variable: Where the key comes from, for the message.
        key: Never to be shown.
    """
    found = read_fault(json_body(response), response.text, key)
    status = response.status_code
    if {found.code, found.type} & _BLOCKED:
        return _refused(found, provider)
    if {found.code, found.type} & _EXHAUSTED or status == 402:
        return AccountStopped(
            "account_exhausted",
            f"{provider}: the account has no credit left, or reached its limit ({found.message}); add credit or raise "
            "the limit at the provider, then run again: everything is kept",
        )
    if status == 401:
        return AccountStopped(
            "wrong_key", f"{provider} refused the key; set {key_variable} to a valid one, or choose --provider local"
        )
    if status == 403:
        return AccountStopped(
            "no_permission",
            f"{provider}: {found.message}; grant it at the provider (OpenAI: verify the organisation), then run again",
        )
    if status in _LATER:
        message = f"{provider} asks to come back later ({found.message})"
        return RetryLater("rate_limited", message, retry_after_s=wait_s(response))
    if found.code in _NO_MODEL:
        return EditFailed("unknown_ai_model", f"{provider}: {found.message}; choose another in the column ai_model")
    if status in _FAILED:
        return ServerFailed("server_error", f"{provider} failed with {status} ({found.message})")
    if status >= 500 or status == 408:
        return AnswerLost(
            "gateway_error", f"{provider} answered {status} on the way; the edit may have been made and billed"
        )
    at = f" ({found.param})" if found.param else ""
    return EditFailed(
        found.code or "bad_request",
        f"{provider} refused the request{at}: {found.message}. Mend the row, and run again with --retry-failed",
    )


def free_fault(response: httpx.Response, provider: str, *, key_variable: str, key: str = "") -> EditError:
    """The same of a request that costs nothing: whatever the server did, it may be sent again."""
    error = fault(response, provider, key_variable=key_variable, key=key)
    if isinstance(error, AnswerLost):
        return RetryLater(
            error.code,
            f"{provider} answered {response.status_code} to a free request; try again with --retry-failed",
            retry_after_s=wait_s(response),
        )
    return error


def read_fault(body: Any, text: str = "", key: str = "") -> Fault:  # noqa: ANN401 - JSON
    """The envelope's error; of something else, its words."""
    error = body.get("error", body) if isinstance(body, dict) else {}
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        error = {}
    words = {name: error.get(name) for name in ("message", "type", "code", "param")}
    details = error.get("moderation_details")
    return Fault(
        message=shortened(str(words["message"] or text or "no reason given"), key),
        type=str(words["type"] or ""),
        code=shortened(str(words["code"] or ""), key),
        param=shortened(str(words["param"] or ""), key),
        details=details if isinstance(details, dict) else {},
    )


def _refused(found: Fault, provider: str) -> EditRefused:
    stage = str(found.details.get("moderation_stage", ""))
    categories = found.details.get("categories")
    if not isinstance(categories, list):
        named = _VIOLATIONS.search(found.message)
        categories = [word.strip(" '\"") for word in named[1].split(",") if word.strip()] if named else []
    where = {"input": "the instruction or the source", "output": "the picture that it made"}.get(stage, "this edit")
    of = f" ({', '.join(map(str, categories))})" if categories else ""
    return EditRefused(
        "moderation_blocked",
        f"{provider}'s moderation blocked {where}{of}; re-prompt it in other words, or leave it out",
        details={"stage": stage, "categories": [str(category) for category in categories]},
    )
