"""Reads Zipkin's JSON (version 2) as spans in OpenTelemetry's terms.

Format: https://zipkin.io/zipkin-api/zipkin2-api.yaml, times in microseconds. Mapping:
https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/, read backwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from devenv.model.span import Span, SpanEvent, SpanKind, Status, Value
from devenv.model.trace import UNNAMED_SERVICE

_KINDS = {kind.name: kind for kind in SpanKind}
_STATUSES = {"OK": Status.OK, "ERROR": Status.ERROR}
_PEER = {"serviceName": "peer.service", "ipv4": "network.peer.address", "ipv6": "network.peer.address"}


def parse_spans(document: Iterable[Any]) -> Iterator[Span]:
    """Spans of a list of them, or of a list of traces, each of which is such a list.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: If it is not such a list.
    """
    for each in document:
        if isinstance(each, list):
            yield from parse_spans(each)
        else:
            yield _span(each)


def _span(span: Mapping[str, Any]) -> Span:
    tags: dict[str, Value] = {str(key): str(value) for key, value in (span.get("tags") or {}).items()}
    status, message = _status(tags)
    scope = str(tags.pop("otel.scope.name", "") or tags.pop("otel.library.name", ""))
    version = str(tags.pop("otel.scope.version", "") or tags.pop("otel.library.version", ""))
    local = span.get("localEndpoint") or {}
    service = str(local.get("serviceName") or UNNAMED_SERVICE)
    start_ns = int(span.get("timestamp") or 0) * 1000
    kind = _KINDS.get(str(span.get("kind") or "INTERNAL").upper(), SpanKind.UNSPECIFIED)
    parent = span.get("parentId")
    return Span(
        trace_id=_identifier(span["traceId"], 32),
        span_id=_identifier(span["id"], 16),
        parent_id=_identifier(parent, 16) if parent else None,
        service=service,
        name=str(span.get("name") or ""),
        kind=kind,
        start_ns=start_ns,
        end_ns=start_ns + int(span.get("duration") or 0) * 1000,
        status=status,
        status_message=message,
        attributes=_peer(span.get("remoteEndpoint") or {}) | tags,
        events=tuple(_event(each) for each in span.get("annotations") or ()),
        resource={"service.name": service},
        scope=scope,
        scope_version=version,
    )


def _status(tags: dict[str, Value]) -> tuple[Status, str]:
    """Take the status out of a span's tags; ``error`` has a message, or only says that there was one."""
    code, message = str(tags.pop("otel.status_code", "")), str(tags.pop("otel.status_description", ""))
    if "error" not in tags or tags["error"] == "false":
        return _STATUSES.get(code, Status.UNSET), message
    error = str(tags.pop("error"))
    return Status.ERROR, message or ("" if error == "true" else error)


def _peer(endpoint: Mapping[str, Any]) -> dict[str, Value]:
    found: dict[str, Value] = {name: str(endpoint[key]) for key, name in _PEER.items() if endpoint.get(key)}
    if endpoint.get("port"):
        found["network.peer.port"] = int(endpoint["port"])
    return found


def _event(annotation: Mapping[str, Any]) -> SpanEvent:
    return SpanEvent(int(annotation["timestamp"]) * 1000, str(annotation["value"]))


def _identifier(text: str, digits: int) -> str:
    found = text.lower().zfill(digits)
    if len(found) != digits or not int(found, 16):
        raise ValueError(f"found the ID {text!r}, expected at most {digits} hexadecimal digits that are not all 0")
    return found
