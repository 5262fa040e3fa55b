"""How a filtered search spares work: what it excludes without decoding, and that it pauses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from otlp_build import MS, make_span, one, span_id, trace_id

from devenv.backend.query.exclusion import may_meet
from devenv.backend.query.search import Criteria, search
from devenv.backend.store.store import Store
from devenv.otlp import columns, messages
from devenv.otlp.batches import batches
from devenv.traces.filters.text_form import parse

TRACES = 300


def store_with(*bodies: bytes) -> Store:
    store = Store(1 << 28)
    for body in bodies:
        for batch in batches(body):
            store.add(batch, columns.decode(batch.spans))
    return store


@pytest.fixture(scope="module")
def store() -> Store:
    def bodies() -> Iterator[bytes]:
        for _ in range(TRACES):
            trace, root = trace_id(), span_id()
            attributes = {"http.route": "/users", "code": 200}
            yield one("web", make_span(trace, id=root, name="GET", kind=2, took=20 * MS, attributes=attributes))
            yield one("db", make_span(trace, parent=root, name="SELECT", kind=3, took=5 * MS))
        yield one("other", make_span(trace_id(), name="rare", kind=1, took=MS, attributes={"code": 500}, status=2))

    return store_with(*bodies())


@pytest.mark.parametrize(
    "text",
    [
        "code > 300",
        "code = 500",
        "code != 200 and code exists",
        "http.route ~ 'x' or code = 500",
        "status = error",
        "status = error and not http.route = /users",
        "name ~ '^'".replace("^", "ra.e"),
        "name in (rare, none)",
        "kind = internal",
        "trace.service = other",
        "trace.errors > 0",
        "any span(status = error)",
        "root.name = rare",
        "duration > 1h or status = error",
        "trace.duration > 1h or kind = internal",
        "trace.spans > 2 or name = rare",
        "resource.none exists or kind = internal",
        "event.none exists or kind = internal",
        "code > @none or kind = internal",
    ],
)
def test_traces_are_excluded_without_decoding_a_span(store: Store, text: str) -> None:
    may = may_meet(parse(text), store)
    assert may is not None
    left = [trace for trace in store.traces.values() if may(trace, trace.raw)]
    assert len(left) <= TRACES / 10, "of those of web and db, only the few whose random IDs look like a status"
    (found,) = [trace for trace in search(store, Criteria(where=parse(text))) if trace is not None]
    assert [service.name for service in found.services] == ["other"]


@pytest.mark.parametrize(
    "text", ["not code = 200", "status = unset", "code < @code", "span.spanID exists", "duration < 1h"]
)
def test_what_no_index_excludes_is_decided_by_the_spans(store: Store, text: str) -> None:
    may = may_meet(parse(text), store)
    web = [trace for trace in store.traces.values() if trace.services[0].name == "web"]
    assert may is None or all(may(trace, trace.raw) for trace in web)


@pytest.mark.parametrize("text", ["not service exists", "any child(any child(name = none)) or not kind exists"])
def test_a_search_that_decodes_everything_pauses(store: Store, text: str) -> None:
    steps = list(search(store, Criteria(where=parse(text))))
    assert steps
    assert set(steps) == {None}


def test_a_filter_of_many_conditions_pauses_as_often_as_it_takes_time(store: Store) -> None:
    short, long = (len(list(search(store, Criteria(where=parse(text))))) for text in (NOTHING, MANY))
    assert long > 10 * short


NOTHING = "not service exists"
MANY = " and ".join([NOTHING] * 100)


@pytest.mark.parametrize(
    "where", ["any child(not name exists)", "trace.errors > 0 and trace.spans > 1", "not any span(name = w)"]
)
def test_a_large_trace_is_read_in_steps(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, root = trace_id(), span_id()
    spans = [make_span(trace, parent=root, name="w", status=2) for _ in range(3000)]
    large = store_with(*(one("web", *spans[at : at + 500]) for at in range(0, 3000, 500)))
    between: list[int] = []
    decoded = _counted(monkeypatch)
    before = 0
    for step in search(large, Criteria(where=parse(where))):
        between.append(decoded() - before)
        before = decoded()
        if step is not None:
            break
    assert len(between) > 5
    assert max(between) <= 600, "spans between two pauses"


def _counted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Counts decoded spans."""
    count = 0
    original = messages.OpaqueSpan

    class Counting:
        @staticmethod
        def FromString(payload: bytes) -> Any:  # noqa: N802 (protobuf's name)
            nonlocal count
            count += 1
            return original.FromString(payload)

    monkeypatch.setattr(messages, "OpaqueSpan", Counting)
    return lambda: count
