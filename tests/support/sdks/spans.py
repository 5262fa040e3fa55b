"""The spans that the programs of this folder make, each with the SDK of its language: what a trace backend has to have.

All programs give them the same times and attributes; the IDs are the SDK's, and are printed as `{name: span ID}`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from sdks.spans_of_python import START, VALUES

from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status
from devenv.traces.jaeger_text import as_text

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
_RESOURCE = {"service.name": "größe", "deployment.environment.name": "test", "a.b": "c d", "none": ""}


_NOT_OF_NODE = ("whole", "bytes", "no bytes", "null", "map", "mixed")


def values(language: str) -> dict[str, Any]:
    """The attributes of the span, as far as the SDK of a language accepts them."""
    found = dict(VALUES)
    match language:
        case "node":
            # Numbers are doubles, exact up to 2**53; lists are of one kind.
            exact = {"beyond": 2**53, "least": -(2**53), "numbers": [1, 2**53], "holes": ["a", None]}
            found = {key: value for key, value in VALUES.items() if key not in _NOT_OF_NODE} | exact
        case "go":
            del found["map"]
        case "python" | "devenv":
            found["map"] = {"b": 1}
    return found


def more(language: str) -> dict[str, Any]:
    """The attributes of an event or a link: Go checks the keys of spans only, and Node drops null of spans only."""
    empty = {"": "a key is never empty"} if language == "go" else {}
    null = {"null": None} if language == "node" else {}
    return {**values(language), **null, **empty}


def resource(language: str) -> dict[str, str]:
    """What the environment says of the resource; Java's SDK drops an empty value."""
    return {key: value for key, value in _RESOURCE.items() if value or language != "java"}


def expected(language: str, ids: Mapping[str, str]) -> dict[str, Span]:
    """The spans by name."""
    attributes, others = values(language), more(language)
    scope_of_nameless = "go.opentelemetry.io/otel/sdk/tracer" if language == "go" else ""
    name_of_nameless = "<unspecified span name>" if language == "java" else ""
    common = {"trace_id": TRACE, "service": "größe", "scope": "a.library", "scope_version": "1.2.3"}
    common |= {"resource": resource(language), "trace_state": "vendor=1,other=a:b", "parent_id": ids["root"]}
    links = (SpanLink("0102030405060708090a0b0c0d0e0f10", "1112131415161718", others), SpanLink(TRACE, PARENT))
    events = (SpanEvent(START + 1_500_001, "first", others), SpanEvent(START + 1_600_002, "größe"))

    nameless: dict[str, Any] = {
        "scope": scope_of_nameless,
        "scope_version": "",
        "events": (SpanEvent(START + 3_000_003, ""),),
    }

    def one(name: str, start: int, end: int, kind: SpanKind, **more: Any) -> Span:
        given: dict[str, Any] = {**common, "span_id": ids[name], "name": name, "kind": kind, **more}
        return Span(start_ns=START + start, end_ns=START + end, **given)

    spans = (
        one("root", 0, 9_999_999, SpanKind.SERVER, parent_id=PARENT, attributes=attributes),
        one(
            "größe",
            1_000_001,
            2_000_002,
            SpanKind.CLIENT,
            links=links,
            events=events,
            status=Status.ERROR,
            status_message="warum ☃",
        ),
        one("internal", 3_000_003, 3_000_004, SpanKind.INTERNAL),
        one("producer", 3_000_003, 3_000_004, SpanKind.PRODUCER, status=Status.OK),
        one("consumer", 3_000_003, 3_000_004, SpanKind.CONSUMER),
        one(name_of_nameless, 3_000_003, 3_000_004, SpanKind.INTERNAL, **nameless),
    )
    return {span.name: span for span in spans}


def in_legacy(span: Span) -> Span:
    """What Jaeger's legacy JSON can tell of a span: microseconds, lists as text, links without attributes."""
    start = span.start_ns // 1000 * 1000
    return dataclasses.replace(
        span,
        start_ns=start,
        end_ns=start + (span.end_ns - span.start_ns) // 1000 * 1000,
        attributes=_texts(span.attributes),
        events=tuple(
            SpanEvent(event.time_ns // 1000 * 1000, event.name, _texts(event.attributes)) for event in span.events
        ),
        links=tuple(SpanLink(link.trace_id, link.span_id) for link in span.links),
        resource=_texts(span.resource),
    )


def with_resource(span: Span, resource: Mapping[str, Any]) -> Span:
    """The span, with these attributes of the resource only."""
    return dataclasses.replace(span, resource=resource)


def _texts(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _text(value) for key, value in given.items()}


def _text(value: Any) -> Any:
    return as_text(value) if value is None or isinstance(value, (list, dict)) else value


def exact(span: Span) -> str:
    """Everything that a span has, in a form that tells 1, 1.0 and True apart."""
    document = dataclasses.asdict(span)
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return repr(value) if isinstance(value, bytes) else dict(value)
