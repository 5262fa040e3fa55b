"""Whatever is posted: a correct status, nothing of a bad request kept, the store sound and all of it readable."""

from __future__ import annotations

import json
from time import time_ns
from typing import Any

from embedded.stored_spans import as_legacy, as_otlp, decode_trace, summary
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_build import field, make_span, request, resource_spans

from devenv.backend.large_bodies import LargeBodies
from devenv.backend.logs.store import LogStore
from devenv.backend.metrics.store import MetricStore
from devenv.backend.receiver import Receiver
from devenv.backend.store.store import Store
from devenv.http.server import HttpRequest, Response
from devenv.http.server.capacity import ByteBudget
from devenv.otlp import columns, messages
from devenv.otlp.batches import batches, walk
from devenv.otlp.wire import Undecodable

MIB = 1024 * 1024
TRACES = [bytes([n]) * 16 for n in range(1, 5)]
PROTOBUF, JSON = "application/x-protobuf", "application/json"

texts = st.text(max_size=8)
numbers = st.integers(-(2**63), 2**63 - 1)
scalars = st.one_of(texts, st.booleans(), numbers, st.floats(), st.binary(max_size=5))
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
attributes = st.dictionaries(texts, values, max_size=3)
ids = st.sampled_from([bytes([n]) * 8 for n in range(1, 7)])
spans = st.builds(
    make_span,
    st.sampled_from(TRACES),
    name=texts,
    id=ids,
    parent=st.one_of(st.just(b""), ids),
    kind=st.integers(0, 5),
    start=st.integers(1, 2**62),
    took=st.integers(0, 2**61),
    attributes=attributes,
    status=st.integers(0, 2),
    message=texts,
    events=st.lists(st.tuples(texts, st.integers(0, 1000), attributes), max_size=2),
    links=st.lists(st.tuples(st.sampled_from(TRACES), ids, attributes), max_size=2),
    state=texts,
)
groups = st.builds(
    lambda service, own, resource: resource_spans(service, *own, resource=resource),
    st.sampled_from(["a", "b", "", None]),
    st.lists(spans, max_size=4),
    st.dictionaries(texts.filter(lambda key: key != "service.name"), values, max_size=2),
)
requests = st.lists(groups, max_size=3).map(lambda parts: request(*parts))


def receiver(store: Store, limit: int) -> Receiver:
    return Receiver(store, LargeBodies(ByteBudget(limit), limit), LogStore(limit), MetricStore(time_ns))


def post(target: Receiver, body: bytes, content_type: str = PROTOBUF, **headers: str) -> int:
    posted = HttpRequest("POST", "/v1/traces", "", {"content-type": content_type, **headers}, body)
    answer = target.traces(posted)
    assert isinstance(answer, Response)
    return answer.status


def check(store: Store) -> None:
    """The store's books agree with what it holds, and all of it can be read in every form."""
    held = 0
    for trace in store.traces.values():
        held += trace.spans
        decoded = decode_trace(trace, store.scopes)
        assert len(as_legacy(trace, store.scopes)["spans"]) == len(decoded.spans)
        as_otlp(trace, store.scopes, raw=False)
        assert summary(trace, store.scopes).spans == len(decoded.spans)
        assert len(decoded.spans) <= trace.spans
        for _, span in decoded.spans:
            assert trace.start <= span.start
            assert span.end <= trace.end
            assert span.end - span.start <= trace.longest
    assert store.spans == held
    assert sum(scope.spans for scope in store.scopes) == held


@given(requests)
@settings(max_examples=60, deadline=None)
def test_a_good_request_is_stored_as_it_was(body: bytes) -> None:
    store = Store(64 * MIB)
    assert post(receiver(store, MIB), body) == 200
    check(store)
    sent = [
        span.SerializeToString()
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]
    assert store.spans == len(sent)
    kept = [(trace.id, span) for trace in store.traces.values() for _, span in decode_trace(trace, store.scopes).spans]
    assert all(span.trace_id == trace_id for trace_id, span in kept)
    shown = {span.SerializeToString(deterministic=True) for _, span in kept}
    assert shown == {messages.Span.FromString(each).SerializeToString(deterministic=True) for each in sent}


@given(requests)
@settings(max_examples=40, deadline=None)
def test_export_and_import_keep_everything(body: bytes) -> None:
    """What API v3 gives, posted as JSON to another backend, is the same trace there."""
    first, second = Store(64 * MIB), Store(64 * MIB)
    post(receiver(first, MIB), body)
    for trace in first.traces.values():
        document = {"resourceSpans": as_otlp(trace, first.scopes)}
        assert post(receiver(second, 64 * MIB), json.dumps(document).encode(), JSON) == 200
    for key, trace in first.traces.items():
        before = as_otlp(trace, first.scopes)
        after = as_otlp(second.traces[key], second.scopes)
        assert _shown(before) == _shown(after)


def _shown(documents: Any) -> list[str]:
    """All visible parts of a trace, sorted; a zero duration is shown as 1 ns."""
    found = []
    for group in documents:
        resource = json.dumps(group["resource"], sort_keys=True)
        for scope in group["scopeSpans"]:
            found += [resource + json.dumps(span, sort_keys=True) for span in scope["spans"]]
    return sorted(set(found))


@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON]), st.sampled_from(["", "gzip", "deflate", "zip"]))
@settings(max_examples=120, deadline=None)
def test_any_bytes_get_a_proper_status(body: bytes, content_type: str, encoding: str) -> None:
    store = Store(MIB)
    status = post(receiver(store, MIB), body, content_type, **{"content-encoding": encoding})
    assert status in {200, 400, 413, 415}
    check(store)


@given(requests, st.data())
@settings(max_examples=80, deadline=None)
def test_damaged_requests(body: bytes, data: st.DataObject) -> None:
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        if not damaged:
            break
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "grow"])):
            case "flip":
                damaged[at] = data.draw(st.integers(0, 255))
            case "cut":
                del damaged[at:]
            case _:
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=12))
    store = Store(MIB)
    status = post(receiver(store, MIB), bytes(damaged))
    assert status in {200, 400}
    if status == 400:
        assert store.received == 0
    check(store)


WORDS = [
    "resourceSpans",
    "resource",
    "scopeSpans",
    "scope",
    "spans",
    "attributes",
    "key",
    "value",
    "traceId",
    "spanId",
    "name",
    "kind",
    "startTimeUnixNano",
    "events",
    "links",
    "status",
    "code",
    "flags",
    "stringValue",
    "intValue",
    "doubleValue",
    "boolValue",
    "bytesValue",
    "arrayValue",
    "kvlistValue",
    "values",
]
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=25,
)


@given(documents)
@settings(max_examples=120, deadline=None)
def test_any_json_in_the_words_of_otlp_gets_a_proper_status(document: Any) -> None:
    store = Store(MIB)
    body = json.dumps({"resourceSpans": document}).encode()
    assert post(receiver(store, MIB), body, JSON) in {200, 400}
    nested = {"traceId": "1" * 32, "spanId": "2" * 16, "attributes": document, "events": document, "status": document}
    group = {"scopeSpans": [{"spans": [nested]}]}
    assert post(receiver(store, MIB), json.dumps({"resourceSpans": [group]}).encode(), JSON) in {200, 400}
    check(store)


@given(st.lists(st.binary(max_size=60) | spans.map(lambda span: span.SerializeToString()), max_size=8))
@settings(max_examples=80, deadline=None)
def test_many_spans_at_once_decode_as_one_by_one_does(encoded: list[bytes]) -> None:
    """The quick way over columns and the careful way agree on what is good, and on every field."""
    try:
        expected = columns._one_by_one(encoded)
    except Undecodable:
        expected = None
    quick = columns._together(encoded, b"".join(encoded)) if encoded else None
    if quick is not None and expected is not None:
        assert quick.trace_ids == expected.trace_ids
        assert (quick.names, quick.kinds) == (expected.names, expected.kinds)
        assert (quick.starts, quick.ends) == (expected.starts, expected.ends)


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_the_walk_finds_the_spans_whatever_their_size(payloads: list[bytes], big: int) -> None:
    payloads += [b"x" * (16_000 + 400 * big)] * (big % 2)
    scope = b"".join(field(2, payload) for payload in payloads)
    body = field(1, field(2, field(1, b"scope") + scope + field(3, b"url")) + field(1, b"resource"))
    found = list(walk(body))
    assert found == list(batches(body))
    assert [span for batch in found for span in batch.spans] == payloads
    assert all((batch.resource, batch.scope, batch.scope_url) == (b"resource", b"scope", b"url") for batch in found)
