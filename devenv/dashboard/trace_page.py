"""``/trace/<id>``: one trace as a waterfall."""

from __future__ import annotations

from itertools import chain
from typing import Any
from urllib.parse import quote

from devenv.backend import Store
from devenv.backend.api.ids import parse_trace_id
from devenv.backend.api.times import parse_integer
from devenv.backend.query.summaries import Summary, summarize
from devenv.backend.store.decoding import KINDS, DecodedTrace, decode_trace, duration, is_error
from devenv.backend.store.scopes import Scope
from devenv.dashboard.layout import MAX_DEPTH, Colours, long_page, page
from devenv.dashboard.markup import Child, Markup, element, join
from devenv.dashboard.units import show_duration, show_time
from devenv.dashboard.waterfall import Row, rows
from devenv.http.server import Request, Response
from devenv.otlp.values import as_text, plain, text

_ROWS = 1000
_TICKS = 4
_STATUS = ("", "OK", "ERROR")


class TracePage:
    """The handler."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, request: Request) -> Response:
        """The trace, or why there is none."""
        given = request.arguments["id"]
        try:
            trace_id = parse_trace_id(given)
            limit = parse_integer(request.parameters().first("spans") or str(_ROWS))
        except ValueError as error:
            return page("Trace", element("h1", "No such trace"), element("p", str(error)), status=400)
        trace = self._store.get(trace_id)
        if trace is None:
            return self._missing(trace_id)
        return _page(decode_trace(trace, self._store.scopes), max(limit, 1))

    def _missing(self, trace_id: bytes) -> Response:
        if self._store.evicted.among([trace_id]):
            reason = "It was here and was evicted to save memory; newer traces have taken its place."
        else:
            reason = "No span of it has arrived. It may still be on its way, unsampled, or sent elsewhere."
        heading = element("h1", "Trace ", element("code", trace_id.hex()), " is not here")
        return page("Trace", heading, element("p", reason, class_="note"), status=404)


def _page(trace: DecodedTrace, limit: int) -> Response:
    summary = summarize(trace)
    ordered = rows(trace)
    colours = Colours()
    title = f"{summary.root_service}: {summary.root_operation}" if summary.root_service else "Trace without a root"
    heading = join(
        element("h1", title),
        _facts(summary, max((row.depth for row in ordered), default=0) + 1),
        _services(summary, colours),
        _notes(trace, summary, len(ordered), limit),
    )
    return long_page(title, heading, chain([_ruler(summary)], (_row(row, summary, colours) for row in ordered[:limit])))


def _facts(summary: Summary, depth: int) -> Markup:
    path = quote(summary.trace_id)
    facts: list[Child] = [
        element("span", "Trace ", element("code", summary.trace_id)),
        element("span", show_time(summary.start)),
        element("span", "Duration ", element("strong", show_duration(summary.end - summary.start))),
        element("span", f"{summary.spans} spans, {len(summary.services)} services, depth {depth}"),
        element("span", f"{summary.errors} errors", class_="bad") if summary.errors else None,
        element("span", f"{summary.orphans} without their parent", class_="warn") if summary.orphans else None,
        element("a", "Jaeger JSON", href=f"/api/traces/{path}"),
        element("a", "OTLP JSON", href=f"/api/v3/traces/{path}"),
    ]
    return element("div", *facts, class_="facts")


def _services(summary: Summary, colours: Colours) -> Markup:
    tags = (
        element("span", f"{name} ({count.spans})", class_=f"tag {colours.of(name)}")
        for name, count in summary.services.items()
    )
    return element("p", *tags)


def _notes(trace: DecodedTrace, summary: Summary, count: int, limit: int) -> Markup:
    notes: list[Child] = []
    if summary.orphans:
        notes.append(
            "Some spans name a parent that is not in this trace: it was lost, is still on its way, or belongs to a "
            "service whose spans go elsewhere. They are marked ⚠ and stand at the top level."
        )
    if trace.truncated:
        notes.append("The trace is larger than the backend keeps; further spans were refused.")
    if count > limit:
        more = element("a", f"show all {count}", href=f"?spans={count}")
        notes.append(join(f"The first {limit} spans are shown; ", more, "."))
    return join(*(element("p", note, class_="note") for note in notes))


def _ruler(summary: Summary) -> Markup:
    whole = summary.end - summary.start
    ticks = (
        element(
            "text",
            show_duration(whole * tick // _TICKS) if tick else "0",
            x=f"{100 * tick / _TICKS:.0f}%",
            y="14",
            text_anchor="start" if tick == 0 else "end",
        )
        for tick in range(_TICKS + 1)
    )
    return element("div", element("div", "Service and operation", class_="name"), _line(*ticks), class_="ruler")


def _line(*content: Child) -> Markup:
    lines = (
        element("line", x1=f"{100 * tick / _TICKS:.0f}%", x2=f"{100 * tick / _TICKS:.0f}%", y2="22", class_="grid")
        for tick in range(1, _TICKS)
    )
    return element("svg", *lines, *content, class_="line")


def _row(row: Row, summary: Summary, colours: Colours) -> Markup:
    service, operation = row.scope.service.name, text(row.span.name)
    colour = colours.of(service)
    name = element(
        "div",
        element("b", service, class_=colour),
        " ",
        element("span", "● error ", class_="bad") if is_error(row.span) else None,
        element("span", "⚠ parent missing ", class_="warn") if row.orphan else None,
        element("span", operation, class_="soft"),
        class_=f"name d{min(row.depth, MAX_DEPTH)}",
        title=f"{service}: {operation}",
    )
    return element(
        "details",
        element("summary", name, _bar(row, summary, colour)),
        _detail(row, summary),
        class_="span",
        id=f"span-{row.span.span_id.hex()}",
    )


def _bar(row: Row, summary: Summary, colour: str) -> Markup:
    whole = max(summary.end - summary.start, 1)
    left = 100 * (row.span.start - summary.start) / whole
    width = min(max(100 * duration(row.span) / whole, 0.15), 100 - left)
    # The label stands where there is room: behind the bar, before it, or on it.
    x, anchor, shift, place = left + width, "start", "4", None
    if left + width > 85:
        x, anchor, shift, place = (left, "end", "-4", None) if left > 15 else (left, "start", "6", "on")
    label = element(
        "text", show_duration(duration(row.span)), x=f"{x:.3f}%", y="15", dx=shift, text_anchor=anchor, class_=place
    )
    bar = element("rect", x=f"{left:.3f}%", y="4", width=f"{max(width, 0.15):.3f}%", height="14", rx="2", class_=colour)
    return _line(bar, label)


def _detail(row: Row, summary: Summary) -> Markup:
    span, scope = row.span, row.scope
    about = [
        ("Span id", span.span_id.hex()),
        ("Parent", span.parent_span_id.hex()),
        ("Kind", KINDS[span.kind] if 0 <= span.kind < len(KINDS) else str(span.kind)),
        ("Starts", f"{show_duration(max(span.start - summary.start, 0))} after the trace"),
        ("Duration", show_duration(duration(span))),
        ("Status", _status(span)),
        ("Library", f"{scope.name} {scope.version}".strip()),
        ("Trace state", text(span.trace_state)),
    ]
    return element(
        "div",
        _table("", [pair for pair in about if pair[1]]),
        _table("Attributes", _pairs(span.attributes)),
        *(_event(event, span.start) for event in span.events),
        *(_link(link) for link in span.links),
        _table("Resource", _resource(scope)),
        class_="detail",
    )


def _status(span: Any) -> str:
    code = span.status.code
    shown = _STATUS[code] if 0 <= code < len(_STATUS) else str(code)
    return f"{shown} {text(span.status.message)}".strip()


def _pairs(attributes: Any) -> list[tuple[str, str]]:
    return sorted((text(pair.key), as_text(plain(pair.value))) for pair in attributes)


def _resource(scope: Scope) -> list[tuple[str, str]]:
    return sorted((key, as_text(value)) for key, value in scope.resource.items())


def _event(event: Any, start: int) -> Markup:
    offset = event.time - start
    when = f"at {show_duration(offset)}" if offset >= 0 else f"{show_duration(-offset)} before the span"
    return _table(f"Event {text(event.name)} {when}", _pairs(event.attributes), always=True)


def _link(link: Any) -> Markup:
    target = link.trace_id.hex()
    heading = element("h2", "Link to ", element("a", target, href=f"/trace/{quote(target)}#span-{link.span_id.hex()}"))
    return join(heading, _table("", _pairs(link.attributes)))


def _table(heading: str, pairs: list[tuple[str, str]], *, always: bool = False) -> Markup:
    title = element("h2", heading) if heading and (pairs or always) else None
    if not pairs:
        return join(title)
    lines = (element("tr", element("td", key), element("td", value)) for key, value in pairs)
    return join(title, element("table", *lines))
