"""Providers make edits. Each is one module here, or a stranger's: both come in by name, through `load_provider`.

A provider sees values and pictures only, never the desk. It does not retry: the runner decides.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from pipeline.errors import UsageError
from pipeline.pool import WorkPool
from pipeline.values import EditRequest, EditResult, Handle

BUILT_IN = {"local": "pipeline.providers.local:LocalProvider"}

ENTRY_POINT_GROUP = "picturedesk.providers"


@runtime_checkable
class Provider(Protocol):
    """Who makes edits.

    Attributes:
        name: Its name in a manifest.
        version: Changes whenever the same request could give other pictures; part of the reuse key.
        is_repeatable: Whether a request whose answer was lost may be sent again: it is free and gives the same picture.
        max_outputs: The largest ``n`` that it takes.
        max_references: How many further pictures it takes.
        takes_mask: Whether it takes a mask.
        wants_detections: Whether it works better when told what the detectors found on the source.
    """

    name: str
    version: str
    is_repeatable: bool
    max_outputs: int
    max_references: int
    takes_mask: bool
    wants_detections: bool

    def check(self, request: EditRequest) -> None:
        """Refuse, before anything is sent, what can be refused without looking at the pictures.

        Raises:
            EditRefused: With a code, and what to do next in the message.
        """

    def estimate_microusd(self, request: EditRequest) -> int:
        """Most that this request can cost, in millionths of a US dollar."""

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Send one request, once.

        Raises:
            EditError: The subclass says what the runner does next.
        """

    async def poll(self, handle: Handle) -> EditResult | None:
        """Ask for the answer of an accepted request; None while it is still being made.

        Raises:
            EditError: The subclass says what the runner does next.
        """

    async def aclose(self) -> None:
        """Let go of connections."""


def provider_names() -> list[str]:
    """Every provider that can be chosen, built-in ones first."""
    return [*BUILT_IN, *sorted(point.name for point in entry_points(group=ENTRY_POINT_GROUP))]


def load_provider(name: str, options: Mapping[str, Any], pool: WorkPool) -> Provider:
    """The provider of that name, ready to be used.

    Args:
        name: As in a manifest.
        options: The provider's own table of the desk's settings.
        pool: Where it does work that needs the processor.

    Raises:
        UsageError: No provider has that name.
    """
    target = BUILT_IN.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        factory = getattr(import_module(module), attribute)
    else:
        points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        if name not in points:
            raise UsageError(f"unknown provider {name!r}; choose one of: {', '.join(provider_names())}")
        factory = points[name].load()
    provider: Provider = factory(options=options, pool=pool)
    return provider
