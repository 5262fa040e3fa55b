"""Traces for people: search results and the waterfall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cli.control_characters import visible_in_cell
from devenv.cli.table import Column, cell_len, ellipsis
from devenv.cli.views.folding import Fold, folded
from devenv.model.counts import plural
from devenv.model.span import NS_PER_MS
from devenv.model.trace import MARKS

if TYPE_CHECKING:
    from devenv.analysis.waterfall import Row, Waterfall
    from devenv.cli.output import Output
    from devenv.model.listings import ExportDocument, ImportDocument, TracesDocument, TraceSummaryPart

WIDTH = 48
"""Columns of the waterfall's time axis, and fewer on a narrow terminal."""

WIDE = 124
"""Columns of a waterfall in a file or a pipe."""

FIGURES = 16
"""Columns of a duration with the gaps beside it."""

LABEL = 60
"""Columns of a span's name at most."""

NARROW = 20
"""Columns of a span's name and of the axis that even a narrow terminal leaves."""

LEVELS = 20
"""Levels that are indented; deeper spans are at the same column."""

LINKS = 10

UNFOLDED = 10_000
"""Spans of a trace that is shown span by span."""

NO_ROOT = "(root missing)"

_COLUMNS = (
    Column(title="TRACE"),
    Column(title="ENTRY", least=14, drop=3),
    Column(title="START", drop=2),
    *(Column(title=title) for title in ("DURATION", "SPANS", "ERRORS")),
    Column(title="SERVICES", least=8, drop=1),
)


def show_search(document: TracesDocument, output: Output, *, since: str = "") -> None:
    """One trace per line, newest first; ``since`` is the start of the search as it was given."""
    if not document.traces:
        output.line(f"No trace matches (--since {since})." if since else "No trace matches.")
        _show_looked_at(document, output)
        return
    rows = [
        (
            trace.trace_id,
            _entry(trace),
            trace.start,
            milliseconds(trace.duration_ms, 1),
            str(trace.spans),
            str(trace.errors or ""),
            ", ".join(trace.services),
        )
        for trace in document.traces
    ]
    output.table(_COLUMNS, rows)
    _show_looked_at(document, output)


def _entry(trace: TraceSummaryPart) -> str:
    """Where a request entered the system: the load generator's own span names every trace alike."""
    service, operation = trace.entry_service or trace.root_service, trace.entry_operation or trace.root_operation
    return f"{service}: {operation}" if service or operation else NO_ROOT


def _show_looked_at(document: TracesDocument, output: Output) -> None:
    """How much was searched, where not the backend itself knows filters."""
    if document.looked_at is None:
        return
    looked = plural(document.looked_at, "trace")
    if not document.older_left_out:
        output.line(f"{looked} looked at, which is all that the trace backend returned.")
        return
    output.line(f"{looked} looked at, the newest ones; older ones may match.")
    output.line("To reach them, use --service or --since, or join conditions on one service by and.")


def show_trace(trace: Waterfall, output: Output) -> None:
    """The waterfall: each span's place in time, ``━`` for spans on the critical path.

    A trace of thousands of spans is folded: each of its spans is shown or counted.
    """
    output.line(f"Trace {trace.trace_id}: {_duration(trace.duration_ns)}, {plural(len(trace.rows), 'span')}")
    rows = trace.rows if len(trace.rows) <= UNFOLDED else folded(trace.rows)
    room = max((output.width or WIDE) - FIGURES, 2 * NARROW)
    axis = min(WIDTH, room // 2)
    levels = min(LEVELS, (room - axis - NARROW) // 2)
    labels = ["  " * min(row.depth, levels) + visible_in_cell(_label(row)) for row in rows]
    width = min(max((cell_len(label) for label in labels), default=0), LABEL, room - axis)
    for label, row in zip(labels, rows, strict=True):
        if isinstance(row, Fold):
            output.line(label)
            continue
        shown = ellipsis(label, width)
        notes = "".join([" ERROR" if row.span.is_error else "", *(f" ⚠ {MARKS[mark]}" for mark in row.marks)])
        space = " " * (width - cell_len(shown))
        bar = _bar(row, trace.duration_ns, axis)
        output.line(f"{shown}{space}  {bar}  {_duration(row.span.duration_ns):>12}{notes}")
    output.line("━ critical path  ─ other time")
    output.line(trace.ui_url)


def show_export(document: ExportDocument, output: Output) -> None:
    """The numbers of traces and spans written, and the file."""
    output.line(f"Wrote {plural(document.traces, 'trace')} with {plural(document.spans, 'span')} to {document.file}")


def show_import(document: ImportDocument, output: Output) -> None:
    """The numbers of traces and spans sent, with links."""
    output.line(
        f"Sent {plural(len(document.traces), 'trace')} with {plural(document.spans, 'span')} to the trace backend"
    )
    if document.refused:
        reason = document.refused_reason or "no reason given"
        output.line(f"The trace backend refused {plural(document.refused, 'span')} of these: {reason}")
    elif document.refused_reason:
        output.line(f"The trace backend accepted all of these, with a warning: {document.refused_reason}")
    for url in document.ui_urls[:LINKS]:
        output.line(f"  {url}")


def milliseconds(value: float, digits: int) -> str:
    """A duration of a span; one without length is ``0``, which has no unit to be rounded to."""
    if value == 0:
        return "0"
    return f"{value:.{digits}f} ms" if value >= 10**-digits / 2 else f"{value * 1000:.3g} µs"


def _duration(duration_ns: int) -> str:
    return milliseconds(round(duration_ns / NS_PER_MS, 3), 2)


def _label(row: Row | Fold) -> str:
    if not isinstance(row, Fold):
        return f"{row.span.service}: {row.span.name}"
    what = f" like {row.service}: {row.operation}" if row.operation or row.service else ""
    below = f", with {plural(row.below, 'span')} below" if row.below else ""
    wrong = f", {plural(row.errors, 'error')}" if row.errors else ""
    marked = f", {row.marks} with a ⚠ mark" if row.marks else ""
    return f"… {row.spans} more{what}{below}{wrong}{marked}"


def _bar(row: Row, total_ns: int, width: int) -> str:
    scale = width / total_ns if total_ns > 0 else 0.0
    start = min(max(int(row.offset_ns * scale), 0), width - 1)
    length = max(1, min(round(row.span.duration_ns * scale), width - start))
    return " " * start + ("━" if row.on_critical_path else "─") * length + " " * (width - start - length)
