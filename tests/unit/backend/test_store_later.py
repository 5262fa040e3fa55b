"""Packing and evicting after the answer: the store makes room when it is called back."""

from __future__ import annotations

from collections.abc import Callable

from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import Batch
from devenv.otlp.messages import Span


def _batch(first: int, count: int) -> Batch:
    spans = [
        Span(
            trace_id=number.to_bytes(16, "big"),
            span_id=b"s" * 8,
            trace_state=b"x" * 200,
            name=b"GET",
            kind=2,
            start=1,
            end=2,
        ).SerializeToString()
        for number in range(first, first + count)
    ]
    return Batch(b"", b"", b"", b"", spans)


def test_the_store_makes_room_when_it_is_called_back() -> None:
    waiting: list[Callable[[], None]] = []
    store = Store(100_000)
    store.later = waiting.append
    for first in range(1, 2001, 100):
        batch = _batch(first, 100)
        assert store.add(batch, columns.decode(batch.spans)) == 0
    assert len(store.traces) == 2000
    assert store.bytes > store.max_bytes
    for call in waiting:
        call()
    assert store.bytes + store.scopes.bytes <= store.max_bytes
    assert 0 < len(store.traces) < 2000
    assert store.spans == len(store.traces)
    assert store.evicted_spans == 2000 - store.spans


def test_the_store_makes_room_at_once_if_it_cannot_be_called_back() -> None:
    store = Store(100_000)
    batch = _batch(1, 2000)
    store.add(batch, columns.decode(batch.spans))
    assert store.bytes + store.scopes.bytes <= store.max_bytes
