"""A small OTLP/HTTP receiver for tests: keeps every span that it gets, decoded, and the bytes it came in."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True)
class ReceivedEvent:
    name: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class ReceivedSpan:
    """One span; ids in hex, ``parent_id`` is empty for a root, ``error`` is true if its status is an error."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: tuple[ReceivedEvent, ...]
    error: bool
    links: int


def _body(file: BinaryIO, length: str | None) -> bytes:
    """The body of a request: of a known length, or chunked, as the exporter of Node.js sends it."""
    if length is not None:
        return file.read(int(length))
    chunks = []
    while size := int(file.readline(), 16):
        chunks.append(file.read(size))
        file.readline()
    file.readline()
    return b"".join(chunks)


@dataclass
class OtlpReceiver:
    """Listens on loopback from ``start`` to ``stop``."""

    spans: list[ReceivedSpan] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _server: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        """Base URL for OTEL_EXPORTER_OTLP_ENDPOINT."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> OtlpReceiver:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = _body(self.rfile, self.headers["content-length"])
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver._take(body, self.headers.get("content-type", ""))
                self.send_response(200)
                self.send_header("content-type", self.headers.get("content-type", ""))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """What has come in of a trace so far."""
        with self._changed:
            return [span for span in self.spans if span.trace_id == trace_id]

    def wait_for(
        self, trace_id: str, enough: Callable[[list[ReceivedSpan]], Any], timeout: float = 10
    ) -> list[ReceivedSpan]:
        """The spans of a trace once they are ``enough``.

        Raises:
            AssertionError: If they do not come in time; lists those that came.
        """
        with self._changed:

            def found() -> list[ReceivedSpan]:
                return [span for span in self.spans if span.trace_id == trace_id]

            if not self._changed.wait_for(lambda: enough(found()), timeout):
                got = "\n".join(f"  {span.service}: {span.kind} {span.name}" for span in found()) or "  nothing"
                raise AssertionError(f"trace {trace_id} is not what it should be after {timeout} s; it has\n{got}")
            return found()

    def _take(self, body: bytes, content_type: str) -> None:
        request = ExportTraceServiceRequest()
        if content_type.startswith("application/json"):
            Parse(_hex_to_base64(body), request, ignore_unknown_fields=True)
        else:
            request.ParseFromString(body)
        with self._changed:
            self.bodies.append(body)
            self.spans.extend(_decode(request))
            self._changed.notify_all()


def _decode(request: ExportTraceServiceRequest) -> list[ReceivedSpan]:
    return [
        ReceivedSpan(
            service=_attributes(resource.resource.attributes).get("service.name", ""),
            name=span.name,
            kind=KINDS[span.kind],
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            attributes=_attributes(span.attributes),
            events=tuple(ReceivedEvent(event.name, _attributes(event.attributes)) for event in span.events),
            error=span.status.code == 2,
            links=len(span.links),
        )
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    values = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind) if kind else None
        values[pair.key] = [item.string_value for item in value.values] if kind == "array_value" else value
    return values


def _hex_to_base64(body: bytes) -> str:
    """OTLP's JSON has ids in hex where protobuf's own JSON has base64."""
    from base64 import b64encode

    document = json.loads(body)
    for resource in document.get("resourceSpans", ()):
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                for key in ("traceId", "spanId", "parentSpanId"):
                    if span.get(key):
                        span[key] = b64encode(bytes.fromhex(span[key])).decode()
    return json.dumps(document)
