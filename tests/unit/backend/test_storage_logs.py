"""Log records on disk: there again as they were, bounded together with the traces, damage is told."""

from __future__ import annotations

from pathlib import Path

from embedded.log_build import log_request, logged, make_record, resource_logs
from embedded.stores import MIB, log_content, opened, put, put_logs
from otlp_build import make_span, one, trace_id

from devenv.backend.logs.search import position
from devenv.backend.logs.store import LogStore


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("traces-*"))


def test_the_records_are_as_they_were_after_they_are_opened_again(tmp_path: Path) -> None:
    trace = trace_id()
    logs = LogStore(MIB, wall=lambda: 7)
    store, storage = opened(tmp_path, logs=logs)
    put(store, one("web", make_span(trace)))
    put_logs(
        logs,
        log_request(
            resource_logs("web", make_record("é", trace=trace), make_record(None, at=0, event="paid", severity=-1)),
            resource_logs("auth", make_record({"a": [1]}, trace=trace, attributes={"k": 1}), resource={"host": "h"}),
        ),
    )
    put_logs(logs, logged("web", make_record("later", trace=trace_id())))
    before = log_content(logs)
    storage.close()
    again = LogStore(MIB)
    store, storage = opened(tmp_path, logs=again)
    assert log_content(again) == before
    assert (again.received, store.spans, storage.restored_logs) == (0, 1, 4)
    restored = storage.figures()["restored"]
    assert (restored["spans"], restored["log_records"]) == (1, 4)
    put_logs(again, logged("web", make_record("new")))
    positions = [position(record) for record in again.of_services()]
    assert len(set(positions)) == 5
    before = log_content(again)
    storage.close()
    third = LogStore(MIB)
    _, storage = opened(tmp_path, logs=third)
    assert log_content(third) == before
    storage.close()


def test_a_damaged_tail_of_records_is_cut_off_and_told(tmp_path: Path) -> None:
    logs = LogStore(MIB)
    _, storage = opened(tmp_path, logs=logs)
    for number in range(3):
        put_logs(logs, logged("web", make_record(f"line {number}")))
    storage.close()
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-4])
    again = LogStore(MIB)
    _, storage = opened(tmp_path, logs=again)
    assert again.records == 2
    (damage,) = storage.figures()["damaged"]
    assert damage["cut"]
    assert storage.notices == (f"{segment}: the last {damage['bytes']} bytes were damaged and were cut off",)
    storage.close()


def test_segments_whose_records_are_all_evicted_are_removed(tmp_path: Path) -> None:
    logs = LogStore(256 * 1024)
    _, storage = opened(tmp_path, max_bytes=16 * MIB, logs=logs)
    for _ in range(60):
        put_logs(logs, logged("web", *(make_record("x" * 1000) for _ in range(100))))
    storage.flush()
    newest = [position(record) for record in logs.of_services()]
    assert len(newest) > 100
    assert sum(each.stat().st_size for each in segments(tmp_path)) < 3 * MIB
    storage.close()
    again = LogStore(256 * 1024)
    _, storage = opened(tmp_path, max_bytes=16 * MIB, logs=again)
    assert [position(record) for record in again.of_services()][-100:] == newest[-100:]
    assert again.bytes <= again.max_bytes
    storage.close()


def test_a_record_that_is_still_stored_keeps_its_segment(tmp_path: Path) -> None:
    logs = LogStore(MIB)
    store, storage = opened(tmp_path, memory=MIB // 4, max_bytes=16 * MIB, logs=logs)
    put_logs(logs, logged("quiet", make_record("mine")))
    for _ in range(3000):
        put(store, one("loud", make_span(trace_id(), attributes={"filler": "x" * 1000})))
    storage.flush()
    assert len(segments(tmp_path)) == storage.figures()["segments"] >= 3
    storage.close()
    again = LogStore(MIB)
    _, storage = opened(tmp_path, memory=MIB // 4, max_bytes=16 * MIB, logs=again)
    assert [record.scope.service.name for record in again.of_services()] == ["quiet"]
    storage.close()


def test_the_disk_is_bounded_with_records_alone(tmp_path: Path) -> None:
    logs = LogStore(32 * MIB)
    _, storage = opened(tmp_path, max_bytes=MIB, logs=logs)
    for _ in range(40):
        put_logs(logs, logged("web", *(make_record("x" * 1000) for _ in range(50))))
    storage.flush()
    assert MIB / 2 < sum(each.stat().st_size for each in segments(tmp_path)) <= MIB * 1.1
    storage.close()
