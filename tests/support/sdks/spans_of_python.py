"""Makes the spans of `spans.py` with OpenTelemetry's SDK of Python or with `devenv.tracing`, and prints their IDs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

START = 1_700_000_000_123_456_789
VALUES = {
    "text": 'größe ☃ 😀 "<&>"',
    "empty": "",
    "yes": True,
    "no": False,
    "zero": 0,
    "beyond": 2**53 + 1,
    "least": -(2**63),
    "part": 0.1,
    "small": 5e-324,
    "whole": 2.0,
    "texts": ["a", "", "ü"],
    "flags": [True, False],
    "numbers": [1, 2**53 + 1],
    "parts": [1.5, -2.25],
    "nothing": [],
    "long": "x" * 5000,
    "bytes": b"\x00\xff\x80a",
    "no bytes": b"",
    "null": None,
    "map": {"b": 1, "": {}},
    "mixed": [1, "<a>", True, None, b"\xff", [0.5]],
}
GIVEN = {**VALUES, "": "a key is never empty"}


def exporter() -> SpanExporter:
    if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

    return Http()


def remote(trace_id: str, span_id: str, *state: tuple[str, str]) -> trace.SpanContext:
    ids = (int(trace_id, 16), int(span_id, 16))
    return trace.SpanContext(*ids, True, trace.TraceFlags(1), trace.TraceState(list(state)))


def main() -> None:
    if sys.argv[1:] == ["devenv"]:
        from devenv import tracing

        shut_down: Callable[[], object] = tracing.setup().shutdown
    else:
        sdk = TracerProvider()
        sdk.add_span_processor(BatchSpanProcessor(exporter()))
        trace.set_tracer_provider(sdk)
        shut_down = sdk.shutdown
    provider = trace.get_tracer_provider()
    tracer = provider.get_tracer("a.library", "1.2.3")
    parent = remote("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", ("vendor", "1"), ("other", "a:b"))
    under = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    root = tracer.start_span("root", under, trace.SpanKind.SERVER, GIVEN, start_time=START)
    within = trace.set_span_in_context(root)
    links = [
        trace.Link(remote("0102030405060708090a0b0c0d0e0f10", "1112131415161718", ("l", "1")), GIVEN),
        trace.Link(remote("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")),
    ]
    child = tracer.start_span("größe", within, trace.SpanKind.CLIENT, None, links, START + 1_000_001)
    child.add_event("first", GIVEN, START + 1_500_001)
    child.add_event("größe", None, START + 1_600_002)
    child.set_status(trace.StatusCode.ERROR, "warum ☃")
    child.end(START + 2_000_002)
    spans = {"root": root, "größe": child}
    for kind in (trace.SpanKind.INTERNAL, trace.SpanKind.PRODUCER, trace.SpanKind.CONSUMER):
        name = kind.name.lower()
        spans[name] = tracer.start_span(name, within, kind, start_time=START + 3_000_003)
        if name == "producer":
            spans[name].set_status(trace.StatusCode.OK)
        spans[name].end(START + 3_000_004)
    spans[""] = provider.get_tracer("").start_span("", within, start_time=START + 3_000_003)
    spans[""].add_event("", None, START + 3_000_003)
    spans[""].end(START + 3_000_004)
    root.end(START + 9_999_999)
    shut_down()
    sys.stdout.write(json.dumps({name: f"{span.get_span_context().span_id:016x}" for name, span in spans.items()}))


if __name__ == "__main__":
    main()
