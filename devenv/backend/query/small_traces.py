"""The small traces of an answer, decoded together: per trace, most of the time would go into the calls.

Traces of some ten spans each, as a search returns by the hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from devenv.backend.query.clock_skew import Judged, TimedSpan, clock_skews, host_of, one_clock
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
        plain: whether no two spans share an ID, so that none was received twice.
        judged: the IDs of all spans, and what does not fit.
    """

    taken: Snapshot
    parts: list[tuple[Scope, int]]
    plain: bool
    judged: Judged


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


def together(group: Sequence[Snapshot], *, adjusted: bool) -> SmallTraces | None:
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
        skews = _skews(table, first, own) if adjusted else {}
        traces.append(SmallTrace(taken, own, len(known) == count, Judged(known, skews, adjusted)))
        first += count
    return SmallTraces(traces, payloads, table)


def _skews(table: SpanTable, first: int, parts: list[tuple[Scope, int]]) -> dict[bytes, int]:
    if one_clock(host_of(scope) for scope, _ in parts):
        return {}
    last = first + sum(count for _, count in parts)
    ids, parents = table.span_ids[first:last], table.parents[first:last]
    starts, ends = table.starts[first:last], table.ends[first:last]
    times = dict(zip(ids, zip(starts, ends, strict=True), strict=True))
    for parent, start, end in zip(parents, starts, ends, strict=True):
        above = times.get(parent)
        if above is not None and (start < above[0] or end > above[1] or end <= start):
            break
    else:
        return {}  # the common case: each is within its parent
    hosts = [host_of(scope) for scope, count in parts for _ in range(count)]
    places = map(
        TimedSpan, parents, starts, (max(end, start + 1) for start, end in zip(starts, ends, strict=True)), hosts
    )
    return clock_skews(dict(zip(ids, places, strict=True)))
