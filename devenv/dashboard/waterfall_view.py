"""What a trace's page shows: the facts about it, and its spans as a waterfall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from devenv.analysis.summary import summarize
from devenv.analysis.waterfall import Row, waterfall
from devenv.dashboard.layout import MAX_DEPTH, Colours, in_pieces
from devenv.dashboard.log_list import TraceLine, detail_id, line_count, lines_of_span, log_lines, log_list, span_link
from devenv.dashboard.markup import Child, Markup, element, join
from devenv.dashboard.units import show_duration, show_time
from devenv.model.counts import plural
from devenv.model.span import Span, SpanEvent, SpanLink, Status, Value
from devenv.model.trace import MARKS, Mark, Trace, TraceSummary
from devenv.traces.jaeger_text import as_text
from devenv.traces.logs.source import NO_LOGS, LogSelection

_TICKS = 4
_DOTS = 50  # log lines that are drawn on the bar of one span
_MAJOR = 2  # the others have no room on a narrow screen
_NOTES: Mapping[Mark, str] = {
    "orphan": "Some spans name a parent that is not in this trace: it was lost, has not arrived yet, or belongs to a "
    "service that exports elsewhere. They are marked ⚠ and shown at the top level.",
    "cycle": "The parents of some spans lead back to the spans themselves. The first span of each such cycle is marked "
    "⚠ and shown at the top level.",
    "duplicate": "Some spans have the ID of another span of this trace. Child spans are shown below the first of them.",
    "skew": "Some spans start before their parent: the clocks of the machines differ. Times are shown as sent.",
    "reversed": "Some spans end before they start, or have no end time: a clock was set back, or the exporter is "
    "faulty. They are shown without a length.",
    "untimed": "Some spans have no start time, so they begin in 1970. The trace is as long as that.",
}


class WaterfallView:
    """A trace as it is drawn; the parts have to be in one page, because they share the services' colours.

    Args:
        trace: the trace.
        limit: the number of spans that are shown.
        logs: its log records.
    """

    def __init__(self, trace: Trace, limit: int, logs: LogSelection = NO_LOGS) -> None:
        self._trace = trace
        self._limit = limit
        self._rows = waterfall(trace)
        self._summary = summarize(trace)
        self._older_logs = bool(logs.before)
        self._lines = log_lines(trace.spans, logs.records)
        self._lines_of: dict[str, list[TraceLine]] = {}
        for line in self._lines:
            self._lines_of.setdefault(line.span_id, []).append(line)
        self._colours = Colours()
        for name, _, _ in self._summary.services:
            self._colours.of(name)

    @property
    def title(self) -> str:
        """The title of the page."""
        summary = self._summary
        if not summary.root_service:
            return "Trace without a root span"
        return f"{summary.root_service}: {summary.root_operation}"

    def pieces(self) -> Iterator[bytes]:
        """The content of the page; empty pieces are pauses."""
        yield from in_pieces(self._heading(), self._waterfall())
        if self._lines:
            yield from in_pieces(None, self._logs(), "logs")

    def _heading(self) -> Markup:
        """What is above the waterfall."""
        return join(
            element("h1", self.title),
            _facts(self._summary, self._rows, self._lines),
            _services(self._summary, self._colours),
            _notes(self._trace, self._rows, self._limit),
        )

    def _waterfall(self) -> Iterator[Markup]:
        """The ruler and the spans."""
        yield _ruler(self._summary)
        for row in self._rows[: self._limit]:
            yield _row(row, self._summary, self._colours, self._lines_of.get(row.span.span_id, ()))

    def _logs(self) -> Iterator[Markup]:
        """What is below the waterfall."""
        wanted = {line.span_id for line in self._lines}
        whole = f"?spans={len(self._rows)}"
        links: dict[str, Markup] = {}
        for number, row in enumerate(self._rows):
            if row.span.span_id in wanted:
                links.setdefault(row.span.span_id, span_link(row.span, "" if number < self._limit else whole))
        yield from log_list(self._lines, self._summary.start_ns, links, self._colours, older=self._older_logs)


def _facts(summary: TraceSummary, rows: Sequence[Row], lines: Sequence[TraceLine]) -> Markup:
    path = quote(summary.trace_id)
    depth = max(row.depth for row in rows) + 1
    size = f"{plural(summary.spans, 'span')}, {plural(len(summary.services), 'service')}, depth {depth}"
    facts: list[Child] = [
        element("span", "Trace ", element("code", summary.trace_id)),
        element("span", show_time(summary.start_ns)),
        element("span", "Duration ", element("strong", show_duration(summary.duration_ns))),
        element("span", size),
        element("span", plural(summary.errors, "error"), class_="bad") if summary.errors else None,
        element("span", plural(summary.orphans, "orphan span"), class_="warn") if summary.orphans else None,
        line_count(lines),
        element("a", "Jaeger JSON", href=f"/api/traces/{path}"),
        element("a", "OTLP JSON", href=f"/api/v3/traces/{path}"),
    ]
    return element("div", *facts, class_="facts")


def _services(summary: TraceSummary, colours: Colours) -> Markup:
    tags = (
        element("span", f"{name} ({spans})", class_=f"tag {colours.of(name)}") for name, spans, _ in summary.services
    )
    return element("p", *tags)


def _notes(trace: Trace, rows: Sequence[Row], limit: int) -> Markup:
    marks = {mark for row in rows for mark in row.marks}
    notes: list[Child] = [note for mark, note in _NOTES.items() if mark in marks]
    if trace.truncated:
        notes.append("The trace exceeds the backend's size limit; further spans were rejected.")
    if len(rows) > limit:
        more = element("a", f"show all {len(rows)}", href=f"?spans={len(rows)}")
        notes.append(join(f"Showing the first {plural(limit, 'span')}; ", more, "."))
    return join(*(element("p", note, class_="note") for note in notes))


def _ruler(summary: TraceSummary) -> Markup:
    whole = summary.duration_ns
    ticks = (
        element(
            "text",
            show_duration(whole * tick // _TICKS) if tick else "0",
            x=f"{100 * tick / _TICKS:.0f}%",
            y="14",
            text_anchor="start" if tick == 0 else "end",
            class_="minor" if tick % _MAJOR else None,
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


def _row(row: Row, summary: TraceSummary, colours: Colours, lines: Sequence[TraceLine]) -> Markup:
    span = row.span
    colour = colours.of(span.service)
    name = element(
        "div",
        element("b", span.service, class_=colour),
        " ",
        element("span", "● error ", class_="bad") if span.is_error else None,
        *(element("span", f"⚠ {MARKS[mark]} ", class_="warn") for mark in row.marks),
        element("span", span.name, class_="soft"),
        class_=f"name d{min(row.depth, MAX_DEPTH)}",
        title=f"{span.service}: {span.name}",
    )
    return element(
        "details",
        element("summary", name, _bar(row, summary, colour, lines)),
        _detail(row, lines),
        class_="span",
        id=f"span-{span.span_id}",
    )


def _bar(row: Row, summary: TraceSummary, colour: str, lines: Sequence[TraceLine]) -> Markup:
    whole = max(summary.duration_ns, 1)
    left = 100 * row.offset_ns / whole
    width = min(max(100 * row.span.duration_ns / whole, 0.15), 100 - left)
    # The label's position depends on the room: after the bar, before it, or on it.
    x, anchor, shift, place = left + width, "start", "4", None
    if left + width > 85:
        x, anchor, shift, place = (left, "end", "-4", None) if left > 15 else (left, "start", "6", "on")
    label = element(
        "text", show_duration(row.span.duration_ns), x=f"{x:.3f}%", y="15", dx=shift, text_anchor=anchor, class_=place
    )
    bar = element("rect", x=f"{left:.3f}%", y="4", width=f"{max(width, 0.15):.3f}%", height="14", rx="2", class_=colour)
    return _line(bar, *(_dot(line, summary, whole) for line in lines[:_DOTS]), label)


def _dot(line: TraceLine, summary: TraceSummary, whole: int) -> Markup:
    """A log line at its time; what is outside of the trace's time is at the end of it."""
    place = min(max(100 * (line.time_ns - summary.start_ns) / whole, 0), 100)
    title = element("title", f"{line.level} {line.text[:200]}".strip())
    return element("circle", title, cx=f"{place:.3f}%", cy="19", r="2.5", class_=f"dot {line.look}")


def _detail(row: Row, lines: Sequence[TraceLine]) -> Markup:
    span = row.span
    about = [
        ("Span ID", span.span_id),
        ("Parent", span.parent_id or ""),
        ("Kind", span.kind.name.lower() if span.kind else ""),
        ("Starts", f"{show_duration(row.offset_ns)} after the start of the trace"),
        ("Duration", show_duration(span.duration_ns)),
        ("Status", _status(span)),
        ("Library", f"{span.scope} {span.scope_version}".strip()),
        ("Trace state", span.trace_state),
    ]
    return element(
        "div",
        _table("", [pair for pair in about if pair[1]]),
        _table("Attributes", _pairs(span.attributes)),
        lines_of_span(lines, span.start_ns),
        *(_event(event, span.start_ns) for event in span.events),
        *(_link(link) for link in span.links),
        _table("Resource", _pairs(span.resource)),
        class_="detail",
        id=detail_id(span.span_id),
    )


def _status(span: Span) -> str:
    shown = span.status.name if span.status is not Status.UNSET else ""
    return f"{shown} {span.status_message}".strip()


def _pairs(attributes: Mapping[str, Value]) -> list[tuple[str, str]]:
    return sorted((key, as_text(value)) for key, value in attributes.items())


def _event(event: SpanEvent, start_ns: int) -> Markup:
    offset = event.time_ns - start_ns
    when = f"at {show_duration(offset)}" if offset >= 0 else f"{show_duration(-offset)} before the span"
    return _table(f"Event {event.name} {when}", _pairs(event.attributes), always=True)


def _link(link: SpanLink) -> Markup:
    heading = element(
        "h2", "Link to ", element("a", link.trace_id, href=f"/trace/{quote(link.trace_id)}#span-{link.span_id}")
    )
    return join(heading, _table("", _pairs(link.attributes)))


def _table(heading: str, pairs: list[tuple[str, str]], *, always: bool = False) -> Markup:
    title = element("h2", heading) if heading and (pairs or always) else None
    if not pairs:
        return join(title)
    lines = (element("tr", element("td", key), element("td", value)) for key, value in pairs)
    return join(title, element("table", *lines))
