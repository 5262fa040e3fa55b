"""What ``devenv view`` prints when it listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model.counts import plural

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.listings import ViewDocument


def show_view(document: ViewDocument, output: Output) -> None:
    """The addresses, what the files gave, or the lines to paste if there is no file."""
    output.line(f"Traces: {document.ui_url}")
    output.line(f"OTLP over HTTP: {document.otlp_http_url}")
    output.line(f"OTLP over gRPC: {document.otlp_grpc_url}")
    if document.storage:
        restored = plural(document.restored_spans, "span")
        if document.restored_log_records:
            restored += f" and {plural(document.restored_log_records, 'log record')}"
        output.line(f"Kept in: {document.storage} ({restored} from before)")
    for notice in document.storage_notices:
        output.warn(f"warning: {notice}")
    if document.traces:
        output.line(f"Read {plural(len(document.traces), 'trace')} with {plural(document.spans, 'span')}")
    if document.refused or document.refused_reason:
        output.line(
            f"Refused {plural(document.refused, 'span')} of these: {document.refused_reason or 'no reason given'}"
        )
    if not document.traces:
        output.line("")
        output.line("Paste what suits your program:")
        for title, lines in document.setup.items():
            output.line(f"  {title}")
            for line in lines:
                output.line(f"    {line}")
    output.line("")
    if document.storage:
        output.line("Press Ctrl-C to end. The traces are kept on disk.")
    else:
        output.line("Press Ctrl-C to end. The traces are kept in memory until then.")
