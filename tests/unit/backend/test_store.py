"""Taking in, bounds, fairness and eviction of the backend's store."""

from __future__ import annotations

import json
from secrets import token_urlsafe
from typing import Any

import pytest
from embedded.stored_spans import decode_trace
from otlp_build import MS, make_span, one, request, resource_spans, span_id, trace_id

from devenv.backend.api.otlp_document import traces_documents
from devenv.backend.query.search import Criteria, search
from devenv.backend.store.decoding import snapshot
from devenv.backend.store.figures import figures
from devenv.backend.store.records import StoredService
from devenv.backend.store.shares import shares
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import batches

MIB = 1024 * 1024


def put(store: Store, body: bytes) -> int:
    """Store a request; gives the number of spans refused."""
    return sum(store.add(batch, columns.decode(batch.spans)) for batch in batches(body))


def found(store: Store, **query: Any) -> list[bytes]:
    return [trace.id for trace in search(store, Criteria(**query)) if trace is not None]


def filler(service: str, count: int, size: int = 1000) -> list[bytes]:
    """Requests of one trace each, about ``size`` bytes that cannot be compressed."""
    return [
        one(service, make_span(trace_id(), attributes={"filler": token_urlsafe(size * 3 // 4)})) for _ in range(count)
    ]


def test_a_trace_gathers_from_several_batches() -> None:
    store, trace, root = Store(MIB), trace_id(), span_id()
    put(store, one("b", make_span(trace, parent=root, name="child")))
    put(store, one("a", make_span(trace, id=root, name="root")))
    decoded = decode_trace(store.traces[trace], store.scopes)
    assert [(scope.service.name, span.name) for scope, span in decoded.spans] == [("b", b"child"), ("a", b"root")]
    assert store.spans == 2
    assert found(store, service="a") == found(store, service="b") == [trace]


def test_a_span_that_comes_twice_is_shown_once() -> None:
    store, trace = Store(MIB), trace_id()
    span = make_span(trace)
    for _ in range(3):
        put(store, one("a", span))
    assert len(decode_trace(store.traces[trace], store.scopes).spans) == 1


def test_the_same_span_of_two_resources_is_two_spans() -> None:
    store, trace = Store(MIB), trace_id()
    span = make_span(trace)
    put(store, one("a", span))
    put(store, one("b", span))
    assert len(decode_trace(store.traces[trace], store.scopes).spans) == 2


def test_a_span_that_comes_again_under_another_scope_leaves_no_scope_without_spans() -> None:
    store, trace = Store(MIB), trace_id()
    span = make_span(trace)
    put(store, request(resource_spans("a", span, scope="first"), resource_spans("a", span, scope="second")))
    (pieces,) = traces_documents([snapshot(store.traces[trace], store.scopes)], raw=True)
    (document,) = json.loads(f"[{''.join(pieces)}]")
    assert [(each["scope"]["name"], len(each["spans"])) for each in document["scopeSpans"]] == [("first", 1)]


def test_memory_stays_within_the_bound_and_what_goes_is_counted() -> None:
    store = Store(MIB)
    bodies = filler("a", 3000)
    for body in bodies:
        put(store, body)
        assert store.bytes + store.scopes.bytes <= MIB
    # What the indexes still refer to weighs no more than what is counted.
    held = {id(trace.stored): trace.stored for trace in store.services["a"].recent}.values()
    assert sum(len(each) if isinstance(each, bytes) else each.cost for each in held) <= MIB
    stats = figures(store)
    assert stats["spans_received"] == 3000
    assert stats["evicted"]["traces"] == 3000 - stats["traces_stored"] > 0
    assert stats["evicted"]["spans"] == 3000 - stats["spans_stored"]
    assert stats["evicted"]["by_service"]["a"]["spans"] == stats["evicted"]["spans"]


def test_the_oldest_go_first_and_whole() -> None:
    store = Store(MIB)
    ids = [trace_id() for _ in range(2000)]
    for each in ids:
        root = make_span(each, attributes={"filler": "x" * 600})
        put(store, request(resource_spans("a", root), resource_spans("b", make_span(each, parent=root.span_id))))
    kept = set(store.traces)
    assert kept == set(ids[-len(kept) :])
    assert all(len(decode_trace(trace, store.scopes).spans) == 2 for trace in store.traces.values())
    assert found(store, service="b", limit=9999) == list(reversed(ids[-len(kept) :]))
    assert store.evicted.among(ids) == ids[: -len(kept)]


def test_a_noisy_service_does_not_push_out_a_quiet_one() -> None:
    store = Store(MIB)
    quiet = filler("quiet", 50)
    for body in quiet:
        put(store, body)
    for body in filler("noisy", 3000):
        put(store, body)
    assert len(found(store, service="quiet", limit=9999)) == 50
    assert figures(store)["evicted"]["by_service"].keys() == {"noisy"}


def test_two_services_that_want_all_get_half_each() -> None:
    store = Store(MIB)
    for first, second in zip(filler("a", 2000), filler("b", 2000), strict=True):
        put(store, first)
        put(store, second)
    held = [store.services[name].bytes for name in "ab"]
    assert min(held) > 0.4 * sum(held)


def test_who_holds_most_gives_way_first() -> None:
    services = []
    for name, size in (("small", 10), ("large", 100), ("middle", 50)):
        service = StoredService(name)
        service.bytes = size
        service.owned.append(object())  # type: ignore[arg-type] - only whether there is one counts here
        services.append(service)
    order = []
    for service, floor in shares(services):
        order.append((service.name, floor))
        service.bytes = floor
        if len(order) == 4:
            break
    assert order[:2] == [("large", 50), ("large", 49)] or order[:2] == [("large", 50), ("middle", 49)]
    assert "small" not in {name for name, _ in order}


def test_a_trace_that_grows_without_end_is_cut_and_says_so() -> None:
    store, trace = Store(MIB), trace_id()
    refused = 0
    for _ in range(300):
        refused += put(store, one("a", make_span(trace, attributes={"filler": "x" * 1000})))
    assert refused > 0
    assert store.traces[trace].truncated
    assert len(store.traces[trace].raw) <= MIB // 8
    assert figures(store)["spans_rejected"] == refused
    assert store.spans + refused == 300
    put(store, one("b", make_span(trace_id())))
    assert len(store.traces) == 2


def test_a_span_larger_than_a_trace_may_be_leaves_nothing() -> None:
    store = Store(MIB)
    assert put(store, one("a", make_span(trace_id(), attributes={"filler": "x" * 200_000}))) == 1
    assert store.traces == {}
    assert found(store, service="a") == []
    for body in filler("a", 1500):
        put(store, body)
    assert store.bytes <= MIB


def test_names_without_end_stay_within_the_bound() -> None:
    """A new service, operation and resource for each span: the indexes are limited as the spans are."""
    store = Store(MIB)
    for number in range(4000):
        put(store, one(f"service-{number}", make_span(trace_id(), name=f"operation-{number}"), resource={"n": number}))
    assert store.bytes + store.scopes.bytes <= MIB
    assert len(store.services) < 400
    assert len(list(store.scopes)) < 400
    assert sum(len(service.operations) for service in store.services.values()) < 400
    assert len(store.evicted_by_service) <= 1000


def test_operations_go_with_their_last_trace() -> None:
    store = Store(MIB)
    put(store, one("a", make_span(trace_id(), name="once")))
    for body in filler("a", 3000):
        put(store, body)
    assert list(store.services["a"].operations) == [b"work"]


def test_everything_is_free_again_when_all_is_gone() -> None:
    store = Store(MIB)
    for body in filler("a", 20):
        put(store, body)
    service = store.services["a"]
    while service.owned:
        store._evict(service.owned.popleft())
    store._tidy()
    assert (store.bytes, store.scopes.bytes, store.spans) == (0, 0, 0)
    assert (store.traces, store.services) == ({}, {})


def test_a_late_span_of_an_evicted_trace_is_kept_and_the_eviction_still_known() -> None:
    store, trace = Store(MIB), trace_id()
    put(store, one("a", make_span(trace)))
    for body in filler("a", 3000):
        put(store, body)
    assert trace not in store.traces
    put(store, one("a", make_span(trace)))
    assert trace in store.traces
    assert store.evicted.among([trace]) == [trace]


def test_ids_of_zeros_are_rejected_and_counted() -> None:
    store = Store(MIB)
    body = one("a", make_span(bytes(16)), make_span(trace_id(), id=bytes(8)), make_span(trace_id()))
    put(store, body)
    assert figures(store)["spans_rejected"] == 2
    assert figures(store)["spans_stored"] == 1


@pytest.mark.parametrize("kind", [-1, 6, 2**31 - 1])
def test_an_unknown_kind_is_stored_as_unspecified(kind: int) -> None:
    # The enum is open in proto3, and what lies beyond it must not become a shift by two billion bits.
    store = Store(MIB)
    span = make_span(b"t" * 16, id=b"s" * 8)  # of these bytes, none is the key of the kind
    encoded = bytearray(span.SerializeToString())
    at = encoded.index(b"\x30\x02")
    varint = (kind & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little")
    value, packed = int.from_bytes(varint, "little"), bytearray()
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    encoded[at + 1 : at + 2] = packed
    part = resource_spans("a")
    part.scope_spans[0].spans.add().ParseFromString(bytes(encoded))
    put(store, request(part))
    assert store.services["a"].operations[b"work"].kinds == 1


def test_rates_are_of_the_last_seconds() -> None:
    now = 100.0
    store = Store(MIB, lambda: now)
    put(store, one("a", *(make_span(trace_id(), took=MS) for _ in range(30))))
    now = 101.5
    assert figures(store)["spans_per_second"] == 3.0
    assert figures(store)["services"]["a"]["spans_per_second"] == 3.0
    now = 120.0
    assert figures(store)["spans_per_second"] == 0.0
