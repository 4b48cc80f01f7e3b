"""What Prometheus reads: numbers of the desk, and what this process has done.

The desk's numbers are asked of its database, and are the same whichever process answers: take ``max``, not ``sum``,
over processes. What begins with ``picturedesk_http``, ``_decision``, ``_step``, ``_provider`` or ``_errors`` is this
process's own. Labels hold states, codes and names of the program's parts: no prompt, person, batch, asset or host.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline import signals
from pipeline.crew import LATELY_S
from pipeline.desk import Desk
from pipeline.store import measuring
from pipeline.store.measuring import Figures

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_COUNTED_S: Final = 5.0
"""So old may the desk's numbers be: whoever asks often does not make the database work often."""

_PAGE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STEP_S = (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_MOST_CODES = 200
_IS_CODE = re.compile("[a-z][a-z0-9_]{0,40}")


class Metrics:
    """The metrics of one process at one desk.

    Args:
        desk: Whose numbers are asked for.
    """

    def __init__(self, desk: Desk) -> None:
        registry = self._registry = CollectorRegistry()
        self._http = Histogram(
            "picturedesk_http_request_duration_seconds",
            "Time to answer a request, by the route's template.",
            ("method", "route", "status"),
            buckets=_PAGE_S,
            registry=registry,
        )
        self._decisions = Histogram(
            "picturedesk_decision_duration_seconds",
            "Time to book a person's decision, or many at once.",
            ("decision",),
            buckets=_PAGE_S,
            registry=registry,
        )
        self._steps = Histogram(
            "picturedesk_step_duration_seconds",
            "Time of one step of an edit: prepare, wait, send, keep, look.",
            ("step",),
            buckets=_STEP_S,
            registry=registry,
        )
        self._requests = Counter(
            "picturedesk_provider_requests",
            "Requests to providers that have ended, by how.",
            ("provider", "outcome"),
            registry=registry,
        )
        self._errors = Counter("picturedesk_errors", "Errors by their code.", ("code",), registry=registry)
        self._codes: set[str] = set()
        registry.register(DeskCollector(desk))
        ProcessCollector(namespace="picturedesk", registry=registry)
        self.close = signals.listen(self._take)

    def text(self) -> bytes:
        """All of it, in Prometheus's text form."""
        return generate_latest(self._registry)

    def names(self) -> dict[str, str]:
        """The name of each metric as it is served, and its type."""
        return {
            f"{metric.name}_total" if metric.type == "counter" else metric.name: metric.type
            for metric in self._registry.collect()
        }

    def _take(self, event: str, fields: Mapping[str, Any]) -> None:
        match event:
            case "http.answered":
                labels = fields["method"], fields["route"], str(fields["status"])
                self._http.labels(*labels).observe(fields["seconds"])
            case "decision.booked":
                self._decisions.labels(fields["decision"]).observe(fields["seconds"])
            case "step.ended":
                self._steps.labels(fields["step"]).observe(fields["seconds"])
            case "request.ended":
                self._requests.labels(fields["provider"], fields["outcome"]).inc()
        if fields.get("code"):
            self._errors.labels(self._bounded(str(fields["code"]))).inc()

    def _bounded(self, code: str) -> str:
        """A provider may invent codes: no more than 200 of them become series."""
        if code not in self._codes and (len(self._codes) >= _MOST_CODES or not _IS_CODE.fullmatch(code)):
            return "other"
        self._codes.add(code)
        return code


class DeskCollector(Collector):
    """The desk's numbers, asked for when somebody looks, and at most every five seconds.

    Args:
        desk: Whose.
        clock: Seconds, for tests.
    """

    def __init__(self, desk: Desk, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, Figures | None] | None = None

    def describe(self) -> list[Metric]:
        """Nothing: registering asks no database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The numbers; without a database, only that it is away."""
        found = self._figures()
        yield _gauge("picturedesk_database_up", "Whether the desk's database answers.", int(found is not None))
        if found is not None:
            yield from _metrics(found)

    def _figures(self) -> Figures | None:
        with self._lock:
            if self._known is None or self._clock() - self._known[0] >= _COUNTED_S:
                try:
                    found = measuring.figures(self._desk.db)
                except Exception:  # whatever it is, it is not up
                    found = None
                self._known = self._clock(), found
            return self._known[1]


def _metrics(found: Figures) -> Iterator[Metric]:
    edits = GaugeMetricFamily("picturedesk_edits", "Edits by state.", labels=["state"])
    for state, n in found.edits.items():
        edits.add_metric([state.value], n)
    yield edits
    oldest = GaugeMetricFamily(
        "picturedesk_oldest_waiting_seconds",
        "Since when the first edit of a queue is as it is; 0 if the queue is empty.",
        labels=["state"],
    )
    for name, since in (("queued", found.oldest_queued), ("in_review", found.oldest_in_review)):
        oldest.add_metric([name], 0 if since is None else max(0.0, (datetime.now(UTC) - since).total_seconds()))
    yield oldest
    yield _gauge("picturedesk_claims_held", "Edits that a reviewer holds.", found.claims)
    yield _gauge("picturedesk_requests_in_flight", "Requests to providers without an answer.", found.open_requests)
    yield _gauge("picturedesk_requests_in_doubt", "Requests whose answer was lost.", found.lost_requests)
    yield _gauge("picturedesk_in_doubt_microusd", "The most that these can have cost.", found.lost_microusd)
    charged = "Millionths of a US dollar charged, as far as prices are known."
    yield CounterMetricFamily("picturedesk_charged_microusd", charged, value=found.charged_microusd)
    reserved = "The most that requests without an answer can still cost."
    yield _gauge("picturedesk_reserved_microusd", reserved, found.reserved_microusd)
    deliveries = GaugeMetricFamily("picturedesk_webhook_deliveries", "Messages not delivered yet.", labels=["state"])
    for delivery_state, n in found.deliveries.items():
        deliveries.add_metric([delivery_state.value], n)
    yield deliveries
    latest = datetime.now(UTC) - timedelta(seconds=LATELY_S)
    alive = sum(beaten_at >= latest for beaten_at in found.beats.values())
    yield _gauge("picturedesk_workers_alive", f"Workers that gave a sign of life in the last {LATELY_S:g} s.", alive)
    beats = GaugeMetricFamily(
        "picturedesk_worker_last_beat_timestamp_seconds", "When a worker last gave one, since 1970.", labels=["worker"]
    )
    for worker, beaten_at in found.beats.items():
        beats.add_metric([worker], beaten_at.timestamp())
    yield beats


def _gauge(name: str, said: str, value: float) -> Metric:
    return GaugeMetricFamily(name, said, value=value)
