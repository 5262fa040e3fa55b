"""The small traces of an answer, decoded together: per trace, most of the time would go into the calls.

Traces of some ten spans each, as a search returns by the hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from devenv.backend.store.decoding import Snapshot, is_small
from devenv.backend.store.scopes import Scope
from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.span_table import SpanTable, span_table

_TOGETHER = 16 * 1024
"""Bytes of encoded spans: less than a millisecond of work."""


@immutable()
class SmallTrace:
    """A trace in a table.

    Attributes:
        taken: the trace.
        parts: scopes with the number of their spans, in the order of the table.
        known: the IDs of all spans.
        plain: whether no two spans share an ID, so that none was received twice.
    """

    taken: Snapshot
    parts: list[tuple[Scope, int]]
    known: frozenset[bytes]
    plain: bool


@immutable()
class SmallTraces:
    """Traces that share a table; ``payloads`` are the encoded spans in its order."""

    traces: list[SmallTrace]
    payloads: list[bytes]
    table: SpanTable


def grouped(found: Iterable[Snapshot]) -> Iterator[list[Snapshot]]:
    """Yield neighbours that are small enough to be decoded together; each large trace alone."""
    group: list[Snapshot] = []
    size = 0
    for taken in found:
        if group and size + len(taken.raw) > _TOGETHER:
            yield group
            group, size = [], 0
        group.append(taken)
        size += len(taken.raw)
    if group:
        yield group


def together(group: Sequence[Snapshot]) -> SmallTraces | None:
    """Decode small traces; ``None`` if one of them is large or has a span that is not readable."""
    if not is_small(group[0]):
        return None
    payloads: list[bytes] = []
    parts = []
    for taken in group:
        own = []
        scopes = taken.scopes
        for chunk in messages.Stored.FromString(taken.raw).chunks:
            spans = chunk.spans[:]
            own.append((scopes[chunk.scope], len(spans)))
            payloads += spans
        parts.append(own)
    table = span_table(payloads)
    if table is None:
        return None
    traces = []
    first = 0
    for taken, own in zip(group, parts, strict=True):
        count = sum(number for _, number in own)
        known = frozenset(table.span_ids[first : first + count])
        traces.append(SmallTrace(taken, own, known, len(known) == count))
        first += count
    return SmallTraces(traces, payloads, table)
