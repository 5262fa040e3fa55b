"""Filters over random small stores: index, encoded bytes and decoded spans together find what a plain walk finds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_filters import oracle
from trace_filters.strategies import attributes_at, fields_at, filters, traces

from devenv.backend.query.search import Criteria, search
from devenv.backend.store.store import Store
from devenv.model.span import Span
from devenv.model.trace import Trace, collect
from devenv.otlp import columns
from devenv.otlp.batches import batches
from devenv.otlp.span_encoding import encode_request, encode_span
from devenv.traces.filters.expression import Call
from devenv.traces.filters.text_format import text_of


def encodable(trace: Trace) -> Trace:
    """Without what this encoder leaves out: the trace state, and a message without a status."""
    return replace(
        trace,
        spans=tuple(
            replace(span, trace_state="", status_message=span.status_message if span.status else "")
            for span in trace.spans
        ),
    )


stored_traces = st.tuples(*(traces(f"{number:032x}").map(encodable) for number in range(1, 5))).flatmap(
    lambda each: st.lists(st.sampled_from(each), min_size=1, max_size=4, unique_by=lambda trace: trace.trace_id)
)
everything = filters(
    attributes_at(["", "span", "resource", "event", "root"]),
    fields_at(["span", "resource", "event", "trace", "root"]),
)


def store_of(found: list[Trace]) -> Store:
    store = Store(1 << 28)
    for trace in found:
        for (resource, scope), group in itertools.groupby(
            trace.spans, key=lambda span: (dict(span.resource), span.scope)
        ):
            body = encode_request(resource, scope, map(encode_span, group))
            for batch in batches(body):
                store.add(batch, columns.decode(batch.spans))
    return store


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(everything, stored_traces, st.sampled_from([{}, {"service": "web"}, {"operation": "x"}, {"duration_min": 5}]))
def test_the_store_finds_what_a_plain_walk_finds(filter_: Call, made: list[Trace], criteria: dict[str, Any]) -> None:
    found = search(store_of(made), Criteria(**criteria, where=filter_))
    wanted = {trace.trace_id for trace in map(distinct, made) if matches(trace, filter_, criteria)}
    assert {trace.id.hex() for trace in found if trace is not None} == wanted, text_of(filter_)


def distinct(trace: Trace) -> Trace:
    """As it is stored: a span that is sent twice is one."""
    (same,) = collect(trace.spans)
    return same


def matches(trace: Trace, filter_: Call, criteria: dict[str, Any]) -> bool:
    def meets(span: Span) -> bool:
        return (
            criteria.get("service", span.service) == span.service
            and criteria.get("operation", span.name) == span.name
            and span.end_ns - span.start_ns >= criteria.get("duration_min", -9)
        )

    return any(meets(span) and oracle.holds(filter_, span, trace, {}) for span in trace.spans)
