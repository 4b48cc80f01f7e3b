"""What the routes share: who asks, what it is billed, and how a request ends badly."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipeline.fake_api.behaviour import ENDS_IN_ERROR, Behaviour, FakeOptions, Fate
from pipeline.fake_api.ledger import BilledRequests
from pipeline.fake_api.pictures import Studio
from pipeline.fake_api.replies import arrived_at, request_id_of
from pipeline.fake_api.windows import Windows, rounded_up
from pipeline.prices import read_prices

_ARRIVALS = 100_000


class ApiError(Exception):
    """An answer of another status than 200, in OpenAI's envelope."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.status, self.code, self.headers = status, code, headers or {}
        self.error = {"message": message, "type": kind, "param": param, "code": code}
        if details:
            self.error["moderation_details"] = details  # type: ignore[assignment]
        super().__init__(message)


class Dropped(Response):
    """Breaks the connection in the middle of an answer: the server hangs up on a body that is too short."""

    def __init__(self) -> None:
        super().__init__(b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Promise a body, and leave."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"100000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"created":', "more_body": True})


@dataclass(frozen=True, slots=True)
class Asked:
    """One paid request.

    Attributes:
        client_id: The caller's own name for it.
        request_id: The service's.
        key: Whose.
        fate: What becomes of it.
        headers: To answer with.
    """

    client_id: str
    request_id: str
    key: str
    fate: Fate
    headers: dict[str, str]


class FakeService:
    """The state of one running service.

    Args:
        options: How it behaves at first.
        clock: Gives seconds, for the rate limits.

    Attributes:
        arrivals: Moment and tokens of each paid request, whatever became of it; the latest ones.
    """

    def __init__(self, options: FakeOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self.behaviour = Behaviour(options)
        self.billed = BilledRequests(options.ledger_file)
        self.studio = Studio()
        self.prices = read_prices()
        self._windows = Windows(clock)
        self.arrivals: deque[tuple[float, int]] = deque(maxlen=_ARRIVALS)

    @property
    def options(self) -> FakeOptions:
        """How it behaves now."""
        return self.behaviour.options

    def key_of(self, request: Request) -> str:
        """Whose request it is.

        Raises:
            ApiError: Nobody's, or somebody's who may not.
        """
        key = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not key or key.startswith(("sk-wrong", "ooq_wrong")):
            raise ApiError(401, f"Incorrect API key provided: {key[:4]}***.", code="invalid_api_key")
        if key.startswith("sk-empty"):
            message = "You exceeded your current quota, please check your plan and billing details."
            raise ApiError(429, message, kind="insufficient_quota", code="credit_balance_exhausted")
        if key.startswith("sk-limit"):
            raise ApiError(400, "Billing hard limit has been reached.", code="billing_hard_limit_reached")
        if key.startswith("sk-unverified"):
            message = "Your organization must be verified to use the model. Please go to the organization settings."
            raise ApiError(403, message)
        return key

    def admit(self, key: str, fate: Fate, *, images: int, tokens: int) -> dict[str, str]:
        """Let one paid request in, and give the headers that tell how much of the rate limits is left.

        Only requests that do not end in an error count against the limits.

        Raises:
            ApiError: There are too many, or the lot says so.
        """
        options = self.options
        wait_s, headers = self._windows.take(
            key,
            {
                "requests": (1, options.requests_per_minute),
                "images": (images, options.images_per_minute),
                "tokens": (tokens, options.tokens_per_minute),
            },
            is_counted=fate not in ENDS_IN_ERROR,
        )
        if not wait_s and fate is not Fate.RATE_LIMIT:
            return headers
        self.billed.counts["rate_limited"] += 1
        pause_s = rounded_up(wait_s or options.retry_after_s)
        message = f"You've exceeded the rate limit, please slow down and try again after {pause_s} seconds"
        headers["retry-after"] = f"{pause_s:.3f}"
        raise ApiError(429, message, kind="requests", code="rate_limit_exceeded", headers=headers)

    async def begin(self, request: Request, key: str, prompt: str, *, images: int, tokens: int) -> Asked:
        """Admit one paid request, and wait as long as its edit takes.

        Raises:
            ApiError: It is turned away; nothing is billed.
        """
        self.arrivals.append((arrived_at(request.scope), tokens))
        fate = self.behaviour.fate(prompt)
        headers = self.admit(key, fate, images=images, tokens=tokens)
        if fate is Fate.REFUSE_INPUT:
            raise self.refusal("input", headers)
        await asyncio.sleep(self.behaviour.latency_s(fate))
        if fate in (Fate.SERVER_ERROR, Fate.OVERLOADED):
            raise self.failure(fate, headers)
        if fate is Fate.REFUSE_OUTPUT:
            raise self.refusal("output", headers)
        client_id = request.headers.get("x-client-request-id", "")
        return Asked(client_id, request_id_of(request.scope), key, fate, headers)

    def refusal(self, stage: str, headers: dict[str, str]) -> ApiError:
        """What moderation says."""
        self.billed.counts["refused"] += 1
        message = "Your request was rejected by the safety system. safety_violations=[violence]."
        return ApiError(
            400,
            message,
            kind="image_generation_user_error",
            code="moderation_blocked",
            headers=headers,
            details={"moderation_stage": stage, "categories": ["violence"]},
        )

    def failure(self, fate: Fate, headers: dict[str, str]) -> ApiError:
        """What a server says that fails, or has too much to do."""
        if fate is Fate.OVERLOADED:
            self.billed.counts["overloaded"] += 1
            message = "The server is currently overloaded with other requests"
            return ApiError(503, message, kind="server_error", code="server_is_overloaded", headers=headers)
        self.billed.counts["server_error"] += 1
        message = "The server had an error while processing your request"
        return ApiError(500, message, kind="server_error", headers=headers)

    def charge(
        self, asked: Asked, *, endpoint: str, ai_model: str, n: int, usage: dict[str, int], is_batch: bool
    ) -> None:
        """Bill one request by the published prices."""
        cost = self.prices.charge_microusd("openai", ai_model, usage, at=datetime.now(UTC).date(), is_batch=is_batch)
        assert cost is not None
        self.bill(asked, endpoint=endpoint, ai_model=ai_model, n=n, usage=usage, cost_microusd=cost)

    def bill(
        self, asked: Asked, *, endpoint: str, ai_model: str, n: int, usage: dict[str, int], cost_microusd: int
    ) -> None:
        """Write one billed request down."""
        self.billed.bill(
            client_id=asked.client_id,
            request_id=asked.request_id,
            key=asked.key,
            endpoint=endpoint,
            ai_model=ai_model,
            n=n,
            usage=usage,
            cost_microusd=cost_microusd,
            outcome="dropped" if asked.fate is Fate.DROP_BILLED else "answered",
        )
