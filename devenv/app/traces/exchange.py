"""``devenv traces export`` and ``import``: traces as files, for an issue report or another tool.

What is exported is what an OTLP/HTTP receiver accepts: ``{"resourceSpans": [...]}`` with IDs in hexadecimal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from devenv.app.traces import trace_files
from devenv.app.traces.lookup import LARGE_TRACE_TIMEOUT, require_trace_id, running_backend
from devenv.errors import NEGATIVE_VERDICT, ConfigurationError, Location, UnknownName
from devenv.model.listings import ExportDocument, ImportDocument
from devenv.traces.background import in_background

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from devenv.app.invocation import Invocation
    from devenv.app.traces.trace_files import TraceFile
    from devenv.traces.export import Refusal


async def collected(invocation: Invocation, trace_ids: Sequence[str]) -> dict[str, Any]:
    """The traces as one OTLP JSON document.

    Raises:
        UsageError: If one of the IDs is not a trace ID.
        UnknownName: If one of them is not in the backend.
    """
    from devenv.traces.client import TraceClient

    for trace_id in trace_ids:
        require_trace_id(trace_id)
    found: list[dict[str, Any]] = []
    backend = await running_backend(invocation)
    async with TraceClient(backend.query_url, token=backend.token, timeout=LARGE_TRACE_TIMEOUT) as client:
        for trace_id in trace_ids:
            spans = await client.otlp_json(trace_id)
            if not spans:
                hint = "list traces with `devenv traces search`"
                raise UnknownName(f"trace {trace_id} not found in the trace backend", hint=hint)
            found += spans
    return {"resourceSpans": found}


def write(document: dict[str, Any], path: Path) -> ExportDocument:
    """Write a document of :func:`collected` to a file.

    Raises:
        ConfigurationError: If it cannot be written.
    """
    try:
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise ConfigurationError(f"cannot write the file: {error.strerror}", location=Location(str(path))) from error
    spans = list(trace_files.spans(document["resourceSpans"]))
    return ExportDocument(file=str(path), traces=len({span["traceId"] for span in spans}), spans=len(spans))


async def import_(invocation: Invocation, path: Path) -> ImportDocument:
    """Send a file's traces to the backend; IDs are kept, so importing twice adds nothing.

    Raises:
        ConfigurationError: If the file contains no traces in a format that is read.
        BackendUnavailable: If the backend does not accept them.
    """
    from devenv.traces.client import TraceClient

    file = await in_background(lambda: trace_files.read(path))
    backend = await running_backend(invocation)
    refusal = await send(file, backend.otlp_http_url, str(path))
    async with TraceClient(backend.query_url, token=backend.token) as client:
        return ImportDocument(
            traces=list(file.trace_ids),
            spans=file.spans,
            ui_urls=[client.ui.trace(each) for each in file.trace_ids],
            refused=refusal.spans,
            refused_reason=refusal.reason,
        )


async def send(file: TraceFile, otlp_http_url: str, name: str) -> Refusal:
    """Send what a file contains, and return what the receiver refused; ``name`` is the file's, for errors.

    Raises:
        ConfigurationError: If values are nested too deeply to be written as JSON.
        BackendUnavailable: If the receiver does not accept them.
    """
    from devenv.traces.export import SpanExporter, joined

    refusals = []
    async with SpanExporter(otlp_http_url) as exporter:
        for request in file.requests:
            try:
                refusals.append(await exporter.export_request(request))
            except RecursionError as error:  # the encoder needs more levels than the parser
                raise trace_files.too_deep(name) from error
    return joined(refusals)


def verdict_code(document: ImportDocument) -> int:
    """Return the exit code of an import: 1 if spans were refused, else 0."""
    return NEGATIVE_VERDICT if document.refused else 0
