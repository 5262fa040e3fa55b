"""Stored traces, decoded: the spans with the scopes that they belong to, as Jaeger shows them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope, Scopes
from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.wire import read_varint

T = TypeVar("T")
Piece = TypeVar("Piece", str, bytes)
Steps = Generator[None, None, T]
"""Work in pieces of about a millisecond: others may be served between two of them. Its value is the result."""

ERROR = 2
# A trace of this size, in bytes, is decoded in one piece.
_SMALL = 16 * 1024
PART = 64
"""Spans that are read, or written as JSON, between two pauses."""
KINDS = ("", "internal", "server", "client", "producer", "consumer")


@immutable()
class Snapshot:
    """A trace at one moment, not affected by later spans and eviction; taking it decodes no span.

    Attributes:
        parts: of a small trace, the encoded spans with their scopes, chunk by chunk; empty for a large one.
    """

    id: bytes
    raw: bytes
    truncated: bool
    scopes: dict[int, Scope]
    parts: list[tuple[Scope, list[bytes]]] = field(default_factory=list)


@immutable()
class EncodedTrace:
    """The spans of a snapshot in order of arrival, chunk by chunk, a span that was received twice only once."""

    id: bytes
    chunks: list[tuple[Scope, list[bytes]]]
    truncated: bool = False


def snapshot(trace: StoredTrace, scopes: Scopes) -> Snapshot:
    """Return the trace in its present state."""
    raw = trace.raw
    if len(raw) <= _SMALL:
        parts = [(scopes[chunk.scope], chunk.spans[:]) for chunk in messages.Stored.FromString(raw).chunks]
        return Snapshot(trace.id, raw, trace.truncated, {scope.number: scope for scope, _ in parts}, parts)
    # A chunk begins with the tag and the number of its scope.
    numbers = {read_varint(raw, start + 1, end)[0] for start, end in _extents(raw)}
    return Snapshot(trace.id, raw, trace.truncated, {number: scopes[number] for number in numbers})


def is_small(taken: Snapshot) -> bool:
    """Return whether the trace may be decoded in one piece."""
    return len(taken.raw) <= _SMALL


def chunks(raw: bytes) -> Iterator[Any]:
    """Yield the chunks of an encoded trace as messages, each of at most some hundred spans."""
    if len(raw) <= _SMALL:
        yield from messages.Stored.FromString(raw).chunks
        return
    for start, end in _extents(raw):
        yield messages.Chunk.FromString(raw[start:end])


def _extents(raw: bytes) -> Iterator[tuple[int, int]]:
    position, end = 0, len(raw)
    while position < end:
        size, start = read_varint(raw, position + 1, end)
        position = start + size
        yield start, position


def encoded(taken: Snapshot) -> Steps[EncodedTrace]:
    """Find the distinct spans of a snapshot."""
    if is_small(taken):
        every = [payload for _, payloads in taken.parts for payload in payloads]
        if len(set(every)) == len(every):  # the common case
            return EncodedTrace(taken.id, taken.parts, taken.truncated)
    found: list[tuple[Scope, list[bytes]]] = []
    seen: dict[bytes, set[bytes]] = {}
    for chunk in chunks(taken.raw):
        scope = taken.scopes[chunk.scope]
        known = seen.setdefault(scope.resource_key, set())
        payloads = list(dict.fromkeys(chunk.spans))
        if not known.isdisjoint(payloads):
            payloads = [payload for payload in payloads if payload not in known]
        known.update(payloads)
        if payloads:
            found.append((scope, payloads))
        if not is_small(taken):
            yield None
    return EncodedTrace(taken.id, found, taken.truncated)


def paused(steps: Steps[T], pause: Piece) -> Generator[Piece, None, T]:
    """Take steps, with ``pause``, an empty piece, after each; return their result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        yield pause


def readable(payloads: Sequence[bytes]) -> list[Any]:
    """Return the decoded spans, without one that passed the check of its batch only as a part of its neighbour.

    Their attributes stay encoded.
    """
    try:
        return list(map(messages.OpaqueSpan.FromString, payloads))
    except DecodeError:
        return list(one_by_one(payloads, messages.OpaqueSpan))


def one_by_one(payloads: Iterable[bytes], message: Any = messages.Span) -> Iterator[Any]:
    """Yield the spans that ``readable`` returns, decoded as they are asked for."""
    for payload in payloads:
        try:
            yield message.FromString(payload)
        except DecodeError:
            continue


def ends(span: Any) -> int:
    """Return the end of a span in ns; at least its start plus 1 ns, as Jaeger sanitizes it."""
    return int(max(span.end, span.start + 1))


def duration(span: Any) -> int:
    """Return the duration of a span in ns, at least 1."""
    return int(max(span.end - span.start, 1))


def is_error(span: Any) -> bool:
    """Return whether its status is an error."""
    return bool(span.status.code == ERROR)
