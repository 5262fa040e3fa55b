"""What a storage keeps: opened again, a store is as it was; damage is told, limits hold, a full disk ends nothing."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from embedded.log_build import logged, make_record
from embedded.stores import MIB, content, opened, put, put_logs
from otlp_build import make_span, one, request, resource_spans, span_id, trace_id

from devenv.backend.logs.store import LogStore
from devenv.backend.storage.folder import MARK, Folder
from devenv.errors import ConfigurationError, EnvironmentFailure, LockHeld


def filler(service: str, count: int, size: int = 1000) -> list[bytes]:
    """Requests of one trace each, about ``size`` bytes."""
    return [one(service, make_span(trace_id(), attributes={"filler": "x" * size})) for _ in range(count)]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("traces-*"))


def remove_checkpoints(folder: Path) -> None:
    for each in folder.glob("checkpoint-*"):
        each.unlink()


def test_a_store_is_as_it_was_after_it_is_opened_again(tmp_path: Path) -> None:
    store, storage = opened(tmp_path / "new" / "traces")
    traces, root = [trace_id() for _ in range(3)], span_id()
    put(store, one("web", *(make_span(trace, id=root, name="GET /", kind=2) for trace in traces)))
    put(store, one("auth", *(make_span(trace, parent=root, name="verify", kind=3, took=9) for trace in traces[1:])))
    put(store, one("web", make_span(traces[0], parent=root, name="GET /", kind=1, attributes={"k": "ü"})))
    before = content(store)
    storage.close()
    again, storage = opened(tmp_path / "new" / "traces")
    assert content(again) == before
    assert again.received == 0
    assert storage.figures()["restored"]["spans"] == 6
    assert storage.figures()["damaged"] == []
    put(again, one("web", make_span(traces[2], name="late")))
    before = content(again)
    storage.close()
    third, storage = opened(tmp_path / "new" / "traces")
    assert content(third) == before
    storage.close()


def test_what_is_written_is_there_without_a_close(tmp_path: Path) -> None:
    store, storage = opened(tmp_path / "a")
    put(store, one("web", make_span(trace_id())))
    storage.flush()
    (segment,) = segments(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for name in (MARK, segment.name):
        (tmp_path / "b" / name).write_bytes((tmp_path / "a" / name).read_bytes())
    other, copy = opened(tmp_path / "b")
    assert content(other) == content(store)
    copy.close()
    storage.close()


def test_a_damaged_tail_is_cut_off_and_told_once(tmp_path: Path) -> None:
    store, storage = opened(tmp_path)
    for body in filler("web", 3):
        put(store, body)
    storage.close()
    (segment,) = segments(tmp_path)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-10])
    again, storage = opened(tmp_path)
    assert again.spans == 2
    (damage,) = storage.figures()["damaged"]
    assert damage == {"file": segment.name, "bytes": damage["bytes"], "cut": True}
    assert segment.stat().st_size == len(whole) - 10 - damage["bytes"]
    assert storage.notices == (f"{segment}: the last {damage['bytes']} bytes were damaged and were cut off",)
    storage.close()
    third, storage = opened(tmp_path)
    assert (third.spans, storage.figures()["damaged"]) == (2, [])
    storage.close()


def test_damage_in_the_middle_costs_one_record(tmp_path: Path) -> None:
    store, storage = opened(tmp_path)
    for body in filler("web", 5):
        put(store, body)
    storage.close()
    remove_checkpoints(tmp_path)
    (segment,) = segments(tmp_path)
    whole = bytearray(segment.read_bytes())
    whole[len(whole) // 2] ^= 4
    segment.write_bytes(whole)
    again, storage = opened(tmp_path)
    assert again.spans == 4
    (damage,) = storage.figures()["damaged"]
    assert not damage["cut"]
    assert segment.read_bytes() == whole
    storage.close()


def test_memory_limit_holds_after_opening_and_the_newest_stay(tmp_path: Path) -> None:
    store, storage = opened(tmp_path)
    for body in filler("web", 200):
        put(store, body)
    newest = list(store.traces)[-20:]
    storage.close()
    again, storage = opened(tmp_path, memory=MIB // 8)
    assert again.bytes + again.scopes.bytes <= MIB // 8
    assert set(newest) <= set(again.traces)
    storage.close()


def test_disk_is_bounded_by_bytes_and_the_oldest_go_first(tmp_path: Path) -> None:
    limit = MIB
    store, storage = opened(tmp_path, max_bytes=limit)
    for body in filler("web", 3000):
        put(store, body)
    storage.flush()
    on_disk = sum(each.stat().st_size for each in tmp_path.glob("*-*.devenv"))
    assert limit / 2 < on_disk <= limit * 1.1
    assert storage.figures()["bytes"] == on_disk
    newest = list(store.traces)[-300:]
    storage.close()
    again, storage = opened(tmp_path, max_bytes=limit)
    assert list(again.traces)[-300:] == newest
    storage.close()


def test_what_the_disk_has_no_room_for_is_shown_until_the_end_and_does_not_come_back(tmp_path: Path) -> None:
    store, storage = opened(tmp_path, max_bytes=MIB)
    quiet = trace_id()
    put(store, one("quiet", make_span(quiet)))
    for body in filler("web", 3000):
        put(store, body)
    put(store, one("quiet", make_span(quiet, name="late")))
    assert store.traces[quiet].spans == 2
    storage.close()
    again, storage = opened(tmp_path, max_bytes=MIB)
    assert quiet not in again.traces  # not in part either
    assert len(again.traces) > 500
    storage.close()


def test_segments_whose_traces_are_all_evicted_are_removed(tmp_path: Path) -> None:
    store, storage = opened(tmp_path, memory=MIB // 4, max_bytes=16 * MIB)
    for body in filler("web", 5000):
        put(store, body)
    storage.flush()
    assert sum(each.stat().st_size for each in segments(tmp_path)) < 3 * MIB
    before = list(store.traces)
    storage.close()
    again, storage = opened(tmp_path, memory=MIB // 4, max_bytes=16 * MIB)
    assert set(before[-100:]) <= set(again.traces)
    storage.close()


def test_old_segments_are_removed(tmp_path: Path) -> None:
    begun = tmp_path.stat().st_mtime
    store, storage = opened(tmp_path, max_age=1600, now=begun)
    put(store, one("web", make_span(trace_id())))
    storage.close()
    again, storage = opened(tmp_path, max_age=1600, now=begun + 800)
    assert again.spans == 1
    storage.close()
    again, storage = opened(tmp_path, max_age=1600, now=begun + 1700)
    assert (again.spans, segments(tmp_path)) == (0, [])
    storage.close()


def test_what_is_too_old_is_not_answered_any_more_either(tmp_path: Path) -> None:
    now = 10_000.0
    logs = LogStore(MIB)
    store, storage = opened(tmp_path, max_age=1600, now=lambda: now, logs=logs)
    old, young = trace_id(), trace_id()
    put(store, one("web", make_span(old)))
    put_logs(logs, logged("web", make_record("old")))
    now += 1000
    storage.expire()
    put(store, one("web", make_span(young)))
    put(store, one("web", make_span(old, name="late")))
    put_logs(logs, logged("web", make_record("young")))
    for after, traces, records in ((1599, [old, young], 2), (1600, [young], 1), (2601, [], 0)):
        now = 10_000.0 + after
        storage.expire()
        storage.flush()
        assert (list(store.traces), logs.records) == (traces, records)
        assert len(segments(tmp_path)) == storage.figures()["segments"] == max(len(traces), 0)
    assert (store.services, logs.services) == ({}, {})
    assert store.bytes + store.scopes.bytes == logs.bytes == 0
    put(store, one("web", make_span(old)))
    storage.close()
    again, storage = opened(tmp_path, max_age=1600, now=lambda: now)
    assert list(again.traces) == [old]
    storage.close()


def test_a_trace_whose_beginning_was_removed_does_not_come_back_in_part(tmp_path: Path) -> None:
    store, storage = opened(tmp_path)
    trace, other = trace_id(), trace_id()
    put(store, one("web", make_span(trace, name="root")))
    storage.close()
    store, storage = opened(tmp_path)
    put(store, request(resource_spans("web", make_span(trace, name="late"), make_span(other, name="late"))))
    storage.close()
    first, _ = segments(tmp_path)
    first.unlink()
    again, storage = opened(tmp_path)
    assert list(again.traces) == [other]
    assert [each.id for each in again.newest("web", "late")] == [other]
    storage.close()


def test_a_trace_cut_short_stays_marked(tmp_path: Path) -> None:
    store, storage = opened(tmp_path, memory=MIB)
    trace = trace_id()
    rejected = 0
    for _ in range(20):
        rejected += put(store, one("web", make_span(trace, attributes={"filler": "x" * 10_000})))
    assert rejected > 0
    storage.close()
    again, storage = opened(tmp_path, memory=MIB)
    assert again.traces[trace].truncated
    assert again.traces[trace].spans == 20 - rejected
    storage.close()


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    _, storage = opened(tmp_path)
    with pytest.raises(LockHeld, match=rf"{tmp_path} is in use .*\(pid {os.getpid()}\)"):
        Folder(tmp_path)
    storage.close()
    Folder(tmp_path).close()


def test_a_folder_with_files_of_others_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match=r"has files that devenv did not write: thesis\.txt"):
        Folder(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_format_and_a_damaged_mark_are_refused(tmp_path: Path) -> None:
    for found in (b"\xff\xfe", json.dumps({"devenv": "storage", "format": 99}).encode()):
        (tmp_path / MARK).write_bytes(found)
        with pytest.raises(ConfigurationError, match="another version of devenv wrote it"):
            Folder(tmp_path)


def test_what_is_not_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="is not a directory"):
        Folder(tmp_path / "file")
    with pytest.raises(EnvironmentFailure, match="Not a directory"):
        Folder(tmp_path / "file" / "below")


def test_a_full_disk_ends_the_writing_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, storage = opened(tmp_path)
    put(store, one("web", make_span(trace_id())))
    storage.flush()
    write, full = os.write, [True]

    def limited(descriptor: int, data: bytes) -> int:
        if not full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        full.clear()
        return write(descriptor, memoryview(data)[:20])

    monkeypatch.setattr(os, "write", limited)
    for body in filler("web", 3):
        put(store, body)
        storage.flush()
    monkeypatch.undo()
    assert store.spans == 4
    (record,) = caplog.records
    said = "since then, traces and log records are in memory only, until the trace backend is started again"
    assert record.getMessage() == f"cannot write {tmp_path}: No space left on device; {said}"
    assert storage.notices == (record.getMessage(),)
    assert storage.figures()["error"] == record.getMessage()
    storage.close()
    again, storage = opened(tmp_path)
    assert (again.spans, storage.figures()["damaged"]) == (1, [])
    storage.close()


def test_files_of_others_beside_the_mark_are_left_alone(tmp_path: Path) -> None:
    _, storage = opened(tmp_path)
    storage.close()
    (tmp_path / "note.txt").write_text("mine")
    (tmp_path / "traces-00000001.devenv").symlink_to(tmp_path / "note.txt")
    store, storage = opened(tmp_path, max_age=0.001, now=2**33)
    put(store, one("web", make_span(trace_id())))
    storage.close()
    assert (tmp_path / "note.txt").read_text() == "mine"
