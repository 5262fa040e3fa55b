"""``devenv traces export`` and ``import``: traces as OTLP JSON, for an issue report or another tool.

The file is what an OTLP/HTTP receiver accepts: ``{"resourceSpans": [...]}`` with IDs in hexadecimal.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from devenv.app.session import running
from devenv.app.urls import require_backend
from devenv.errors import ConfigurationError, Location, UnknownName
from devenv.model.listings import ExportDocument, ImportDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from devenv.app.invocation import Invocation

SPANS_A_REQUEST = 2000


async def collected(invocation: Invocation, trace_ids: Sequence[str]) -> dict[str, Any]:
    """The traces as one OTLP JSON document.

    Raises:
        UnknownName: If one of them is not in the backend.
    """
    from devenv.traces.client import TraceClient

    found: list[dict[str, Any]] = []
    async with running(invocation) as project:
        backend = await require_backend(project)
        async with TraceClient(backend.query_url) as client:
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
    spans = list(_spans(document["resourceSpans"]))
    return ExportDocument(file=str(path), traces=len({span["traceId"] for span in spans}), spans=len(spans))


def read(path: Path) -> list[dict[str, Any]]:
    """Read ``resourceSpans`` from an OTLP JSON file, or from stdin if the path is ``-``: one document, or one per line.

    Raises:
        ConfigurationError: If it cannot be read or is not OTLP JSON; the message names the place.
    """
    name = "stdin" if str(path) == "-" else str(path)
    try:
        text = sys.stdin.read() if name == "stdin" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigurationError(f"cannot read the file: {reason}", location=Location(name)) from error
    found: list[dict[str, Any]] = []
    for first_line, document in _documents(text, name):
        resource_spans = document.get("resourceSpans") if isinstance(document, dict) else None
        if not isinstance(resource_spans, list):
            raise _not_otlp(name, first_line, "JSON without a resourceSpans list")
        try:
            for span in _spans(resource_spans):
                bytes.fromhex(span["traceId"] + span["spanId"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _not_otlp(name, first_line, f"a span without hexadecimal IDs ({error})") from error
        found += resource_spans
    return found


async def import_(invocation: Invocation, path: Path) -> ImportDocument:
    """Send a file's traces to the backend; IDs are kept, so importing twice adds nothing.

    Raises:
        ConfigurationError: If the file is not OTLP JSON.
        BackendUnavailable: If the backend does not accept them.
    """
    from devenv.traces.client import TraceClient
    from devenv.traces.export import SpanExporter

    resource_spans = read(path)
    spans = list(_spans(resource_spans))
    ids = list(dict.fromkeys(span["traceId"].lower() for span in spans))
    async with running(invocation) as project:
        backend = await require_backend(project)
        async with SpanExporter(backend.otlp_http_url) as exporter:
            for batch in _batches(resource_spans):
                await exporter.export_json(batch)
        async with TraceClient(backend.query_url) as client:
            return ImportDocument(traces=ids, spans=len(spans), ui_urls=[client.ui_trace_url(each) for each in ids])


def _documents(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Consecutive JSON values, with the line on which each begins."""
    decoder = json.JSONDecoder()
    position = 0
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        line = text.count("\n", 0, position) + 1
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise ConfigurationError(
                f"not valid JSON: {error.msg}", location=Location(name, error.lineno, error.colno), expected="OTLP JSON"
            ) from error
        yield line, value


def _not_otlp(name: str, line: int, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"found {found}, expected OTLP JSON",
        location=Location(name, line, 1),
        found=found,
        expected='{"resourceSpans": [...]}',
        hint="create such a file with `devenv traces export`",
    )


def _spans(resource_spans: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for resource in resource_spans:
        for scope in resource.get("scopeSpans") or ():
            yield from scope.get("spans") or ()


def _batches(resource_spans: Sequence[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Groups of resources with a limited number of spans per request, in order."""
    batch: list[dict[str, Any]] = []
    size = 0
    for resource in resource_spans:
        batch.append(resource)
        size += sum(1 for _ in _spans([resource]))
        if size >= SPANS_A_REQUEST:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
