"""Providers make edits. Each is one module here, or a stranger's: both come in by name, through `load_provider`.

A provider sees values and pictures only, never the desk. It does not retry: the runner decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol, runtime_checkable

from pipeline.errors import EditRefused, UsageError
from pipeline.pool import WorkPool
from pipeline.prices import Prices, read_prices
from pipeline.values import EditRequest, EditResult, Estimate, Handle, RateLimits

BUILT_IN = {
    "local": "pipeline.providers.local:LocalProvider",
    "openai": "pipeline.providers.openai.images:OpenAIProvider",
    "openai-batch": "pipeline.providers.openai.batch:OpenAIBatchProvider",
    "openoctopus": "pipeline.providers.openoctopus:OpenOctopusProvider",
    "compatible": "pipeline.providers.compatible:CompatibleProvider",
}

ENTRY_POINT_GROUP = "picturedesk.providers"


class Memory(Protocol):
    """What a provider may remember from one run to the next, such as the id of an uploaded picture."""

    async def recall(self, name: str) -> str | None:
        """What was remembered under this name, unless it has expired."""

    async def remember(self, name: str, value: str, *, expires_at: datetime | None) -> None:
        """Keep a value under a name, in place of an earlier one."""


class Forgetful:
    """A memory for one run alone."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    async def recall(self, name: str) -> str | None:
        """What was remembered under this name."""
        return self._kept.get(name)

    async def remember(self, name: str, value: str, *, expires_at: datetime | None) -> None:
        """Keep a value under a name."""
        self._kept[name] = value


@dataclass(frozen=True, slots=True)
class Tools:
    """What a provider may use.

    Attributes:
        pool: Processes for work on pixels.
        memory: What outlives a run.
        prices: What everything costs.
    """

    pool: WorkPool
    memory: Memory = field(default_factory=Forgetful)
    prices: Prices = field(default_factory=read_prices)


@runtime_checkable
class Provider(Protocol):
    """Who makes edits; `BaseProvider` has all of it but ``submit``.

    Attributes:
        name: Its name in a manifest.
        version: Changes whenever the same request could give other pictures; part of the reuse key.
        is_repeatable: Whether a request whose answer was lost may be sent again: it is free and gives the same picture.
        max_outputs: The largest ``n`` that it takes.
        max_references: How many further pictures it takes.
        takes_mask: Whether it takes a mask.
        wants_detections: Whether it works better when told what the detectors found on the source.
        max_in_flight: How many edits it may have at once; None for the desk's own setting.
        account: Tells one key and address from another; the last part of our names for requests. "" if there is none.
        poll_s: Seconds between two questions about an accepted request.
        limits: What it takes in a minute, as far as settings and replies have told by now.
    """

    name: str
    version: str
    is_repeatable: bool
    max_outputs: int
    max_references: int
    takes_mask: bool
    wants_detections: bool
    max_in_flight: int | None
    account: str
    poll_s: float
    limits: RateLimits

    def check_options(self, request: EditRequest) -> None:
        """Refuse what a manifest row asks for and the ai_model does not take; the row's pictures are not read yet.

        Raises:
            EditRefused: With the manifest's column that is at fault.
        """

    def check(self, request: EditRequest) -> None:
        """Refuse, before anything is sent, what can be refused without looking at pixels.

        Raises:
            EditRefused: With a code, and what to do next in the message.
        """

    def estimate(self, request: EditRequest) -> Estimate:
        """What this request can cost at least and at most, and what it counts for the rate limit."""

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Send one request, once.

        Raises:
            EditError: The subclass says what the runner does next.
        """

    async def poll(self, handle: Handle) -> EditResult | None:
        """Ask for the answer of an accepted request; None while it is still being made.

        Raises:
            CannotAsk: The provider cannot be asked now; the request stays accepted.
            EditError: The subclass says what the runner does next.
        """

    async def find(self, client_id: str) -> Handle | None:
        """The accepted request that was sent under our name for it; None if nobody can ever tell.

        Asked after a crash, about a request that may have left.

        Raises:
            RetryLater: It certainly did not leave.
            CannotAsk: It cannot be told now.
        """

    async def aclose(self) -> None:
        """Let go of connections."""


class BaseProvider:
    """What most providers have in common; a provider of one's own overrides what differs."""

    name = ""
    version = "1"
    is_repeatable = False
    max_outputs = 1
    max_references = 0
    takes_mask = False
    wants_detections = False
    account = ""
    max_in_flight: int | None = None
    poll_s = 2.0
    limits = RateLimits()

    def check_options(self, request: EditRequest) -> None:
        """Refuse what the attributes say that it does not take."""
        asked = (
            ("n", request.n, self.max_outputs),
            ("references", len(request.references), self.max_references),
            ("mask", int(request.mask is not None), int(self.takes_mask)),
            ("markup", int(request.markup is not None), 0),
        )
        for column, found, most in asked:
            if found > most:
                message = f"{column}: {found}; the provider {self.name} takes {most or 'none'}"
                raise EditRefused(f"bad_{column}", message, column=column)

    def check(self, request: EditRequest) -> None:
        """What holds for a row's options holds for the request."""
        self.check_options(request)

    def estimate(self, request: EditRequest) -> Estimate:
        """The price is not known."""
        return Estimate(None, None, images=request.n)

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Send one request, once."""
        raise NotImplementedError

    async def poll(self, handle: Handle) -> EditResult | None:
        """Never asked, unless ``submit`` gives handles."""
        raise ValueError(f"the provider {self.name} has no task {handle.task_id!r}")

    async def find(self, client_id: str) -> Handle | None:
        """It cannot be told."""
        return None

    async def aclose(self) -> None:
        """Nothing to let go of."""


def provider_names() -> list[str]:
    """Every provider that can be chosen, built-in ones first."""
    return [*BUILT_IN, *sorted(_installed())]


def load_provider(name: str, options: Mapping[str, Any], tools: Tools) -> Provider:
    """The provider of that name, ready to be used.

    Args:
        name: As in a manifest.
        options: The provider's own table of the desk's settings.
        tools: What it may use.

    Raises:
        UsageError: No provider has that name, or its options do not fit.
    """
    target = BUILT_IN.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        factory = getattr(import_module(module), attribute)
    else:
        points = _installed()
        if name not in points:
            raise UsageError(f"unknown provider {name!r}; choose one of: {', '.join(provider_names())}")
        factory = points[name].load()
    provider: Provider = factory(options=options, tools=tools)
    return provider


@cache
def _installed() -> Mapping[str, EntryPoint]:
    """Other people's providers by name; to look through all installed packages takes 15 ms (2026-11-22)."""
    return {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
