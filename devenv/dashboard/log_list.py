"""The log lines of a trace on its page: log records and the events of spans, in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from devenv.dashboard.services import ServiceMarks
from devenv.drawing.markup import Child, Markup, element, join
from devenv.drawing.shapes import Shape, status
from devenv.drawing.words import counted, show_count, show_duration, show_time
from devenv.immutable import immutable
from devenv.model.log import LogRecord
from devenv.model.severity import level_of
from devenv.model.span import Span
from devenv.traces.jaeger_text import as_text
from devenv.traces.logs.source import event_text, text_of

SHOWN = 1000
"""Lines in the list of a page, the first ones."""
_SHORT = 300
"""Characters of a line that are shown before it is opened."""
_SHAPES: Mapping[str, Shape] = {"ERROR": "bad", "FATAL": "bad", "WARN": "warn"}


@immutable(kw_only=True)
class TraceLine:
    """A log record or an event of a span.

    Attributes:
        level: such as ``WARN``; empty if it is not known.
        text: what it says.
        details: the rest of it as text, by name.
        event: whether it is an event of a span.
    """

    time_ns: int
    service: str
    span_id: str
    level: str
    text: str
    details: tuple[tuple[str, str], ...]
    event: bool

    @property
    def look(self) -> str:
        """Class of its colour."""
        return _SHAPES.get(self.level, "soft")


def log_lines(spans: Iterable[Span], records: Iterable[LogRecord]) -> list[TraceLine]:
    """Return the events of spans and the log records in order of time."""
    found = [_record_line(record) for record in records]
    for span in spans:
        for event in span.events:
            details = tuple((key, as_text(value)) for key, value in sorted(event.attributes.items()))
            level = "ERROR" if event.name == "exception" else ""
            found.append(
                TraceLine(
                    time_ns=event.time_ns,
                    service=span.service,
                    span_id=span.span_id,
                    level=level,
                    text=event_text(event),
                    details=details,
                    event=True,
                )
            )
    return sorted(found, key=lambda line: line.time_ns)


def _record_line(record: LogRecord) -> TraceLine:
    named = [("Severity", record.severity_text), ("Library", record.scope), ("Event", record.event_name)]
    attributes = sorted((key, as_text(value)) for key, value in record.attributes.items())
    return TraceLine(
        time_ns=record.time_ns,
        service=record.service,
        span_id=record.span_id,
        level=level_of(record.severity),
        text=text_of(record),
        details=tuple(pair for pair in (*named, *attributes) if pair[1]),
        event=False,
    )


def log_list(
    lines: Sequence[TraceLine], start_ns: int, links: Mapping[str, Markup], marks: ServiceMarks, *, older: bool
) -> Iterator[Markup]:
    """Yield the list in parts: its heading, and its lines.

    Args:
        lines: of the whole trace.
        start_ns: the start of the trace.
        links: to its spans, by their IDs.
        marks: those of the services on this page.
        older: whether older log records were left out.
    """
    if not lines:
        return
    yield element("h2", "Log lines", id="logs")
    notes: list[Child] = []
    if older:
        notes.append("The trace has older log records, too.")
    if len(lines) > SHOWN:
        notes.append(f"Showing the first {show_count(SHOWN)} of {counted(len(lines), 'line')}.")
    if notes:
        whole = "All of them: devenv logs --trace with the ID of this trace."
        yield element("p", " ".join([*map(str, notes), whole]), class_="note")
    for line in lines[:SHOWN]:
        yield _line(line, start_ns, links, marks)


def line_count(lines: Sequence[TraceLine]) -> Markup | None:
    """The link to the list, for the facts about a trace."""
    return element("a", counted(len(lines), "log line"), href="#logs") if lines else None


def _line(line: TraceLine, start_ns: int, links: Mapping[str, Markup], marks: ServiceMarks) -> Markup:
    first, _, rest = line.text.partition("\n")
    short = first[:_SHORT] + ("…" if rest or len(first) > _SHORT else "")
    return element(
        "details",
        element(
            "summary",
            element("span", _offset(line.time_ns - start_ns), class_="at", title=show_time(line.time_ns)),
            element("b", marks.stripe(line.service), line.service),
            level_mark(line),
            element("span", short, class_="said"),
            links.get(line.span_id) or _no_link(line),
        ),
        element(
            "div",
            element("pre", line.text) if short != line.text else None,
            detail_table([("Time", show_time(line.time_ns)), *line.details]),
            class_="detail",
        ),
        class_="log",
    )


def level_mark(line: TraceLine) -> Markup:
    """The severity with its shape; of an event without one, that it is an event."""
    if not line.level:
        return element("span", "event" if line.event else "", class_="soft")
    if line.level in _SHAPES:
        return status(_SHAPES[line.level], line.level)
    return element("span", line.level, class_="soft")


def detail_table(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Names and values as a table."""
    rows = (element("tr", element("td", key), element("td", value)) for key, value in pairs)
    return element("table", *rows, class_="pairs")


def span_link(span: Span, query: str = "") -> Markup:
    """The link to a span on the page, which opens what is said about it; ``query`` shows more spans."""
    name = span.name or span.span_id
    return element("a", name, href=f"{query}#{detail_id(span.span_id)}", class_="where", title=name)


def detail_id(span_id: str) -> str:
    """The ID of the element with what is said about a span."""
    return f"in-{span_id}"


def _no_link(line: TraceLine) -> Markup:
    if not line.span_id:
        return element("span", "no span", class_="where soft")
    title = f"span {line.span_id} is not in the trace"
    return element("span", f"span {line.span_id[:8]} is missing", class_="where soft", title=title)


def _offset(nanoseconds: int) -> str:
    return f"{'+' if nanoseconds >= 0 else ''}{show_duration(nanoseconds)}"


def lines_of_span(lines: Iterable[TraceLine], start_ns: int) -> Markup:
    """The log records of one span, with their times after its start; its events are shown as tables."""
    rows = [
        element(
            "tr",
            element("td", _offset(line.time_ns - start_ns)),
            element("td", level_mark(line), Markup(" "), line.text),
        )
        for line in lines
        if not line.event
    ]
    return join(element("h2", "Log records"), element("table", *rows, class_="pairs")) if rows else join()
