"""Rate, errors and durations over time equal what a count for each point gives."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_build import make_span, request, resource_spans

from devenv.analysis.percentiles import nearest_rank
from devenv.backend.query.span_metrics import Measure, MetricsWindow, Point, series
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import batches

SERVICES = ("a", "b")
spans = st.lists(
    st.tuples(
        st.sampled_from(SERVICES),
        st.sampled_from(("read", "write")),
        st.integers(0, 5),  # kind
        st.integers(1, 60),  # start
        st.integers(1, 20),  # duration
        st.sampled_from((0, 1, 2)),  # status
        st.integers(1, 4),  # trace
    ),
    max_size=30,
)
windows = st.builds(
    MetricsWindow,
    services=st.sets(st.sampled_from(SERVICES), min_size=1).map(frozenset),
    kinds=st.sets(st.integers(0, 5), min_size=1).map(frozenset),
    by_operation=st.booleans(),
    start=st.integers(0, 40),
    end=st.integers(40, 90),
    step=st.integers(1, 30),
    window=st.integers(1, 50),
)


def stored(found: list[tuple[str, str, int, int, int, int, int]]) -> Store:
    store = Store(1 << 20)
    for number, (service, name, kind, start, took, status, trace) in enumerate(found, 1):
        span = make_span(
            trace.to_bytes(16, "big"),
            id=number.to_bytes(8, "big"),
            name=name,
            kind=kind,
            start=start,
            took=took,
            status=status,
        )
        for batch in batches(request(resource_spans(service, span))):
            store.add(batch, columns.decode(batch.spans))
    return store


def expected(
    found: list[tuple[str, str, int, int, int, int, int]], asked: MetricsWindow, measure: Measure, quantile: float
) -> dict[tuple[str, str], list[Point]]:
    groups: dict[tuple[str, str], list[tuple[int, int, bool]]] = {}
    for service, name, kind, start, took, status, _ in found:
        end = start + took
        if service in asked.services and kind in asked.kinds and asked.start - asked.window < end <= asked.end:
            groups.setdefault((service, name if asked.by_operation else ""), []).append((end, took, status == 2))
    return {group: list(points(calls, asked, measure, quantile)) for group, calls in groups.items()}


def points(
    calls: list[tuple[int, int, bool]], asked: MetricsWindow, measure: Measure, quantile: float
) -> Iterator[Point]:
    for now in range(asked.start, asked.end + 1, asked.step):
        inside = [call for call in calls if now - asked.window < call[0] <= now]
        if measure == "calls":
            if any(end <= now for end, _, _ in calls):
                yield now, len(inside) / (asked.window / 1e9)
        elif inside and measure == "errors":
            yield now, sum(failed for _, _, failed in inside) / len(inside)
        elif inside:
            yield now, nearest_rank(sorted(took for _, took, _ in inside), quantile) / 1e6


@settings(deadline=None)
@given(spans, windows, st.sampled_from(("calls", "errors", "latencies")), st.sampled_from((0.5, 0.95, 1.0)))
def test_every_point_is_what_a_count_gives(
    found: list[tuple[str, str, int, int, int, int, int]], asked: MetricsWindow, measure: Measure, quantile: float
) -> None:
    steps = series(stored(found), asked, measure, quantile)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            given_points = end.value
            break
    wanted = expected(found, asked, measure, quantile)
    assert given_points.keys() == wanted.keys()
    for group, made in given_points.items():
        assert [at for at, _ in made] == [at for at, _ in wanted[group]]
        for (_, value), (_, other) in zip(made, wanted[group], strict=True):
            assert abs(value - other) <= 1e-9 * max(abs(other), 1)
