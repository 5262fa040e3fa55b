"""What to search for, and how each of Jaeger's dialects wants it said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Criteria of a search; as in Jaeger all of them have to hold for one span of the trace.

    Attributes:
        service: required by the legacy dialect; ``None`` there asks each service in turn.
        operation: span name.
        tags: attributes by name; values as text.
        start_ns, end_ns: of the span's start, nanoseconds since the epoch.
        min_duration_ns, max_duration_ns: of the span.
        errors_only: traces in which any span has an error status, whatever span the other criteria hold for.
        limit: traces at most, the newest ones.
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

    def widened(self) -> tuple[Query, ...]:
        """The searches whose results together hold this one's, to be filtered and cut by the caller.

        ``error=true`` is how Jaeger's API asks for errors, but its memory store (2.13) reads the text as false and
        answers with the spans whose status is OK; hence a second, deeper search that leaves the errors to the caller.
        """
        if not self.errors_only:
            return (self,)
        tagged = replace(self, tags={**self.tags, "error": "true"}, errors_only=False)
        return tagged, replace(self, errors_only=False, limit=max(self.limit * 10, 500))


def legacy_parameters(query: Query, service: str) -> str:
    """Query string of ``/api/traces``: times in microseconds, durations as Go writes them."""
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
    """Query string of ``/api/v3/traces`` and ``/api/v3/trace-summaries``, in the names that every version takes."""
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
