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
    """A trace at one moment; later spans and eviction do not touch it. Spans are ``messages.Span`` messages."""

    id: bytes
    spans: list[tuple[Scope, Any]]
    truncated: bool = False


def snapshot(trace: StoredTrace, scopes: Scopes) -> tuple[bytes, bytes, bool, dict[int, Scope]]:
    """What :func:`decode` needs, taken while the trace is in the store; cheap, nothing is decoded but its outline."""
    numbers = {chunk.scope for chunk in messages.Stored.FromString(trace.raw).chunks}
    return trace.id, trace.raw, trace.truncated, {number: scopes[number] for number in numbers}


def decode(
    trace_id: bytes, raw: bytes, truncated: bool, scopes: dict[int, Scope], message: Any = messages.Span
) -> DecodedTrace:
    """All spans as ``message``, a span that came twice only once, in order of arrival."""
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
    """The decoded spans; one that was forged to pass the check of its batch as part of its neighbour is left out."""
    for payload in payloads:
        try:
            yield message.FromString(payload)
        except DecodeError:
            continue


def decode_trace(trace: StoredTrace, scopes: Scopes) -> DecodedTrace:
    """The trace as it is now."""
    return decode(*snapshot(trace, scopes))


def ends(span: Any) -> int:
    """End of a span in ns; never before its start plus 1 ns, as Jaeger sanitizes it."""
    return int(max(span.end, span.start + 1))


def duration(span: Any) -> int:
    """Duration of a span in ns, at least 1."""
    return int(max(span.end - span.start, 1))


def is_error(span: Any) -> bool:
    """Whether its status says so."""
    return bool(span.status.code == ERROR)
