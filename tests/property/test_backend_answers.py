"""Answers with many small traces are written from columns: they say the same as one trace and one span at a time."""

from __future__ import annotations

import json
from typing import Any

from embedded import reference_json
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_build import field, make_span, request, resource_spans

from devenv.backend.api.legacy_json import trace_json, traces_json
from devenv.backend.api.otlp_document import resource_spans as resource_documents
from devenv.backend.api.otlp_document import traces_documents
from devenv.backend.store.decoding import readable, snapshot
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import batches
from devenv.otlp.span_table import MARK, span_table

TRACES = [bytes([n]) * 16 for n in range(1, 4)] + [bytes(8) + b"\7" * 8]
# Around the quotation mark, by which keys are sorted as text or not.
texts = st.text(alphabet='ab"!# \\~é\ud7ff\x01', max_size=3)
scalars = st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=3))
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(texts, scalars, max_size=2))
attributes = st.dictionaries(texts, values, max_size=4)
ids = st.integers(1, 60).map(lambda n: bytes([n]) * 8)
counts = st.sampled_from([0, 0, 0, 3])
plain_spans = st.builds(
    make_span,
    st.sampled_from(TRACES),
    name=texts,
    id=ids,
    parent=st.one_of(st.just(b""), st.just(bytes(8)), ids),
    kind=st.integers(-1, 7),
    start=st.integers(1, 2**62),
    took=st.integers(0, 2**61),
    attributes=attributes,
)
odd_spans = st.builds(
    make_span,
    st.sampled_from(TRACES),
    name=texts,
    id=ids,
    parent=ids,
    attributes=attributes,
    status=st.integers(0, 2),
    message=texts,
    events=st.lists(st.tuples(st.one_of(texts, st.just("event")), st.integers(0, 1000), attributes), max_size=2),
    links=st.lists(st.tuples(st.sampled_from(TRACES), ids, attributes), max_size=2),
    state=texts,
)


def _changed(span: Any, flags: int, dropped: list[int], unset: list[str]) -> Any:
    span.flags = flags
    span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count = dropped
    span.status.SetInParent()  # as some SDKs send it, empty
    for name in unset:
        span.ClearField(name)
    return span


unset = st.lists(st.sampled_from(["end_time_unix_nano", "start_time_unix_nano", "kind", "status", "name"]), max_size=2)
spans = st.one_of(
    plain_spans,
    st.builds(_changed, st.one_of(plain_spans, odd_spans), counts, st.tuples(counts, counts, counts), unset),
)
groups = st.builds(
    lambda service, own, scope: resource_spans(service, *own, resource={"b": 1, "a": service}, scope=scope),
    st.sampled_from(["a", "b", ""]),
    st.lists(spans, max_size=8),
    st.sampled_from(["", "tests"]),
)
requests = st.lists(groups, min_size=1, max_size=4).map(lambda parts: request(*parts))


def stored(body: bytes) -> Store:
    store = Store(1 << 30)
    for batch in batches(body):
        store.add(batch, columns.decode(batch.spans))
    return store


def read(pieces: Any) -> Any:
    return json.loads(f"[{','.join(''.join(each) for each in pieces)}]")


@given(requests)
@settings(max_examples=60, deadline=None)
def test_jaegers_json(body: bytes) -> None:
    store = stored(body)
    taken = [snapshot(trace, store.scopes) for trace in store.traces.values()]
    expected = [reference_json.legacy(trace, store.scopes) for trace in store.traces.values()]
    assert json.dumps(read(traces_json(taken, raw=True)), sort_keys=True) == json.dumps(expected, sort_keys=True)
    for raw in (True, False):
        alone = [json.loads("".join(trace_json(each, raw=raw))) for each in taken]
        assert read(traces_json(taken, raw=raw)) == alone


@given(requests)
@settings(max_examples=60, deadline=None)
def test_otlp_json(body: bytes) -> None:
    store = stored(body)
    taken = [snapshot(trace, store.scopes) for trace in store.traces.values()]
    expected = [part for trace in store.traces.values() for part in reference_json.resource_spans(trace, store.scopes)]
    assert json.dumps(read(traces_documents(taken, raw=True)), sort_keys=True) == json.dumps(expected, sort_keys=True)
    for raw in (True, False):
        alone = [part for each in taken for part in json.loads(f"[{''.join(resource_documents(each, raw=raw))}]")]
        assert read(traces_documents(taken, raw=raw)) == alone


# Fields as no SDK writes them: twice, in another order, or with the end cut off so that the next span is taken for it.
pieces = st.one_of(
    st.sampled_from(
        [field(2, b"\1" * 8), field(5, b"name"), field(4, b"\2" * 8), field(9, b""), field(15, b""), b"\x30\x02"]
    ),
    st.sampled_from([b"\x39" + b"\7" * 8, b"\x41" + b"\7" * 8, b"\x2a\x05", b"\x4a\x7f", b"\x12", b"\x30", b"\x39"]),
    st.binary(max_size=4),
)


@given(st.lists(st.lists(pieces, max_size=6).map(b"".join), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_a_table_has_the_fields_of_each_span(payloads: list[bytes]) -> None:
    table = span_table(payloads)
    alone = readable(payloads)
    if table is None:
        assert len(alone) < len(payloads)
        return
    if len(alone) < len(payloads):
        return  # an event or link inside one of them is not readable, at which a table does not look
    assert table.span_ids == [span.span_id for span in alone]
    assert table.parents == [span.parent_span_id for span in alone]
    assert table.names == [span.name for span in alone]
    assert table.kinds == [span.kind for span in alone]
    assert table.starts == [span.start for span in alone]
    assert table.ends == [span.end for span in alone]
    assert table.attributes == [each for span in alone for each in (*span.attributes, MARK)]
    rare = [span.trace_state or span.events or span.links or span.status.ByteSize() for span in alone]
    assert all(position in table.rare for position, any_ in enumerate(rare) if any_)
