"""Each messy trace is shown alike by the command line, the pages and the JSON documents, whichever backend has it.

The sources read the embedded store in process, and both of Jaeger's JSON dialects on the embedded backend and on a real
Jaeger. What is right for each trace is stated in devenv.testing.messy_traces.
"""

from __future__ import annotations

import html
import re
import time

import pytest
from trace_sources import Site, ids, prefix, site

from devenv.analysis.waterfall import Waterfall
from devenv.app.traces.lookup import shown_trace, trace_document, traces_document
from devenv.cli.views.traces import LEVELS, show_trace
from devenv.dashboard.pages import page_routes
from devenv.dashboard.sheet import MAX_DEPTH
from devenv.drawing.words import counted
from devenv.http.server import HttpRequest, Response, Router
from devenv.http.server.turns import Turns
from devenv.model.listings import TraceDocument
from devenv.model.trace import MARKS
from devenv.testing.messy_traces import MESSY_TRACES, MessyTrace, Place, messy_trace
from devenv.traces.query import Query

__all__ = ["prefix", "site"]  # fixtures

SECOND = 10**9
ROWS = 500
"""Rows on a page: the rest is cut, so that the deep and the wide trace are drawn in less than a second."""

MARK_OF = {text: mark for mark, text in MARKS.items()}
CELL = re.compile(r'<div class="name d(\d+)" title="[^"]*?: ([^"]*)">(.*?)</div>')


class Lines:
    """Stands in for the terminal."""

    width = None

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


async def page(site: Site, path: str, query: str = "") -> str:
    found = Router(page_routes(site.source)).resolve(HttpRequest("GET", path, query, {}))
    assert not isinstance(found, Response)
    response = await found[0](found[1])
    assert response.status == 200
    if isinstance(response.body, bytes):
        return response.body.decode()
    return b"".join([piece async for piece in Turns().paced(response.body)]).decode()


def places_on_page(text: str) -> tuple[Place, ...]:
    found = []
    for depth, name, content in CELL.findall(text):
        marks = tuple(MARK_OF[mark] for mark in re.findall(r'#i-warn"></use></svg>([^<]*?) <', content))
        found.append((html.unescape(name), int(depth), marks))
    return tuple(found)


def places_in_terminal(trace: Waterfall) -> tuple[Place, ...]:
    output = Lines()
    show_trace(trace, output)  # type: ignore[arg-type]  # of the output only line() and width are used
    found = []
    for line in output.lines[1:-2]:
        label = re.split(r" {2,}[━─]", line)[0].rstrip() if re.match(r"\s*\S", line) else line
        indent = len(label) - len(label.lstrip())
        name = re.sub(r"  +.*", "", label.lstrip()).partition(": ")[2]
        marks = tuple(MARK_OF[text.strip()] for text in line.split("⚠")[1:])
        found.append((name, indent // 2, marks))
    return tuple(found)


def places_in_json(document: TraceDocument) -> tuple[Place, ...]:
    return tuple((span.operation, span.depth, tuple(span.marks)) for span in document.spans)


def limited(rows: tuple[Place, ...], deepest: int) -> tuple[Place, ...]:
    """Rows as a view shows them that stops indenting at some depth."""
    return tuple((name, min(depth, deepest), marks) for name, depth, marks in rows)


@pytest.mark.parametrize("name", MESSY_TRACES)
async def test_messy_traces_are_shown_alike(site: Site, prefix: str, name: str) -> None:
    messy = messy_trace(name, time.time_ns() // 1000 * 1000 - 2 * SECOND, prefix)
    await site.store(*messy.spans)
    trace = await site.arrived(messy.trace_id, len(messy.rows))

    rows = shown_trace(trace, site.source)
    assert places_in_json(trace_document(rows)) == messy.rows
    assert places_in_terminal(rows) == limited(messy.rows, LEVELS)
    shown = await page(site, f"/trace/{messy.trace_id}", f"spans={ROWS}")
    assert places_on_page(shown) == limited(messy.rows[:ROWS], MAX_DEPTH)
    await same_summary(site, prefix, messy, shown)


async def same_summary(site: Site, prefix: str, messy: MessyTrace, trace_page: str) -> None:
    """The search of the command line, its JSON, the search page, and the page of the trace count alike."""
    now = time.time_ns()
    found = await site.source.search(Query(service=f"{prefix}web", start_ns=now - 60 * SECOND, end_ns=now + SECOND))
    assert ids(found) == [messy.trace_id]
    (row,) = traces_document(found, site.source).traces
    assert (row.root_operation, row.spans, row.orphans, row.errors) == (
        messy.root,
        len(messy.rows),
        messy.orphans,
        messy.errors,
    )
    search_page = await page(site, "/search", f"service={prefix}web&lookback=1m")
    for text in (search_page, trace_page):
        assert counted(len(messy.rows), "span") in text
        assert (f"{prefix}web root" in text) == bool(messy.root)
        for count, noun in ((messy.orphans, "orphan span"), (messy.errors, "error")):
            shown = re.findall(rf">\s*([\d,]+ {noun}s?)<", text)
            assert shown == ([counted(count, noun)] if count else [])
