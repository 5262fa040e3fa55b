"""Rate, errors and durations over time, computed from the stored spans.

The figures are those that Jaeger's Monitor page asks a metrics storage for, as its Prometheus reader defines them: each
point looks back over a window. Here they are exact, because no span was put into a bucket before. A span counts when it
ends.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Literal

from devenv.analysis.percentiles import nearest_rank
from devenv.analysis.span_figures import ANSWERED, Answered, SpanFigures, span_figures
from devenv.backend.store.decoding import Steps, duration, encoded, ends, is_error, readable, snapshot
from devenv.backend.store.store import Store
from devenv.immutable import immutable
from devenv.model.span import NS_PER_MS, SpanKind
from devenv.otlp.values import text

Measure = Literal["calls", "errors", "latencies"]
Group = tuple[str, str]
"""A service, and the name of an operation; empty if operations are not asked for apart."""
Point = tuple[int, float]
"""A time in ns, and a value."""

MOST_POINTS = 11_000
"""Points of one series, as Prometheus limits them."""
_TRACES = 64
_POINTS = 256


@immutable(kw_only=True)
class MetricsWindow:
    """What is asked for; times in ns.

    Attributes:
        services: their names.
        kinds: numbers of the span kinds that count.
        by_operation: whether each span name has its own series.
        start, end: of the points, both inclusive.
        step: between two points.
        window: what each point looks back over.
    """

    services: frozenset[str]
    kinds: frozenset[int]
    by_operation: bool
    start: int
    end: int
    step: int
    window: int


def series(
    store: Store, asked: MetricsWindow, measure: Measure, quantile: float = 0.0
) -> Steps[dict[Group, list[Point]]]:
    """Compute the points of each group that has spans.

    ``calls`` are calls per second, ``errors`` a share of the calls (0 to 1), ``latencies`` a quantile in ms by the
    nearest-rank rule. A point of errors or latencies is left out if no call ended in its window; the points of calls
    begin with the first span.
    """
    found: dict[Group, list[Point]] = {}
    spans = yield from _ended(store, asked)
    for group in sorted(spans):
        points = found[group] = []
        for number, point in enumerate(_points(sorted(spans[group]), asked, measure, quantile), 1):
            points.append(point)
            if number % _POINTS == 0:
                yield None
    return found


def figures(store: Store, services: frozenset[str], now: int, window: int) -> Steps[dict[str, SpanFigures]]:
    """Compute the figures of each service that has answered a call in the ``window`` before ``now``, both in ns."""
    asked = MetricsWindow(
        services=services,
        kinds=frozenset(tuple(SpanKind).index(kind) for kind in ANSWERED),
        by_operation=False,
        start=now,
        end=now,
        step=window,
        window=window,
    )
    spans = yield from _ended(store, asked)
    found = {service: span_figures(calls, now) for (service, _), calls in sorted(spans.items())}
    return {service: each for service, each in found.items() if each is not None}


def _ended(store: Store, asked: MetricsWindow) -> Steps[dict[Group, list[Answered]]]:
    found: dict[Group, list[Answered]] = {}
    earliest = asked.start - asked.window
    seen: set[bytes] = set()
    for service in sorted(asked.services):
        for number, trace in enumerate(store.newest(service), 1):
            if number % _TRACES == 0:
                yield None
            if not trace.alive or trace.id in seen or trace.end <= earliest or trace.start > asked.end:
                continue
            seen.add(trace.id)
            distinct = yield from encoded(snapshot(trace, store.scopes))
            for scope, payloads in distinct.chunks:
                name = scope.service.name
                if name not in asked.services:
                    continue
                for span in readable(payloads):
                    end = ends(span)
                    if span.kind in asked.kinds and earliest < end <= asked.end:
                        group = (name, text(span.name) if asked.by_operation else "")
                        found.setdefault(group, []).append(Answered(end, duration(span), is_error(span)))
    return found


def _points(spans: list[Answered], asked: MetricsWindow, measure: Measure, quantile: float) -> Iterator[Point]:
    # The spans are in order of their ends: `first` and `next_` are the edges of the window, which only move on.
    first = next_ = failed = 0
    durations: list[int] = []
    for now in range(asked.start, asked.end + 1, asked.step):
        while next_ < len(spans) and spans[next_].end <= now:
            failed += spans[next_].failed
            if measure == "latencies":
                insort(durations, spans[next_].took)
            next_ += 1
        while first < next_ and spans[first].end <= now - asked.window:
            failed -= spans[first].failed
            if measure == "latencies":
                del durations[bisect_left(durations, spans[first].took)]
            first += 1
        count = next_ - first
        if measure == "calls":
            if next_:
                yield now, count * 1e9 / asked.window
        elif count:
            yield now, failed / count if measure == "errors" else nearest_rank(durations, quantile) / NS_PER_MS
