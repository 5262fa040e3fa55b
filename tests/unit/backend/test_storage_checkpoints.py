"""Checkpoints of segments: opening with them is opening without them; one that cannot be used costs time only."""

from __future__ import annotations

from pathlib import Path

import pytest
from embedded.log_build import logged, make_record
from embedded.stores import MIB, content, log_content, opened, put, put_logs
from otlp_build import make_span, one, trace_id

from devenv.backend.logs.store import LogStore
from devenv.backend.storage import checkpoint_file, checkpointing
from devenv.backend.storage.checkpoint_file import CHECKPOINT
from devenv.backend.storage.framing import framed, records


def numbers(folder: Path, kind: str) -> list[int]:
    """Those of the segments (``traces``) or of the checkpoints."""
    return sorted(int(each.stem.removeprefix(f"{kind}-")) for each in folder.glob(f"{kind}-*.devenv"))


def remove_checkpoints(folder: Path) -> None:
    for each in folder.glob("checkpoint-*"):
        each.unlink()


def filled(folder: Path, *, traces: int = 60) -> tuple[dict[str, object], dict[str, object]]:
    """Write traces with late spans and log records into several segments; return what the stores have."""
    logs = LogStore(MIB)
    store, storage = opened(folder, logs=logs, small_segments=True)
    known = [trace_id() for _ in range(traces)]
    for at, trace in enumerate(known):
        put(store, one("web", make_span(trace, name="GET /", attributes={"filler": "x" * 300})))
        put_logs(logs, logged("web", make_record(at, trace=trace)))
        put(store, one("auth", make_span(known[at // 2], name="late", start=5, took=9)))
        storage.flush()  # at most some segments wait for their checkpoint
    storage.close()
    return content(store), log_content(logs)


def seen_again(folder: Path) -> tuple[dict[str, object], dict[str, object], tuple[str, ...]]:
    logs = LogStore(MIB)
    store, storage = opened(folder, logs=logs, small_segments=True)
    found = content(store), log_content(logs)
    storage.close()
    return *found, storage.notices


def test_each_segment_has_a_checkpoint_and_is_the_same_without_it(tmp_path: Path) -> None:
    before = filled(tmp_path)
    assert len(numbers(tmp_path, "traces")) > 4
    assert numbers(tmp_path, "checkpoint") == numbers(tmp_path, "traces")
    assert seen_again(tmp_path) == (*before, ())
    remove_checkpoints(tmp_path)
    assert seen_again(tmp_path) == (*before, ())


def test_segments_that_were_read_get_checkpoints_again_the_newest_first(tmp_path: Path) -> None:
    before = filled(tmp_path)
    every = numbers(tmp_path, "traces")
    assert len(every) == len(set(every)) > 4
    remove_checkpoints(tmp_path)
    for opening in range(1, 4):
        assert seen_again(tmp_path) == (*before, ())
        assert numbers(tmp_path, "checkpoint") == every[-4 * opening :]


def test_damage_in_a_segment_with_a_checkpoint_loses_no_spans(tmp_path: Path) -> None:
    store, storage = opened(tmp_path)
    for _ in range(5):
        put(store, one("web", make_span(trace_id(), attributes={"filler": "x" * 1000})))
    before = content(store)
    storage.close()
    (segment,) = tmp_path.glob("traces-*")
    damaged = bytearray(segment.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    segment.write_bytes(damaged)
    again, storage = opened(tmp_path)
    assert (content(again), storage.notices) == (before, ())
    storage.close()


@pytest.mark.parametrize("harm", ["empty", "cut", "flipped", "a record of another kind", "not a position"])
def test_a_damaged_checkpoint_is_told_and_its_segment_read(tmp_path: Path, harm: str) -> None:
    before = filled(tmp_path)
    path = sorted(tmp_path.glob("checkpoint-*"))[1]
    whole = path.read_bytes()
    (record,) = records(whole)
    body = whole[record.begin : record.end]
    harmed = {
        "empty": b"",
        "cut": whole[:-7],
        "flipped": whole[:90] + bytes([whole[90] ^ 1]) + whole[91:],
        "a record of another kind": framed(b"S", [body]),
        "not a position": framed(CHECKPOINT, [body[:-60]]),
    }
    path.write_bytes(harmed[harm])
    told = (f"{path} was damaged; its segment was read instead",)
    assert seen_again(tmp_path) == (*before, told)
    assert seen_again(tmp_path) == (*before, ())
    assert numbers(tmp_path, "checkpoint") == numbers(tmp_path, "traces")


def test_a_checkpoint_of_another_version_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_file, "VERSION", 99)
    before = filled(tmp_path)
    monkeypatch.undo()
    later = max(tmp_path.glob("checkpoint-*"))
    foreign = later.read_bytes()
    assert seen_again(tmp_path) == (*before, ())
    assert later.read_bytes() != foreign
    assert seen_again(tmp_path) == (*before, ())


def test_without_the_library_of_the_compressed_blocks_the_segments_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = filled(tmp_path)
    monkeypatch.setattr(checkpoint_file, "AVAILABLE", False)
    assert seen_again(tmp_path) == (*before, ())


def test_a_checkpoint_of_another_segment_is_not_used(tmp_path: Path) -> None:
    before = filled(tmp_path / "a")
    filled(tmp_path / "b")
    first, second, *_ = sorted((tmp_path / "a").glob("checkpoint-*"))
    second.write_bytes(first.read_bytes())
    first.write_bytes((tmp_path / "b" / first.name).read_bytes())
    assert seen_again(tmp_path / "a") == (*before, ())


def test_leftovers_are_removed_and_files_of_others_are_not(tmp_path: Path) -> None:
    before = filled(tmp_path)
    (tmp_path / "checkpoint-00000001.new").write_bytes(b"half")
    (tmp_path / "checkpoint-00009999.devenv").write_bytes(b"old")
    (tmp_path / "checkpoint-1.devenv").write_bytes(b"mine")
    assert seen_again(tmp_path) == (*before, ())
    assert not list(tmp_path.glob("*.new"))
    assert 9999 not in numbers(tmp_path, "checkpoint")
    assert (tmp_path / "checkpoint-1.devenv").read_bytes() == b"mine"


@pytest.mark.parametrize("error", [TypeError("a fault"), MemoryError(), OSError(28, "No space left on device")])
def test_a_checkpoint_that_cannot_be_made_is_told_and_nothing_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(checkpointing, "checkpoint", fail)
    store, storage = opened(tmp_path, small_segments=True)
    for _ in range(60):
        put(store, one("web", make_span(trace_id(), attributes={"filler": "x" * 300})))
    storage.flush()
    (notice,) = storage.notices
    assert "its segment will be read instead" in notice
    assert ("No space left" in notice) == isinstance(error, OSError)
    before = content(store)
    storage.close()
    assert numbers(tmp_path, "checkpoint") == []
    monkeypatch.undo()
    again, storage = opened(tmp_path, small_segments=True)
    assert (content(again), storage.notices) == (before, ())
    storage.close()


def test_what_is_in_the_place_of_a_checkpoint_is_told_and_left_alone(tmp_path: Path) -> None:
    store, storage = opened(tmp_path)
    (tmp_path / "checkpoint-00000001.new").mkdir()
    put(store, one("web", make_span(trace_id())))
    before = content(store)
    storage.close()
    assert storage.notices[0].startswith(f"cannot write {tmp_path}/checkpoint-00000001.devenv: Is a directory")
    again, storage = opened(tmp_path)
    assert content(again) == before
    storage.close()


def test_the_limit_of_bytes_removes_a_checkpoint_with_its_segment(tmp_path: Path) -> None:
    store, storage = opened(tmp_path, max_bytes=64 * 1024, small_segments=True)
    for _ in range(400):
        put(store, one("web", make_span(trace_id(), attributes={"filler": "x" * 300})))
    storage.flush()
    segments = numbers(tmp_path, "traces")
    assert segments[0] > 1
    assert set(numbers(tmp_path, "checkpoint")) <= set(segments)
    storage.close()
    newest = list(store.traces)[-20:]
    again, storage = opened(tmp_path, max_bytes=64 * 1024, small_segments=True)
    assert list(again.traces)[-20:] == newest
    assert set(numbers(tmp_path, "checkpoint")) <= set(numbers(tmp_path, "traces"))
    assert sum(each.stat().st_size for each in tmp_path.glob("*-*.devenv")) <= 64 * 1024
    storage.close()


def test_the_limit_of_age_removes_a_checkpoint_with_its_segment(tmp_path: Path) -> None:
    now = 10_000.0
    store, storage = opened(tmp_path, max_age=1600, now=lambda: now)
    for _ in range(3):
        put(store, one("web", make_span(trace_id())))
        now += 500
        storage.expire()
    storage.flush()
    assert numbers(tmp_path, "checkpoint") == numbers(tmp_path, "traces") == [1, 2, 3]
    now += 200
    storage.expire()
    storage.flush()
    assert numbers(tmp_path, "checkpoint") == numbers(tmp_path, "traces") == [2, 3]
    now += 5000
    storage.expire()
    storage.flush()
    assert list(tmp_path.glob("*-*.devenv")) == []
    storage.close()


@pytest.mark.parametrize("checkpoints", [True, False], ids=["with checkpoints", "without checkpoints"])
def test_late_spans_whose_beginning_was_removed_do_not_come_back(tmp_path: Path, *, checkpoints: bool) -> None:
    trace, other = trace_id(), trace_id()
    for name, body in (("first", make_span(trace)), ("second", make_span(trace, name="late"))):
        store, storage = opened(tmp_path)
        put(store, one("web", body, make_span(other, name=name)))
        storage.close()
    if not checkpoints:
        remove_checkpoints(tmp_path)
    (tmp_path / "traces-00000001.devenv").unlink()
    again, storage = opened(tmp_path)
    assert (list(again.traces), again.spans, storage.restored) == ([], 0, 0)
    assert content(again)["services"] == {}
    storage.flush()
    assert numbers(tmp_path, "checkpoint") == numbers(tmp_path, "traces") == []
    storage.close()


@pytest.mark.parametrize("later", [False, True], ids=["same segment", "later segment"])
@pytest.mark.parametrize("checkpoints", [True, False], ids=["with checkpoints", "without checkpoints"])
def test_a_trace_evicted_and_begun_again_has_the_bounds_of_all_its_spans(
    tmp_path: Path, *, later: bool, checkpoints: bool
) -> None:
    trace = trace_id()
    store, storage = opened(tmp_path)
    put(store, one("web", make_span(trace, name="first", start=1_000, took=100)))
    put(store, one("auth", make_span(trace, name="check", start=9_000, took=900)))
    if later:
        storage.close()
        store, storage = opened(tmp_path)
    store._evict(store.traces[trace])  # as if the memory were full
    store._tidy()
    put(store, one("db", make_span(trace, name="late", start=5_000, took=10)))
    storage.close()
    if not checkpoints:
        remove_checkpoints(tmp_path)
    for _ in range(2):  # then with the checkpoints of what was read
        again, storage = opened(tmp_path)
        found = again.traces[trace]
        bounds = (found.start, found.end, found.longest)
        services = [each.name for each in found.services]
        if checkpoints and not later:  # it was evicted when its segment ended
            assert (bounds, services, found.spans) == ((5_000, 5_010, 10), ["db"], 1)
        else:
            assert (bounds, services, found.spans) == ((1_000, 9_900, 900), ["web", "auth", "db"], 3)
        content(again)
        storage.close()


def test_late_spans_of_an_evicted_trace_come_back_with_its_beginning(tmp_path: Path) -> None:
    trace = trace_id()
    store, storage = opened(tmp_path)
    put(store, one("web", make_span(trace, name="first")))
    storage.close()
    store, storage = opened(tmp_path)
    put(store, one("web", make_span(trace, name="late")))
    store._evict(store.traces[trace])  # as if the memory were full
    store._tidy()
    storage.close()
    again, storage = opened(tmp_path)
    assert again.traces[trace].spans == 2
    content(again)
    storage.close()
