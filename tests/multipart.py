"""Forms as a server reads them."""

import asyncio
from collections.abc import AsyncGenerator

import httpx
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

Upload = tuple[str, bytes, str]
"""File name, bytes and media type."""


def parts(request: httpx.Request) -> list[tuple[str, str | Upload]]:
    """The parts of a form in their order."""

    async def body() -> AsyncGenerator[bytes, None]:
        yield request.content

    async def read() -> list[tuple[str, str | Upload]]:
        headers = Headers({"content-type": request.headers["content-type"]})
        form = await MultiPartParser(headers, body()).parse()
        return [
            (name, await _file(value) if isinstance(value, UploadFile) else value) for name, value in form.multi_items()
        ]

    return asyncio.run(read())


async def _file(upload: UploadFile) -> Upload:
    return (str(upload.filename), await upload.read(), str(upload.content_type))
