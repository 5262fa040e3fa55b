"""Taking in, bounds, fairness and eviction of the store of log records."""

from __future__ import annotations

from typing import Any

import pytest
from embedded.log_build import logged, make_record
from embedded.stores import LogRecorder, log_content
from otlp_build import field, span_id, trace_id

from devenv.backend.logs.checked_records import check
from devenv.backend.logs.decoding import model_record
from devenv.backend.logs.search import position, search
from devenv.backend.logs.store import LogStore
from devenv.otlp.batches import batches
from devenv.otlp.wire import Undecodable
from devenv.traces.logs.source import LogQuery

MIB = 1024 * 1024


def put(store: LogStore, body: bytes) -> int:
    """Store a request; gives the number of records refused."""
    return sum(store.add(batch, check(batch.spans)) for batch in batches(body))


def found(store: LogStore, **query: Any) -> list[Any]:
    """The bodies that match, oldest first."""
    steps = search(store, LogQuery(**query))
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return [model_record(record).body for record in end.value.records]


@pytest.fixture
def store() -> LogStore:
    """Ten records of two services, from 1 to 10 ns."""
    store = LogStore(MIB)
    for number in range(1, 11):
        service = "a" if number % 2 else "b"
        put(store, logged(service, make_record(f"line {number}", at=number, severity=number * 2)))
    return store


def test_the_newest_are_returned_oldest_first(store: LogStore) -> None:
    assert found(store) == [f"line {number}" for number in range(1, 11)]
    assert found(store, limit=3) == ["line 8", "line 9", "line 10"]


def test_service_time_and_severity(store: LogStore) -> None:
    assert found(store, services=("a",), start_ns=3, end_ns=7) == ["line 3", "line 5"]
    assert found(store, severity=17) == ["line 9", "line 10"]
    assert found(store, services=("a", "b"), severity=19) == ["line 10"]
    assert found(store, services=("c",)) == []


def test_trace_and_span() -> None:
    store, trace, span = LogStore(MIB), trace_id(), span_id()
    put(store, logged("a", make_record("in", trace=trace, span=span), make_record("beside", trace=trace)))
    put(store, logged("b", make_record("there", trace=trace), make_record("other", trace=trace_id(), span=span)))
    assert found(store, trace_id=trace.hex()) == ["in", "beside", "there"]
    assert found(store, trace_id=trace.hex(), span_id=span.hex()) == ["in"]
    assert found(store, trace_id=trace.hex(), services=("b",)) == ["there"]
    assert found(store, span_id=span.hex()) == ["in", "other"]


def test_text_and_attributes() -> None:
    store = LogStore(MIB)
    put(
        store,
        logged(
            "a",
            make_record("Paid ÉCLAIR", at=1, attributes={"order": 7}),
            make_record({"said": "paid"}, at=2, attributes={"order": 8, "paid": True}),
            make_record(None, at=3, event="order.paid"),
            resource={"host": "h"},
        ),
    )
    assert found(store, text="paid") == ["Paid ÉCLAIR", {"said": "paid"}, None]
    assert found(store, text="éclair") == ["Paid ÉCLAIR"]
    assert found(store, attributes={"order": "8"}) == [{"said": "paid"}]
    assert found(store, attributes={"paid": "true", "host": "h"}) == [{"said": "paid"}]
    assert len(found(store, attributes={"host": "h"})) == 3
    assert found(store, attributes={"order": "9"}) == []


def test_a_record_without_a_time_gets_the_time_when_it_arrived() -> None:
    store = LogStore(MIB, wall=lambda: 77)
    store.journal = journal = LogRecorder()
    put(store, logged("a", make_record("x", at=0), make_record("y", at=5)))
    assert [record.time for record in store.of_services()] == [77, 5]
    copy = LogStore(MIB, wall=lambda: 99)
    journal.restore(copy)
    assert log_content(copy) == log_content(store)


def test_a_record_names_its_severity_in_words_only() -> None:
    store = LogStore(MIB)
    put(store, logged("a", make_record("x", severity=0, severity_text="Warning")))
    assert found(store, severity=13) == ["x"]
    assert found(store, severity=14) == []


def test_what_a_journal_gets_is_the_same_store() -> None:
    store, trace = LogStore(MIB), trace_id()
    store.journal = journal = LogRecorder()
    for number in range(700):
        put(store, logged("ab"[number % 2], make_record(number, trace=trace, at=number + 1)))
    copy = LogStore(MIB)
    journal.restore(copy)
    assert log_content(copy) == log_content(store)
    assert (copy.received, copy.next) == (0, store.next)
    put(store, logged("a", make_record("new", at=701)))
    put(copy, logged("a", make_record("new", at=701)))
    assert log_content(copy) == log_content(store)


def test_a_record_above_its_part_of_the_memory_is_rejected_alone() -> None:
    store = LogStore(64 * 1024)
    store.journal = journal = LogRecorder()
    assert put(store, logged("a", make_record("x"), make_record("x" * 9000), make_record("y"))) == 1
    assert found(store) == ["x", "y"]
    assert [len(addition.payloads) for _, addition in journal.added] == [2]
    assert put(store, logged("b", make_record("x" * 9000))) == 1
    assert list(store.services) == ["a"]
    assert len(journal.added) == 1


def test_the_memory_is_bounded_and_given_back() -> None:
    store = LogStore(64 * 1024)
    for number in range(2000):
        put(store, logged(f"s{number % 7}", make_record("x" * 100, trace=trace_id(), attributes={"n": number})))
        assert store.bytes <= store.max_bytes
    assert 0 < store.records < 300
    assert store.received == 2000 == store.records + store.evicted
    assert len(store._of_trace) == store.records
    assert sum(scope.records for scope in store._scopes.values()) == store.records
    assert store.figures()["evicted"]["records"] == store.evicted


def test_a_loud_service_does_not_evict_a_quiet_one() -> None:
    store = LogStore(256 * 1024)
    put(store, logged("quiet", *(make_record(f"q{number}") for number in range(20))))
    for _ in range(100):
        put(store, logged("loud", *(make_record("x" * 500) for _ in range(20))))
    assert len(found(store, services=("quiet",))) == 20
    assert store.figures()["evicted"]["by_service"] == {"loud": store.evicted}


def test_a_service_pays_for_its_resources() -> None:
    """One that sends a new large resource with each record evicts its own records, not another's."""
    store = LogStore(512 * 1024)
    put(store, logged("quiet", *(make_record("q" * 1000) for _ in range(50))))
    for number in range(100):
        put(store, logged("odd", make_record("x"), resource={"filler": f"{number}" + "y" * 10_000}))
    assert len(found(store, services=("quiet",))) == 50
    assert store.bytes <= store.max_bytes


def test_a_record_above_its_part_of_the_memory_is_refused() -> None:
    store = LogStore(64 * 1024)
    assert put(store, logged("a", make_record("x" * 10_000), make_record("small"))) == 1
    assert found(store) == ["small"]
    assert store.rejected == 1


def test_pages_of_records_of_the_same_time() -> None:
    store = LogStore(MIB)
    put(store, logged("a", *(make_record(number, at=5) for number in range(5))))
    first = _page(store, "")
    assert [model_record(record).body for record in first.records] == [3, 4]
    second = _page(store, position(first.records[0]))
    assert [model_record(record).body for record in second.records] == [1, 2]
    assert second.more
    last = _page(store, position(second.records[0]))
    assert [model_record(record).body for record in last.records] == [0]
    assert not last.more


def _page(store: LogStore, before: str) -> Any:
    try:
        next(search(store, LogQuery(limit=2, before=before)))
    except StopIteration as end:
        return end.value
    raise AssertionError


@pytest.mark.parametrize(("trace", "span"), [(b"short", b""), (b"x" * 16, b"short"), (b"x" * 17, b"")])
def test_an_id_of_another_length_refuses_the_request(trace: bytes, span: bytes) -> None:
    with pytest.raises(Undecodable, match="_id has"):
        put(LogStore(MIB), logged("a", make_record(trace=trace, span=span)))


def test_an_id_of_zeros_is_none() -> None:
    store = LogStore(MIB)
    put(store, logged("a", make_record("x", trace=bytes(16), span=bytes(8))))
    [record] = store.of_services()
    assert (record.trace_id, model_record(record).span_id) == (b"", "")


def _nested(depth: int) -> bytes:
    """An encoded list in a list …; the official classes cannot make it."""
    value = field(1, b"end")
    for _ in range(depth):
        value = field(5, field(1, value))
    return value


def test_deep_values_are_stored_as_text_and_deeper_ones_refused() -> None:
    store = LogStore(MIB)
    [batch] = batches(logged("a", make_record("good")))
    attribute = field(1, b"deep") + field(2, _nested(60))
    records = [field(5, _nested(60)), field(6, attribute), field(5, _nested(150)), field(6, attribute) * 300]
    checked = check([*records, *batch.spans])
    assert checked.rejected == 2
    assert store.add(batch, checked) == 0
    [body, attributes, good] = map(model_record, store.of_services())
    assert '[["end"]]' in str(body.body)
    assert '[["end"]]' in str(attributes.attributes["deep"])
    assert good.body == "good"


def test_what_changes_during_a_search_does_no_harm(store: LogStore) -> None:
    steps = store.of_services()
    first = next(steps)
    for _ in range(3000):
        put(store, logged("a", make_record("x" * 400)))
    assert first not in list(store.of_services())
    assert len(list(steps)) > 3
