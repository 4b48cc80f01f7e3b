"""Requests on behalf of others: to public addresses only, and to the very ones that were looked at.

A name is looked up once for a connection, and asked at the address that was checked: a name that leads elsewhere a
moment later (DNS rebinding) gains nothing. It stays in the request and in the handshake, so that the certificate is the
name's. If the first of several addresses cannot be reached, such as one of IPv6 where there is none, the next is asked.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.request import getproxies

import httpx

from pipeline.addresses import is_public


class NotPublic(httpx.ConnectError):
    """A host is at a private address."""


class UnknownHost(httpx.ConnectError):
    """A host is at no address, or nobody can say now at which."""


class PublicTransport(httpx.HTTPTransport):
    """For `httpx.Client`; raises `NotPublic` and `UnknownHost`. The environment's proxy is asked, if any."""

    def __init__(self) -> None:
        super().__init__(proxy=getproxies().get("https"))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        try:
            found = socket.getaddrinfo(*_place(request), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise _unknown(request) from exc
        *others, last = _addresses(request, found)
        for address in others:
            try:
                return super().handle_request(_at(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return super().handle_request(_at(last, request))


class AsyncPublicTransport(httpx.AsyncHTTPTransport):
    """For `httpx.AsyncClient`; as `PublicTransport`.

    Args:
        verify: Whom to trust; who is usually trusted if None.
    """

    def __init__(self, *, verify: ssl.SSLContext | None = None) -> None:
        super().__init__(proxy=getproxies().get("https"), verify=verify or httpx.create_ssl_context())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(*_place(request), type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            raise _unknown(request) from exc
        *others, last = _addresses(request, found)
        for address in others:
            try:
                return await super().handle_async_request(_at(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await super().handle_async_request(_at(last, request))


def _place(request: httpx.Request) -> tuple[str, int]:
    return request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)


def _unknown(request: httpx.Request) -> UnknownHost:
    return UnknownHost(f"the host {request.url.host} is not known", request=request)


def _addresses(request: httpx.Request, found: Iterable[Any]) -> list[str]:
    """Where a host is; every one of its addresses must be public."""
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    if not addresses or not all(is_public(ipaddress.ip_address(each)) for each in addresses):
        raise NotPublic(f"the host {request.url.host} is at a private address, which is not asked", request=request)
    return addresses


def _at(address: str, request: httpx.Request) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": request.url.raw_host.decode("ascii")},
    )
