"""Traces in Jaeger's own JSON, as its legacy API and its UI know them.

The mapping from OTLP is the one of OpenTelemetry's Jaeger exporter: kind, status, scope and trace state become tags,
the parent and the links become references, events become logs.
"""

from __future__ import annotations

import base64
from typing import Any

from devenv.backend.ids import show_span_id, show_trace_id
from devenv.backend.scopes import Scope
from devenv.backend.spans import ERROR, KINDS, DecodedTrace
from devenv.backend.values import as_json_number, as_text, plain, text

_SAFE_INTEGER = 2**53 - 1
_OK = 1


def trace_document(trace: DecodedTrace) -> dict[str, Any]:
    """``{traceID, spans, processes, warnings}``."""
    processes: dict[bytes, str] = {}
    documents: dict[str, Any] = {}
    spans = []
    known = {span.span_id for _, span in trace.spans}
    trace_id = show_trace_id(trace.id)
    for scope, span in trace.spans:
        process = processes.get(scope.resource_key)
        if process is None:
            process = processes[scope.resource_key] = f"p{len(processes) + 1}"
            documents[process] = _process(scope)
        spans.append(_span(trace_id, trace.id, scope, span, process, known))
    warnings = ["spans were refused: the trace is larger than the backend keeps"] if trace.truncated else None
    return {"traceID": trace_id, "spans": spans, "processes": documents, "warnings": warnings}


def _process(scope: Scope) -> dict[str, Any]:
    tags = [_tag(key, value) for key, value in sorted(scope.resource.items()) if key != "service.name"]
    return {"serviceName": scope.service.name, "tags": tags}


def _span(trace_id: str, raw_id: bytes, scope: Scope, span: Any, process: str, known: set[bytes]) -> dict[str, Any]:
    tags = _tags(scope, span)
    tags.sort(key=_by_key)
    start = span.start
    return {
        "traceID": trace_id,
        "spanID": show_span_id(span.span_id),
        "operationName": span.name.decode("utf-8", "replace"),
        "references": _references(trace_id, raw_id, span),
        "startTime": start // 1000,
        "duration": max(span.end - start, 1) // 1000,
        "tags": tags,
        "logs": [_log(event) for event in span.events],
        "processID": process,
        "warnings": _warnings(span, known),
    }


def _by_key(tag: dict[str, Any]) -> str:
    key: str = tag["key"]
    return key


def _tags(scope: Scope, span: Any) -> list[dict[str, Any]]:
    tags = []
    if scope.name:
        tags.append({"key": "otel.scope.name", "type": "string", "value": scope.name})
    if scope.version:
        tags.append({"key": "otel.scope.version", "type": "string", "value": scope.version})
    tags += [_tag(pair.key.decode("utf-8", "replace"), plain(pair.value)) for pair in span.attributes]
    kind = span.kind
    if 0 < kind < len(KINDS):
        tags.append({"key": "span.kind", "type": "string", "value": KINDS[kind]})
    if span.HasField("status"):
        tags += _status(span.status)
    if span.trace_state:
        tags.append({"key": "w3c.tracestate", "type": "string", "value": text(span.trace_state)})
    return tags


def _status(status: Any) -> list[dict[str, Any]]:
    tags: list[dict[str, Any]] = []
    if status.code in {_OK, ERROR}:
        shown = "ERROR" if status.code == ERROR else "OK"
        tags.append({"key": "otel.status_code", "type": "string", "value": shown})
    if status.code == ERROR:
        tags.append({"key": "error", "type": "bool", "value": True})
    if status.message:
        tags.append({"key": "otel.status_description", "type": "string", "value": text(status.message)})
    return tags


def _tag(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"key": key, "type": "string", "value": value}
    if isinstance(value, bool):
        return {"key": key, "type": "bool", "value": value}
    if isinstance(value, int):
        # Beyond 2^53 a browser would round it.
        return {"key": key, "type": "int64", "value": value if abs(value) <= _SAFE_INTEGER else str(value)}
    if isinstance(value, float):
        finite = value - value == 0
        return {"key": key, "type": "float64", "value": value if finite else as_json_number(value)}
    if isinstance(value, bytes):
        return {"key": key, "type": "binary", "value": base64.b64encode(value).decode("ascii")}
    return {"key": key, "type": "string", "value": as_text(value)}


def _references(trace_id: str, raw_id: bytes, span: Any) -> list[dict[str, str]]:
    references = []
    parent = span.parent_span_id
    if any(parent):
        references.append({"refType": "CHILD_OF", "traceID": trace_id, "spanID": show_span_id(parent)})
    for link in span.links:
        if not any(link.trace_id):
            continue
        kind = "FOLLOWS_FROM"
        for pair in link.attributes:
            if pair.key == b"opentracing.ref_type" and plain(pair.value) == "child_of":
                kind = "CHILD_OF"
        if references and link.trace_id == raw_id and link.span_id == parent:
            references[0]["refType"] = kind
            continue
        references.append(
            {"refType": kind, "traceID": show_trace_id(link.trace_id), "spanID": show_span_id(link.span_id)}
        )
    return references


def _log(event: Any) -> dict[str, Any]:
    fields = [_tag(pair.key.decode("utf-8", "replace"), plain(pair.value)) for pair in event.attributes]
    fields.sort(key=_by_key)
    named = [item for item in fields if item["key"] == "event" and item["type"] == "string"][:1]
    if named:
        fields.remove(named[0])
    elif event.name and all(item["key"] != "event" for item in fields):
        named = [{"key": "event", "type": "string", "value": text(event.name)}]
    return {"timestamp": event.time // 1000, "fields": [*named, *fields]}


def _warnings(span: Any, known: set[bytes]) -> list[str] | None:
    warnings = []
    if span.end < span.start:
        warnings.append("Negative duration detected, sanitizing end timestamp.")
    parent = span.parent_span_id
    if any(parent) and parent not in known:
        shown = show_span_id(parent)
        warnings.append(f"invalid parent span IDs={shown}; skipping clock skew adjustment")
    return warnings or None
