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

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
RESOURCE = {"service.name": "größe", "deployment.environment.name": "test", "a.b": "c d"}


def values(language: str) -> dict[str, Any]:
    """The attributes: JavaScript has doubles only, so that its whole numbers are exact up to 2**53."""
    if language != "node":
        return dict(VALUES)
    exact = {"beyond": 2**53, "least": -(2**53), "numbers": [1, 2**53]}
    return {key: exact.get(key, value) for key, value in VALUES.items() if key != "whole"}


def expected(language: str, ids: Mapping[str, str]) -> dict[str, Span]:
    """The spans by name."""
    attributes = values(language)
    common = {"trace_id": TRACE, "service": "größe", "scope": "a.library", "scope_version": "1.2.3"}
    common |= {"resource": RESOURCE, "trace_state": "vendor=1,other=a:b", "parent_id": ids["root"]}
    links = (SpanLink("0102030405060708090a0b0c0d0e0f10", "1112131415161718", attributes), SpanLink(TRACE, PARENT))
    events = (SpanEvent(START + 1_500_001, "first", attributes), SpanEvent(START + 1_600_002, "größe"))

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
    if not isinstance(value, list):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def exact(span: Span) -> str:
    """Everything that a span has, in a form that tells 1, 1.0 and True apart."""
    document = dataclasses.asdict(span)
    return json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, default=dict)
