"""Rate, errors and durations by service and operation, with self time and time on the critical path."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from devenv.analysis.critical_path import critical_path
from devenv.analysis.figures.self_time import outliving, self_time
from devenv.analysis.percentiles import percentile, settled_percentile
from devenv.analysis.tree import SpanTree
from devenv.immutable import immutable
from devenv.model.span import NS_PER_MS, Span, SpanKind

ANSWERED = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
"""Kinds of the spans of requests and messages that a service received."""

_QUANTILES = {"50": 0.5, "90": 0.9, "95": 0.95, "99": 0.99, "999": 0.999}

OperationKey = tuple[str, str, SpanKind]
"""Service, span name and kind."""


@dataclass(slots=True)
class Samples:
    """Durations (ns) of calls, in the order in which they were added, and how many calls failed."""

    durations: array[int] = field(default_factory=lambda: array("q"))
    errors: int = 0

    def add(self, span: Span) -> None:
        """Add one call."""
        self.durations.append(span.duration_ns)
        self.errors += span.is_error

    def percentiles(self, quantiles: Iterable[float]) -> list[float | None]:
        """Exact percentiles in milliseconds; ``None`` with too few samples for one."""
        ordered = sorted(self.durations)
        found = (settled_percentile(ordered, quantile) for quantile in quantiles)
        return [None if value is None else round(value / NS_PER_MS, 3) for value in found]

    def measured(self, seconds: float) -> dict[str, float | None]:
        """The values of thresholds, by their metrics: the same rules as for load runs."""
        ordered = sorted(self.durations)
        found = {f"p{name}": percentile(ordered, quantile) for name, quantile in _QUANTILES.items()}
        found["max"] = float(ordered[-1]) if ordered else None
        measured = {name: None if value is None else round(value / NS_PER_MS, 3) for name, value in found.items()}
        measured["errors"] = 100 * self.errors / len(ordered) if ordered else None
        measured["errors_count"] = float(self.errors)
        measured["rate"] = round(len(ordered) / seconds, 3)
        return measured

    def __len__(self) -> int:
        return len(self.durations)


@dataclass(slots=True)
class OperationFigures:
    """What is known of one operation.

    Attributes:
        samples: all its spans.
        self_ns: sum of the spans' self times.
        critical_ns: time that its spans themselves were on the critical paths of their traces.
        outlived: spans of which a child ended later than the span itself.
        slowest: trace ID of the longest span.
        failed: trace ID of the first span with an error.
    """

    samples: Samples = field(default_factory=Samples)
    self_ns: int = 0
    critical_ns: int = 0
    outlived: int = 0
    slowest: str = ""
    failed: str = ""
    longest_ns: int = -1

    def add(self, span: Span, children: tuple[Span, ...]) -> None:
        """Add one span of the operation."""
        duration = span.duration_ns
        self.samples.add(span)
        if duration > self.longest_ns:
            self.longest_ns, self.slowest = duration, span.trace_id
        if span.is_error and not self.failed:
            self.failed = span.trace_id
        if children:
            self.self_ns += self_time(span, children)
            self.outlived += outliving(span, children) > 0
        else:
            self.self_ns += duration


@immutable()
class Bottleneck:
    """An operation with its share (0 to 1) of all time on critical paths, and its mean self time in milliseconds."""

    service: str
    operation: str
    kind: SpanKind
    critical_share: float
    self_ms: float


class Figures:
    """Figures of many traces, which are added one by one; memory grows by 8 bytes for each span and request.

    Attributes:
        operations: by service, span name and kind.
        services: the requests of each service (:func:`is_request`).
        entries: the first request of each trace.
        critical_ns: time on the critical paths of all traces.
        first_ns: start of the earliest trace, nanoseconds since the epoch; 0 without traces.
    """

    def __init__(self) -> None:
        self.operations: dict[OperationKey, OperationFigures] = {}
        self.services: dict[str, Samples] = {}
        self.entries = Samples()
        self.critical_ns = 0
        self.first_ns = 0

    def add(self, tree: SpanTree) -> None:
        """Add one trace."""
        operations = self.operations
        for span in tree.spans:
            key = (span.service, span.name, span.kind)
            found = operations.get(key)
            if found is None:
                found = operations[key] = OperationFigures()
            found.add(span, tree.below(span))
            if is_request(tree, span):
                samples = self.services.get(span.service)
                if samples is None:
                    samples = self.services[span.service] = Samples()
                samples.add(span)
        self.entries.add(tree.tops[0])
        self.first_ns = min(self.first_ns or tree.spans[0].start_ns, tree.spans[0].start_ns)
        for segment in critical_path(tree):
            span = segment.span
            operations[span.service, span.name, span.kind].critical_ns += segment.duration_ns
            self.critical_ns += segment.duration_ns

    def critical_share(self, figures: OperationFigures) -> float:
        """Share (0 to 1) of an operation of all time on critical paths."""
        return figures.critical_ns / self.critical_ns if self.critical_ns else 0.0

    def bottlenecks(self, most: int = 10) -> list[Bottleneck]:
        """Operations with time on critical paths, the one with most of it first."""
        ranked = sorted(self.operations.items(), key=lambda item: (-item[1].critical_ns, item[0]))
        return [
            Bottleneck(service, operation, kind, self.critical_share(figures), mean_self_ms(figures))
            for (service, operation, kind), figures in ranked[:most]
            if figures.critical_ns
        ]


def mean_self_ms(figures: OperationFigures) -> float:
    """Mean self time of an operation's spans, in milliseconds."""
    return round(figures.self_ns / len(figures.samples) / NS_PER_MS, 3)


def is_request(tree: SpanTree, span: Span) -> bool:
    """Whether a span is a request of its service: one that it received, or one that it began itself, as a job does."""
    if span.kind in ANSWERED:
        return True
    parent = tree.parent(span)
    return parent is None or parent.service != span.service
