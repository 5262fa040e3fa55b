"""Stored traces, decoded: the spans with the scopes that they belong to, as Jaeger shows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope, Scopes
from devenv.otlp import messages

ERROR = 2
KINDS = ("", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True, slots=True)
class DecodedTrace:
    """A trace at one moment, not affected by later spans and eviction. Spans are ``messages.Span`` messages."""

    id: bytes
    spans: list[tuple[Scope, Any]]
    truncated: bool = False


def snapshot(trace: StoredTrace, scopes: Scopes) -> tuple[bytes, bytes, bool, dict[int, Scope]]:
    """Return what :func:`decode` needs, while the trace is in the store; cheap, as no span is decoded."""
    numbers = {chunk.scope for chunk in messages.Stored.FromString(trace.raw).chunks}
    return trace.id, trace.raw, trace.truncated, {number: scopes[number] for number in numbers}


def decode(
    trace_id: bytes, raw: bytes, truncated: bool, scopes: dict[int, Scope], message: Any = messages.Span
) -> DecodedTrace:
    """Return all spans as ``message`` in order of arrival, a span that was received twice only once."""
    spans: list[tuple[Scope, Any]] = []
    seen: set[tuple[bytes, bytes]] = set()
    for chunk in messages.Stored.FromString(raw).chunks:
        scope = scopes[chunk.scope]
        for payload in chunk.spans:
            identity = (scope.resource_key, payload)
            if identity in seen:
                continue
            seen.add(identity)
            spans += ((scope, span) for span in readable((payload,), message))
    return DecodedTrace(trace_id, spans, truncated)


def readable(payloads: Iterable[bytes], message: Any = messages.Span) -> Iterator[Any]:
    """Yield the decoded spans, without one that passed the check of its batch only as a part of its neighbour."""
    for payload in payloads:
        try:
            yield message.FromString(payload)
        except DecodeError:
            continue


def decode_trace(trace: StoredTrace, scopes: Scopes) -> DecodedTrace:
    """Return the trace in its present state."""
    return decode(*snapshot(trace, scopes))


def ends(span: Any) -> int:
    """Return the end of a span in ns; at least its start plus 1 ns, as Jaeger sanitizes it."""
    return int(max(span.end, span.start + 1))


def duration(span: Any) -> int:
    """Return the duration of a span in ns, at least 1."""
    return int(max(span.end - span.start, 1))


def is_error(span: Any) -> bool:
    """Return whether its status is an error."""
    return bool(span.status.code == ERROR)
