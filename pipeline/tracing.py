"""Traces of edits and of the page's answers, through OpenTelemetry; off unless the environment names a collector.

While it is off, nothing of it is imported, and a step costs two look-ups. Attributes are ids, codes and names of the
program's parts: no prompt, person, asset's name, URL, error's words or secret. All that happens to an edit from its
claim to its route, also an answer that comes hours later, is one trace.
"""

import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from pipeline import signals
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

P = ParamSpec("P")
T = TypeVar("T")
Value = str | int | float | bool | None

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_MOST_OPEN: Final = 10_000
"""Traces that are kept open, for answers that come later."""

_ON: "list[Tracer]" = []
_OPEN: "OrderedDict[int, Context]" = OrderedDict()


@contextmanager
def on(service: str) -> Iterator[None]:
    """Trace what happens meanwhile, if the environment names a collector; what is left is sent at the end.

    Args:
        service: What this process is called, unless ``OTEL_SERVICE_NAME`` says so.

    Raises:
        UsageError: A collector is named, and the libraries are not installed.
    """
    if not is_wanted() or _ON:
        yield
        return
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise UsageError('traces need a library; run: pip install "picturedesk[telemetry]", or unset OTEL_EXPORTER_*')
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _ON.append(provider.get_tracer("picturedesk"))
    try:
        yield
    finally:
        _ON.clear()
        _OPEN.clear()
        provider.shutdown()


def is_wanted() -> bool:
    """Whether the environment names a collector."""
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not is_off and any(os.environ.get(name) for name in _ENDPOINTS)


@contextmanager
def edit(edit_id: int, **attributes: Value) -> Iterator[None]:
    """What is done to an edit, in the trace of what was done to it before, until `rested` ends that."""
    if not _ON:
        yield
        return
    from opentelemetry import context

    known = _OPEN.get(edit_id)
    token = context.attach(known or context.Context())  # not in the trace of whatever began this task
    try:
        with span("edit", edit=edit_id, **attributes):
            if known is None:
                _OPEN[edit_id] = context.get_current()
                if len(_OPEN) > _MOST_OPEN:
                    _OPEN.popitem(last=False)
            yield
    finally:
        context.detach(token)


def rested(edit_id: int) -> None:
    """Nothing more is done to the edit now: what comes later is another trace."""
    _OPEN.pop(edit_id, None)


@contextmanager
def step(name: str, **attributes: Value) -> Iterator[None]:
    """One step of an edit; listeners are told how long it took."""
    if not _ON and not signals.is_heard():
        yield
        return
    began = time.perf_counter()
    try:
        with span(name, **attributes):
            yield
    finally:
        signals.tell("step.ended", step=name, seconds=time.perf_counter() - began)


def stepped(name: str) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """The same for a whole coroutine function."""

    def decorate(work: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @wraps(work)
        async def wrapped(*args: P.args, **options: P.kwargs) -> T:
            with step(name):
                return await work(*args, **options)

        return wrapped

    return decorate


@contextmanager
def span(name: str, **attributes: Value) -> Iterator[None]:
    """A span; one that ends with an error says of what kind, not in which words."""
    if not _ON:
        yield
        return
    from opentelemetry.trace import StatusCode

    opened = _ON[0].start_as_current_span(
        name, attributes=_named(attributes), record_exception=False, set_status_on_exception=False
    )
    with opened as found:
        try:
            yield
        except BaseException as exc:
            found.set_status(StatusCode.ERROR, getattr(exc, "code", None) or type(exc).__name__)
            raise


def note(**attributes: Value) -> None:
    """Add what is known by now to the span that this is in."""
    if _ON:
        from opentelemetry import trace

        trace.get_current_span().set_attributes(_named(attributes))


def _named(attributes: dict[str, Value]) -> dict[str, str | int | float | bool]:
    """``http_route`` becomes ``http.route``, as OpenTelemetry has it; the desk's own stand below ``picturedesk.``."""
    return {
        name.replace("_", ".", 1) if name.startswith("http_") else f"picturedesk.{name}": value
        for name, value in attributes.items()
        if value not in (None, "")
    }
