"""Search against the definition of it: a trace matches if one span meets every criterion, in a plain loop over all."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_build import make_span, one

from devenv.backend.query.search import Criteria, search
from devenv.backend.store.store import Store
from devenv.otlp import columns
from devenv.otlp.batches import batches
from devenv.traces.jaeger_text import as_text

BASE = 10**18
KEYS = ["k", "key", "error"]
VALUES: list[Any] = ["1", 1, True, "true", 1.0, 0.5, "", b"\x01", ["1"]]
TEXTS = ["1", "true", "0.5", "", "AQ==", '["1"]', "none"]

span = st.fixed_dictionaries(
    {
        "trace": st.integers(1, 5),
        "service": st.sampled_from("ab"),
        "name": st.sampled_from(["x", "y"]),
        "start": st.integers(0, 20),
        "took": st.integers(1, 20),
        "attributes": st.dictionaries(st.sampled_from(KEYS[:2]), st.sampled_from(VALUES), max_size=2),
        "status": st.sampled_from([0, 2]),
        "event": st.dictionaries(st.sampled_from(KEYS[:2]), st.sampled_from(VALUES), max_size=1),
    }
)
queries = st.builds(
    Criteria,
    service=st.sampled_from(["", "a", "b", "c"]),
    operation=st.sampled_from(["", "x", "z"]),
    start_min=st.sampled_from([0, BASE + 3, BASE + 10]),
    start_max=st.sampled_from([0, BASE + 9, BASE + 15]),
    duration_min=st.sampled_from([0, 5, 12]),
    duration_max=st.sampled_from([0, 6, 15]),
    attributes=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(TEXTS), max_size=2),
    limit=st.sampled_from([1, 2, 100]),
)


def meets(one_span: dict[str, Any], query: Criteria) -> bool:
    start, took = BASE + one_span["start"], one_span["took"]
    has = [one_span["attributes"], one_span["event"]]

    def attribute(key: str, text: str) -> bool:
        if key == "error":
            return {"true": one_span["status"] == 2, "false": one_span["status"] != 2}.get(text, False)
        return any(key in values and as_text(values[key]) == text for values in has)

    return (
        query.service in {"", one_span["service"]}
        and query.operation in {"", one_span["name"]}
        and start >= query.start_min
        and (not query.start_max or start <= query.start_max)
        and took >= query.duration_min
        and (not query.duration_max or took <= query.duration_max)
        and all(attribute(key, text) for key, text in query.attributes.items())
    )


@given(st.lists(span, max_size=14), queries)
@settings(max_examples=400, deadline=None)
def test_search_finds_what_it_should_in_the_order_it_should(spans: list[dict[str, Any]], query: Criteria) -> None:
    store = Store(1 << 26)
    order: dict[bytes, bool] = {}
    by_service: dict[bytes, list[str]] = {}
    for each in spans:
        trace = bytes([each["trace"]]) * 16
        made = make_span(
            trace,
            name=each["name"],
            start=BASE + each["start"],
            took=each["took"],
            attributes=each["attributes"],
            status=each["status"],
            events=[("e", 0, each["event"])] if each["event"] else [],
        )
        for batch in batches(one(each["service"], made)):
            store.add(batch, columns.decode(batch.spans))
        order[trace] = order.get(trace, False) or meets(each, query)
        by_service.setdefault(trace, []).append(each["service"])
    expected = {trace for trace, matches in order.items() if matches}
    found = [trace.id for trace in search(store, query) if trace is not None]
    assert len(found) == len(set(found)) == min(len(expected), query.limit)
    assert set(found) <= expected
    if not query.service:
        assert found == [trace for trace in reversed(order) if trace in expected][: query.limit]
