"""A trace, its summary in search results, and the classes in which requests end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal, get_args

from devenv.immutable import immutable
from devenv.model.span import Span

CanaryVerdict = Literal["complete", "partial", "split", "absent", "skipped"]
TraceClass = Literal["complete", "partial", "split", "orphaned", "late", "evicted", "unsampled", "unverified", "absent"]

Mark = Literal["orphan", "cycle", "duplicate", "skew", "reversed", "untimed"]
"""What is wrong with a span's place in its trace, or with its times; :data:`MARKS` explains each."""

MARKS: Mapping[Mark, str] = {
    "orphan": "parent missing",
    "cycle": "parent cycle",
    "duplicate": "duplicate span ID",
    "skew": "starts before its parent",
    "reversed": "ends before it starts",
    "untimed": "no start time",
}
"""The marks in the order in which they are shown, with the text that explains each to a person."""

TRACE_CLASSES: tuple[TraceClass, ...] = get_args(TraceClass)
"""All classes, in the order in which they are shown."""

OWN_SERVICE = "devenv"
"""``service.name`` of devenv's own spans, which maps and reports leave out unless asked for."""

UNNAMED_SERVICE = "unknown_service"
"""How the ``service.name`` of an SDK without one begins:
https://opentelemetry.io/docs/specs/semconv/resource/#semantic-attributes-with-sdk-provided-default-value"""

REQUEST_KEY = "devenv.request"
"""Baggage key and span attribute whose value is the trace id under which devenv sent a request."""

RUN_KEY = "devenv.run"
"""Attribute of a load run's root spans: the run's id."""


@immutable()
class Trace:
    """All spans of one trace ID; ``spans`` is not empty and in order of start (see :func:`collect`).

    Attributes:
        truncated: the backend rejected further spans because the trace is too large. ``False`` also if the backend
            does not report it, as Jaeger.
    """

    trace_id: str
    spans: tuple[Span, ...]
    truncated: bool = False

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
    """Group spans by trace ID, in order of first appearance.

    A copy of a span, equal in every field, is left out: exporters and searches deliver a span more than once. Different
    spans with one span ID are all kept.
    """
    grouped: dict[str, dict[str, Span]] = {}
    repeated: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if grouped.setdefault(span.trace_id, {}).setdefault(span.span_id, span) is not span:
            repeated[span.trace_id].append(span)
    return [
        Trace(trace_id, tuple(sorted([*by_id.values(), *_different(by_id, repeated.get(trace_id, []))], key=_by_start)))
        for trace_id, by_id in grouped.items()
    ]


def _different(first: Mapping[str, Span], repeated: list[Span]) -> list[Span]:
    """The repeated spans that are not copies; compared by their text, which takes linear time and handles NaN."""
    seen = {repr(first[span.span_id]) for span in repeated}
    kept = []
    for span in repeated:
        if (text := repr(span)) not in seen:
            seen.add(text)
            kept.append(span)
    return kept


def _by_start(span: Span) -> tuple[int, str, str, str]:
    return span.start_ns, span.span_id, span.service, span.name


@immutable(kw_only=True)
class TraceSummary:
    """A trace without its spans: one row of a search.

    Attributes:
        root_service, root_operation: of the earliest span without a parent; empty if the trace has none (yet).
        services: ``(name, spans, error spans)`` of each service.
        entry_service, entry_operation: of the earliest span that is not devenv's own, below the root of a request of
            devenv; empty if it is not known, as in the summaries that Jaeger makes.
        orphans: number of spans whose parent is not in the trace.
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
    entry_service: str = field(default="", compare=False)
    entry_operation: str = field(default="", compare=False)

    @property
    def title(self) -> str:
        """What the trace is called: where a request entered the system; empty for a trace of lost parents."""
        return f"{self.entry_service or self.root_service} {self.entry_operation or self.root_operation}".strip()

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return max(self.end_ns - self.start_ns, 0)


@immutable()
class Operation:
    """A span name of a service; ``kind`` in lowercase, empty if unknown."""

    name: str
    kind: str = ""


@immutable()
class ServiceDependency:
    """Calls from one service to another, as the backend counted them; a service may call itself.

    Attributes:
        errors: calls whose span in the called service has an error status; ``None`` if the backend does not count
            them, as Jaeger.
    """

    parent: str
    child: str
    calls: int
    errors: int | None = None
