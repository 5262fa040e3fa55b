"""The spans of a trace, decoded part by part, with Jaeger's adjustment of those that share an ID.

Client and server share one in Zipkin's model. The server's span gets its own ID and becomes the child of the client's;
its children follow it. The stored spans stay as they were sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from google.protobuf.message import DecodeError

from devenv.backend.query.clock_skew import Judged, TimedSpan, host_of, one_clock, skew_steps
from devenv.backend.store.decoding import PART, EncodedTrace, Snapshot, Steps, encoded, ends, is_small, readable
from devenv.backend.store.scopes import Scope
from devenv.immutable import immutable
from devenv.otlp import messages

_SERVER, _CLIENT = 2, 3

Chunks = list[tuple[Scope, Iterable[list[Any]]]]


@immutable()
class DecodedTrace:
    """A trace as it is shown.

    Attributes:
        id: its ID.
        chunks: the spans in order of arrival, in parts, each small enough for one piece of work; a part is decoded when
            it is reached. The attributes stay encoded.
        judged: the IDs of all spans, and what does not fit.
        truncated: whether spans of it were rejected.
    """

    id: bytes
    chunks: Chunks
    judged: Judged
    truncated: bool


def decoded(taken: Snapshot, *, separate: bool) -> Steps[DecodedTrace]:
    """Return the trace; ``separate`` if spans that share an ID are wanted apart."""
    trace = yield from encoded(taken)
    if is_small(taken):
        whole = [(scope, readable(payloads)) for scope, payloads in trace.chunks]
        ids = [span.span_id for _, spans in whole for span in spans]
        known = frozenset(ids)
        if len(known) == len(ids) or not separate:
            parts: Chunks = [(scope, (spans,)) for scope, spans in whole]
            skews = (yield from _skews(parts)) if separate else {}
            return DecodedTrace(trace.id, parts, Judged(known, skews, separate), trace.truncated)
    known, renamed = yield from _ids(trace, separate=separate)
    parts = [(scope, _Parts(payloads, renamed)) for scope, payloads in trace.chunks]
    skews = (yield from _skews(parts)) if separate else {}
    return DecodedTrace(trace.id, parts, Judged(known, skews, separate), trace.truncated)


def _skews(parts: Chunks) -> Steps[dict[bytes, int]]:
    if one_clock(host_of(scope) for scope, _ in parts):
        return {}
    spans: dict[bytes, TimedSpan] = {}
    for scope, chunk in parts:
        host = host_of(scope)
        for number, part in enumerate(chunk):
            if number:
                yield None
            for span in part:
                spans.setdefault(span.span_id, TimedSpan(span.parent_span_id, span.start, ends(span), host))
    return (yield from skew_steps(spans))


class _Parts:
    """Encoded spans, decoded part by part; ``renamed`` has new IDs for server spans by the ID that they share."""

    def __init__(self, payloads: list[bytes], renamed: dict[bytes, bytes]) -> None:
        self._payloads = payloads
        self._renamed = renamed

    def __iter__(self) -> Iterator[list[Any]]:
        for first in range(0, len(self._payloads), PART):
            spans = readable(self._payloads[first : first + PART])
            if self._renamed:
                for span in spans:
                    self._adjust(span)
            yield spans

    def _adjust(self, span: Any) -> None:
        if span.kind == _SERVER and span.span_id in self._renamed:
            span.parent_span_id = span.span_id
            span.span_id = self._renamed[span.span_id]
        else:
            span.parent_span_id = self._renamed.get(span.parent_span_id, span.parent_span_id)


def _ids(trace: EncodedTrace, *, separate: bool) -> Steps[tuple[frozenset[bytes], dict[bytes, bytes]]]:
    """Find the IDs of all spans, and new ones for those that share theirs if they are wanted apart."""
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
    unused = _unused(known)
    renamed = {span_id: next(unused) for span_id in sorted(shared)}
    return frozenset(known | set(renamed.values())), renamed


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
