"""The verdict on a run, and the exit code that follows from it."""

from __future__ import annotations

import io
from typing import Any

import pytest

from devenv.analysis.thresholds import evaluate, parse_threshold
from devenv.app.load.load import verdict_code
from devenv.cli.output import Output, Style
from devenv.cli.views.runs import show_load
from devenv.load import report
from devenv.load.verdict import judge
from devenv.model.load_documents import LagDocument, LoadDocument, PercentilesDocument, TraceCountsDocument


def run(*fail: str, **fields: Any) -> LoadDocument:
    """A run of 80 requests that an older version would have saved, judged."""
    values: dict[str, Any] = {
        "run_id": "r",
        "valid": True,
        "target_rps": 40,
        "achieved_rps": 40,
        "sent": 80,
        "completed": 80,
        "errors": {},
        "dropped": 0,
        "response_ms": PercentilesDocument(),
        "service_ms": PercentilesDocument(),
        "generator_lag_ms": LagDocument(),
        "traces": TraceCountsDocument(complete=80),
        "slowest": [],
        "cpu_us_per_request": 1.0,
        "duration_s": 2.0,
    } | fields
    failed = sum(values["errors"].values())
    measured = report.measurements(
        sent=values["sent"],
        failed=failed,
        dropped=values["dropped"],
        achieved_rps=values["achieved_rps"],
        response=values["response_ms"],
        service=values["service_ms"],
        lag=values["generator_lag_ms"],
        traces=values["traces"],
    )
    thresholds = evaluate([parse_threshold(expression) for expression in fail], measured)
    document = LoadDocument(**values, thresholds=thresholds)
    return document.model_copy(update={"verdict": "failed" if judge(document) else "passed"})


def lines(document: LoadDocument) -> list[str]:
    out = io.StringIO()
    output = Output(style=Style(), stdout=out, stderr=io.StringIO(), live=False, colour=False)
    show_load(document, output)
    return out.getvalue().splitlines()


def first_line(document: LoadDocument) -> str:
    return lines(document)[0]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"errors": {"http_503": 49}}, "Failed: 49 of 80 requests failed (49 http_503)"),
        (
            {"errors": {"http_503": 79, "refused": 1}},
            "Failed: 80 of 80 requests failed (79 http_503, 1 refused)",
        ),
        ({"errors": {"http_503": 1}}, "Failed: 1 of 80 requests failed (1 http_503)"),
        ({"dropped": 20}, "Failed: 20 of 100 requests dropped: too many in flight"),
        (
            {"unverified_reason": "connection refused", "traces": TraceCountsDocument(unverified=80)},
            "Failed: traces could not be verified: connection refused",
        ),
        (
            {"interrupted": True, "interrupted_by": "down"},
            "Failed: cut short after 2.0 s, as the project was removed",
        ),
        ({"valid": False, "invalid_reason": "the load generator was late"}, "Failed: the load generator was late"),
    ],
)
def test_a_run_that_shows_nothing_good_is_negative_and_its_first_line_says_why(
    fields: dict[str, Any], line: str
) -> None:
    document = run(**fields)
    assert verdict_code(document) == 1
    assert first_line(document) == line


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "Passed: 80 of 80 requests succeeded, 80 of 80 traces complete"),
        ({"sent": 100, "errors": {"reset": 1}}, "Passed: 99 of 100 requests succeeded, 80 of 100 traces complete"),
        (
            {"traces": TraceCountsDocument(unverified=80)},
            "Passed: 80 of 80 requests succeeded, traces not verified",
        ),
        (
            {"traces": TraceCountsDocument(absent=79, late=1)},
            "Passed: 80 of 80 requests succeeded, 1 of 80 traces complete",
        ),
        (
            {"traces": TraceCountsDocument(absent=80)},
            (
                "Passed: 80 of 80 requests succeeded; traces are not judged without `--fail 'traced==100%'`, and none "
                "of 80 traces is complete"
            ),
        ),
        (
            {"traces": TraceCountsDocument(unverified=80), "redirects": 80},
            "Passed: 80 of 80 requests succeeded (80 redirects, not followed), traces not verified",
        ),
    ],
)
def test_a_run_that_passed_says_what_it_has_shown(fields: dict[str, Any], line: str) -> None:
    document = run(**fields)
    assert verdict_code(document) == 0
    assert first_line(document) == line


@pytest.mark.parametrize(
    ("fail", "fields"),
    [
        ("errors<70%", {"errors": {"http_503": 49}}),
        ("errors<=49", {"errors": {"http_503": 49}}),
        ("dropped<=20", {"dropped": 20}),
        ("rate>=30", {"dropped": 20}),
        ("traced>=10%", {"unverified_reason": "connection refused"}),
    ],
)
def test_a_threshold_about_the_same_decides_instead(fail: str, fields: dict[str, Any]) -> None:
    assert verdict_code(run(**fields)) == 1
    assert verdict_code(run(fail, **fields)) == 0


def test_a_threshold_that_accepts_incomplete_traces_has_judged_them() -> None:
    document = run("traced>=0%", traces=TraceCountsDocument(absent=80))
    assert verdict_code(document) == 0
    assert first_line(document) == "Passed: 80 of 80 requests succeeded, 0 of 80 traces complete"


def test_a_threshold_about_something_else_does_not_excuse_failed_requests() -> None:
    document = run("traced==100%", errors={"http_503": 80})
    assert verdict_code(document) == 1
    assert first_line(document).startswith("Failed: 80 of 80 requests failed")


def test_a_threshold_that_is_not_met_is_named() -> None:
    assert first_line(run("errors==0%", errors={"reset": 40})) == ("Failed: threshold errors==0% not met (measured 50)")


def test_a_threshold_without_a_measurement_is_not_met() -> None:
    document = run("p99<250ms", errors={"refused": 80}, completed=0)
    assert verdict_code(document) == 1
    assert lines(document)[-1] == "  FAIL       p99<250ms (not measured)"
    assert lines(run("errors==0%"))[-1] == "  ok         errors==0% (measured 0)"


def test_a_run_ended_by_a_signal_has_the_code_of_an_interruption() -> None:
    document = run(interrupted=True, interrupted_by="signal")
    assert verdict_code(document) == 130
    assert first_line(document) == "Failed: cut short after 2.0 s"
