"""What a trace is called in lists: where the request entered the system."""

from __future__ import annotations

import pytest

from devenv.analysis.summary import summarize
from devenv.model.span import Span
from devenv.model.trace import collect


def span(service: str, name: str, parent: str | None, start: int) -> Span:
    return Span(
        trace_id="t", span_id=name, parent_id=parent, service=service, name=name, start_ns=start, end_ns=start + 10
    )


@pytest.mark.parametrize(
    ("spans", "title"),
    [
        ([span("web", "GET /", None, 5), span("db", "SELECT", "GET /", 6)], "web GET /"),
        ([span("devenv", "load missing", None, 5), span("web", "GET /", "load missing", 6)], "web GET /"),
        # A clock that is behind does not make another span the entry.
        (
            [span("devenv", "load", None, 5), span("web", "GET /", "load", 6), span("db", "SELECT", "GET /", 1)],
            "web GET /",
        ),
        # A scenario: its first step names it.
        (
            [
                span("devenv", "load", None, 1),
                span("devenv", "step", "load", 2),
                span("web", "second", "step", 9),
                span("web", "first", "step", 3),
            ],
            "web first",
        ),
        ([span("devenv", "canary", None, 5)], "devenv canary"),
        ([span("web", "second", None, 9), span("web", "first", None, 3)], "web first"),
        ([span("web", "GET /", "lost", 5)], ""),
    ],
)
def test_a_trace_is_called_by_its_entry(spans: list[Span], title: str) -> None:
    (trace,) = collect(spans)
    assert summarize(trace).title == title
