"""The provider ``compatible``: any server that speaks OpenAI's images API more or less, told by a table of its own.

Such servers differ in what they take: one refuses masks, another names the picture ``input_reference``, a third wants
``image[]`` for a single one (llmgateway PR 1756, NVIDIA Dynamo's documentation, read 2026-11-20). So nothing is
guessed: the desk's settings say it.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

import httpx
from pydantic import Field

from pipeline.errors import CannotAsk, EditRefused, RetryLater, UsageError
from pipeline.providers import Tools
from pipeline.providers.assets import fetch_picture
from pipeline.providers.openai.answers import BadAnswer, read_outputs, read_usage
from pipeline.providers.openai.images import data_url, upload_part
from pipeline.providers.options import ServiceOptions, read_options
from pipeline.providers.remote import RemoteProvider, own_name, today
from pipeline.providers.wire import json_body, unreadable
from pipeline.values import EditRequest, EditResult, Estimate, Handle, OutputPicture

KEY_VARIABLE = "PICTUREDESK_COMPATIBLE_KEY"


class CompatibleOptions(ServiceOptions):
    """The table ``[providers.compatible]``: where the server is, and what it takes.

    Attributes:
        base_url: With its version, such as ``http://127.0.0.1:4000/v1``.
        needs_key: Whether the server wants one.
        ai_model: For rows that name none.
        endpoint: Path of the edits; ``/images/variations`` is sent no instruction.
        form: ``multipart``, or ``json`` with data URLs.
        picture_part: Name of the part, or JSON field, with the picture.
        further_part: Name for each picture if there are several; None if it takes one only.
        takes_mask: Whether it takes a mask.
        sizes: The sizes that it takes; empty for any, None if it takes no size at all.
        qualities: The same for quality.
        max_outputs: Largest ``n``; it is sent only if it is more than one.
        fields: Further fields, sent as they are.
    """

    base_url: str = ""
    api_key_env: str = KEY_VARIABLE
    needs_key: bool = True
    ai_model: str = ""
    endpoint: str = "/images/edits"
    form: Literal["multipart", "json"] = "multipart"
    picture_part: str = "image"
    further_part: str | None = None
    takes_mask: bool = False
    sizes: list[str] | None = Field(default_factory=list)
    qualities: list[str] | None = None
    max_outputs: int = Field(default=1, ge=1)
    fields: dict[str, Any] = Field(default_factory=dict)


class CompatibleProvider(RemoteProvider):
    """Edits by a server of one's own choice.

    Args:
        options: As `CompatibleOptions`; its prices, for each picture or by tokens, stand in ``prices``.
        tools: Prices.
        transport: Another one than the usual, for tests.
    """

    name = "compatible"

    def __init__(
        self, options: Mapping[str, Any], tools: Tools, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._options = read_options(CompatibleOptions, options, self.name)
        if not self._options.base_url:
            raise UsageError(
                "providers.compatible.base_url is missing; set it in picturedesk.toml:\n[providers.compatible]\n"
                'base_url = "http://127.0.0.1:4000/v1"'
            )
        super().__init__(self._options, tools, transport)
        self.needs_key = self._options.needs_key
        self.max_outputs = self._options.max_outputs
        self.max_references = 15 if self._options.further_part else 0
        self.takes_mask = self._options.takes_mask
        shape = self._options.model_dump_json(include={"ai_model", "endpoint", "fields"})
        self.version = f"1;{self.service.base_url};{shape}"

    def check_options(self, request: EditRequest) -> None:
        """Hold the row against the settings' table."""
        options = self._options
        _check_choice("size", request.size, options.sizes)
        _check_choice("quality", request.quality, options.qualities)
        if request.n > options.max_outputs:
            message = f"n is {request.n}; the server makes at most {options.max_outputs} (max_outputs)"
            raise EditRefused("bad_n", message, column="n")
        if request.mask is not None and not options.takes_mask:
            raise EditRefused("no_mask", "the server takes no mask (takes_mask)", column="mask")
        if request.markup is not None:
            raise EditRefused("no_markup", "a compatible server takes no markup; give a mask", column="markup")
        if request.references and options.further_part is None:
            raise EditRefused("no_references", "the server takes one picture (further_part)", column="references")

    def estimate(self, request: EditRequest) -> Estimate:
        """Its price for the pictures; a price by tokens is not known before the reply."""
        name = self._ai_model(request)
        price = self.prices.price(self.name, name, today())
        if price is None or price.per_picture is None:
            return Estimate(None, None, images=request.n, ai_model=name)
        cost = price.microusd({"picture": request.n}, is_batch=False)
        return Estimate(cost, cost, images=request.n, ai_model=name)

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Send one edit and read its answer."""
        self.check_key()
        response = await self.post(self._request(request))
        if response.status_code != httpx.codes.OK:
            raise self.fault(response)
        body = json_body(response)
        usage, request_id = (
            read_usage(body) if isinstance(body, dict) else None,
            response.headers.get("x-request-id", ""),
        )
        answered = {"ai_model": self._ai_model(request), "usage": usage or {}, "request_id": request_id}
        addresses = _addresses(body)
        if addresses:  # paid for: from here on it is fetched, however often that takes
            return Handle(json.dumps({**answered, "urls": addresses}))
        try:
            return self._result(read_outputs(body), **answered)
        except BadAnswer as exc:
            raise unreadable(self.service, str(exc)) from None

    async def poll(self, handle: Handle) -> EditResult | None:
        """The pictures behind the addresses of an answer."""
        answered = json.loads(handle.task_id)
        try:
            urls = answered.pop("urls")
            fetched = [await fetch_picture(self.client, self.service, url, poll_s=self.poll_s) for url in urls]
        except RetryLater as exc:
            raise CannotAsk(exc.code, str(exc)) from exc
        except BadAnswer as exc:
            raise unreadable(self.service, str(exc)) from None
        return self._result(tuple(fetched), **answered)

    def _result(
        self, outputs: tuple[OutputPicture, ...], *, ai_model: str, usage: Mapping[str, int], request_id: str
    ) -> EditResult:
        counted = {"picture": len(outputs), **usage}
        cost = self.prices.charge_microusd(self.name, ai_model, counted, at=today())
        return EditResult(outputs, request_id, counted, cost, ai_model=ai_model)

    def _request(self, request: EditRequest) -> httpx.Request:
        options = self._options
        fields: dict[str, Any] = {"model": self._ai_model(request), **options.fields}
        if not options.endpoint.endswith("/variations"):
            fields["prompt"] = request.instruction.prompt
        if request.n > 1:
            fields["n"] = request.n
        for name, value in (("size", request.size), ("quality", request.quality)):
            if value is not None:
                fields[name] = value
        headers = own_name(request)
        pictures = request.pictures
        part = options.picture_part if len(pictures) == 1 else str(options.further_part)
        if options.form == "json":
            urls = [data_url(picture) for picture in pictures]
            fields[part] = urls[0] if len(urls) == 1 else urls
            if request.mask is not None:
                fields["mask"] = data_url(request.mask)
            return self.client.build_request("POST", options.endpoint, json=fields, headers=headers)
        files = [(part, upload_part(f"picture-{number}", picture)) for number, picture in enumerate(pictures)]
        if request.mask is not None:
            files.append(("mask", upload_part("mask", request.mask)))
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
        return self.client.build_request("POST", options.endpoint, data=form, files=files, headers=headers)

    def _ai_model(self, request: EditRequest) -> str:
        return request.ai_model or self._options.ai_model


def _addresses(body: Any) -> list[str]:  # noqa: ANN401 - JSON
    """Where the pictures of an answer are, if it does not hold them itself."""
    data = body.get("data") if isinstance(body, dict) else None
    entries = [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
    return [entry["url"] for entry in entries if isinstance(entry.get("url"), str) and not entry.get("b64_json")]


def _check_choice(column: str, found: str | None, choices: list[str] | None) -> None:
    if found is None or (choices is not None and (not choices or found in choices)):
        return
    fits = f"the server takes {', '.join(choices)}" if choices else "the server takes none"
    raise EditRefused(f"bad_{column}", f"{column} is {found!r}; {fits} (see [providers.compatible])", column=column)
