"""Random requests for a storage: spans and log records of a few traces and services."""

from __future__ import annotations

from embedded.log_build import logged, make_record
from embedded.stores import put, put_logs
from hypothesis import strategies as st
from otlp_build import make_span, request, resource_spans

from devenv.backend.logs.store import LogStore
from devenv.backend.store.store import Store

IDS = [bytes([n]) * 16 for n in range(1, 9)]

spans = st.builds(
    make_span,
    st.sampled_from(IDS),
    name=st.sampled_from(["a", "b", "", "ü" * 40]),
    kind=st.integers(0, 6),
    start=st.integers(1, 2**62),
    took=st.integers(0, 2**61),
    attributes=st.dictionaries(st.text(max_size=3), st.text(max_size=200), max_size=3),
)
groups = st.builds(
    lambda service, own, resource: resource_spans(service, *own, resource=resource),
    st.sampled_from(["web", "auth", "", "db"]),
    st.lists(spans, min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["zone", "pod"]), st.text(max_size=5), max_size=2),
)
requests = st.lists(groups, min_size=1, max_size=3).map(lambda parts: request(*parts))
records = st.builds(
    make_record,
    st.none() | st.text(max_size=200),
    trace=st.sampled_from([b"", *IDS]),
    at=st.integers(0, 2**64 - 1),
    severity=st.integers(-(2**31), 2**31 - 1),
    attributes=st.dictionaries(st.text(max_size=3), st.text(max_size=20), max_size=3),
)
log_requests = st.builds(
    lambda service, own, resource: logged(service, *own, resource=resource),
    st.sampled_from(["web", "auth", "", "db"]),
    st.lists(records, min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["zone", "pod"]), st.text(max_size=5), max_size=2),
)
bodies = st.tuples(st.just(True), requests) | st.tuples(st.just(False), log_requests)
"""Whether it has spans, else log records; and the request."""
Body = tuple[bool, bytes]


def put_any(store: Store, logs: LogStore, body: Body) -> None:
    """Store a request in the store of its kind."""
    if body[0]:
        put(store, body[1])
    else:
        put_logs(logs, body[1])
