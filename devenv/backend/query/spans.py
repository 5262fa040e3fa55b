"""Stored spans as values of the model."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.backend.store.decoding import EncodedTrace, readable
from devenv.model.span import Span
from devenv.otlp.proto_spans import SpanOrigin, model_span


def spans(trace: EncodedTrace) -> Iterator[Span]:
    """All spans of a trace, in order of arrival."""
    for scope, payloads in trace.chunks:
        origin = SpanOrigin(scope.service.name, scope.resource, scope.name, scope.version)
        for span in readable(payloads):
            yield model_span(span, origin)
