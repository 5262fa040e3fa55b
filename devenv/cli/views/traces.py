"""Traces for people: search results and the waterfall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model.counts import plural
from devenv.model.trace import MARKS

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.listings import ExportDocument, ImportDocument, SpanPart, TraceDocument, TracesDocument

WIDTH = 48
"""Columns of the waterfall's time axis."""

LEVELS = 20
"""Levels that are indented; deeper spans are at the same column."""

LINKS = 10


def show_search(document: TracesDocument, output: Output) -> None:
    """One trace per line, newest first."""
    from rich.table import Table

    if not document.traces:
        output.line("No trace matches.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("TRACE", "ROOT", "START", "DURATION", "SPANS", "ERRORS", "SERVICES"):
        table.add_column(column, no_wrap=True)
    for trace in document.traces:
        table.add_row(
            trace.trace_id,
            f"{trace.root_service}: {trace.root_operation}",
            trace.start,
            f"{trace.duration_ms:.1f} ms",
            str(trace.spans),
            str(trace.errors or ""),
            ", ".join(trace.services),
        )
    output.render(table)


def show_trace(document: TraceDocument, output: Output) -> None:
    """The waterfall: each span's place in time, ``━`` for spans on the critical path."""
    output.line(f"Trace {document.trace_id}: {document.duration_ms:.2f} ms, {plural(len(document.spans), 'span')}")
    labels = [f"{'  ' * min(span.depth, LEVELS)}{span.service}: {span.operation}" for span in document.spans]
    width = min(max((len(label) for label in labels), default=0), 60)
    for label, span in zip(labels, document.spans, strict=True):
        shown = label if len(label) <= width else label[: width - 1] + "…"
        notes = "".join([" ERROR" if span.error else "", *(f" ⚠ {MARKS[mark]}" for mark in span.marks)])
        output.line(f"{shown:<{width}}  {_bar(span, document.duration_ms)}  {span.duration_ms:9.2f} ms{notes}")
    output.line("━ critical path  ─ other time")
    output.line(document.ui_url)


def show_export(document: ExportDocument, output: Output) -> None:
    """The numbers of traces and spans written, and the file."""
    output.line(f"Wrote {plural(document.traces, 'trace')} with {plural(document.spans, 'span')} to {document.file}")


def show_import(document: ImportDocument, output: Output) -> None:
    """The numbers of traces and spans sent, with links."""
    output.line(
        f"Sent {plural(len(document.traces), 'trace')} with {plural(document.spans, 'span')} to the trace backend"
    )
    for url in document.ui_urls[:LINKS]:
        output.line(f"  {url}")


def _bar(span: SpanPart, total_ms: float) -> str:
    scale = WIDTH / total_ms if total_ms > 0 else 0.0
    start = min(max(int(span.offset_ms * scale), 0), WIDTH - 1)
    length = max(1, min(round(span.duration_ms * scale), WIDTH - start))
    return " " * start + ("━" if span.on_critical_path else "─") * length + " " * (WIDTH - start - length)
