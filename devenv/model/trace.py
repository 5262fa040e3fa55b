"""A trace, its short form in search results, and the classes in which requests end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from devenv.model.span import Span

CanaryVerdict = Literal["complete", "partial", "split", "absent", "skipped"]
TraceClass = Literal["complete", "partial", "split", "orphaned", "late", "evicted", "unsampled", "unverified", "absent"]

TRACE_CLASSES: tuple[TraceClass, ...] = get_args(TraceClass)
"""All classes, in the order in which they are shown."""

OWN_SERVICE = "devenv"
"""``service.name`` of devenv's own spans, which maps and reports leave out unless asked for."""

REQUEST_KEY = "devenv.request"
"""Baggage key and span attribute whose value is the trace id under which devenv sent a request."""

RUN_KEY = "devenv.run"
"""Attribute of a load run's root spans: the run's id."""


@dataclass(frozen=True, slots=True)
class Trace:
    """All spans of one trace id, each span id once; ``spans`` is not empty and in order of start."""

    trace_id: str
    spans: tuple[Span, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """Names of the services that have spans here, in order of their first span; devenv itself is left out."""
        return tuple(dict.fromkeys(span.service for span in self.spans if span.service != OWN_SERVICE))

    @property
    def start_ns(self) -> int:
        """Start of the first span, nanoseconds since the epoch."""
        return min(span.start_ns for span in self.spans)

    @property
    def end_ns(self) -> int:
        """End of the last span, nanoseconds since the epoch."""
        return max(span.end_ns for span in self.spans)


def collect(spans: Iterable[Span]) -> list[Trace]:
    """Group spans by trace id, in order of first appearance; of a span id that comes twice the later one is kept."""
    grouped: dict[str, dict[str, Span]] = {}
    for span in spans:
        grouped.setdefault(span.trace_id, {})[span.span_id] = span
    return [
        Trace(trace_id, tuple(sorted(by_id.values(), key=lambda span: (span.start_ns, span.span_id))))
        for trace_id, by_id in grouped.items()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """One row of a search: what can be said of a trace without its spans.

    Attributes:
        root_service, root_operation: empty where the root is not (yet) there.
        services: ``(name, spans, error spans)`` of each service.
        orphans: spans whose parent is not in the trace.
    """

    trace_id: str
    root_service: str
    root_operation: str
    start_ns: int
    end_ns: int
    spans: int
    errors: int = 0
    orphans: int = 0
    services: tuple[tuple[str, int, int], ...] = ()

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return max(self.end_ns - self.start_ns, 0)


@dataclass(frozen=True, slots=True)
class Operation:
    """A span name of a service; ``kind`` in lower case, empty where unknown."""

    name: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Dependency:
    """Calls from one service to another, as the backend counted them; a service may call itself."""

    parent: str
    child: str
    calls: int
