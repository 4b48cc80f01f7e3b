"""A request's body: no larger, no slower and in no other form than is taken."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

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

LARGE_AT_ONCE = 2
"""Large bodies of JSON that are in memory at once: one of 95 MB takes 260 MB until it was carried out, and eight of
them at once took 1.3 GB (our measurement, 2026-11-22)."""

_LARGE = 1_000_000
"""Bytes: a larger body lies on the disk until it is read."""

_MOST_FIELDS = 1_000


@dataclass(frozen=True, slots=True)
class Body:
    """A body, parsed.

    Attributes:
        value: As its shape.
        sha256: Of what it says; a form's boundaries do not count.
        form: Files that are to be closed afterwards; None for JSON.
        room: Where it takes a place; None if it is small.
    """

    value: Any
    sha256: str
    form: FormData | None = None
    room: asyncio.Semaphore | None = None

    async def close(self) -> None:
        """Remove its files, and give its place to another."""
        if self.room is not None:
            self.room.release()
        if self.form is not None:
            await self.form.close()


async def read_body(
    request: Request, shapes: Mapping[str, type[Shape]], limits: ApiOptions, room: asyncio.Semaphore
) -> Body:
    """What a request brings; is to be closed.

    Args:
        request: The request.
        shapes: What is taken, by media type.
        limits: How much, and how long.
        room: Places for large ones in memory.

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
            if media_type != JSON:
                return await _form(request, shapes[media_type], parts)
            spooled = await _spooled(parts)
    except TimeoutError as exc:
        raise Refused("too_slow", f"the request's body was not here after {limits.body_s:g} s") from exc
    except ClientDisconnect as exc:
        raise Refused("too_slow", "the request broke off") from exc
    return await _json(spooled, shapes[media_type], room)


async def _nothing(parts: AsyncGenerator[bytes, None]) -> Body:
    async for part in parts:
        if part.strip(b"{} \t\r\n"):
            raise Refused("unsupported_media_type", "this request takes no body; send none")
    return Body(None, hashlib.sha256(b"").hexdigest())


async def _spooled(parts: AsyncGenerator[bytes, None]) -> UploadFile:
    spool: Any = SpooledTemporaryFile(max_size=_LARGE)  # noqa: SIM115 - `_json` closes it
    file = UploadFile(spool, size=0)
    try:
        async for part in parts:
            await file.write(part)
        await file.seek(0)
    except BaseException:
        await file.close()
        raise
    return file


async def _json(spooled: UploadFile, shape: type[Shape], room: asyncio.Semaphore) -> Body:
    taken = room if (spooled.size or 0) > _LARGE else None
    try:
        if taken is not None:
            await taken.acquire()
        try:
            value, sha256 = await asyncio.to_thread(_parsed, shape, spooled.file)
        except BaseException:
            if taken is not None:
                taken.release()
            raise
        return Body(value, sha256, room=taken)
    finally:
        await spooled.close()


def _parsed(shape: type[Shape], file: BinaryIO) -> tuple[Shape, str]:
    data = file.read()
    return shape.model_validate_json(data, strict=True), hashlib.sha256(data).hexdigest()


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
