"""The wire formats by themselves: what is written is read by others' code, and what others write is read."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from devenv.load.send.flight import Flight
from devenv.load.send.root_spans import RootEncoder
from devenv.model.run import RequestError
from devenv.model.span import Span, SpanEvent, SpanKind, SpanLink, Status
from devenv.otlp import json_spans
from devenv.otlp.span_encoding import encode_request, encode_span
from devenv.traces import jaeger_json
from devenv.traces.links import UiLinks
from devenv.traces.query import Query, go_duration, legacy_parameters, rfc3339, v3_parameters

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
HEX = st.binary(min_size=16, max_size=16).map(bytes.hex)
SPAN_ID = st.binary(min_size=8, max_size=8).filter(any).map(bytes.hex)
ATTRIBUTES = st.dictionaries(st.text(), VALUES, max_size=3)
TIMES = st.integers(0, 2**64 - 1)
SPANS = st.builds(
    Span,
    trace_id=HEX,
    span_id=SPAN_ID,
    parent_id=st.none() | SPAN_ID,
    service=st.just("shop"),
    name=st.text(),
    kind=st.sampled_from(SpanKind),
    start_ns=TIMES,
    end_ns=TIMES,
    status=st.sampled_from(Status),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(SpanEvent, TIMES, st.text(), ATTRIBUTES), max_size=2).map(tuple),
    links=st.lists(st.builds(SpanLink, HEX, SPAN_ID, ATTRIBUTES), max_size=2).map(tuple),
    resource=st.just({"service.name": "shop"}),
    scope=st.just("s"),
)


def as_json(body: bytes) -> dict[str, Any]:
    """OTLP JSON of a request, made by the generated classes; their ids are base64, OTLP's are hex."""
    found = MessageToDict(ExportTraceServiceRequest.FromString(body))
    for resource in found.get("resourceSpans", []):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for item in (span, *span.get("links", [])):
                    for key in ("traceId", "spanId", "parentSpanId"):
                        if key in item:
                            item[key] = base64.b64decode(item[key]).hex()
    return found


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=3))
def test_what_is_encoded_comes_back_through_the_generated_classes_and_otlp_json(spans: list[Span]) -> None:
    body = encode_request({"service.name": "shop"}, "s", [encode_span(span) for span in spans])
    assert list(json_spans.parse_spans(as_json(body))) == spans


@settings(max_examples=50, deadline=None)
@given(
    st.binary(min_size=24, max_size=24),
    st.integers(0, 10**12),
    st.integers(0, 10**12),
    st.sampled_from([(200, RequestError.NONE), (503, RequestError.STATUS), (0, RequestError.TIMEOUT)]),
)
def test_a_root_span_from_its_template_is_that_span(
    ids: bytes, actual: int, end: int, outcome: tuple[int, RequestError]
) -> None:
    status, error = outcome
    encoder = RootEncoder("run-1", "load shop", {"devenv.scenario": "shop"}, wall_ns=1_700_000_000_000_000_000)
    flight = Flight(0, 0, actual, ids[:16], ids[16:], True, b"")
    encoder.encode(Flight(1, 0, 5, bytes(16), bytes(8), True, b""), 6, status, error)  # fills the template
    body = encode_request({"service.name": "devenv"}, "devenv", [encoder.encode(flight, end, status, error)])
    (span,) = json_spans.parse_spans(as_json(body))
    assert (span.trace_id, span.span_id, span.parent_id) == (ids[:16].hex(), ids[16:].hex(), None)
    assert (span.service, span.name, span.kind) == ("devenv", "load shop", SpanKind.INTERNAL)
    assert (span.start_ns, span.end_ns) == (1_700_000_000_000_000_000 + actual, 1_700_000_000_000_000_000 + end)
    assert span.attributes["devenv.request"] == ids[:16].hex()
    assert span.attributes["devenv.run"] == "run-1"
    assert span.attributes.get("http.response.status_code") == (status or None)
    assert span.is_error == bool(error)
    assert span.attributes.get("error.type") == (error.label(status) if error else None)


def test_otlp_json_as_other_programs_write_it() -> None:
    span = {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": "EEE19B7EC3C1B174",
        "parentSpanId": "0000000000000000",
        "name": "op",
        "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": "1544712660000000000",
        "endTimeUnixNano": 1544712661000000000,
        "status": {"code": "STATUS_CODE_ERROR", "message": "no"},
        "attributes": [
            {"key": "n", "value": {"intValue": "-5"}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "a"}, {"boolValue": False}]}}},
            {"key": "empty", "value": {}},
            {"key": "later", "value": {"newValue": 1}},
        ],
        "someNewField": 7,
    }
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}, {"resource": None, "scopeSpans": None}]}
    (found,) = json_spans.parse_spans(document)
    assert (found.trace_id, found.span_id) == ("5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174")
    assert found.parent_id is None
    assert (found.kind, found.status, found.status_message) == (SpanKind.CLIENT, Status.ERROR, "no")
    assert found.duration_ns == 10**9
    assert found.attributes == {"n": -5, "list": ["a", False], "empty": None, "later": None}
    assert (found.service, found.scope) == ("", "")


@pytest.mark.parametrize(("kind", "status"), [(9, 7), (-1, -1), ("NEW", "NEW")])
def test_unknown_kinds_and_states_are_unspecified(kind: Any, status: Any) -> None:
    span = {"traceId": "aa", "spanId": "bb", "kind": kind, "status": {"code": status}}
    (found,) = json_spans.parse_spans({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    assert (found.kind, found.status) == (SpanKind.UNSPECIFIED, Status.UNSET)


def test_jaegers_json_with_short_ids_links_and_tags_of_each_type() -> None:
    trace = {
        "processes": {"p1": {"serviceName": "shop", "tags": [{"key": "host", "type": "string", "value": "h"}]}},
        "spans": [
            {
                "traceID": "abc",
                "spanID": "1f",
                "operationName": "op",
                "references": [
                    {"refType": "FOLLOWS_FROM", "traceID": "abc", "spanID": "3"},
                    {"refType": "CHILD_OF", "traceID": "abc", "spanID": "2"},
                    {"refType": "CHILD_OF", "traceID": "def", "spanID": "4"},
                ],
                "startTime": 1_700_000_000_000_001,
                "duration": 7,
                "tags": [
                    {"key": "span.kind", "type": "string", "value": "server"},
                    {"key": "n", "type": "int64", "value": 5},
                    {"key": "raw", "type": "binary", "value": "AAE="},
                    {"key": "error", "type": "string", "value": "true"},
                ],
                "logs": [
                    {"timestamp": 1_700_000_000_000_002, "fields": [{"key": "event", "type": "string", "value": "e"}]}
                ],
                "processID": "p1",
            }
        ],
    }
    (span,) = jaeger_json.parse_spans(trace)
    assert (span.trace_id, span.span_id, span.parent_id) == ("abc".zfill(32), "1f".zfill(16), "2".zfill(16))
    assert [(link.trace_id[-3:], link.span_id[-1]) for link in span.links] == [("abc", "3"), ("def", "4")]
    assert (span.start_ns, span.duration_ns) == (1_700_000_000_000_001_000, 7000)
    assert (span.kind, span.status) == (SpanKind.SERVER, Status.ERROR)
    assert span.attributes["n"] == 5
    assert span.attributes["raw"] == b"\x00\x01"
    assert span.resource == {"service.name": "shop", "host": "h"}
    assert span.events == (SpanEvent(1_700_000_000_000_002_000, "e", {}),)


def test_a_query_in_both_dialects() -> None:
    query = Query(
        service="a b",
        operation="GET /",
        tags={"k": "v w"},
        start_ns=1_700_000_000_123_456_789,
        end_ns=1_700_000_001_000_000_001,
        min_duration_ns=1_500_000,
        max_duration_ns=2_000_000,
        limit=7,
    )
    assert dict(pair.split("=") for pair in legacy_parameters(query, "a b").split("&")) == {
        "service": "a+b",
        "operation": "GET+%2F",
        "tags": "%7B%22k%22%3A%22v+w%22%7D",
        "start": "1700000000123456",
        "end": "1700000001000001",
        "minDuration": "1500000ns",
        "maxDuration": "2000000ns",
        "limit": "7",
    }
    assert dict(pair.split("=") for pair in v3_parameters(query).split("&")) == {
        "query.service_name": "a+b",
        "query.operation_name": "GET+%2F",
        "query.attributes": "%7B%22k%22%3A%22v+w%22%7D",
        "query.start_time_min": "2023-11-14T22%3A13%3A20.123456789Z",
        "query.start_time_max": "2023-11-14T22%3A13%3A21.000000001Z",
        "query.duration_min": "1500000ns",
        "query.duration_max": "2000000ns",
        "query.num_traces": "7",
        "query.search_depth": "7",
    }
    assert (go_duration(5), rfc3339(0)) == ("5ns", "1970-01-01T00:00:00.000000000Z")


def test_links_to_pages() -> None:
    assert UiLinks("http://j/").trace("ab/c") == "http://j/trace/ab%2Fc"
    found = UiLinks("http://j").search("a b", 1_001, 2_001, tags={"k": 'v"'}, operation="GET", limit=5)
    assert found == (
        "http://j/search?service=a+b&start=1&end=3&limit=5&lookback=custom&operation=GET"
        "&tags=%7B%22k%22%3A%22v%5C%22%22%7D"
    )
