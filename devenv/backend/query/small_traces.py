"""The small traces of an answer, decoded together: per trace, most of the time would go into the calls.

Traces of some ten spans each, as a search returns by the hundred. What is asked of each span is asked of whole columns
where it can be: a loop in Python over the spans takes several times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import ge, gt, le

from devenv.backend.query.clock_skew import Judged, TimedSpan, clock_skews, host_of, one_clock
from devenv.backend.store.decoding import Snapshot, is_small
from devenv.backend.store.scopes import Scope
from devenv.immutable import immutable
from devenv.otlp.span_table import SpanTable, span_table

_TOGETHER = 16 * 1024
"""Bytes of encoded spans: less than a millisecond of work."""

Shape = tuple[tuple[Scope, int], ...]
"""The scopes of a trace in order of arrival, with the number of their spans: most traces of an answer have the same."""


@immutable()
class SmallTraces:
    """Traces that share a table.

    Attributes:
        taken: the traces.
        shapes: of each of them.
        payloads: the encoded spans in the order of the table.
        table: the spans.
        owners: for each span the number of its trace.
        skews: as in ``Judged``, for each trace.
        unusual: the positions of spans that get a warning.
    """

    taken: Sequence[Snapshot]
    shapes: list[Shape]
    payloads: list[bytes]
    table: SpanTable
    owners: list[int]
    skews: Sequence[Mapping[bytes, int]]
    unusual: frozenset[int]
    adjusted: bool

    def judged(self, position: int) -> Judged:
        """Return what is known of the trace of a span."""
        number = self.owners[position]
        known = (each for each, owner in zip(self.table.span_ids, self.owners, strict=True) if owner == number)
        return Judged(frozenset(known), self.skews[number], self.adjusted)


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
    """Decode small traces.

    Returns:
        ``None`` if one of them is large or without spans, or has one that is not readable, or several with the same ID.
    """
    if not is_small(group[0]):
        return None
    payloads: list[bytes] = []
    shapes = []
    owners: list[int] = []
    for number, taken in enumerate(group):
        shape = []
        for scope, spans in taken.parts:
            shape.append((scope, len(spans)))
            payloads += spans
        shapes.append(tuple(shape))
        if len(payloads) == len(owners):
            return None
        owners += [number] * (len(payloads) - len(owners))
    table = span_table(payloads)
    if table is None:
        return None
    places = set(zip(table.span_ids, owners, strict=True))
    if len(places) != len(payloads):
        return None
    misfits = not _fit(table)
    unusual = set(_strangers(table, owners, places))
    if misfits:
        unusual.update(at for at, (start, end) in enumerate(zip(table.starts, table.ends, strict=True)) if end <= start)
    skews: list[dict[bytes, int]] = [{}] * len(group)
    if adjusted and misfits:
        skews = _skews(table, shapes)
        skewed = {(span_id, number) for number, found in enumerate(skews) for span_id in found}
        if skewed:
            both = zip(table.span_ids, owners, strict=True)
            unusual.update(at for at, place in enumerate(both) if place in skewed)
    return SmallTraces(group, shapes, payloads, table, owners, skews, frozenset(unusual), adjusted)


def _fit(table: SpanTable) -> bool:
    """Whether each span lasts, and is within its parent: the common case; a span of another trace may deny it."""
    ids, parents, starts, ends = table.span_ids, table.parents, table.starts, table.ends
    above = dict(zip(ids, starts, strict=True))
    if len(above) != len(ids) or not all(map(gt, ends, starts)):
        return False
    if not all(map(le, map(above.get, parents, starts), starts)):
        return False
    above = dict(zip(ids, ends, strict=True))
    return all(map(ge, map(above.get, parents, ends), ends))


def _strangers(table: SpanTable, owners: list[int], places: set[tuple[bytes, int]]) -> Iterator[int]:
    """Yield the positions of spans whose parent is not in their trace."""
    for position, place in enumerate(zip(table.parents, owners, strict=True)):
        if place not in places and place[0]:
            yield position


def _skews(table: SpanTable, shapes: list[Shape]) -> list[dict[bytes, int]]:
    found = []
    first = 0
    for shape in shapes:
        last = first + sum(count for _, count in shape)
        found.append(_of_one(table, first, last, shape))
        first = last
    return found


def _of_one(table: SpanTable, first: int, last: int, shape: Shape) -> dict[bytes, int]:
    if one_clock(host_of(scope) for scope, _ in shape):
        return {}
    hosts = [host_of(scope) for scope, count in shape for _ in range(count)]
    starts = table.starts[first:last]
    ends = (max(end, start + 1) for start, end in zip(starts, table.ends[first:last], strict=True))
    places = map(TimedSpan, table.parents[first:last], starts, ends, hosts)
    return clock_skews(dict(zip(table.span_ids[first:last], places, strict=True)))
