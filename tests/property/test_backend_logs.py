"""Whatever is posted as logs: a correct status, nothing of a bad request kept, all that is kept readable."""

from __future__ import annotations

import json
from time import time_ns
from typing import Any

from embedded.log_build import as_json, log_request, make_record, resource_logs
from embedded.stores import LogRecorder, log_content
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from devenv.backend.large_bodies import LargeBodies
from devenv.backend.logs.decoding import model_record
from devenv.backend.logs.records import RECORD_BYTES, SERVICE_BYTES, TRACE_BYTES
from devenv.backend.logs.store import LogStore
from devenv.backend.metrics.store import MetricStore
from devenv.backend.receiver import Receiver
from devenv.backend.store.store import Store
from devenv.http.server import HttpRequest, Response
from devenv.http.server.capacity import ByteBudget
from devenv.http.server.message import dumps
from devenv.otlp import messages
from devenv.traces.logs.json_form import record_json

MIB = 1024 * 1024
PROTOBUF, JSON = "application/x-protobuf", "application/json"

texts = st.text(max_size=8)
numbers = st.integers(-(2**63), 2**63 - 1)
scalars = st.one_of(texts, st.booleans(), numbers, st.floats(), st.binary(max_size=5))
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
attributes = st.dictionaries(texts, values, max_size=3)
traces = st.one_of(st.just(b""), st.sampled_from([bytes([n]) * 16 for n in range(3)]))
records = st.builds(
    make_record,
    st.none() | values,
    trace=traces,
    span=st.one_of(st.just(b""), st.sampled_from([bytes([n]) * 8 for n in range(3)])),
    at=st.integers(0, 2**63),
    severity=st.integers(0, 30),
    severity_text=texts,
    attributes=attributes,
    event=texts,
)
groups = st.builds(
    lambda service, own, resource: resource_logs(service, *own, resource=resource),
    st.sampled_from(["a", "b", "", None]),
    st.lists(records, max_size=4),
    st.dictionaries(texts.filter(lambda key: key != "service.name"), values, max_size=2),
)
requests = st.lists(groups, max_size=3).map(lambda parts: log_request(*parts))


def post(store: LogStore, body: bytes, content_type: str = PROTOBUF, encoding: str = "") -> int:
    target = Receiver(Store(MIB), LargeBodies(ByteBudget(MIB), MIB), store, MetricStore(time_ns))
    headers = {"content-type": content_type, "content-encoding": encoding}
    answer = target.logs(HttpRequest("POST", "/v1/logs", "", headers, body))
    assert isinstance(answer, Response)
    return answer.status


def contents(store: LogStore) -> list[str]:
    """All of the store as the API writes it; checks the store's books on the way."""
    held = list(store.of_services())
    assert store.records == len(held) == sum(len(service.owned) for service in store.services.values())
    scopes = {id(record.scope): record.scope for record in held}
    assert len(scopes) == len(store._scopes)
    in_traces = {record.trace_id for record in held if record.trace_id}
    assert set(store._of_trace) == in_traces
    assert store.bytes == (
        sum(RECORD_BYTES + len(record.payload) for record in held)
        + TRACE_BYTES * len(in_traces)
        + sum(scope.cost for scope in scopes.values())
        + SERVICE_BYTES * len(store.services)
    )
    for trace_id in in_traces:
        assert all(record.trace_id == trace_id for record in store.of_trace(trace_id))
    return sorted(dumps(record_json(model_record(record))).decode() for record in held)


@given(requests)
@settings(max_examples=60, deadline=None)
def test_a_good_request_is_stored_as_it_was(body: bytes) -> None:
    store = LogStore(64 * MIB, wall=lambda: 5)
    assert post(store, body) == 200
    contents(store)
    sent = [
        record
        for group in ExportLogsServiceRequest.FromString(body).resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ]
    for record in sent:
        if not record.time_unix_nano:
            record.observed_time_unix_nano = 5
    kept = sorted(
        messages.LogRecord.FromString(r.payload).SerializeToString(deterministic=True) for r in store.of_services()
    )
    # An empty record is all that is rejected.
    assert kept == sorted(
        messages.LogRecord.FromString(r.SerializeToString()).SerializeToString(deterministic=True)
        for r in sent
        if r.ByteSize() > (9 if not r.time_unix_nano else 0)
    )


@given(requests)
@settings(max_examples=60, deadline=None)
def test_json_gives_the_same_as_protobuf(body: bytes) -> None:
    stores = LogStore(64 * MIB, wall=lambda: 5), LogStore(64 * MIB, wall=lambda: 5)
    assert post(stores[0], body) == 200
    assert post(stores[1], as_json(body), JSON) == 200
    assert contents(stores[0]) == contents(stores[1])


@given(requests)
@settings(max_examples=40, deadline=None)
def test_what_a_journal_gets_is_the_same_store(body: bytes) -> None:
    store, copy = LogStore(64 * MIB, wall=lambda: 5), LogStore(64 * MIB, wall=lambda: 6)
    store.journal = journal = LogRecorder()
    post(store, body)
    journal.restore(copy)
    assert contents(copy) == contents(store)
    assert log_content(copy) == log_content(store)


@given(st.binary(max_size=200), st.sampled_from([PROTOBUF, JSON]), st.sampled_from(["", "gzip", "deflate", "zip"]))
@settings(max_examples=120, deadline=None)
def test_any_bytes_get_a_proper_status(body: bytes, content_type: str, encoding: str) -> None:
    store = LogStore(MIB)
    assert post(store, body, content_type, encoding) in {200, 400, 413, 415}
    contents(store)


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
    store = LogStore(MIB)
    status = post(store, bytes(damaged))
    assert status in {200, 400}
    if status == 400:
        assert store.received == 0
    contents(store)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(records, max_size=4)), max_size=30))
@settings(max_examples=40, deadline=None)
def test_the_books_are_right_after_evictions(sent: list[tuple[str, list[Any]]]) -> None:
    store = LogStore(16 * 1024)
    for service, own in sent:
        assert post(store, log_request(resource_logs(service, *own))) == 200
        assert store.bytes <= store.max_bytes
    contents(store)


WORDS = [
    *("resource", "scopeLogs", "scope", "logRecords", "attributes", "key", "value", "traceId", "spanId"),
    *("timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText", "body", "eventName", "flags"),
    *("droppedAttributesCount", "stringValue", "intValue", "doubleValue", "boolValue", "bytesValue", "arrayValue"),
    *("kvlistValue", "values"),
]
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=25,
)


@given(documents)
@settings(max_examples=120, deadline=None)
def test_any_json_in_the_words_of_otlp_gets_a_proper_status(document: Any) -> None:
    store = LogStore(MIB)
    assert post(store, json.dumps({"resourceLogs": document}).encode(), JSON) in {200, 400}
    nested = {"traceId": "1" * 32, "spanId": "2" * 16, "body": document, "attributes": document}
    group = {"scopeLogs": [{"logRecords": [nested, document]}]}
    assert post(store, json.dumps({"resourceLogs": [group]}).encode(), JSON) in {200, 400}
    contents(store)
