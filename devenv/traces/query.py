"""Search criteria, and their form in each of Jaeger's dialects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlencode

from devenv.immutable import immutable
from devenv.model.trace import Trace, TraceSummary

if TYPE_CHECKING:
    from devenv.traces.filters.expression import Call

T = TypeVar("T", Trace, TraceSummary)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@immutable(kw_only=True)
class Query:
    """Criteria of a search. As in Jaeger, one span of the trace has to meet all of them.

    Attributes:
        service: ``None`` means any service; the legacy dialect requires one, so each service is searched in turn.
        operation: span name.
        tags: attributes by name; values as text.
        start_ns, end_ns: bounds of the span's start, nanoseconds since the epoch.
        min_duration_ns, max_duration_ns: bounds of the span's duration.
        errors_only: only traces in which a span has an error status; need not be the span of the other criteria.
        limit: maximum number of traces, the newest ones.
        where: a filter that the span has to meet, too.
    """

    service: str | None = None
    operation: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    start_ns: int
    end_ns: int
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    errors_only: bool = False
    limit: int = 20
    where: Call | None = None

    def widened(self) -> tuple[Query, ...]:
        """The searches whose results together contain this one's; :func:`newest_first` filters and limits them.

        Jaeger's API searches for errors by ``error=true``, but its memory store (2.13) reads the text as false and
        returns the spans whose status is OK. Hence a second search with a higher limit and without that criterion.
        """
        if not self.errors_only:
            return (self,)
        tagged = replace(self, tags={**self.tags, "error": "true"}, errors_only=False)
        return tagged, replace(self, errors_only=False, limit=max(self.limit * 10, 500))


def newest_first(query: Query, found: Iterable[T], has_error: Callable[[T], bool]) -> list[T]:
    """The results of a query's wider forms (:meth:`Query.widened`), filtered, newest first, and limited."""
    wanted = [each for each in found if not query.errors_only or has_error(each)]
    return sorted(wanted, key=lambda each: each.start_ns, reverse=True)[: query.limit]


def legacy_parameters(query: Query, service: str) -> str:
    """Query string of ``/api/traces``: times in microseconds, durations in Go's syntax."""
    fields: dict[str, str] = {
        "service": service,
        "start": str(query.start_ns // 1000),
        "end": str(-(-query.end_ns // 1000)),
        "limit": str(query.limit),
    }
    if query.operation:
        fields["operation"] = query.operation
    if query.min_duration_ns is not None:
        fields["minDuration"] = go_duration(query.min_duration_ns)
    if query.max_duration_ns is not None:
        fields["maxDuration"] = go_duration(query.max_duration_ns)
    if query.tags:
        fields["tags"] = json.dumps(dict(query.tags), separators=(",", ":"))
    return urlencode(fields)


def v3_parameters(query: Query) -> str:
    """Query string of ``/api/v3/traces`` and ``/api/v3/trace-summaries``, in names that every version accepts."""
    fields: dict[str, str] = {
        "query.start_time_min": rfc3339(query.start_ns),
        "query.start_time_max": rfc3339(max(query.end_ns, query.start_ns + 1)),
        "query.num_traces": str(query.limit),
        "query.search_depth": str(query.limit),
    }
    if query.service:
        fields["query.service_name"] = query.service
    if query.operation:
        fields["query.operation_name"] = query.operation
    if query.min_duration_ns is not None:
        fields["query.duration_min"] = go_duration(query.min_duration_ns)
    if query.max_duration_ns is not None:
        fields["query.duration_max"] = go_duration(query.max_duration_ns)
    if query.tags:
        fields["query.attributes"] = json.dumps(dict(query.tags), separators=(",", ":"))
    return urlencode(fields)


def go_duration(nanoseconds: int) -> str:
    """A duration in the syntax of Go's ``time.ParseDuration``."""
    return f"{nanoseconds}ns"


def rfc3339(nanoseconds: int) -> str:
    """An instant in RFC 3339 with nine fractional digits, UTC."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return f"{(_EPOCH + timedelta(seconds=seconds)):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"
