"""The provider ``openoctopus``: OpenOctopus's task API, and the direct answer that one of its pages shows.

The documented form answers 202 with a task id, and ``GET /tasks/{id}`` tells when it is done (openoctopus.com/docs,
2026-11-20). A page of its site shows ``{model, prompt, image}`` and an answer with ``data[0].url`` instead. Whichever
comes is taken. A public repository that seems to be its gateway drops a top-level ``image`` and reads
``input.images``: both are sent, for an edit must never be paid for without its picture. That this repository is what
runs, and that ``input.images`` takes data URLs, is not confirmed.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import httpx

from pipeline.errors import (
    AccountStopped,
    AnswerLost,
    CannotAsk,
    EditError,
    EditFailed,
    EditRefused,
    RetryLater,
)
from pipeline.providers import Tools
from pipeline.providers.assets import fetch_picture
from pipeline.providers.openai.answers import BadAnswer, read_outputs
from pipeline.providers.openai.faults import read_fault
from pipeline.providers.openai.images import data_url
from pipeline.providers.options import ServiceOptions, read_options
from pipeline.providers.remote import RemoteProvider, own_name, today
from pipeline.providers.wire import ask, json_body, unreadable
from pipeline.values import EditRequest, EditResult, Estimate, Handle, OutputPicture

BASE_URL = "https://api.openoctopus.com/v1"
KEY_VARIABLE = "OPENOCTOPUS_API_KEY"

_ASSETS = "assets:"
"""Begins the task id of an edit that was answered with addresses at once: what is left is to fetch them."""


class OpenOctopusOptions(ServiceOptions):
    """The table ``[providers.openoctopus]``.

    Attributes:
        ai_model: For rows that name none.
        source: ``url`` sends the manifest's own URL where the picture needed no change, else the picture itself.
        resolution: 1k, 2k or 4k; None for the model's default.
        poll_s: Seconds between two questions about a task; the site's sample has 1.8.
    """

    base_url: str = BASE_URL
    api_key_env: str = KEY_VARIABLE
    ai_model: str = "openoctopus/gpt-image-2"
    source: Literal["url", "data_url"] = "url"
    resolution: Literal["1k", "2k", "4k"] | None = None
    poll_s: float = 1.8


class OpenOctopusProvider(RemoteProvider):
    """Edits by OpenOctopus.

    Args:
        options: As `OpenOctopusOptions`; its price for each picture stands in ``prices``.
        tools: Prices.
        transport: Another one than the usual, for tests.
    """

    name = "openoctopus"
    max_references = 15

    def __init__(
        self, options: Mapping[str, Any], tools: Tools, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._options = read_options(OpenOctopusOptions, options, self.name)
        super().__init__(self._options, tools, transport)
        self.poll_s = self._options.poll_s
        self.version = f"1;{self.service.base_url};{self._options.ai_model};{self._options.resolution}"

    def check_options(self, request: EditRequest) -> None:
        """Refuse what its documented inputs have no place for."""
        if request.n > self.max_outputs:
            raise EditRefused("bad_n", f"n is {request.n}; openoctopus makes one picture for each edit", column="n")
        if request.mask is not None or request.markup is not None:
            raise EditRefused(
                "no_mask", "openoctopus takes no mask; choose openai or local for this row", column="mask"
            )
        if request.size not in (None, "auto"):
            raise EditRefused(
                "bad_size",
                f"size is {request.size}; openoctopus takes a resolution: set it in [providers.openoctopus]",
                column="size",
            )

    def estimate(self, request: EditRequest) -> Estimate:
        """Its price for a picture, if the settings have one."""
        price = self._price(request.ai_model, 1)
        return Estimate(price, price, ai_model=request.ai_model or self._options.ai_model)

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Send one edit; the task id, the addresses or the picture come back."""
        self.check_key()
        headers = own_name(request)
        post = self.client.build_request("POST", "/images/edits", json=self._body(request), headers=headers)
        response = await self.post(post)
        if response.status_code not in (httpx.codes.OK, httpx.codes.ACCEPTED):
            raise self.fault(response)
        return self._taken(json_body(response), request.ai_model, response.headers.get("x-request-id", ""))

    async def poll(self, handle: Handle) -> EditResult | None:
        """The pictures of a task, once they are made and fetched; they are paid for, so fetching is tried for long."""
        account, ai_model, task_id = handle.task_id.split("|", 2)
        try:
            if task_id.startswith(_ASSETS):
                return await self._fetch(json.loads(task_id.removeprefix(_ASSETS)), ai_model, "")
            response = await ask(self.client, self.service, "GET", f"/tasks/{task_id}")
            found = json_body(response) if response.status_code == httpx.codes.OK else None
            body: dict[str, Any] = found if isinstance(found, dict) else {}
            status = body.get("status")
            if status == "succeeded":
                return await self._fetch(_addresses(body.get("output_payload")), ai_model, task_id)
        except RetryLater as exc:
            raise CannotAsk(exc.code, str(exc)) from exc
        if response.status_code != httpx.codes.OK:
            self._judge(self.fault(response), account)
        if status == "not_found":
            self._judge(None, account)
        if status == "cancelled":
            raise EditFailed("task_cancelled", f"the task {task_id} was cancelled; send again with --retry-failed")
        if status == "failed":
            raise _of_task(body)
        return None

    def _judge(self, error: EditError | None, account: str) -> NoReturn:
        """A task that the service does not tell of may have been made and billed."""
        if isinstance(error, AccountStopped):
            raise error
        if isinstance(error, AnswerLost | RetryLater):
            raise CannotAsk(error.code, str(error))
        if account != self.account:
            raise CannotAsk(
                "other_account",
                "the edit was ordered with another key, or elsewhere; run again with that one",
                is_hopeless=True,
            )
        raise AnswerLost("task_unknown", "openoctopus does not know the task any more; it may have been billed")

    def _body(self, request: EditRequest) -> dict[str, Any]:
        use_url = self._options.source == "url" and request.source_url is not None
        first = [request.source_url] if use_url else []
        rest = request.pictures[len(first) :]
        images = [*first, *map(data_url, rest)]
        inputs = {"images": images, "quality": request.quality, "resolution": self._options.resolution}
        return {
            "model": request.ai_model or self._options.ai_model,
            "prompt": request.instruction.prompt,
            "image": images[0],
            "input": {name: value for name, value in inputs.items() if value is not None},
        }

    def _taken(self, body: Any, ai_model: str | None, request_id: str) -> EditResult | Handle:  # noqa: ANN401 - JSON
        if not isinstance(body, dict):
            raise unreadable(self.service, "it is no JSON object")
        name = ai_model or ""
        if isinstance(body.get("id"), str) and "data" not in body:
            return Handle(f"{self.account}|{name}|{body['id']}")
        addresses = _addresses(body)
        if addresses:
            return Handle(f"{self.account}|{name}|{_ASSETS}{json.dumps(addresses)}")
        try:
            outputs = read_outputs(body)
        except BadAnswer as exc:
            raise unreadable(self.service, str(exc)) from None
        return self._result(outputs, name, request_id)

    async def _fetch(self, addresses: list[str], ai_model: str, request_id: str) -> EditResult:
        if not addresses:
            failure = unreadable(self.service, "the task is done and has no picture")
            failure.cost_microusd = self._price(ai_model or None, 1)
            raise failure
        try:
            found = [await fetch_picture(self.client, self.service, url, poll_s=self.poll_s) for url in addresses]
        except BadAnswer as exc:
            raise EditFailed(
                "picture_gone",
                f"openoctopus made the picture, and {exc}; it was billed: --retry-failed pays for another",
                cost_microusd=self._price(ai_model or None, 1),
            ) from None
        return self._result(tuple(found), ai_model, request_id)

    def _result(self, outputs: tuple[OutputPicture, ...], ai_model: str, request_id: str) -> EditResult:
        usage = {"picture": len(outputs)}
        name = ai_model or self._options.ai_model
        return EditResult(outputs, request_id, usage, self._price(name, len(outputs)), ai_model=name)

    def _price(self, ai_model: str | None, pictures: int) -> int | None:
        name = ai_model or self._options.ai_model
        return self.prices.charge_microusd(self.name, name, {"picture": pictures}, at=today())

    def fault(self, response: httpx.Response) -> EditError:
        """By its ``retryable``, where the status does not say it all: such an answer promises that nothing was made."""
        error = super().fault(response)
        body = json_body(response)
        if isinstance(error, AnswerLost | EditFailed) and _is_retryable(body):
            return RetryLater(error.code, str(error), retry_after_s=self.poll_s)
        return error


def _addresses(payload: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Where the pictures are, in either form."""
    if not isinstance(payload, dict):
        return []
    entries = payload.get("assets") or payload.get("data") or []
    return [entry["url"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("url"), str)]


def _is_retryable(body: Any) -> bool:  # noqa: ANN401 - JSON
    error = body.get("error", body) if isinstance(body, dict) else {}
    return isinstance(error, dict) and error.get("retryable") is True


def _of_task(body: Mapping[str, Any]) -> EditError:
    found = read_fault({"error": body.get("error") or {}})
    if found.code == "content_policy_violation":
        return EditRefused(
            "moderation_blocked", f"openoctopus blocked this edit ({found.message}); re-prompt it in other words"
        )
    message = f"openoctopus could not make the edit ({found.message})"
    if _is_retryable(body):
        return RetryLater(found.code or "task_failed", message, retry_after_s=2)
    return EditFailed(
        found.code or "task_failed", f"{message}; nothing was billed. Mend the row and use --retry-failed"
    )
