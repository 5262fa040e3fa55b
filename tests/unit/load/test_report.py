from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from devenv.analysis.thresholds import evaluate, parse_threshold
from devenv.load import report
from devenv.load.rows import ROW, read_rows, sampled, trace_id, write_rows
from devenv.load.send.flight import Flight
from devenv.load.send.histogram import Histogram
from devenv.load.send.recorder import Recorder
from devenv.model.load_documents import LagDocument, PercentilesDocument, TraceCountsDocument
from devenv.model.run import RequestError, RowFlag

MS = 1_000_000


def rows(*fields: dict[str, Any]) -> Any:
    made = np.zeros(len(fields), dtype=ROW)
    for index, values in enumerate(fields):
        for name, value in ({"status": 200, "flags": int(RowFlag.SAMPLED), "number": index} | values).items():
            made[index][name] = value
    return made


def test_rows_come_back_in_the_order_of_the_schedule_whatever_order_they_ended_in(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    with Recorder(path) as recorder:
        for number in (2, 0, 1):
            flight = Flight(number, number * 10, number * 10 + 1, bytes([number]) * 16, bytes(8), number != 1, b"")
            flight.retried = number == 2
            recorder.add(flight, 100 + number, 200, RequestError.NONE if number else RequestError.STATUS)
        assert (recorder.rows, recorder.failed) == (3, 1)
        assert list(recorder.take_fresh()) == [102 - 20, 100, 101 - 10]
        assert list(recorder.take_fresh()) == []
    found = read_rows(path)
    assert list(found["number"]) == [0, 1, 2]
    assert list(found["intended"]) == [0, 10, 20]
    assert list(found["actual"]) == [1, 11, 21]
    assert list(found["end"]) == [100, 101, 102]
    assert list(sampled(found)) == [True, False, True]
    assert list(found["flags"] & RowFlag.RETRIED) == [0, 0, 2]
    assert [trace_id(row) for row in found] == ["00" * 16, "01" * 16, "02" * 16]
    write_rows(path, found)
    assert (read_rows(path) == found).all()


def test_more_rows_than_a_chunk_and_a_torn_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    with Recorder(path) as recorder:
        for number in range(10_000):
            recorder.add(Flight(number, 0, 0, bytes(16), bytes(8), True, b""), number, 200, RequestError.NONE)
    with path.open("ab") as file:
        file.write(b"half a row")
    assert list(read_rows(path)["end"]) == list(range(10_000))


def test_no_rows_file_is_no_rows(tmp_path: Path) -> None:
    assert len(read_rows(tmp_path / "none")) == 0


def test_latency_counts_from_the_intended_instant_and_service_time_from_the_actual_one() -> None:
    made = rows(*({"intended": 0, "actual": 2 * MS, "end": (2 + number) * MS} for number in range(1, 101)))
    assert report.response_times(made).p50 == 52
    assert report.service_times(made).p50 == 50
    assert report.service_times(made).p90 == 90
    assert report.response_times(made).max == 102
    assert report.response_times(made).p99 is None
    assert report.generator_lag(made) == LagDocument(p50=2, p99=2, max=2)


def test_what_was_given_up_counts_as_slow_and_what_never_connected_does_not_count() -> None:
    made = rows(
        *({"end": 10 * MS} for _ in range(4)),
        {"end": 5000 * MS, "status": 0, "error": RequestError.TIMEOUT},
        {"end": 0, "status": 0, "error": RequestError.REFUSED},
    )
    assert report.response_times(made).max == 5000
    assert report.response_times(made).p50 == 10


def test_an_empty_run_has_no_figures() -> None:
    assert report.response_times(rows()) == PercentilesDocument()
    assert report.generator_lag(rows()) == LagDocument()
    assert report.slowest(rows(), None) == []


def test_errors_are_counted_by_kind_the_most_frequent_first() -> None:
    made = rows(
        {},
        {"status": 0, "error": RequestError.TIMEOUT},
        {"status": 503, "error": RequestError.STATUS},
        {"status": 503, "error": RequestError.STATUS},
        {"status": 404, "error": RequestError.STATUS},
    )
    assert list(report.error_counts(made).items()) == [("http_503", 2), ("timeout", 1), ("http_404", 1)]


def test_the_slowest_are_answered_and_sampled() -> None:
    made = rows(
        *({"end": number * MS, "trace_id": bytes([number]) * 16} for number in range(1, 8)),
        {"end": 100 * MS, "flags": 0},
        {"end": 200 * MS, "status": 0, "error": RequestError.TIMEOUT},
    )
    found = report.slowest(made, lambda trace: f"/trace/{trace}")
    assert [each.response_ms for each in found] == [7, 6, 5, 4, 3]
    assert found[0].trace_id == "07" * 16
    assert found[0].ui_url == "/trace/" + "07" * 16


def measured(**fields: Any) -> dict[str, float | None]:
    values: dict[str, Any] = {
        "sent": 100,
        "failed": 2,
        "dropped": 1,
        "achieved_rps": 49.5,
        "response": PercentilesDocument(p99=12.5),
        "service": PercentilesDocument(p50=3.0),
        "lag": LagDocument(p99=0.5),
        "traces": TraceCountsDocument(complete=85, late=5, partial=5, unsampled=5),
    }
    return report.measurements(**values | fields)


@pytest.mark.parametrize(
    ("expression", "value", "ok"),
    [
        ("errors<=2%", 2.0, True),
        ("errors==2", 2, True),
        ("dropped==0", 1, False),
        ("rate>=49", 49.5, True),
        ("p99<10ms", 12.5, False),
        ("p50_service<5ms", 3.0, True),
        ("p99_lag<1ms", 0.5, True),
        ("p999<1s", None, False),
        ("traced>94%", 100 * 90 / 95, True),
    ],
)
def test_thresholds_are_held_against_what_was_measured(expression: str, value: float | None, ok: bool) -> None:
    (document,) = evaluate([parse_threshold(expression)], measured())
    assert (document.expr, document.value, document.ok) == (expression, pytest.approx(value), ok)


def test_traced_counts_what_was_not_looked_up_against_it_and_unsampled_not_at_all() -> None:
    assert measured(traces=TraceCountsDocument(complete=50, unverified=50))["traced"] == 50
    assert measured(traces=TraceCountsDocument(complete=50, unsampled=50))["traced"] == 100
    assert measured(traces=TraceCountsDocument(unsampled=100))["traced"] is None
    assert measured(traces=None)["traced"] is None
    assert measured(sent=0)["errors"] is None


def late(*lags_ms: float, of: int = 100) -> Any:
    """Rows of which some were sent late."""
    return rows(*({"actual": round(lag * MS)} for lag in (*lags_ms, *[0.0] * (of - len(lags_ms)))))


def reason(made: Any, service: PercentilesDocument) -> str:
    return report.invalid_reason(made, report.generator_lag(made), service)


def test_a_late_generator_makes_the_run_invalid() -> None:
    quick, slow = PercentilesDocument(p99=30.0), PercentilesDocument(max=500.0)
    budget = report.LAG_BUDGET_MS
    assert reason(late(budget, budget), quick) == ""
    assert "the load generator was late" in reason(late(budget + 0.1, budget + 0.1), quick)
    assert reason(late(50.0, 50.0), slow) == ""
    assert "budget 50 ms" in reason(late(50.1, 50.1), slow)
    assert reason(rows(), PercentilesDocument()) == ""


@pytest.mark.parametrize("of", [2, 40, 99, 100, 101, 199])
def test_a_single_late_request_does_not_make_a_short_run_invalid(of: int) -> None:
    assert reason(late(1000.0, of=of), PercentilesDocument()) == ""
    assert "the load generator was late" in reason(late(1000.0, 900.0, of=of), PercentilesDocument())


def test_the_live_histogram_is_right_within_its_precision() -> None:
    histogram = Histogram()
    assert histogram.quantile(0.5) == 0.0
    values = [number**3 for number in range(1, 2001)]
    histogram.add(array("q", values[:1000]))
    histogram.add(array("q", values[1000:]))
    histogram.add(array("q"))
    assert histogram.total == 2000
    for quantile in (0.001, 0.1, 0.5, 0.9, 0.99, 1.0):
        exact = values[max(int(np.ceil(quantile * 2000)), 1) - 1]
        assert histogram.quantile(quantile) == pytest.approx(exact, rel=1 / 128)


def test_negative_and_enormous_values_have_their_place() -> None:
    histogram = Histogram()
    histogram.add(array("q", [-5, 2**62]))
    assert histogram.quantile(0.5) == 0.0
    assert histogram.quantile(1.0) == pytest.approx(2**62, rel=1 / 128)


def test_redirects_are_counted_unless_they_are_failures() -> None:
    moved = {"status": 302}
    assert report.redirects(rows(moved, {"status": 308}, {}, {"status": 404, "error": RequestError.STATUS})) == 2
    assert report.redirects(rows({**moved, "error": RequestError.STATUS})) == 0
    assert report.redirects(rows()) == 0
