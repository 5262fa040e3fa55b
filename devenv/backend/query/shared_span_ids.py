"""Jaeger's adjustment of spans that share an ID, as client and server do in Zipkin's model.

The server's span gets its own ID and becomes the child of the client's; its children follow it. The stored spans
stay as they were sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from devenv.backend.store.decoding import DecodedTrace

_SERVER, _CLIENT = 2, 3


def separate(trace: DecodedTrace) -> DecodedTrace:
    """Give each server span that shares its ID with a client span a new ID; changes and returns ``trace``."""
    clients = {span.span_id for _, span in trace.spans if span.kind == _CLIENT}
    shared = [span for _, span in trace.spans if span.kind == _SERVER and span.span_id in clients]
    if not shared:
        return trace
    unused = _unused({span.span_id for _, span in trace.spans})
    renamed = {span_id: next(unused) for span_id in sorted({span.span_id for span in shared})}
    servers = set(map(id, shared))
    for _, span in trace.spans:
        if id(span) in servers:
            span.parent_span_id = span.span_id
            span.span_id = renamed[span.span_id]
        else:
            span.parent_span_id = renamed.get(span.parent_span_id, span.parent_span_id)
    return trace


def _unused(used: set[bytes]) -> Iterator[bytes]:
    # The smallest numbers, as in Jaeger.
    return (span_id for number in count(1) if (span_id := number.to_bytes(8, "big")) not in used)
