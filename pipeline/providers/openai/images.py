"""The provider ``openai``: one request for each edit, answered at once.

``POST /images/edits`` as a form with the pictures in it, or as JSON that names them by file id or URL; without a
source ``POST /images/generations``. The wire formats: openai 3.52.0 and OpenAI's OpenAPI description of 2026-08-21.
"""

import asyncio
import base64
import os
from collections.abc import Mapping
from typing import Any, Literal

import httpx
from pydantic import Field

from pipeline.errors import EditError, EditFailed, EditRefused, RetryLater, UsageError
from pipeline.providers import Tools
from pipeline.providers.openai import ai_models
from pipeline.providers.openai.answers import BadAnswer, read_outputs, read_usage
from pipeline.providers.openai.files import GONE, SUFFIXES, Uploads
from pipeline.providers.openai.tokens import (
    INPUT_MARGIN,
    SHAPES_OF_AUTO,
    input_image_tokens,
    output_tokens,
    text_tokens,
)
from pipeline.providers.options import ServiceOptions, read_options
from pipeline.providers.remote import RemoteProvider, own_name, today
from pipeline.providers.wire import ask, json_body, unreadable
from pipeline.values import EditRequest, EditResult, Estimate, Handle, PictureFile

BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLE = "OPENAI_API_KEY"

_MAX_DATA_URL = 20_971_520
"""Longest ``image_url``, in characters (OpenAPI description of 2026-08-21, ImageRefParam)."""

_LARGE_BYTES = 1_000_000


class OpenAIOptions(ServiceOptions):
    """The table ``[providers.openai]``.

    Attributes:
        base_url: ``OPENAI_BASE_URL`` by default, then OpenAI's own.
        organization: Sent as ``OpenAI-Organization``.
        project: Sent as ``OpenAI-Project``.
        ai_model: For rows that name none.
        quality: For rows that name none.
        size: For rows that name none.
        source: How pictures travel: in the request (``upload``), as uploaded files that later edits share (``file``),
            inside the JSON (``data_url``), or by the manifest's own URL where the picture needed no change (``url``).
        output_format: What comes back.
        output_compression: 0 to 100, for jpeg and webp.
        background: ``transparent`` needs png or webp.
        moderation: ``low`` is only in the JSON form of the published description, not with ``source = "upload"``.
        input_fidelity: For the models that take it.
    """

    base_url: str = Field(default_factory=lambda: os.environ.get("OPENAI_BASE_URL") or BASE_URL)
    api_key_env: str = KEY_VARIABLE
    organization: str = ""
    project: str = ""
    ai_model: str = "gpt-image-2.5-flare"
    quality: str = "medium"
    size: str = "auto"
    source: Literal["upload", "file", "data_url", "url"] = "upload"
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int | None = Field(default=None, ge=0, le=100)
    background: Literal["auto", "opaque", "transparent"] | None = None
    moderation: Literal["auto", "low"] | None = None
    input_fidelity: Literal["low", "high"] | None = None


class OpenAIProvider(RemoteProvider):
    """Edits by OpenAI's image models.

    Args:
        options: As `OpenAIOptions`.
        tools: Prices, and a memory for uploaded files.
        transport: Another one than the usual, for tests.
    """

    name = "openai"
    max_outputs = 10
    max_references = 15
    takes_mask = True
    options_kind: type[OpenAIOptions] = OpenAIOptions
    is_batch = False

    def __init__(
        self, options: Mapping[str, Any], tools: Tools, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.options = read_options(self.options_kind, options, self.name)
        if self.options.moderation == "low" and self.options.source == "upload" and not self.is_batch:
            raise UsageError(
                f'providers.{self.name}.moderation: found "low" with source = "upload"; '
                'only the JSON form takes it: set source = "file"'
            )
        headers = {"OpenAI-Organization": self.options.organization, "OpenAI-Project": self.options.project}
        super().__init__(self.options, tools, transport, {name: value for name, value in headers.items() if value})
        self.uploads = Uploads(self.client, self.service, tools.memory)
        sent = ("output_format", "output_compression", "background", "moderation", "input_fidelity")
        settings = {name: getattr(self.options, name) for name in (*sent, "ai_model", "quality", "size")}
        self.version = f"1;{self.service.base_url};{sorted(settings.items())}"

    # Before sending.

    def check_options(self, request: EditRequest) -> None:
        """Hold the row against the ai_model's table."""
        model = ai_models.ai_model_named(self.ai_model(request), on=today())
        ai_models.check_options(model, request, size=self._size(request), quality=self._quality(request))
        background = self.options.background
        if background == "transparent" and (
            background not in model.backgrounds or self.options.output_format == "jpeg"
        ):
            raise EditRefused(
                "bad_background",
                f"background is transparent; {model.name} makes {', '.join(model.backgrounds)}, and jpeg has none: "
                "set output_format to png or webp",
                column="ai_model",
            )
        if self.options.input_fidelity is not None and not model.takes_fidelity:
            raise EditRefused(
                "no_fidelity",
                f"input_fidelity is set, and {model.name} takes none (it is always high): take it out of "
                f"[providers.{self.name}]",
                column="ai_model",
            )
        if request.markup is not None and self._is_json(request):
            raise EditRefused(
                "no_markup",
                f'a markup travels in the request only: set source = "upload" for {self.name}',
                column="markup",
            )

    def check(self, request: EditRequest) -> None:
        """As `check_options`, and the pictures' weight."""
        self.check_options(request)
        model = ai_models.ai_model_named(self.ai_model(request), on=today())
        ai_models.check_pictures(model, request)
        if self.options.source == "data_url":
            for picture in request.pictures:
                if picture.facts.byte_count * 4 / 3 + 100 > _MAX_DATA_URL:
                    raise EditRefused(
                        "picture_too_large",
                        f"a picture has {picture.facts.byte_count / 1e6:.1f} MB, too many for a data URL; set source = "
                        '"file"',
                    )

    def estimate(self, request: EditRequest) -> Estimate:
        """Tokens by the formula where one is known, and their price.

        ``auto`` means the cheapest shape or quality for the least, and the dearest for the most.
        """
        name = self.ai_model(request)
        model = ai_models.known_ai_models().get(name)
        sizes = SHAPES_OF_AUTO if self._size(request) == "auto" else (ai_models.size_wh(self._size(request)),)
        words = [self._quality(request)]
        if words == ["auto"]:
            words = [word for word in (model.qualities if model else ()) if word != "auto"]
        counts = [output_tokens(name, word, size) for word in words for size in sizes]
        known = [count for count in counts if count is not None]
        text = text_tokens(request.instruction.prompt)
        inputs = [picture.facts.size_wh for picture in request.pictures]
        image_in = sum(input_image_tokens(size) for size in inputs)
        n = request.n
        if not known or len(known) < len(counts):
            return Estimate(None, None, images=n, tokens=n * (text + image_in), ai_model=name)
        low = {"text_in": 0, "image_in": n * image_in, "image_out": n * min(known)}
        high = {"text_in": n * text, "image_in": n * image_in * INPUT_MARGIN, "image_out": n * max(known)}
        tokens = n * (text + image_in + max(known))
        return Estimate(self._price(name, low), self._price(name, high), images=n, tokens=tokens, ai_model=name)

    def ai_model(self, request: EditRequest) -> str:
        """The model that makes this edit."""
        return request.ai_model or self.options.ai_model

    # Sending.

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Send one edit and read its answer."""
        self.check_key()
        response = await self.post(await self._request(request))
        if response.status_code != httpx.codes.OK:
            raise await self._fault(request, response)
        body = json_body(response)
        request_id = response.headers.get("x-request-id", "")
        if len(response.content) > _LARGE_BYTES:
            return await asyncio.to_thread(self.read_answer, body, request, request_id)
        return self.read_answer(body, request, request_id)

    def read_answer(self, body: Any, request: EditRequest, request_id: str) -> EditResult:  # noqa: ANN401 - JSON
        """The pictures, usage and cost of an answer.

        Raises:
            EditFailed: It holds nothing to use.
        """
        usage = read_usage(body) if isinstance(body, dict) else None
        cost = None if usage is None else self._price(self.ai_model(request), usage)
        try:
            outputs = read_outputs(body)
        except BadAnswer as exc:
            failure = unreadable(self.service, str(exc))
            failure.cost_microusd, failure.usage, failure.request_id = cost, usage or {}, request_id
            raise failure from None
        notes = {
            name: body[name]
            for name in ("size", "quality", "background", "output_format")
            if isinstance(body.get(name), str)
        }
        return EditResult(outputs, request_id, usage or {}, cost, notes, self.ai_model(request))

    async def json_form(self, request: EditRequest) -> dict[str, Any]:
        """The body of an edit as JSON, pictures by file id or URL; sends files that are not there yet."""
        images = [await self._reference(picture, request) for picture in request.pictures]
        mask = {"mask": await self._reference(request.mask, request)} if request.mask is not None else {}
        fields = self._fields(request)
        if self.options.moderation:
            fields["moderation"] = self.options.moderation
        return {**fields, "images": images, **mask}

    async def living_ai_models(self) -> dict[str, str | None]:
        """Names that the account can use, each with the day on which it is shut down, if one is set."""
        self.check_key()
        response = await ask(self.client, self.service, "GET", "/models")
        if response.status_code != httpx.codes.OK:
            raise self.fault(response)
        body = json_body(response)
        entries = body.get("data", []) if isinstance(body, dict) else []
        return {str(entry.get("id")): entry.get("shutdown_date") for entry in entries if isinstance(entry, dict)}

    async def _request(self, request: EditRequest) -> httpx.Request:
        headers = own_name(request)
        if request.source is None:
            fields = self._fields(request)
            if self.options.moderation:
                fields["moderation"] = self.options.moderation
            return self.client.build_request("POST", "/images/generations", json=fields, headers=headers)
        if self._is_json(request):
            body = await self.json_form(request)
            return self.client.build_request("POST", "/images/edits", json=body, headers=headers)
        pictures = list(enumerate(request.pictures))
        part = "image" if len(pictures) == 1 else "image[]"
        files = [(part, upload_part(f"{number}" if number else "source", picture)) for number, picture in pictures]
        files += [
            (name, upload_part(name, picture))
            for name, picture in (("mask", request.mask), ("markup", request.markup))
            if picture is not None
        ]
        fields = {name: str(value) for name, value in self._fields(request).items()}
        return self.client.build_request("POST", "/images/edits", data=fields, files=files, headers=headers)

    def _fields(self, request: EditRequest) -> dict[str, Any]:
        options = self.options
        fields: dict[str, Any] = {
            "model": self.ai_model(request),
            "prompt": request.instruction.prompt,
            "quality": self._quality(request),
            "size": self._size(request),
            "n": request.n,
            "output_format": options.output_format,
            "background": options.background,
            "output_compression": options.output_compression,
        }
        if request.source is not None:
            fields["input_fidelity"] = options.input_fidelity
        return {name: value for name, value in fields.items() if value is not None}

    async def _reference(self, picture: PictureFile, request: EditRequest) -> dict[str, str]:
        how = self.options.source
        if how == "url" and picture is request.source and request.source_url is not None:
            return {"image_url": request.source_url}
        if how == "data_url":
            return {"image_url": data_url(picture)}
        return {"file_id": await self.uploads.id_of(picture)}

    async def _fault(self, request: EditRequest, response: httpx.Response) -> EditError:
        """The error of an answer; a file that the service has lost is sent anew next time."""
        error = self.fault(response)
        names_file = isinstance(error, EditFailed) and ("file" in error.code or "file_id" in str(error))
        if (
            names_file
            and self._is_json(request)
            and (response.status_code == httpx.codes.NOT_FOUND or error.code in GONE)
        ):
            for picture in (*request.pictures, *((request.mask,) if request.mask else ())):
                await self.uploads.forget(picture)
            message = f"{self.name} does not have an uploaded picture any more; it is sent anew"
            return RetryLater("file_gone", message, retry_after_s=0.1)
        return error

    def _is_json(self, request: EditRequest) -> bool:
        return self.is_batch or self.options.source != "upload"

    def _size(self, request: EditRequest) -> str:
        return request.size or self.options.size

    def _quality(self, request: EditRequest) -> str:
        return request.quality or self.options.quality

    def _price(self, ai_model: str, usage: Mapping[str, int]) -> int | None:
        return self.prices.charge_microusd("openai", ai_model, usage, at=today(), is_batch=self.is_batch)


def data_url(picture: PictureFile) -> str:
    """A picture as a URL that holds it."""
    return f"data:{picture.facts.media_type};base64,{base64.b64encode(picture.read()).decode('ascii')}"


def upload_part(name: str, picture: PictureFile) -> tuple[str, bytes, str]:
    """File name, bytes and their real media type: others are refused (anasfik/openai issue 216)."""
    media_type = picture.facts.media_type
    return f"{name}.{SUFFIXES[media_type]}", picture.read(), media_type
