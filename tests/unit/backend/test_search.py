"""What the suite beside Jaeger leaves out of search: errors, pauses, truncation, needles."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from otlp_build import MS, make_span, one, trace_id

from devenv.backend.query.lookups import FoundTraces, find
from devenv.backend.query.needles import Needle
from devenv.backend.query.search import Criteria, search
from devenv.backend.store.store import Store
from devenv.http.server.message import Response
from devenv.http.server.turns import Turns
from devenv.otlp import columns
from devenv.otlp.batches import batches


def store_with(*bodies: bytes, max_bytes: int = 1 << 28) -> Store:
    store = Store(max_bytes)
    for body in bodies:
        for batch in batches(body):
            store.add(batch, columns.decode(batch.spans))
    return store


def found(store: Store, **query: Any) -> list[bytes]:
    return [trace.id for trace in search(store, Criteria(**query)) if trace is not None]


def test_error_means_the_status_or_the_attribute() -> None:
    # Jaeger 2.13's memory store compares the text "true" with nothing; later versions and its other stores do as here.
    good, failed, tagged, unset = (trace_id() for _ in range(4))
    store = store_with(
        one("a", make_span(good, status=1)),
        one("a", make_span(failed, status=2)),
        one("a", make_span(tagged, attributes={"error": True})),
        one("a", make_span(unset)),
    )
    assert set(found(store, service="a", attributes={"error": "true"})) == {failed, tagged}
    assert set(found(store, service="a", attributes={"error": "false"})) == {good, unset}
    assert found(store, service="a", attributes={"error": "perhaps"}) == []


def test_any_service_and_no_service() -> None:
    first, second = trace_id(), trace_id()
    store = store_with(one("a", make_span(first)), one("b", make_span(second)))
    assert found(store) == [second, first]
    assert found(store, service="c") == []
    assert found(store, limit=0) == []


def test_a_long_search_pauses() -> None:
    store = store_with(*(one("a", *(make_span(trace_id()) for _ in range(500))) for _ in range(10)))
    steps = list(search(store, Criteria(service="a", attributes={"none": "such"})))
    assert steps == [None] * 10


def test_a_search_pauses_where_bounds_exclude_everything() -> None:
    store = store_with(*(one("a", *(make_span(trace_id()) for _ in range(500))) for _ in range(40)))
    steps = list(search(store, Criteria(service="a", duration_min=10**12)))
    assert steps == [None] * 2


def test_a_trace_evicted_while_a_search_pauses_is_left_out() -> None:
    store = store_with(*(one("a", *(make_span(trace_id()) for _ in range(500))) for _ in range(10)))
    running = search(store, Criteria(service="a", duration_min=2, limit=10_000))
    assert next(running) is not None
    service = store.services["a"]
    while len(service.owned) > 1:
        store._evict(service.owned.popleft())
    assert [trace for trace in running if trace is not None] == []


def test_a_trace_with_spans_refused_is_searched_exactly() -> None:
    trace = trace_id()
    bodies = [one("a", make_span(trace, name="kept", attributes={"filler": "x" * 1000})) for _ in range(200)]
    store = store_with(
        *bodies, one("a", make_span(trace, name="refused", attributes={"filler": "x" * 2000})), max_bytes=1 << 20
    )
    assert found(store, service="a", operation="kept") == [trace]
    assert found(store, service="a", operation="refused") == []


def test_durations_are_compared_by_span_not_by_trace() -> None:
    trace = trace_id()
    store = store_with(one("a", make_span(trace, start=10**18), make_span(trace, start=10**18 + 900 * MS)))
    assert found(store, service="a", duration_min=6 * MS) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("Ωµ", "Ωµ"),
        ("", ""),
        (7, "7"),
        (-7, "-7"),
        (2**63 - 1, str(2**63 - 1)),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        (100.0, "100"),
        (0.0, "0"),
        (-0.0, "-0"),
        (1e21, "1e+21"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (b"\x00\x01", "AAE="),
        ([1, "a"], '[1,"a"]'),
        ({"k": [True]}, '{"k":[true]}'),
    ],
)
def test_every_kind_of_value_is_found_by_its_text(value: Any, text: str) -> None:
    trace = trace_id()
    store = store_with(one("a", make_span(trace, attributes={"key": value})))
    assert found(store, service="a", attributes={"key": text}) == [trace]
    assert found(store, service="a", attributes={"key": text + "0"}) == []
    assert Needle("key", text).within(store.traces[trace].raw)


def test_a_needle_rules_out_other_keys_and_values() -> None:
    store = store_with(one("a", make_span(trace_id(), attributes={"other": "value", "key": "else"})))
    (trace,) = store.traces.values()
    assert not Needle("key", "value").within(trace.raw)
    assert not Needle("ke", "else").within(trace.raw)


def test_an_answer_that_takes_long_keeps_no_earlier_state_of_its_traces() -> None:
    """Searches in the work kept a copy of each trace that grew meanwhile: several times the store's memory."""
    growing, evicted = trace_id(), trace_id()
    store = store_with(one("a", make_span(evicted)), one("a", make_span(growing)))
    answers: list[FoundTraces] = []

    def answer(traces: FoundTraces) -> Response:
        answers.append(traces)
        return Response()

    find(store, Criteria(service="a"), answer, Turns())
    (traces,) = answers
    assert (len(traces), len(list(traces)), traces.size > 0) == (2, 2, True)
    trace = store.get(growing)
    assert trace is not None
    before = trace.raw
    for batch in batches(one("a", make_span(growing, name="later"))):
        store.add(batch, columns.decode(batch.spans))
    assert sys.getrefcount(before) == 2, "this variable and the argument"
    oldest = store.get(evicted)
    assert oldest is not None
    store._evict(oldest)
    (taken,) = traces
    assert taken.id == growing
    assert b"later" in taken.raw
