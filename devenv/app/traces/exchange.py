"""``devenv traces export`` and ``import``: traces as OTLP JSON, for an issue report or another tool.

The file is what an OTLP/HTTP receiver accepts: ``{"resourceSpans": [...]}`` with IDs in hexadecimal.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from devenv.app.traces.lookup import LARGE_TRACE_TIMEOUT, require_trace_id, running_backend
from devenv.errors import NEGATIVE_VERDICT, ConfigurationError, Location, UnknownName
from devenv.model.listings import ExportDocument, ImportDocument
from devenv.traces.background import in_background, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from devenv.app.invocation import Invocation

SPANS_A_REQUEST = 2000

MAX_BYTES = 128 << 20
"""Size of a file; parsed, it takes about ten times as much memory."""

_SPACE = re.compile(r"[ \t\r\n]*")


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
    spans = list(_spans(document["resourceSpans"]))
    return ExportDocument(file=str(path), traces=len({span["traceId"] for span in spans}), spans=len(spans))


def read(path: Path) -> list[dict[str, Any]]:
    """Read ``resourceSpans`` from an OTLP JSON file, or from stdin if the path is ``-``: one document, or one per line.

    Raises:
        ConfigurationError: If it cannot be read, is not OTLP JSON or has no span; the message names the place.
    """
    name = "stdin" if str(path) == "-" else str(path)
    try:
        # stdin by its number: with a separate file object, the process can end while it is being read
        with open(0 if name == "stdin" else path, "rb", closefd=name != "stdin") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigurationError(f"cannot read the file: {reason}", location=Location(name)) from error
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            f"found more than {MAX_BYTES >> 20} MiB, expected less",
            location=Location(name),
            hint="split the file, and import one part after the other",
        )
    found: list[dict[str, Any]] = []
    for first_line, document in _documents(text, name):
        resource_spans = document.get("resourceSpans") if isinstance(document, dict) else None
        if not isinstance(resource_spans, list):
            raise _not_otlp(name, first_line, "JSON without a resourceSpans list")
        try:
            for span in _spans(resource_spans):
                _check_ids(span)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise _not_otlp(name, first_line, f"a span without hexadecimal IDs ({error})") from error
        found += resource_spans
    if next(_spans(found), None) is None:
        raise _not_otlp(name, 1, "no span")
    return found


def _check_ids(span: Any) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError for IDs that no receiver accepts."""
    for key, size in (("traceId", 16), ("spanId", 8)):
        value = bytes.fromhex(span[key])
        if len(value) != size or not any(value):
            raise ValueError(f"{key} {span[key]!r} of {span.get('name', '')!r}")


async def import_(invocation: Invocation, path: Path) -> ImportDocument:
    """Send a file's traces to the backend; IDs are kept, so importing twice adds nothing.

    Raises:
        ConfigurationError: If the file is not OTLP JSON.
        BackendUnavailable: If the backend does not accept them.
    """
    from devenv.traces.client import TraceClient
    from devenv.traces.export import SpanExporter

    resource_spans = await in_background(lambda: read(path))
    spans = list(_spans(resource_spans))
    ids = list(dict.fromkeys(span["traceId"].lower() for span in spans))
    backend = await running_backend(invocation)
    refused, reasons = 0, dict[str, None]()
    async with SpanExporter(backend.otlp_http_url) as exporter:
        for batch in _batches(resource_spans):
            try:
                refusal = await exporter.export_json(batch)
            except RecursionError as error:  # the encoder needs more levels than the parser
                raise _too_deep(str(path)) from error
            refused += refusal.spans
            reasons |= dict.fromkeys([refusal.reason] if refusal.reason else [])
    async with TraceClient(backend.query_url, token=backend.token) as client:
        return ImportDocument(
            traces=ids,
            spans=len(spans),
            ui_urls=[client.ui.trace(each) for each in ids],
            refused=refused,
            refused_reason="; ".join(reasons),
        )


def verdict_code(document: ImportDocument) -> int:
    """Return the exit code of an import: 1 if spans were refused, else 0."""
    return NEGATIVE_VERDICT if document.refused else 0


def _documents(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Consecutive JSON values, with the line on which each begins; in linear time."""
    decoder = json.JSONDecoder(object_hook=unchanged)
    line, counted = 1, 0
    position = _end_of_space(text, 0)
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            place = Location(name, getattr(error, "lineno", line), getattr(error, "colno", 1))
            found = getattr(error, "msg", "a number that is too large")
            raise ConfigurationError(f"not valid JSON: {found}", location=place, expected="OTLP JSON") from error
        except RecursionError as error:
            raise _too_deep(name, line) from error
        yield line, value
        position = _end_of_space(text, position)


def _end_of_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _too_deep(name: str, line: int = 0) -> ConfigurationError:
    return ConfigurationError(
        "found JSON that is nested too deeply, expected OTLP JSON",
        location=Location(name, line, 1 if line else 0),
        expected="attribute values of at most 100 levels",
    )


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
