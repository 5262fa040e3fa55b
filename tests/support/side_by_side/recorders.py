"""Records the spans of a block by devenv.tracing or by OpenTelemetry's SDK, and hands both over in one shape."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devenv.tracing.testing import RecordedSpan, decode, recording

Taken = Callable[[], list[RecordedSpan]]
"""Returns the spans since the last call."""

AUTO, HAND, STOCK, BARE = "auto", "hand", "stock", "bare"


@contextmanager
def recorded(way: str, stock: tuple[tuple[str, str], ...]) -> Iterator[Taken]:
    """Set up one way of tracing, before the libraries are imported.

    Args:
        way: `auto`, `hand`, `stock`, or `bare` for none.
        stock: Module and class of the stock instrumentations to use.
    """
    if way == BARE:
        yield list
    elif way == STOCK:
        yield _sdk(stock)
    else:
        from devenv import tracing

        if way == AUTO:
            tracing.auto(service_name="side", environ={"OTEL_TRACES_EXPORTER": "none"})
        else:
            tracing.setup(service_name="side", environ={"OTEL_TRACES_EXPORTER": "none"})
        with recording() as rec:

            def take() -> list[RecordedSpan]:
                spans = rec.spans()
                rec.clear()
                return spans

            yield take


def _sdk(stock: tuple[tuple[str, str], ...]) -> Taken:
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "http"  # the stable conventions; the old ones are the default
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    for module, name in stock:
        getattr(importlib.import_module(f"opentelemetry.instrumentation.{module}"), name)().instrument()

    def take() -> list[RecordedSpan]:
        spans = memory.get_finished_spans()
        memory.clear()
        return decode(encode_spans(spans).SerializeToString()) if spans else []

    return take
