"""The log lines on the page of a trace."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from embedded.in_process import PROTOBUF, backend
from embedded.log_build import logged, make_record
from otlp_build import MS, make_span, one, span_id, trace_id

from devenv.backend.query.source import StoreSource
from devenv.backend.server import Backend
from devenv.dashboard.log_list import SHOWN
from devenv.dashboard.trace_page import TracePage
from devenv.http.server import HttpRequest, Response

__all__ = ["backend"]
START = 1_700_000_000_000_000_000
TRACE, ROOT, CHILD = trace_id(), span_id(), span_id()


def send(backend: Backend, path: str, body: bytes) -> None:
    handler = backend._receiver.logs if path == "/v1/logs" else backend._receiver.traces
    answer = handler(HttpRequest("POST", path, "", {"content-type": PROTOBUF}, body))
    assert isinstance(answer, Response)
    assert answer.status == 200


async def shown(backend: Backend, query: str = "", trace: bytes = TRACE) -> str:
    page = TracePage(StoreSource(backend.store, logs=backend.logs))
    request = replace(HttpRequest("GET", f"/trace/{trace.hex()}", query, {}), arguments={"id": trace.hex()})
    answer = await page(request)
    body: Any = answer.body
    return (body if isinstance(body, bytes) else b"".join(body)).decode()


def listed(html: str) -> list[str]:
    """The rows of the list as text, with the names of shapes in brackets."""
    html = re.sub(r'<svg[^>]*><use href="#i-(\w+)"></use></svg>', r"[\1] ", html)
    rows = re.findall(r'<details class="log"><summary>(.*?)</summary>', html, re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row)).strip() for row in rows]


@pytest.fixture
def page(backend: Backend) -> Backend:
    """A trace of two spans, with log records and events."""
    events = [("exception", 30 * MS, {"exception.type": "Timeout", "exception.message": "late"})]
    root = make_span(TRACE, id=ROOT, name="root", start=START, took=100 * MS)
    child = make_span(TRACE, id=CHILD, parent=ROOT, name="child", start=START + 10 * MS, took=50 * MS, events=events)
    send(backend, "/v1/traces", one("web", root, child))
    return backend


async def test_lines_are_in_order_of_time_and_lead_to_their_spans(page: Backend) -> None:
    lost = span_id()
    records = [
        make_record("after", trace=TRACE, at=START + 120 * MS, severity=0),
        make_record("slow", trace=TRACE, span=CHILD, at=START + 20 * MS, severity=13),
        make_record("before", trace=TRACE, span=ROOT, at=START - 1 * MS),
        make_record("lost", trace=TRACE, span=lost, at=START + 50 * MS, severity=21),
        make_record("another trace", trace=trace_id(), span=ROOT, at=START),
    ]
    send(page, "/v1/logs", logged("web", *records))
    html = await shown(page)
    assert listed(html) == [
        "-1.00 ms web INFO before root",
        "+20.0 ms web [warn] WARN slow child",
        "+40.0 ms web [bad] ERROR exception: Timeout: late child",
        f"+50.0 ms web [bad] FATAL lost span {lost.hex()[:8]} is missing",
        "+120 ms web after no span",
    ]
    assert f'<a href="#in-{CHILD.hex()}" class="where" title="child">child</a>' in html
    assert html.count(f'id="in-{CHILD.hex()}"') == 1
    assert '<a href="#logs">5 log lines</a>' in html
    # At its time on the bar of its span; the one before the trace is at its start.
    assert 'cx="20.000%" cy="3" r="2.5" class="dot warn"><title>WARN slow</title>' in html
    assert 'cx="0.000%" cy="3" r="2.5" class="dot soft"><title>INFO before</title>' in html
    assert html.count('class="dot ') == 3


async def test_markup_in_a_record_is_text(page: Backend) -> None:
    evil = '<script>alert("x")</script>\x00</title>'
    record = make_record(
        evil + "\n" + evil, trace=TRACE, span=CHILD, at=START, severity_text=evil, attributes={evil: evil}, event=evil
    )
    send(page, "/v1/logs", logged(evil, record))
    html = await shown(page)
    assert "<script" not in html
    assert "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;\ufffd&lt;/title&gt;" in html


async def test_a_line_of_a_span_that_is_not_shown_leads_to_the_page_with_all(page: Backend) -> None:
    html = await shown(page, "spans=1")
    assert f'href="?spans=2#in-{CHILD.hex()}"' in html


async def test_a_long_list_says_what_it_leaves_out(page: Backend) -> None:
    records = [make_record(f"line {number}", trace=TRACE, at=START + number) for number in range(SHOWN + 5)]
    send(page, "/v1/logs", logged("web", *records))
    html = await shown(page)
    assert len(listed(html)) == SHOWN
    assert "The trace has older log records, too. Showing the first 1,000 of 1,001 lines." in html


async def test_without_lines_there_is_no_list(backend: Backend) -> None:
    send(backend, "/v1/traces", one("web", make_span(TRACE, start=START)))
    html = await shown(backend)
    assert "log line" not in html
    assert 'class="logs"' not in html


async def test_a_trace_of_which_only_log_records_arrived(backend: Backend) -> None:
    send(backend, "/v1/logs", logged("web", make_record("alone", trace=TRACE, span=ROOT)))
    html = await shown(backend)
    assert "No span of this trace has arrived" in html
    assert listed(html) == [f"+0 web INFO alone span {ROOT.hex()[:8]} is missing"]
