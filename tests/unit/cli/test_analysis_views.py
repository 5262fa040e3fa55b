"""What `devenv map` and `devenv report` print: the answer first, tables that fit, marks with words."""

from __future__ import annotations

import io
from typing import Any

import pytest

from devenv.cli.output import Output, Style
from devenv.cli.views.marks import PLAIN as MARKS
from devenv.cli.views.marks import milliseconds, share
from devenv.cli.views.report import show_report
from devenv.cli.views.service_map import show_map
from devenv.drawing.words import counted
from devenv.model.analysis.map_document import EdgePart, MapDocument, NodePart
from devenv.model.analysis.report_document import (
    BottleneckPart,
    ChangePart,
    ComponentPart,
    IncidentPart,
    ObjectivePart,
    OperationPart,
    ReportDocument,
    ServiceFiguresPart,
)
from devenv.model.load_documents import ThresholdDocument

TIME = "2026-11-27T14:02:{:02d}.000000000Z"
FIGURES: dict[str, Any] = {"requests": 2904, "rate": 48.2, "errors": 0, "p50_ms": 8.0, "p90_ms": 15.0, "p99_ms": 21.0}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError  # a terminal that does not know its size has 80 columns


def edge(caller: str, callee: str, **changes: Any) -> EdgePart:
    given = {"declared": True, "observed": True, "calls": 2904, "errors": 0, "p50_ms": 8.0, "p99_ms": 21.0}
    return EdgePart(caller=caller, callee=callee, **{**given, **changes})


def service_map(*edges: EdgePart, **changes: Any) -> MapDocument:
    kinds = {"cache": "database", "db": "database", "mail": "external"}
    names = sorted({name for each in edges for name in (each.caller, each.callee)})
    nodes = [NodePart.model_validate({"name": name, "kind": kinds.get(name, "service"), "spans": 1}) for name in names]
    given = {"source": "jaeger", "since": TIME.format(0), "until": TIME.format(1), "looked_at": 2904, "ui_url": "URL"}
    return MapDocument(nodes=nodes, edges=list(edges), **{**given, **changes})


def printed(
    show: Any, document: Any, *, plain: bool = False, stdout: io.StringIO | None = None, **more: Any
) -> list[str]:
    stdout = stdout or io.StringIO()
    output = Output(style=Style(plain=plain), stdout=stdout, stderr=io.StringIO(), live=False, colour=False)
    show(document, output, **more)
    return stdout.getvalue().splitlines()


EDGES = (
    edge("auth", "cache", observed=False, calls=0, p50_ms=None, p99_ms=None),
    edge("auth", "user", not_continued=76),
    edge("gateway", "auth", calls=186, errors=76, p99_ms=None),
    edge("user", "db", declared=False, in_process=True),
    edge("user", "mail", declared=False, calls=12, p50_ms=None, p99_ms=None),
)


def test_a_map_says_first_what_differs_from_the_stack() -> None:
    lines = printed(show_map, service_map(*EDGES))
    assert lines[0] == (
        "3 services, 3 other systems, 5 edges from 2,904 traces; "
        "1 declared call not made, 1 call seen and not declared, 1 call not continued."
    )
    assert [line.split() for line in lines[2:8]] == [
        ["CALLER", "CALLED", "CALLS", "ERRORS", "P50", "P99"],
        ["auth", "┄▷", "cache", "(database)", "0", "declared,", "not", "called"],
        ["─▶", "user", "2,904", "0", "8", "ms", "21", "ms", "76", "not", "continued", "!"],
        ["gateway", "─▶", "auth", "186", "41%", "✘", "8", "ms", "-"],
        ["user", "─▶", "db", "(database)", "2,904", "0", "8", "ms", "21", "ms"],
        ["+▶", "mail", "(external)", "12", "0", "-", "-", "seen,", "not", "declared", "!"],
    ]
    assert lines[8].startswith("not continued: no span of the called service below")
    assert lines[9:] == ["-: p50 needs 20 calls, p99 1,000", "URL"]


def test_a_plain_map_has_ascii_only() -> None:
    text = "\n".join(printed(show_map, service_map(*EDGES), plain=True)[1:])
    assert text.isascii()
    assert "..>" in text
    assert "41% ERR" in text


def test_a_map_fits_80_columns() -> None:
    long = edge("a-service-with-a-long-name", "another-service-with-a-long-name", errors=3, declared=False)
    assert all(len(line) <= 80 for line in printed(show_map, service_map(*EDGES, long), stdout=Terminal())[2:])


def test_a_map_without_a_stack_file_says_so_and_marks_nothing() -> None:
    lines = printed(show_map, service_map(edge("a", "b", declared=False), declared_known=False, older_left_out=True))
    assert "+▶" not in "".join(lines)
    assert lines[-3:] == [
        "The stack file of this project was not found: declared calls are not known.",
        "The newest 2,904 traces were looked at; --limit sets how many.",
        "URL",
    ]


def test_a_map_of_nothing() -> None:
    assert printed(show_map, service_map(looked_at=0)) == ["0 services, 0 edges from 0 traces.", "URL"]


def operation(name: str, kind: str = "server", **changes: Any) -> OperationPart:
    given = {**FIGURES, "self_ms": 1.0, "critical_share": 0.3, "slowest_trace": "ab" * 16}
    return OperationPart(name=name, kind=kind, **{**given, **changes})


def report(**changes: Any) -> ReportDocument:
    services = [
        ServiceFiguresPart(name="auth", critical_share=0.3, operations=[operation("POST /verify")], **FIGURES),
        ServiceFiguresPart(
            name="gateway",
            critical_share=0.7,
            operations=[
                operation("GET /a", requests=2718, critical_share=0.6),
                operation("GET /b", requests=186, errors=76, p99_ms=None, failed_trace="cd" * 16),
                operation("tiny", "internal", critical_share=0.001),
            ],
            **{**FIGURES, "errors": 76},
        ),
    ]
    given: dict[str, Any] = {
        "source": "embedded",
        "since": TIME.format(0),
        "until": TIME.format(59),
        "services": services,
        "bottlenecks": [BottleneckPart(service="gateway", operation="GET /a", critical_share=0.63, self_ms=2.0)],
        "requests": 2904,
        "errors": 76,
        "seconds": 60.0,
        "looked_at": 2904,
    }
    return ReportDocument(**{**given, **changes})


def objective(**changes: Any) -> ObjectivePart:
    given: dict[str, Any] = {
        "name": "checkout latency",
        "service": "gateway",
        "operation": None,
        "target": "99% < 250 ms",
        "wanted": 0.99,
        "value": 0.961,
        "ok": False,
        "budget_left": -2.9,
        "burn": 9.8,
        "burn_5m": 3.9,
        "requests": 100,
        "bad": 4,
        "window_s": None,
    }
    return ObjectivePart(**{**given, **changes})


def test_a_report_begins_with_the_answer() -> None:
    lines = printed(show_report, report(slo=[objective()]), incident=False)
    assert lines[0] == "1 objective is broken. 2,904 requests, 2.6% failed. 63% of the time is in gateway GET /a."
    assert [line.split() for line in lines[2:7]] == [
        ["SERVICE", "/", "OPERATION", "REQ/S", "ERRORS", "P50", "P90", "P99", "N", "PATH"],
        ["▌gateway", "48.2", "2.6%", "✘", "8", "ms", "15", "ms", "21", "ms", "2,904", "70%"],
        ["GET", "/a", "48.2", "0", "8", "ms", "15", "ms", "21", "ms", "2,718", "60%"],
        ["GET", "/b", "48.2", "41%", "✘", "8", "ms", "15", "ms", "-", "186", "30%"],
        ["▌auth", "POST", "/verify", "48.2", "0", "8", "ms", "15", "ms", "21", "ms", "2,904", "30%"],
    ]
    assert lines[7:] == [
        "OBJECTIVES  ✘ checkout latency  96.1% of 99% < 250 ms  budget -290%  burn 9.8 (5 min: 3.9)",
        "-: too few samples; needed are p99 1,000",
        "2,904 traces looked at.",
        f"Slowest gateway GET /a: devenv traces show {'ab' * 16}",
        f"Failed gateway GET /b: devenv traces show {'cd' * 16}",
    ]


def test_objectives_and_thresholds_say_what_they_lack() -> None:
    thresholds = [
        ThresholdDocument(expr="p99<1ms", value=None, ok=False),
        ThresholdDocument(expr="budget>0%", value=None, ok=False),
        ThresholdDocument(expr="errors<5%", value=2.617, ok=True),
    ]
    quiet = objective(name="mail", value=None, ok=True, burn=None, burn_5m=None)
    lines = printed(show_report, report(slo=[quiet], thresholds=thresholds), plain=True, incident=False)
    assert [line for line in lines if line.startswith(("OBJ", "THR"))] == [
        "OBJECTIVES  OK mail  no requests  (99% < 250 ms)",
        "THRESHOLD   ERR p99<1ms  no value: too few requests",
        "THRESHOLD   ERR budget>0%  no value: no objectives with requests",
        "THRESHOLD   OK errors<5%  measured 2.617",
    ]


def test_a_report_fits_80_columns_and_says_what_is_missing() -> None:
    many = report(missing=3, older_left_out=True)
    lines = printed(show_report, many, stdout=Terminal(), incident=False)
    assert all(len(line) <= 80 for line in lines[2:7])
    assert (
        "2,904 traces looked at, the newest ones; --limit sets how many; "
        "the trace backend does not have 3 traces of the run." in lines
    )


def test_a_report_of_nothing() -> None:
    empty = report(services=[], bottlenecks=[], requests=0, errors=0, looked_at=0)
    assert printed(show_report, empty, incident=False) == ["No requests: 0 traces found.", "0 traces looked at."]


def component(service: str, name: str, **changes: Any) -> ComponentPart:
    given: dict[str, Any] = {
        "error": "deadline exceeded",
        "since": TIME.format(11),
        "requests": 212,
        "share": 0.4,
        "example_traces": ["4f2c9e1a" * 4],
    }
    return ComponentPart(service=service, operation=name, **{**given, **changes})


def test_an_incident_names_its_cause_and_what_changed_before() -> None:
    changes = [
        ChangePart(time=TIME.format(10), service="orders", what="was killed: out of memory"),
        ChangePart(time=TIME.format(30), service="orders", what="was restarted"),
    ]
    components = [component("orders", "SELECT"), component("gateway", "GET /", caused_by=0)]
    found = report(incident=IncidentPart(components=components, changes=changes))
    lines = printed(show_report, found, incident=True)
    assert lines[0] == (
        '✘ orders SELECT fails since 14:02:11.000: "deadline exceeded", 212 of 530 requests (40%). '
        "Before that, orders was killed: out of memory (14:02:10.000)."
    )
    assert [line.split() for line in lines[3:5]] == [
        ["1", "orders", "SELECT", "deadline", "exceeded", "14:02:11.000", "212", "4f2c9e1a"],
        ["2", "gateway", "GET", "/", "caused", "by", "1", "14:02:11.000", "212", "4f2c9e1a"],
    ]
    assert lines[5:] == [
        "",
        "CHANGES",
        "  14:02:10.000  orders was killed: out of memory",
        "  14:02:30.000  orders was restarted",
        "2,904 traces looked at.",
    ]


def test_an_incident_that_only_callers_see_says_so() -> None:
    found = report(incident=IncidentPart(components=[component("auth", "POST", seen_by="gateway")], changes=[]))
    assert "auth POST fails since 14:02:11.000 (seen by gateway): " in printed(show_report, found, incident=True)[0]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (
            component("orders", "SELECT", kind="latency", error="slower", before_ms=2.1, after_ms=152.0),
            "✘ orders SELECT is slower since 14:02:11.000: 2.1 ms → 152 ms, 212 of 530 requests (40%).",
        ),
        (
            component("auth", "GET /a", kind="lost context", error="no longer continues traces of gateway"),
            "✘ auth GET /a no longer continues traces of gateway since 14:02:11.000, 212 of 530 calls (40%).",
        ),
        (
            component("auth", "GET /a", kind="lost context", error="user no longer continues its traces"),
            "✘ auth GET /a: user no longer continues its traces since 14:02:11.000, 212 of 530 calls (40%).",
        ),
        (
            component("web", "GET /", kind="crash", error="exited with 137", requests=0, share=0.0, example_traces=[]),
            "✘ web exited with 137 at 14:02:11.000, no request is known to have failed.",
        ),
    ],
)
def test_each_kind_of_fault_has_its_sentence(part: ComponentPart, said: str) -> None:
    found = report(incident=IncidentPart(components=[part], changes=[]))
    assert printed(show_report, found, incident=True)[0] == said


def test_a_change_that_the_engine_sees_a_little_later_is_of_that_time() -> None:
    changes = [ChangePart(time=TIME.format(12), service="user", what="exited with 137")]
    found = report(incident=IncidentPart(components=[component("user", "GET", seen_by="auth")], changes=changes))
    assert printed(show_report, found, incident=True)[0].endswith("At that time, user exited with 137 (14:02:12.000).")


def test_of_a_crash_the_exit_is_named_and_not_the_start_after_it() -> None:
    changes = [
        ChangePart(time=TIME.format(11), service="user", what="exited with 137"),
        ChangePart(time=TIME.format(12), service="user", what="was restarted"),
    ]
    crash = component("user", "GET", seen_by="auth", kind="crash")
    found = report(incident=IncidentPart(components=[crash], changes=changes))
    assert printed(show_report, found, incident=True)[0].endswith("Before that, user exited with 137 (14:02:11.000).")


def test_no_incident() -> None:
    assert printed(show_report, report(errors=1), incident=True) == [
        "No incident: 1 request failed of 2,904, and nothing is slower than before (2,904 traces looked at)."
    ]


@pytest.mark.parametrize(
    ("part", "text"),
    [(0, "0"), (0.0001, "< 0.1%"), (0.002, "0.2%"), (0.41, "41%"), (-2.9, "-290%"), (1, "100%"), (-0.05, "-5.0%")],
)
def test_shares(part: float, text: str) -> None:
    assert share(part) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (0.0913, "91.3 µs"), (3.244, "3.24 ms"), (910.4, "910 ms"), (1234, "1.23 s")],
)
def test_durations_have_three_digits(value: float | None, text: str) -> None:
    assert milliseconds(value, MARKS) == text


def test_counts_have_separators_and_the_right_number() -> None:
    assert [counted(1, "trace"), counted(12480, "trace")] == ["1 trace", "12,480 traces"]
