"""Searches by a filter over a backend that does not know filters, such as Jaeger.

What its parameters can say is asked of it; the newest :data:`MOST` traces of that are read and filtered here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from devenv.immutable import immutable
from devenv.model.trace import Trace
from devenv.traces.filters.expression import Attribute, Call, Field, Scalar
from devenv.traces.filters.model_spans import TraceFilter
from devenv.traces.filters.narrowing import narrowing
from devenv.traces.query import Query, go_duration, rfc3339

MOST = 500
"""Traces that are read for one search; of 20 spans each, they are 10 MB of JSON."""


@immutable()
class Looked:
    """Traces that match, newest first, of how many that were looked at; ``more``: older ones were not."""

    traces: list[Trace]
    looked_at: int
    more: bool


def asked(query: Query, most: int) -> Query:
    """The search without a filter that finds everything that meets the query, as far as ``most`` traces allow."""
    narrow = narrowing(query.where)
    longest = [each for each in (query.max_duration_ns, narrow.duration_max) if each]
    return replace(
        query,
        where=None,
        service=query.service or narrow.service or None,
        operation=query.operation or narrow.operation or None,
        tags={**narrow.tags, **query.tags},
        start_ns=max(query.start_ns, narrow.start_min),
        end_ns=min(query.end_ns, narrow.start_max or query.end_ns),
        min_duration_ns=max(query.min_duration_ns or 0, narrow.duration_min) or None,
        max_duration_ns=min(longest) if longest else None,
        limit=most,
    )


def filtered(query: Query, found: list[Trace], most: int) -> Looked:
    """Filter the traces that :func:`asked` found.

    Raises:
        FilterError: If the filter asks for what such a backend does not return.
    """
    test = TraceFilter(Call("and", tuple(_conditions(query))))
    matching = [trace for trace in found if test.matches(trace)]
    return Looked(matching[: query.limit], len(found), len(found) >= most)


def _conditions(query: Query) -> Iterator[Call]:
    """The filter and the other criteria, which the same span has to meet."""
    if query.where is not None:
        yield query.where
    yield _compared("gte", "span", "startTime", rfc3339(query.start_ns))
    yield _compared("lte", "span", "startTime", rfc3339(query.end_ns))
    if query.service:
        yield _compared("eq", "resource", "service", query.service)
    if query.operation:
        yield _compared("eq", "span", "name", query.operation)
    if query.min_duration_ns is not None:
        yield _compared("gte", "span", "duration", go_duration(query.min_duration_ns))
    if query.max_duration_ns is not None:
        yield _compared("lte", "span", "duration", go_duration(query.max_duration_ns))
    for key, value in query.tags.items():
        if key != "error":  # of the status, or an attribute, by Jaeger's rules
            levels = ("", "event")
            yield Call("or", tuple(Call("eq", (Attribute(key, level), Scalar(value))) for level in levels))


def _compared(op: str, level: str, name: str, value: str) -> Call:
    return Call(op, (Field(level, name), Scalar(value)))
