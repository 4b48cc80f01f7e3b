"""Pictures that an answer names by their address: paid for already, so they are fetched with patience."""

import base64
import binascii

import httpx

from pipeline.errors import RetryLater
from pipeline.providers.openai.answers import BadAnswer, media_type_of
from pipeline.providers.wire import Service, ask, make_client
from pipeline.values import OutputPicture

_GONE = frozenset({httpx.codes.NOT_FOUND, httpx.codes.GONE, httpx.codes.FORBIDDEN})
"""403: a signed address that has expired."""


async def fetch_picture(client: httpx.AsyncClient, service: Service, address: str, *, poll_s: float) -> OutputPicture:
    """The picture behind an address; the key goes to the service's own origin alone.

    Args:
        client: Knows the service, and its key.
        service: Whose answer it was.
        address: A URL, or a data URL.
        poll_s: When to try again.

    Raises:
        BadAnswer: The address leads nowhere, or to no picture any more.
        RetryLater: Not now.
    """
    if address.startswith("data:"):
        try:
            data = base64.b64decode(address.partition(",")[2], validate=True)
        except (binascii.Error, ValueError):
            raise BadAnswer("a picture is no base64") from None
        return OutputPicture(data, media_type_of(data))
    try:
        url, own = httpx.URL(address), httpx.URL(service.base_url)
    except httpx.InvalidURL:
        raise BadAnswer("a picture's address is none") from None
    if not url.is_absolute_url or _origin(url) == _origin(own):
        response = await ask(client, service, "GET", address)
    else:
        async with make_client(service.stranger(address)) as other:
            response = await ask(other, service, "GET", address)
    if response.status_code in _GONE:
        raise BadAnswer(f"its picture is gone ({response.status_code})")
    if response.status_code != httpx.codes.OK:
        raise RetryLater("not_fetched", f"the picture gave {response.status_code}", retry_after_s=poll_s)
    return OutputPicture(response.content, media_type_of(response.content))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
