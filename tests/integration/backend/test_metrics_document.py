"""``devenv metrics`` on every trace backend: the same figures from the same spans, and what Jaeger does not store."""

from __future__ import annotations

import time

import pytest
from otlp_build import MS, SECOND
from trace_sources import OF_JAEGER, OVER_HTTP, Site, site

from devenv.app.traces.metrics import MOST, document_of
from devenv.model.span import Span, SpanKind, Status
from devenv.traces.client import TraceClient

__all__ = ["site"]  # a fixture


def answered(service: str, number: int, *, kind: SpanKind = SpanKind.SERVER, status: Status = Status.UNSET) -> Span:
    start = time.time_ns() - 30 * SECOND
    return Span(
        trace_id=f"{time.time_ns():032x}",
        span_id=f"{number + 1:016x}",
        service=service,
        name="GET",
        kind=kind,
        start_ns=start,
        end_ns=start + (number + 1) * MS,
        status=status,
    )


@pytest.mark.parametrize("site", OVER_HTTP, indirect=True)
async def test_the_figures_are_the_same(site: Site) -> None:
    assert isinstance(site.source, TraceClient)
    name = f"s{time.time_ns()}"
    spans = [answered(name, number, status=Status.ERROR if number < 3 else Status.UNSET) for number in range(60)]
    await site.store(*spans, answered(name, 200, kind=SpanKind.CLIENT))
    await site.arrived(spans[-1].trace_id, 1)
    found = await document_of(site.source, name, now=time.time_ns())
    (figures,) = found.spans
    assert (figures.service, figures.calls, figures.errors) == (name, 60, 3)
    assert (figures.p50_ms, figures.p95_ms, figures.p99_ms) == (30.0, 57.0, None)
    assert figures.rate == pytest.approx(60 / figures.seconds, rel=0.01)
    assert found.stored is site.embedded
    assert found.series == []
    assert found.looked_at == (None if site.embedded else 61)
    assert not found.older_left_out


@pytest.mark.parametrize("site", OF_JAEGER, indirect=True)  # the embedded backend computes the figures itself
async def test_what_is_left_out_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(site.source, TraceClient)
    assert MOST >= 500
    monkeypatch.setattr("devenv.app.traces.metrics.MOST", 5)
    name = f"t{time.time_ns()}"
    spans = [answered(name, number) for number in range(8)]
    await site.store(*spans)
    await site.arrived(spans[-1].trace_id, 1)
    found = await document_of(site.source, name, now=time.time_ns())
    assert (found.looked_at, found.older_left_out, found.spans[0].calls) == (5, True, 5)
