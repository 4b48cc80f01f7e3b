"""A request's body: no larger, no slower and in no other form than is taken."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from pipeline.http_api.shapes import Shape
from pipeline.settings import ApiOptions
from review_app.routes.v1.problems import Refused

JSON = "application/json"
FORM = "multipart/form-data"

_MOST_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Body:
    """A body, parsed.

    Attributes:
        value: As its shape.
        sha256: Of what it says; a form's boundaries do not count.
        form: Files that are to be closed afterwards; None for JSON.
    """

    value: Any
    sha256: str
    form: FormData | None = None


async def read_body(request: Request, shapes: Mapping[str, type[Shape]], limits: ApiOptions) -> Body:
    """What a request brings.

    Raises:
        Refused: Too large, too slow, or in a form that is not taken.
        ValidationError: It says what cannot be.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused("unsupported_media_type", "the request is compressed; send it as it is")
    most = int(limits.max_body_mb * 1e6)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > most):
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_s):
            if not shapes:
                return await _nothing(_limited(request, most, limits))
            if media_type not in shapes:
                found = media_type or "none"
                raise Refused("unsupported_media_type", f"found Content-Type {found}; expected {' or '.join(shapes)}")
            parts = _limited(request, most, limits)
            return await (_json if media_type == JSON else _form)(request, shapes[media_type], parts)
    except TimeoutError as exc:
        raise Refused("too_slow", f"the request's body was not here after {limits.body_s:g} s") from exc
    except ClientDisconnect as exc:
        raise Refused("too_slow", "the request broke off") from exc


async def _nothing(parts: AsyncGenerator[bytes, None]) -> Body:
    async for part in parts:
        if part.strip(b"{} \t\r\n"):
            raise Refused("unsupported_media_type", "this request takes no body; send none")
    return Body(None, hashlib.sha256(b"").hexdigest())


async def _json(_: Request, shape: type[Shape], parts: AsyncGenerator[bytes, None]) -> Body:
    data = b"".join([part async for part in parts])
    value = await asyncio.to_thread(shape.model_validate_json, data, strict=True)
    return Body(value, hashlib.sha256(data).hexdigest())


async def _form(request: Request, shape: type[Shape], parts: AsyncGenerator[bytes, None]) -> Body:
    try:
        parser = MultiPartParser(request.headers, parts, max_files=_MOST_FIELDS, max_fields=_MOST_FIELDS)
        form = await parser.parse()
    except (MultiPartException, HTTPException, KeyError, ValueError) as exc:
        said = exc.message if isinstance(exc, MultiPartException) else str(exc)
        raise Refused("invalid", f"the form cannot be read: {said}") from exc
    try:
        value = await asyncio.to_thread(shape.model_validate, _fields(form, shape))
        return Body(value, await asyncio.to_thread(_digest, form), form)
    except (ValidationError, Refused):
        await form.close()
        raise


def _fields(form: FormData, shape: type[Shape]) -> dict[str, Any]:
    """A form's fields by name; those that the shape has as lists, as lists."""
    found: dict[str, Any] = {}
    for given_name, value in form.multi_items():
        name = given_name.removesuffix("[]")  # OpenAI's client calls several files so
        if shape.takes_several(name):
            found.setdefault(name, []).append(value)
        elif name in found:
            raise Refused("invalid", f"{name}: the form has it twice; send it once")
        else:
            found[name] = value
    for name in ("picture", "image", "mask"):
        given = found.get(name)
        for each in given if isinstance(given, list) else [given] if given is not None else []:
            if not isinstance(each, UploadFile):
                raise Refused("invalid", f"{name}: found text; expected a file (curl: -F {name}=@file.png)")
    return found


def _digest(form: FormData) -> str:
    digest = hashlib.sha256()
    for name, value in form.multi_items():
        data, called = (
            (value.file.read(), value.filename or "") if isinstance(value, UploadFile) else (value.encode(), "")
        )
        digest.update(f"{len(name)} {name} {len(called)} {called} {len(data)} ".encode() + data)
        if isinstance(value, UploadFile):
            value.file.seek(0)
    return digest.hexdigest()


async def _limited(request: Request, most: int, limits: ApiOptions) -> AsyncGenerator[bytes, None]:
    """The body's parts, as long as they are not too many."""
    count = 0
    async for part in request.stream():
        count += len(part)
        if count > most:
            raise _too_large(limits)
        yield part


def _too_large(limits: ApiOptions) -> Refused:
    return Refused("too_large", f"the request has more than {limits.max_body_mb:g} MB, the limit of this desk")
