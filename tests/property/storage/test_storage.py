"""A storage with random spans and random damage: opened again as it was, or with less and told so; never an error."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from embedded.log_build import logged, make_record
from embedded.storage_requests import IDS, Body, bodies, put_any
from embedded.stores import MIB, content, log_content, opened, put, put_logs
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_build import make_span, request, resource_spans

from devenv.backend.logs.decoding import model_record
from devenv.backend.logs.search import position
from devenv.backend.logs.store import LogStore
from devenv.backend.storage import framing
from devenv.backend.storage.framing import Damaged, framed
from devenv.backend.storage.journal import LOGS, SCOPE, SPANS
from devenv.backend.storage.log_records import decode_logs
from devenv.backend.storage.packing import BodyReader
from devenv.backend.storage.span_records import decode_scope, decode_spans

sessions = st.lists(st.lists(bodies, max_size=4), min_size=1, max_size=3)


@settings(max_examples=30, deadline=None)
@given(sessions)
def test_every_session_begins_with_what_the_last_one_ended_with(made: list[list[Body]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        before: tuple[Any, Any] | None = None
        for session in made:
            logs = LogStore(64 * MIB)
            store, storage = opened(Path(name), logs=logs)
            assert before is None or (content(store), log_content(logs)) == before
            assert storage.figures()["damaged"] == []
            for body in session:
                put_any(store, logs, body)
            before = content(store), log_content(logs)
            storage.close()


@settings(max_examples=20, deadline=None)
@given(sessions)
def test_limits_hold_and_what_is_stored_was_sent(made: list[list[Body]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        sent = {}
        for session in made:
            logs = LogStore(12_000)
            store, storage = opened(Path(name), memory=12_000, max_bytes=16_000, logs=logs)
            for body in session:
                put_any(store, logs, body)
                if body[0]:
                    sent.update(dict.fromkeys(span[1] for each in _spans(body[1]) for span in [each]))
            assert store.bytes + store.scopes.bytes <= 12_000
            assert logs.bytes <= 12_000
            storage.close()
            stored = [found for trace in content(store)["traces"].values() for found in trace[0]]
            assert {span.name for _, span in stored} <= set(sent)


def _spans(body: bytes) -> list[tuple[bytes, bytes]]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    parts = ExportTraceServiceRequest.FromString(body).resource_spans
    return [(s.trace_id, s.name.encode()) for part in parts for scope in part.scope_spans for s in scope.spans]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[Any]]:
    """A folder with one segment, what the store has, and the log records."""
    folder = tmp_path_factory.mktemp("written")
    logs = LogStore(MIB)
    store, storage = opened(folder, logs=logs)
    for number, service in enumerate(["web", "auth", "db"] * 4):
        traces = [IDS[number % 8], IDS[(number + 3) % 8]]
        put(store, request(resource_spans(service, *(make_span(trace, name=f"op {number}") for trace in traces))))
        put_logs(logs, logged(service, make_record("a"), *(make_record(number, trace=trace) for trace in traces)))
    storage.close()
    return folder, content(store), seen(logs)


def seen(logs: LogStore) -> list[Any]:
    return [(position(record), model_record(record)) for record in logs.of_services()]


@settings(max_examples=80, deadline=None)
@given(st.integers(0), st.sampled_from(["flip", "cut", "insert", "zeros", "swap"]))
def test_damage_loses_records_and_nothing_else(
    written: tuple[Path, dict[str, Any], list[Any]], seed: int, how: str
) -> None:
    folder, whole, whole_logs = written
    (segment,) = folder.glob("traces-*")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for file in folder.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        damaged = _damaged(segment.read_bytes(), random.Random(seed), how)
        (copy / segment.name).write_bytes(damaged)
        logs = LogStore(MIB)
        store, storage = opened(copy, logs=logs)
        found, found_logs = content(store), log_content(logs)
        assert found["spans"] <= whole["spans"]
        assert all(each in whole_logs for each in seen(logs))
        for trace_id, trace in found["traces"].items():
            every = [(key, span.SerializeToString()) for key, span in whole["traces"][trace_id][0]]
            assert [(key, span.SerializeToString()) in every for key, span in trace[0]]
        told = storage.figures()["damaged"]
        # What ends with a whole record is as if no more had been written.
        shorter = how == "cut" and len(damaged) in {0, *(each.end for each in framing.records(segment.read_bytes()))}
        assert told or shorter or (found["spans"] == whole["spans"] and seen(logs) == whole_logs)
        assert sum(each["bytes"] for each in told) <= len(damaged)
        storage.close()
        logs = LogStore(MIB)
        again, storage = opened(copy, logs=logs)
        assert (content(again), log_content(logs)) == (found, found_logs)
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
    written: tuple[Path, dict[str, Any], list[Any]], seed: int
) -> None:
    random_ = random.Random(seed)
    (segment,) = written[0].glob("traces-*")
    content = segment.read_bytes()
    bodies = [(record.kind, content[record.begin : record.end]) for record in framing.records(content)]
    kind, body = random_.choice(bodies)
    at = random_.randrange(len(body))
    wrong = body[:at] + random_.randbytes(random_.randrange(1, 9)) + body[at + random_.randrange(9) :]
    encoded = framed(kind, [wrong])
    (record,) = framing.records(encoded)
    decode: Any = {SCOPE: decode_scope, SPANS: decode_spans, LOGS: decode_logs}[kind]
    try:
        decode(BodyReader(encoded, record.begin, record.end))
    except Damaged:
        return
