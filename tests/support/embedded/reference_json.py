"""The JSON of stored traces as documents: what the backend writes as text, by the simplest way to it."""

from __future__ import annotations

import base64
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from embedded.stored_spans import decode_trace

from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope, Scopes
from devenv.otlp.values import otlp, otlp_attributes, plain, text
from devenv.traces.jaeger_text import as_text

KINDS = ("", "internal", "server", "client", "producer", "consumer")
Document = dict[str, Any]


def legacy(trace: StoredTrace, scopes: Scopes) -> Document:
    """A trace in Jaeger's own JSON, as it was sent."""
    found = decode_trace(trace, scopes)
    processes: dict[bytes, tuple[str, Document]] = {}
    spans = []
    for scope, span in found.spans:
        tags = [_tag(key, value) for key, value in sorted(scope.resource.items()) if key != "service.name"]
        process = {"serviceName": scope.service.name, "tags": tags}
        name, _ = processes.setdefault(scope.key[0], (f"p{len(processes) + 1}", process))
        spans.append(_legacy_span(scope, span, trace.id) | {"processID": name})
    return {
        "traceID": _short(trace.id),
        "spans": spans,
        "processes": dict(processes.values()),
        "warnings": None,
    }


def _legacy_span(scope: Scope, span: Any, trace_id: bytes) -> Document:
    tags = [_tag(text(pair.key), plain(pair.value)) for pair in span.attributes]
    tags += [
        _tag(f"otel.scope.{key}", value) for key, value in (("name", scope.name), ("version", scope.version)) if value
    ]
    if 0 < span.kind < len(KINDS):
        tags.append(_tag("span.kind", KINDS[span.kind]))
    if span.status.code in {1, 2}:
        tags.append(_tag("otel.status_code", "OK" if span.status.code == 1 else "ERROR"))
    if span.status.code == 2:
        tags.append(_tag("error", True))
    if span.status.message:
        tags.append(_tag("otel.status_description", text(span.status.message)))
    if span.trace_state:
        tags.append(_tag("w3c.tracestate", text(span.trace_state)))
    parent = span.parent_span_id if any(span.parent_span_id) else b""
    references = [("CHILD_OF", trace_id, parent)] if parent else []
    for link in span.links:
        child = [
            pair for pair in link.attributes if pair.key == b"opentracing.ref_type" and plain(pair.value) == "child_of"
        ]
        kind = "CHILD_OF" if child else "FOLLOWS_FROM"
        if not any(link.trace_id):
            continue
        if references and (link.trace_id, link.span_id) == (trace_id, parent):
            references[0] = (kind, trace_id, parent)
        else:
            references.append((kind, link.trace_id, link.span_id))
    warnings = []
    if span.end <= span.start:  # the receiver's remark; a raw trace has none of the query service's
        warnings.append(
            "Negative duration detected, sanitizing end timestamp. "
            f"Original end timestamp: {_time(span.end)}, adjusted to: {_time(span.start + 1)}"
        )
    return {
        "traceID": _short(trace_id),
        "spanID": span.span_id.hex(),
        "operationName": text(span.name),
        "references": [
            {"refType": kind, "traceID": _short(trace), "spanID": each.hex().zfill(16)}
            for kind, trace, each in references
        ],
        "startTime": span.start // 1000,
        "duration": max(span.end - span.start, 0) // 1000,
        "tags": sorted(tags, key=lambda tag: tag["key"]),
        "logs": [_log(event) for event in span.events],
        "warnings": warnings or None,
    }


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{rest:09}".rstrip("0") if rest else "") + " +0000 UTC"


def _log(event: Any) -> Document:
    fields = sorted((_tag(text(pair.key), plain(pair.value)) for pair in event.attributes), key=lambda tag: tag["key"])
    named = [field for field in fields if field["key"] == "event" and isinstance(_sent(event, "event"), str)][:1]
    if named:
        fields.remove(named[0])
    elif event.name and all(field["key"] != "event" for field in fields):
        named = [_tag("event", text(event.name))]
    return {"timestamp": event.time // 1000, "fields": named + fields}


def _sent(event: Any, key: str) -> Any:
    return next(plain(pair.value) for pair in event.attributes if text(pair.key) == key)


def _tag(key: str, value: Any) -> Document:
    match value:
        case bool():
            return {"key": key, "type": "bool", "value": value}
        case int():
            return {"key": key, "type": "int64", "value": value if abs(value) < 2**53 else str(value)}
        case float():
            shown = value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' * (value < 0)}Infinity"
            return {"key": key, "type": "float64", "value": shown}
        case bytes():
            return {"key": key, "type": "binary", "value": base64.b64encode(value).decode() or None}
        case str():
            return {"key": key, "type": "string", "value": value}
    return {"key": key, "type": "string", "value": as_text(value)}


def _short(trace_id: bytes) -> str:
    return trace_id.hex().removeprefix("0" * 16)


def resource_spans(trace: StoredTrace, scopes: Scopes) -> list[Document]:
    """A trace as OTLP JSON, as it was sent: one document per resource, its scopes grouped."""
    found: dict[Any, tuple[Document, dict[int, Document]]] = {}
    for scope, span in decode_trace(trace, scopes).spans:
        resource = {"resource": {"attributes": otlp_attributes(scope.resource)}, "scopeSpans": []}
        if scope.urls[0]:
            resource["schemaUrl"] = scope.urls[0]
        document, groups = found.setdefault(scope.key[:2], (resource, {}))
        if scope.number not in groups:
            about = {"name": scope.name, "version": scope.version, "attributes": otlp_attributes(scope.attributes)}
            groups[scope.number] = {"scope": _present(about), "spans": []}
            if scope.urls[1]:
                groups[scope.number]["schemaUrl"] = scope.urls[1]
            document["scopeSpans"].append(groups[scope.number])
        groups[scope.number]["spans"].append(_span(span))
    return [document for document, _ in found.values()]


def _span(span: Any) -> Document:
    times = {"startTimeUnixNano": str(span.start), "endTimeUnixNano": str(max(span.end, span.start + 1))}
    return {
        **times,
        "status": _present({"code": span.status.code, "message": text(span.status.message)}),
        **_present(
            {
                "traceId": span.trace_id.hex(),
                "spanId": span.span_id.hex(),
                "parentSpanId": span.parent_span_id.hex() if any(span.parent_span_id) else "",
                "traceState": text(span.trace_state),
                "name": text(span.name),
                "kind": span.kind,
                "attributes": _attributes(span.attributes),
                "droppedAttributesCount": span.dropped_attributes,
                "events": [_event(event) for event in span.events],
                "droppedEventsCount": span.dropped_events,
                "links": [_link(link) for link in span.links],
                "droppedLinksCount": span.dropped_links,
                "flags": span.flags,
            }
        ),
    }


def _event(event: Any) -> Document:
    shown = {"name": text(event.name), "attributes": _attributes(event.attributes)}
    return _present({"timeUnixNano": str(event.time), "droppedAttributesCount": event.dropped_attributes, **shown})


def _link(link: Any) -> Document:
    return _present(
        {
            "traceId": link.trace_id.hex(),
            "spanId": link.span_id.hex(),
            "traceState": text(link.trace_state),
            "attributes": _attributes(link.attributes),
            "droppedAttributesCount": link.dropped_attributes,
            "flags": link.flags,
        }
    )


def _attributes(pairs: Any) -> list[Document]:
    return [{"key": text(pair.key), "value": otlp(plain(pair.value))} for pair in pairs]


def _present(document: Document) -> Document:
    return {key: value for key, value in document.items() if value}
