from __future__ import annotations

import pytest

from devenv.analysis.percentiles import nearest_rank, percentile, samples_needed
from devenv.analysis.thresholds import METRICS, evaluate, parse_threshold
from devenv.errors import UsageError


@pytest.mark.parametrize(
    ("expression", "metric", "operator", "limit"),
    [
        ("p99<250ms", "p99", "<", 250),
        ("p999 <= 1.5s", "p999", "<=", 1500),
        ("p50_service<800us", "p50_service", "<", 0.8),
        ("p99_lag<5ms", "p99_lag", "<", 5),
        ("max<2s", "max", "<", 2000),
        ("errors<1%", "errors", "<", 1),
        ("errors==0", "errors_count", "==", 0),
        ("traced==100%", "traced", "==", 100),
        ("rate>=49.5", "rate", ">=", 49.5),
        ("rate>=49rps", "rate", ">=", 49),
        ("dropped==0", "dropped", "==", 0),
        (" p95 > .5 s ", "p95", ">", 500),
    ],
)
def test_expressions_are_read(expression: str, metric: str, operator: str, limit: float) -> None:
    threshold = parse_threshold(expression)
    assert (threshold.metric, threshold.operator, threshold.limit) == (metric, operator, pytest.approx(limit))
    assert threshold.expression == expression


@pytest.mark.parametrize(
    ("expression", "column", "found"),
    [
        ("", 1, ""),
        ("<5ms", 1, "<5ms"),
        ("p98<5ms", 1, "p98"),
        ("p99=5ms", 4, "="),
        ("p99=<5ms", 4, "=<"),
        ("p99", 4, ""),
        ("p99<fast", 5, "fast"),
        ("p99<5", 6, ""),
        ("p99<5%", 6, "%"),
        ("p99<5msec", 6, "msec"),
        ("errors<5ms", 9, "ms"),
        ("traced==100", 12, ""),
        ("p99<5ms 7", 6, "ms 7"),
        ("p99<.ms", 5, ".ms"),
    ],
)
def test_a_bad_expression_names_column_and_find(expression: str, column: int, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_threshold(expression)
    assert (caught.value.details["column"], caught.value.details["found"]) == (column, found)
    assert f"column {column}" in caught.value.message


def test_a_misspelt_metric_is_suggested() -> None:
    with pytest.raises(UsageError) as caught:
        parse_threshold("eror<1%")
    assert caught.value.hint == "did you mean 'errors'?"
    assert set(METRICS) >= {"p50", "p999_service", "max_lag", "errors", "traced", "rate", "dropped"}


@pytest.mark.parametrize(
    ("expression", "value", "ok"),
    [
        ("p99<250ms", 249.9, True),
        ("p99<250ms", 250.0, False),
        ("p99<=250ms", 250.0, True),
        ("p99>1ms", 1.5, True),
        ("traced==100%", 100.0, True),
        ("traced==100%", 99.8, False),
        ("errors!=0", 3.0, True),
        ("p99<250ms", None, False),
    ],
)
def test_what_could_not_be_measured_is_not_kept(expression: str, value: float | None, ok: bool) -> None:
    threshold = parse_threshold(expression)
    (found,) = evaluate([threshold], {threshold.metric: value})
    assert (found.expr, found.value, found.ok) == (threshold.expression, value, ok)


def test_a_metric_that_was_not_measured_at_all() -> None:
    (found,) = evaluate([parse_threshold("p99<1s")], {})
    assert (found.value, found.ok) == (None, False)


@pytest.mark.parametrize(("quantile", "needed"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)])
def test_a_percentile_needs_enough_samples(quantile: float, needed: int) -> None:
    assert samples_needed(quantile) == needed
    assert percentile(range(needed), quantile) is not None
    assert percentile(range(needed - 1), quantile) is None


def test_nearest_rank_is_exact() -> None:
    hundred = list(range(1, 101))
    assert [nearest_rank(hundred, quantile) for quantile in (0.01, 0.5, 0.9, 0.99, 0.999)] == [1, 50, 90, 99, 100]
    assert nearest_rank([7.0], 0.5) == 7.0
