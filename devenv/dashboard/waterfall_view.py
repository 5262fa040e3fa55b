"""What a trace's page shows: the facts about it, and its spans as a waterfall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from devenv.analysis.summary import summarize
from devenv.analysis.waterfall import Row, waterfall
from devenv.dashboard.layout import in_pieces
from devenv.dashboard.log_list import TraceLine, detail_id, line_count, lines_of_span, log_lines, log_list, span_link
from devenv.dashboard.services import ServiceMarks
from devenv.dashboard.sheet import MAX_DEPTH
from devenv.dashboard.waterfall_bars import Bars
from devenv.drawing.markup import Child, Markup, element, join
from devenv.drawing.shapes import shape, status
from devenv.drawing.words import counted, show_duration, show_share, show_time
from devenv.model.span import Span, SpanEvent, SpanLink, Status, Value
from devenv.model.trace import MARKS, OWN_SERVICE, Mark, Trace, TraceSummary
from devenv.traces.jaeger_text import as_text
from devenv.traces.logs.source import NO_LOGS, LogSelection

_NOTES: Mapping[Mark, str] = {
    "orphan": "Some spans name a parent that is not in this trace: it was lost, has not arrived yet, or belongs to a "
    "service that exports elsewhere. They are marked and shown at the top level.",
    "cycle": "The parents of some spans lead back to the spans themselves. The first span of each such cycle is marked "
    "and shown at the top level.",
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
        services: names of all services, which decide about colours.
    """

    def __init__(self, trace: Trace, limit: int, logs: LogSelection = NO_LOGS, services: Sequence[str] = ()) -> None:
        self._trace = trace
        self._limit = limit
        self._rows = waterfall(trace)
        self._summary = summarize(trace)
        self._older_logs = bool(logs.before)
        self._lines = log_lines(trace.spans, logs.records)
        self._lines_of: dict[str, list[TraceLine]] = {}
        for line in self._lines:
            self._lines_of.setdefault(line.span_id, []).append(line)
        self._marks = ServiceMarks({*services, *(name for name, _, _ in self._summary.services)})
        self._bars = Bars(self._summary.start_ns, self._summary.duration_ns, self._marks)

    @property
    def title(self) -> str:
        """The title of the page."""
        return self._summary.title or "Trace without a root span"

    def pieces(self) -> Iterator[bytes]:
        """The content of the page; empty pieces are pauses."""
        yield from in_pieces(self._heading(), self._waterfall())
        if self._lines:
            yield from in_pieces(None, self._logs(), "logs")

    def _heading(self) -> Markup:
        """What is above the waterfall."""
        summary = self._summary
        root = f"{summary.root_service}: {summary.root_operation}"
        own = element("span", summary.root_operation, class_="chip", title=root) if _is_own(summary) else None
        return join(
            element(
                "nav", element("a", "Traces", href="/search"), " / ", self.title, class_="crumbs", aria_label="Path"
            ),
            element("h1", self.title),
            element("p", _answer(summary, self._rows), Markup(" "), own, class_="answer"),
            _facts(summary, self._rows, self._lines),
            element("p", *(self._marks.named(name, f"({spans})") for name, spans, _ in summary.services)),
            _notes(self._trace, self._rows, self._limit),
        )

    def _waterfall(self) -> Iterator[Markup]:
        """The ruler and the spans."""
        head = element("div", "Service and operation", class_="name")
        yield element("div", head, self._bars.ruler(), class_="ruler")
        for row in self._rows[: self._limit]:
            yield self._row(row, self._lines_of.get(row.span.span_id, ()))

    def _logs(self) -> Iterator[Markup]:
        """What is below the waterfall."""
        wanted = {line.span_id for line in self._lines}
        whole = f"?spans={len(self._rows)}"
        links: dict[str, Markup] = {}
        for number, row in enumerate(self._rows):
            if row.span.span_id in wanted:
                links.setdefault(row.span.span_id, span_link(row.span, "" if number < self._limit else whole))
        yield from log_list(self._lines, self._summary.start_ns, links, self._marks, older=self._older_logs)

    def _row(self, row: Row, lines: Sequence[TraceLine]) -> Markup:
        span = row.span
        name = element(
            "div",
            self._marks.stripe(span.service),
            element("b", span.service),
            " ",
            element("span", shape("bad"), "error ", class_="bad") if span.is_error else None,
            *(element("span", shape("warn"), f"{MARKS[mark]} ", class_="warn") for mark in row.marks),
            element("span", span.name, class_="soft"),
            class_=f"name d{min(row.depth, MAX_DEPTH)}",
            title=f"{span.service}: {span.name}",
        )
        return element(
            "details",
            element("summary", name, self._bars.row(row, lines)),
            _detail(row, lines),
            class_="span",
            id=f"span-{span.span_id}",
        )


def _is_own(summary: TraceSummary) -> bool:
    """Whether the request was devenv's own, of its canary or of a load run."""
    return summary.root_service == OWN_SERVICE and summary.entry_service != ""


def _answer(summary: TraceSummary, rows: Sequence[Row]) -> Markup:
    """How long the request took, and in whose own time: the span with the longest part of the critical path."""
    took = element("strong", show_duration(summary.duration_ns))
    held = [(sum(end - start for start, end in row.path), row.span) for row in rows if row.path]
    longest, span = max(held, key=lambda each: each[0], default=(0, None))
    if span is None or len(rows) == 1:
        return join("It took ", took, ".")
    link = element("a", f"{span.service} {span.name}", href=f"#{detail_id(span.span_id)}")
    share = show_share(longest, summary.duration_ns)
    return join("It took ", took, f"; {share} of it is the own time of ", link, f" ({show_duration(longest)}).")


def _facts(summary: TraceSummary, rows: Sequence[Row], lines: Sequence[TraceLine]) -> Markup:
    path = quote(summary.trace_id)
    depth = max(row.depth for row in rows) + 1
    size = f"{counted(summary.spans, 'span')}, {counted(len(summary.services), 'service')}, depth {depth}"
    facts: list[Child] = [
        status("bad", counted(summary.errors, "error")) if summary.errors else None,
        status("warn", counted(summary.orphans, "orphan span")) if summary.orphans else None,
        element("span", size),
        line_count(lines),
        element("span", show_time(summary.start_ns)),
        element("code", summary.trace_id),
        element("a", "Jaeger JSON", href=f"/api/traces/{path}"),
        element("a", "OTLP JSON", href=f"/api/v3/traces/{path}"),
    ]
    return element("div", *facts, class_="facts")


def _notes(trace: Trace, rows: Sequence[Row], limit: int) -> Markup:
    marks = {mark for row in rows for mark in row.marks}
    notes: list[Child] = [note for mark, note in _NOTES.items() if mark in marks]
    if trace.truncated:
        notes.append("The trace exceeds the backend's size limit; further spans were rejected.")
    if len(rows) > limit:
        more = element("a", f"show all {len(rows)}", href=f"?spans={len(rows)}")
        notes.append(join(f"Showing the first {counted(limit, 'span')}; ", more, "."))
    return join(*(element("p", note, class_="note") for note in notes))


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
    return join(title, element("table", *lines, class_="pairs"))
