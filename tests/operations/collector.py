"""A collector of traces on this machine: takes what OpenTelemetry sends by OTLP/HTTP, and decodes it."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class TakenSpan:
    """One span as it was sent.

    Attributes:
        trace: The trace's number.
        parent: The number of the span that it is in; "" for none.
        error: What its status says; "" for no error.
    """

    service: str
    name: str
    trace: str
    number: str
    parent: str
    error: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Collector:
    """What was taken.

    Attributes:
        url: For ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        spans: In the order of their ends.
        raw: The bytes that were sent, unpacked.
    """

    url: str
    spans: list[TakenSpan]
    raw: list[bytes]


@contextmanager
def collector() -> Iterator[Collector]:
    """Collect meanwhile."""
    spans: list[TakenSpan] = []
    raw: list[bytes] = []

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            raw.append(body)
            spans.extend(_decoded(body) if self.path == "/v1/traces" else ())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Take)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Collector(f"http://127.0.0.1:{server.server_port}", spans, raw)
    finally:
        server.shutdown()
        server.server_close()


def _decoded(body: bytes) -> Iterator[TakenSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    for resource in request.resource_spans:
        service = _plain(resource.resource.attributes)["service.name"]
        for span in (span for scope in resource.scope_spans for span in scope.spans):
            yield TakenSpan(
                service,
                span.name,
                span.trace_id.hex(),
                span.span_id.hex(),
                span.parent_span_id.hex(),
                span.status.message if span.status.code == span.status.STATUS_CODE_ERROR else "",
                _plain(span.attributes),
            )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
