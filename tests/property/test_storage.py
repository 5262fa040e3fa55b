"""A storage with random spans and random damage: opened again as it was, or with less and told so; never an error."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from embedded.stores import content, opened, put
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_build import make_span, request, resource_spans

from devenv.backend.storage.framing import Damaged, framed, records
from devenv.backend.storage.span_records import decode_scope, decode_spans

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
sessions = st.lists(st.lists(requests, max_size=4), min_size=1, max_size=3)


@settings(max_examples=30, deadline=None)
@given(sessions)
def test_every_session_begins_with_what_the_last_one_ended_with(made: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        before: dict[str, Any] | None = None
        for session in made:
            store, storage = opened(Path(name))
            assert before is None or content(store) == before
            assert storage.figures()["damaged"] == []
            for body in session:
                put(store, body)
            before = content(store)
            storage.close()


@settings(max_examples=20, deadline=None)
@given(sessions)
def test_limits_hold_and_what_is_stored_was_sent(made: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        sent = {}
        for session in made:
            store, storage = opened(Path(name), memory=12_000, max_bytes=16_000)
            for body in session:
                put(store, body)
                sent.update(dict.fromkeys(span[1] for each in _spans(body) for span in [each]))
            assert store.bytes + store.scopes.bytes <= 12_000
            storage.close()
            stored = [found for trace in content(store)["traces"].values() for found in trace[0]]
            assert {span.name for _, span in stored} <= set(sent)


def _spans(body: bytes) -> list[tuple[bytes, bytes]]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    parts = ExportTraceServiceRequest.FromString(body).resource_spans
    return [(s.trace_id, s.name.encode()) for part in parts for scope in part.scope_spans for s in scope.spans]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with one segment, and what the store has."""
    folder = tmp_path_factory.mktemp("written")
    store, storage = opened(folder)
    for number, service in enumerate(["web", "auth", "db"] * 4):
        traces = [IDS[number % 8], IDS[(number + 3) % 8]]
        put(store, request(resource_spans(service, *(make_span(trace, name=f"op {number}") for trace in traces))))
    storage.close()
    return folder, content(store)


@settings(max_examples=80, deadline=None)
@given(st.integers(0), st.sampled_from(["flip", "cut", "insert", "zeros", "swap"]))
def test_damage_loses_records_and_nothing_else(written: tuple[Path, dict[str, Any]], seed: int, how: str) -> None:
    folder, whole = written
    (segment,) = folder.glob("traces-*")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for file in folder.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        damaged = _damaged(segment.read_bytes(), random.Random(seed), how)
        (copy / segment.name).write_bytes(damaged)
        store, storage = opened(copy)
        found = content(store)
        assert found["spans"] <= whole["spans"]
        for trace_id, trace in found["traces"].items():
            every = [(key, span.SerializeToString()) for key, span in whole["traces"][trace_id][0]]
            assert [(key, span.SerializeToString()) in every for key, span in trace[0]]
        told = storage.figures()["damaged"]
        assert told or found["spans"] == whole["spans"]
        assert sum(each["bytes"] for each in told) <= len(damaged)
        storage.close()
        again, storage = opened(copy)
        assert content(again) == found
        assert not any(each["cut"] for each in storage.figures()["damaged"])
        storage.close()


def _damaged(content: bytes, random_: random.Random, how: str) -> bytes:
    at = random_.randrange(len(content))
    end = min(len(content), at + random_.randrange(1, 400))
    if how == "flip":
        return content[:at] + bytes([content[at] ^ (1 << random_.randrange(8))]) + content[at + 1 :]
    if how == "cut":
        return content[:at]
    if how == "insert":
        return content[:at] + random_.randbytes(end - at) + content[at:]
    if how == "zeros":
        return content[:at] + bytes(end - at) + content[end:]
    return content[end:] + content[at:end]


@settings(max_examples=200, deadline=None)
@given(st.integers(0))
def test_a_record_with_a_right_checksum_and_a_wrong_content_is_damaged(
    written: tuple[Path, dict[str, Any]], seed: int
) -> None:
    random_ = random.Random(seed)
    (segment,) = written[0].glob("traces-*")
    bodies = [(record.kind, bytes(record.body)) for record in records(memoryview(segment.read_bytes()))]
    kind, body = random_.choice(bodies)
    at = random_.randrange(len(body))
    wrong = body[:at] + random_.randbytes(random_.randrange(1, 9)) + body[at + random_.randrange(9) :]
    (record,) = records(memoryview(framed(kind, [wrong])))
    try:
        (decode_scope if kind == b"S" else decode_spans)(record.body)
    except Damaged:
        return
