"""Jaeger's adjustment of spans that share an ID, as client and server do in Zipkin's model.

The server's span gets its own ID and becomes the child of the client's; its children follow it. The stored spans
stay as they were sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from google.protobuf.message import DecodeError

from devenv.backend.store.decoding import PART, EncodedTrace, Steps, readable
from devenv.otlp import messages

_SERVER, _CLIENT = 2, 3


@dataclass(frozen=True, slots=True)
class SpanIds:
    """The span IDs of a trace.

    Attributes:
        known: all of them.
        renamed: new IDs for the server spans that share theirs with a client span, by the shared ID.
    """

    known: frozenset[bytes]
    renamed: dict[bytes, bytes] = field(default_factory=dict)

    def spans(self, payloads: list[bytes]) -> list[Any]:
        """Return the decoded spans with these IDs; their attributes stay encoded."""
        found = readable(payloads)
        if self.renamed:
            for span in found:
                self._adjust(span)
        return found

    def _adjust(self, span: Any) -> None:
        if span.kind == _SERVER and span.span_id in self.renamed:
            span.parent_span_id = span.span_id
            span.span_id = self.renamed[span.span_id]
        else:
            span.parent_span_id = self.renamed.get(span.parent_span_id, span.parent_span_id)


def span_ids(trace: EncodedTrace, *, separate: bool) -> Steps[SpanIds]:
    """Find the IDs; ``separate`` if spans that share one are wanted apart."""
    known: set[bytes] = set()
    servers: set[bytes] = set()
    clients: set[bytes] = set()
    waiting: list[bytes] = []
    for number, (_, payloads) in enumerate(trace.chunks, 1):
        # The chunks of a small trace have few spans each.
        waiting += payloads
        if len(waiting) < PART and number < len(trace.chunks):
            continue
        for span_id, kind in _identities(waiting):
            known.add(span_id)
            if kind == _SERVER:
                servers.add(span_id)
            elif kind == _CLIENT:
                clients.add(span_id)
        waiting = []
        yield None
    shared = servers & clients if separate else set()
    if not shared:
        return SpanIds(frozenset(known))
    unused = _unused(known)
    renamed = {span_id: next(unused) for span_id in sorted(shared)}
    return SpanIds(frozenset(known | set(renamed.values())), renamed)


def _identities(payloads: list[bytes]) -> Iterator[tuple[bytes, int]]:
    # Many spans with one call, if no zero was left out of them.
    try:
        together = messages.Identities.FromString(b"".join(payloads))
        if len(together.span_id) == len(together.kind) == len(payloads):
            return zip(together.span_id, together.kind, strict=True)
    except DecodeError:
        pass  # one of them is not readable by itself, and is left out below
    return _one_by_one(payloads)


def _one_by_one(payloads: list[bytes]) -> Iterator[tuple[bytes, int]]:
    for payload in payloads:
        try:
            found = messages.Identities.FromString(payload)
        except DecodeError:
            continue
        # Of a field that occurs twice, the last one counts.
        yield (found.span_id or (b"",))[-1], (found.kind or (0,))[-1]


def _unused(used: set[bytes]) -> Iterator[bytes]:
    # The smallest numbers, as in Jaeger.
    return (span_id for number in count(1) if (span_id := number.to_bytes(8, "big")) not in used)
