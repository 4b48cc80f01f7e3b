"""What every provider over the network has: a client that knows its service, limits and prices."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime

import httpx

from pipeline.errors import EditError
from pipeline.providers import BaseProvider, Tools
from pipeline.providers.openai.faults import fault, free_fault
from pipeline.providers.options import ServiceOptions
from pipeline.providers.wire import Service, key_from_environment, learned_limits, make_client, missing_key, send
from pipeline.values import EditRequest


class RemoteProvider(BaseProvider):
    """A provider over the network.

    Args:
        options: Where the service is, and what the account allows.
        tools: Prices.
        transport: Another one than the usual, for tests.
        headers: Of every request.
    """

    needs_key = True

    def __init__(
        self,
        options: ServiceOptions,
        tools: Tools,
        transport: httpx.AsyncBaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.service = Service(
            provider=self.name,
            base_url=options.base_url.rstrip("/"),
            key_variable=options.api_key_env,
            key=key_from_environment(options.api_key_env),
            headers=headers or {},
            timeout_s=options.timeout_s,
        )
        self.account = hashlib.sha256(f"{self.service.base_url}\n{self.service.key}".encode()).hexdigest()[:8]
        self.client = make_client(self.service, transport)
        self.max_in_flight = options.max_in_flight
        self.limits = self._by_hand = options.limits
        self.prices = tools.prices

    async def post(self, request: httpx.Request) -> httpx.Response:
        """Send a request that may cost money, once, and learn from its answer how many the account may send.

        Raises:
            EditError: It was not sent, or not answered.
        """
        response = await send(self.client, self.service, request)
        self.limits = learned_limits(response, self._by_hand, self.limits)
        return response

    def check_key(self) -> None:
        """Before anything is sent.

        Raises:
            AccountStopped: The service wants a key, and there is none.
        """
        if self.needs_key and not self.service.key:
            raise missing_key(self.service)

    def is_ours(self, client_id: str) -> bool:
        """Whether a request was sent with this key to this address."""
        return client_id.endswith(f"-{self.account}")

    def fault(self, response: httpx.Response) -> EditError:
        """The error of an answer."""
        return fault(response, self.name, key_variable=self.service.key_variable, key=self.service.key)

    def free_fault(self, response: httpx.Response) -> EditError:
        """The error of an answer to a request that costs nothing."""
        return free_fault(response, self.name, key_variable=self.service.key_variable, key=self.service.key)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()


def own_name(request: EditRequest) -> dict[str, str]:
    """The header with our name for a request."""
    return {"x-client-request-id": request.client_id} if request.client_id else {}


def today() -> date:
    """The day that prices and models are looked up for."""
    return datetime.now(UTC).date()
