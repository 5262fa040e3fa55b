"""The rules about spans: SPA-001, SPA-002, SPA-004 and SPA-005."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from devenv.analysis.checks.observed import SeenTrace
from devenv.model.span import SpanKind

MOST_INTERNAL = 10
MOST_SHORT = 20
SHORT_NS = 5_000_000


def internal_spans(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """SPA-001: at most 10 INTERNAL spans of a service in a trace."""
    for service, spans in seen.by_service.items():
        yield service, sum(span.kind is SpanKind.INTERNAL for span in spans) <= MOST_INTERNAL


def orphans(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """SPA-002: each parent is in the trace; judged for the service of the span whose parent is not."""
    without = {span.service for span in seen.tree.orphans if span.span_id not in seen.tree.cycles}
    for service in seen.by_service:
        yield service, service not in without


def client_roots(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """SPA-004: a root span is not of kind CLIENT."""
    clients = {span.service for span in seen.tree.roots if span.kind is SpanKind.CLIENT}
    for service in seen.by_service:
        yield service, service not in clients


def short_spans(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """SPA-005: at most 20 spans shorter than 5 ms in a trace.

    A score is that of one service's telemetry, so the spans of a service are counted, not those of the whole trace.
    """
    short = Counter(span.service for span in seen.spans() if span.duration_ns < SHORT_NS)
    for service in seen.by_service:
        yield service, short[service] <= MOST_SHORT
