"""What filters match: absent and several values, types, and whole traces."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.model.span import SpanEvent, SpanKind, SpanLink, Status
from devenv.model.trace import Trace
from devenv.testing.spans import MS, SpanBuilder
from devenv.traces.filters.expression import FilterError
from devenv.traces.filters.model_spans import TraceFilter
from devenv.traces.filters.narrowing import narrowing
from devenv.traces.filters.patterns import MAX_TEXT, Pattern
from devenv.traces.filters.text_form import parse

build = SpanBuilder(1_700_000_000_000_000_000)
ROOT = replace(
    build.span("GET /users", 1, took=100, kind=SpanKind.SERVER),
    attributes={"http.route": "/users", "code": 200, "both": "span", "text": "500", "ok": True, "tags": ["a"]},
    resource={"service.name": "web", "both": "resource", "host.name": "h1"},
    events=(
        SpanEvent(1_700_000_000_000_000_000 + MS, "retry", {"count": 1}),
        SpanEvent(1_700_000_000_000_000_000 + 9 * MS, "exception", {"count": 5}),
    ),
    links=(SpanLink("ab" * 16, "cd" * 8),),
)
CHILD = replace(
    build.span("SELECT", 2, 1, at=10, took=20, service="db", kind=SpanKind.CLIENT, status=Status.ERROR),
    attributes={"code": 500.0},
    status_message="broke",
)
TRACE = Trace(build.trace_id, (ROOT, CHILD))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # One span meets all of it.
        ("service = web and duration > 50ms", True),
        ("service = db and duration > 50ms", False),
        ("service = web and status = error", False),
        # An absent reference: only `not` turns it.
        ("service = web and missing != x", False),
        ("service = web and not missing = x", True),
        ("service = web and missing not in string(x)", False),
        ("service = web and statusMessage = ''", False),
        ("span.statusMessage exists", True),
        ("service = web and span.parentSpanID exists", False),
        # Several values: one meets a condition, none equals for a negated one.
        ("both = span and both = resource", True),
        ("both != span", False),
        ("both != other", True),
        ("resource.both = span", False),
        # Types: without one, any; with one, that one.
        ("code = 200", True),
        ("code = 200.0", True),
        ("code = string(200)", False),
        ("code = int(500)", False),
        ("code = double(500)", True),
        ("text = 500", True),
        ("ok = true", True),
        ("tags = '[\"a\"]'", True),
        # Order: numbers with numbers, text with text.
        ("code > 300", True),
        ("text > 300", False),
        ("text > string(300)", True),
        ("name > M", True),
        ("code ~ '5..'", True),
        ("name ~ select", False),
        # Events: any of them, or one and the same.
        ("event.name = exception and event.count = 1", True),
        ("any event(name = exception and count = 1)", False),
        ("any event(name = exception and count > 4 and timeSinceStart < 10ms)", True),
        ("any event(service = web)", True),
        ("any link(traceID = " + "AB" * 16 + ")", True),
        # Whole traces.
        ("trace.duration = 100ms and trace.spans = 2 and trace.errors = 1", True),
        ("service = web and trace.errors > 0", True),
        ("trace.service = web and trace.service = db", True),
        ("trace.service = other", False),
        ("any span(service = web) and any span(service = db and status = error)", True),
        ("root.service = web and root.name = 'GET /users'", True),
        ("root.http.route = /users and service = db", True),
        ("service = web and any child(service = db and status = error)", True),
        ("service = db and any child(service = web)", False),
        ("span.startTime < @span.endTime", True),
    ],
)
def test_what_matches(text: str, expected: bool) -> None:
    text = text.replace("statusMessage =", "span.statusMessage =")
    assert TraceFilter(parse(text)).matches(TRACE) is expected


@pytest.mark.parametrize(
    "text", ["scope.a = 1", "link.a = 1", "scope.schemaURL exists", "not a = 1 and link.traceState exists"]
)
def test_what_a_backend_does_not_return_is_refused(text: str) -> None:
    with pytest.raises(FilterError, match="cannot be searched for"):
        TraceFilter(parse(text))


def test_the_part_that_jaegers_parameters_can_say() -> None:
    text = (
        "service = web and name = x and duration > 1ms and duration <= 2ms and a = b and c = 5 and d = 5.0 "
        "and error = true and resource.service.name = web and not e = 1 and span.startTime >= 2023-11-14T22:13:20Z"
    )
    found = narrowing(parse(text))
    assert (found.service, found.operation) == ("web", "x")
    assert (found.duration_min, found.duration_max) == (MS + 1, 2 * MS)
    assert (found.start_min, found.start_max) == (1_700_000_000_000_000_000, 0)
    assert dict(found.tags) == {"a": "b", "c": "5"}
    assert narrowing(parse("service = web or name = x")).service == ""
    assert narrowing(parse("not (service = web and name = x)")).service == ""


def test_a_pattern_takes_linear_time() -> None:
    """Python's own matcher needs hours for this one."""
    assert not Pattern("(a+)+b|(a|aa)+c").within("a" * 5_000)
    assert not Pattern("b+c").within("a" * (MAX_TEXT + 10) + "bc")
