"""Figures of a trace worked by hand, and the samples that percentiles need."""

from __future__ import annotations

import pytest

from devenv.analysis.figures.operations import Figures, mean_self_ms
from devenv.analysis.percentiles import settled_percentile, settled_samples_needed
from devenv.analysis.trace_report import TraceReport
from devenv.analysis.tree import build_tree
from devenv.model.span import SpanKind, Status
from devenv.model.trace import collect
from devenv.testing.spans import SpanBuilder


def checkout(make: SpanBuilder) -> list:  # type: ignore[type-arg]
    """gateway 0-100, its call to auth 10-60 (auth 15-55), a write to a queue 70-90 whose consumer works 80-200."""
    return [
        make.span("load", 9, took=110, service="devenv"),
        make.span("GET /", 1, 9, took=100, service="gateway", kind=SpanKind.SERVER),
        make.span("POST", 2, 1, at=10, took=50, service="gateway", kind=SpanKind.CLIENT),
        make.span("POST /verify", 3, 2, at=15, took=40, service="auth", kind=SpanKind.SERVER, status=Status.ERROR),
        make.span("send", 4, 1, at=70, took=20, service="gateway", kind=SpanKind.PRODUCER),
        make.span("receive", 5, 4, at=80, took=120, service="worker", kind=SpanKind.CONSUMER),
    ]


def test_figures_of_a_trace_by_hand() -> None:
    report = TraceReport()
    report.add_all(collect(checkout(SpanBuilder(10**18))))
    figures = report.figures
    assert {name: len(samples) for name, samples in figures.services.items()} == {"gateway": 1, "auth": 1, "worker": 1}
    assert {key[:2]: mean_self_ms(value) for key, value in figures.operations.items()} == {
        ("gateway", "GET /"): 30.0,  # 100 - 50 - 20
        ("gateway", "POST"): 10.0,
        ("auth", "POST /verify"): 40.0,
        ("gateway", "send"): 10.0,  # the consumer's first 10 ms are within it
        ("worker", "receive"): 120.0,
    }
    assert figures.critical_ns == 100_000_000
    shares = {(item.service, item.operation): item.critical_share for item in figures.bottlenecks()}
    assert shares == {
        ("auth", "POST /verify"): 0.4,
        ("gateway", "GET /"): 0.3,
        ("gateway", "POST"): 0.1,
        ("gateway", "send"): 0.1,
        ("worker", "receive"): 0.1,
    }
    assert next(iter(shares)) == ("auth", "POST /verify")
    send = figures.operations["gateway", "send", SpanKind.PRODUCER]
    assert (send.outlived, send.samples.errors) == (1, 0)
    assert figures.operations["auth", "POST /verify", SpanKind.SERVER].failed == checkout_id(report)
    assert (len(figures.entries), figures.entries.errors) == (1, 0)


def checkout_id(report: TraceReport) -> str:
    return next(iter(report.figures.operations.values())).slowest


def test_a_job_is_a_request_of_its_service_and_its_inner_spans_are_not() -> None:
    make = SpanBuilder(10**18)
    figures = Figures()
    spans = [make.span("nightly", 1, service="job"), make.span("step", 2, 1, service="job")]
    figures.add(build_tree(collect(spans)[0]))
    assert len(figures.services["job"]) == 1
    assert len(figures.operations) == 2


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 20), (0.9, 100), (0.99, 1000), (0.999, 10_000)])
def test_a_percentile_needs_ten_samples_beyond_it(quantile: float, needed: int) -> None:
    assert settled_samples_needed(quantile) == needed
    assert settled_percentile(list(range(needed - 1)), quantile) is None
    assert settled_percentile(list(range(1, needed + 1)), quantile) == needed * quantile


def test_thresholds_are_measured_by_the_rules_of_load_runs() -> None:
    figures = Figures()
    for number in range(300):
        make = SpanBuilder(10**18)
        status = Status.ERROR if number < 3 else Status.UNSET
        span = make.span("GET /", 1, took=number + 1, service="web", kind=SpanKind.SERVER, status=status)
        figures.add(build_tree(collect([span])[0]))
    measured = figures.entries.measured(10.0)
    assert (measured["p99"], measured["p999"], measured["max"]) == (297.0, None, 300.0)
    assert (measured["errors"], measured["errors_count"], measured["rate"]) == (1.0, 3.0, 30.0)
    assert figures.entries.percentiles((0.5, 0.99)) == [150.0, None]
