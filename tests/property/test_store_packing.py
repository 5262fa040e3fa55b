"""The store with its older traces packed, against the plain lists of what each trace was sent."""

from __future__ import annotations

import random
from unittest.mock import patch

from embedded.stored_spans import decode_trace
from embedded.stores import check_books, packs
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_build import make_span, one

from devenv.backend.query.search import Criteria, search
from devenv.backend.store import packing
from devenv.backend.store.packs import Pack
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import batches

SMALL_PACKS = patch.multiple(packing, PACK_BYTES=2500, LARGEST=2000)

span = st.tuples(
    st.integers(1, 60),  # the trace
    st.sampled_from("aab"),
    st.sampled_from([0, 10, 200, 1500]),  # bytes of filler
    st.booleans(),  # which cannot be compressed
)


def check(store: Store) -> None:
    """The store's books agree with what it holds."""
    check_books(store)
    assert store.bytes + store.scopes.bytes <= store.max_bytes
    assert store._packing.bytes <= store.max_bytes // 10


@given(st.lists(span, min_size=20, max_size=120), st.sampled_from([30_000, 200_000]), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_what_is_packed_stays_what_it_was(spans: list[tuple[int, str, int, bool]], most: int, seed: int) -> None:
    random_ = random.Random(seed)
    store = Store(most)
    sent: dict[bytes, list[bytes]] = {}
    with SMALL_PACKS:
        for number, service, size, dense in spans:
            trace = number.to_bytes(16, "big")
            filler = random_.randbytes(size // 2).hex() if dense else "x" * size
            made = make_span(trace, attributes={"filler": filler})
            known = set(store.traces)
            refused = sum(store.add(batch, columns.decode(batch.spans)) for batch in batches(one(service, made)))
            if trace not in known:
                sent[trace] = []
            if not refused:  # the trace may be too large
                sent[trace].append(made.span_id)
            check(store)
        for trace, stored in store.traces.items():
            assert [each.span_id for _, each in decode_trace(stored, store.scopes).spans] == sent[trace]
        found = [trace.id for trace in search(store, Criteria(attributes={"filler": "x" * 10})) if trace is not None]
        assert set(found) == {
            trace.id
            for trace in store.traces.values()
            if any(
                b"x" * 10 in each.SerializeToString() and len(each.attributes[0].value.string_value) == 10
                for _, each in decode_trace(trace, store.scopes).spans
            )
        }


def test_most_of_a_full_store_is_packed_and_all_of_it_goes() -> None:
    store = Store(4 * 1024 * 1024)
    for number in range(1, 4001):
        made = make_span(number.to_bytes(16, "big"), attributes={"filler": f"{number:06}" * 100})
        for batch in batches(one("a" if number % 3 else "b", made)):
            store.add(batch, columns.decode(batch.spans))
    assert sum(isinstance(trace.stored, Pack) for trace in store.traces.values()) > 2000
    check(store)
    assert store.evicted_spans == 0
    for service in list(store.services.values()):
        while service.owned:
            store._evict(service.owned.popleft())
    store._tidy()
    assert (store.bytes, store.scopes.bytes, store.spans, store._packing.bytes) == (0, 0, 0, 0)


def test_traces_that_grow_late_leave_their_packs() -> None:
    store = Store(200_000)
    with SMALL_PACKS:
        for _ in range(3):
            for number in range(1, 100):
                made = make_span(number.to_bytes(16, "big"), attributes={"filler": "x" * 300})
                for batch in batches(one("a", made)):
                    store.add(batch, columns.decode(batch.spans))
                check(store)
    assert packs(store)
    assert all(trace.spans == 3 for trace in store.traces.values())
