"""Requests for pictures, read and refused as OpenAI does it: unknown parameters, wrong sizes, retired models."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.datastructures import UploadFile
from starlette.requests import Request

from pipeline.errors import EditRefused, PictureError
from pipeline.fake_api.pictures import Look, Studio, Upload, has_transparency
from pipeline.fake_api.service import ApiError
from pipeline.fake_api.stored_files import StoredFiles
from pipeline.providers.openai import ai_models
from pipeline.providers.openai.tokens import SHAPES_OF_AUTO, input_image_tokens, output_tokens, text_tokens

_FIELDS = frozenset(
    {
        *("prompt", "model", "n", "size", "quality", "background", "output_format", "output_compression"),
        *("partial_images", "stream", "user", "safety_identifier", "moderation", "input_fidelity"),
        *("complexity", "frame_count", "frame_duration_ms"),
    }
)
_MAX_FORM_BYTES = 60_000_000
_OVERLAYS = ("mask", "markup")
_PICTURE_TYPES = frozenset({"image/png", "image/jpeg", "image/webp"})


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A checked request.

    Attributes:
        size_wh: The size that the answer has.
        quality: The quality that it has.
    """

    ai_model: str
    prompt: str
    n: int
    size_wh: tuple[int, int]
    quality: str
    background: str
    output_format: str
    pictures: list[Upload]
    mask: Upload | None

    @property
    def look(self) -> Look:
        """How the answer's picture is encoded."""
        return Look(self.size_wh, self.output_format, has_alpha=self.background == "transparent")

    @property
    def usage(self) -> dict[str, int]:
        """The tokens that it is billed for; several outputs are billed as so many requests."""
        image_in = sum(input_image_tokens(picture.size_wh) for picture in self.pictures)
        image_out = output_tokens(self.ai_model, self.quality, self.size_wh) or 0
        return {
            "text_in": self.n * text_tokens(self.prompt),
            "image_in": self.n * image_in,
            "image_out": self.n * image_out,
        }


async def read_request(request: Request, studio: Studio, files: StoredFiles, *, needs_picture: bool) -> ImageRequest:
    """The request, in either form.

    Raises:
        ApiError: As OpenAI refuses it.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        return await _from_form(request, studio)
    if content_type.startswith("application/json"):
        try:
            body = await request.json()
        except ValueError:
            raise ApiError(400, "We could not parse the JSON body of your request.") from None
        return await from_json(body, studio, files, needs_picture=needs_picture)
    raise ApiError(400, f"Unsupported content type: {content_type or 'none'}.", code="unsupported_content_type")


async def from_json(
    body: Any,  # noqa: ANN401 - JSON
    studio: Studio,
    files: StoredFiles,
    *,
    needs_picture: bool,
) -> ImageRequest:
    """A request in the JSON form, also a line of a batch.

    Raises:
        ApiError: As OpenAI refuses it.
    """
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object.")
    fields = dict(body)
    references = fields.pop("images", [])
    overlays = {name: fields.pop(name) for name in _OVERLAYS if fields.get(name) is not None}
    if "image" in fields:
        raise ApiError(
            400, "Unknown parameter: 'image'. Did you mean 'images'?", code="unknown_parameter", param="image"
        )
    if not isinstance(references, list) or len(references) > 16:
        raise ApiError(400, "images must be a list of 1 to 16 references.", param="images")
    pictures = [await _referred(reference, studio, files) for reference in references]
    referred = {name: await _referred(reference, studio, files) for name, reference in overlays.items()}
    return _checked(fields, pictures, referred, needs_picture=needs_picture)


async def _from_form(request: Request, studio: Studio) -> ImageRequest:
    async with request.form(max_part_size=_MAX_FORM_BYTES) as form:
        fields: dict[str, Any] = {}
        pictures: list[Upload] = []
        overlays: dict[str, Upload] = {}
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                picture = await _uploaded(name, value, studio)
                if name in ("image", "image[]"):
                    pictures.append(picture)
                elif name in _OVERLAYS:
                    overlays[name] = picture
                else:
                    raise ApiError(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
            else:
                fields[name] = value
    return _checked(fields, pictures, overlays, needs_picture=True)


async def _uploaded(name: str, upload: UploadFile, studio: Studio) -> Upload:
    if upload.content_type not in _PICTURE_TYPES:
        message = f"Invalid file '{name}': unsupported mimetype ('{upload.content_type}')."
        raise ApiError(400, message, code="unsupported_file_mimetype", param=name)
    return _picture(await upload.read(), name, studio)


async def _referred(reference: Any, studio: Studio, files: StoredFiles) -> Upload:  # noqa: ANN401 - JSON
    if not isinstance(reference, dict) or len(reference) != 1 or not {"image_url", "file_id"} & set(reference):
        raise ApiError(400, "Each image reference has exactly one of image_url and file_id.", param="images")
    if "file_id" in reference:
        data = files.content(str(reference["file_id"]))
        if data is None:
            message = f"No such File object: {reference['file_id']}"
            raise ApiError(404, message, code="file_not_found", param="file_id")
        return _picture(data, "file_id", studio)
    return _picture(await fetched(str(reference["image_url"])), "image_url", studio)


async def fetched(url: str) -> bytes:
    """What a URL leads to: the data in it, or a picture on this machine.

    Raises:
        ApiError: It leads nowhere that this service goes.
    """
    if url.startswith("data:"):
        try:
            return base64.b64decode(url.partition(",")[2], validate=True)
        except ValueError:
            raise ApiError(400, "Invalid base64 image_url.", code="invalid_base64") from None
    try:
        if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
            message = "Error while downloading the image_url: only this machine's own."
            raise ApiError(400, message, code="invalid_image_url")
        async with httpx.AsyncClient() as client:
            response = (await client.get(url)).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as exc:
        raise ApiError(400, f"Error while downloading {url}: {exc}", code="invalid_image_url") from exc
    return response.content


def _picture(data: bytes, name: str, studio: Studio) -> Upload:
    try:
        return studio.opened(data)
    except PictureError:
        message = "Invalid image file or mode for image, please check your image file."
        raise ApiError(400, message, code="invalid_image_file", param=name) from None


def _checked(
    fields: Mapping[str, Any], pictures: list[Upload], overlays: Mapping[str, Upload], *, needs_picture: bool
) -> ImageRequest:
    for name in fields:
        if name not in _FIELDS:
            raise ApiError(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    prompt = fields.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise ApiError(400, "Missing required parameter: 'prompt'.", code="missing_required_parameter", param="prompt")
    if needs_picture and not pictures:
        raise ApiError(400, "Missing required parameter: 'image'.", code="missing_required_parameter", param="image")
    model = _living_model(str(fields.get("model") or "gpt-image-2"))
    if len(prompt) > model.max_prompt:
        raise ApiError(400, f"prompt is longer than {model.max_prompt} characters.", code="string_above_max_length")
    if len(pictures) > model.max_pictures:
        raise ApiError(400, f"At most {model.max_pictures} images.", code="invalid_value", param="image")
    if fields.get("input_fidelity") and not model.takes_fidelity:
        message = f"The model '{model.name}' does not support the 'input_fidelity' parameter."
        raise ApiError(400, message, code="invalid_input_fidelity_model", param="input_fidelity")
    _check_overlays(overlays, pictures, model)
    size = str(fields.get("size") or "auto")
    try:
        ai_models.check_size(model, size)
    except EditRefused as exc:
        raise ApiError(400, str(exc), code="invalid_value", param="size") from None
    background = _chosen("background", fields.get("background"), model.backgrounds, "opaque")
    output_format = _chosen("output_format", fields.get("output_format"), model.formats, "png")
    if background == "transparent" and output_format == "jpeg":
        message = "Transparent background is not supported for output format 'jpeg'; use png or webp."
        raise ApiError(400, message, code="invalid_value", param="background")
    return ImageRequest(
        ai_model=model.name,
        prompt=prompt,
        n=_number(fields.get("n"), model.max_outputs),
        size_wh=_nearest_shape(pictures) if size == "auto" else ai_models.size_wh(size),
        quality=_chosen("quality", fields.get("quality"), model.qualities, "medium"),
        background=background,
        output_format=output_format,
        pictures=pictures,
        mask=overlays.get("mask"),
    )


def _check_overlays(overlays: Mapping[str, Upload], pictures: list[Upload], model: ai_models.AiModel) -> None:
    for name, overlay in overlays.items():
        if pictures and overlay.size_wh != pictures[0].size_wh:
            raise ApiError(400, f"Invalid {name} image format - {name} size does not match image size.", param=name)
    markup = overlays.get("markup")
    if markup is None:
        return
    if not model.takes_markup:
        message = f"The model '{model.name}' does not support the 'markup' parameter."
        raise ApiError(400, message, code="invalid_value", param="markup")
    if "mask" in overlays:
        raise ApiError(400, "Use either 'mask' or 'markup', not both.", code="invalid_value", param="markup")
    if not has_transparency(markup.data):
        raise ApiError(400, "The markup must contain transparent pixels.", code="invalid_value", param="markup")


def _living_model(name: str) -> ai_models.AiModel:
    try:
        return ai_models.ai_model_named(name, on=datetime.now(UTC).date())
    except EditRefused as exc:
        message = f"The model '{name}' does not exist or is no longer available. {exc}"
        raise ApiError(404, message, code="model_not_found", param="model") from None


def _chosen(name: str, value: object, choices: tuple[str, ...], default: str) -> str:
    if value in (None, "", "auto"):
        return default
    if value not in choices:
        message = f"Invalid value: '{value}'. Supported values are: {', '.join(choices)}."
        raise ApiError(400, message, code="invalid_value", param=name)
    return str(value)


def _number(value: object, most: int) -> int:
    text = str(value) if value is not None else "1"
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise ApiError(400, f"n must be a whole number from 1 to {most}.", code="invalid_value", param="n")
    return int(text)


def _nearest_shape(pictures: list[Upload]) -> tuple[int, int]:
    if not pictures:
        return SHAPES_OF_AUTO[0]
    width, height = pictures[0].size_wh
    return min(SHAPES_OF_AUTO, key=lambda shape: abs(shape[0] / shape[1] - width / height))
