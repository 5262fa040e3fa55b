from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from devenv.errors import UnknownName
from devenv.load.run_store import RunStore, new_run_id
from devenv.model.load_documents import LagDocument, LoadDocument, PercentilesDocument, TraceCountsDocument
from devenv.model.run import RunRecord


def keep(store: RunStore, run_id: str, *, name: str | None = None, size: int = 10) -> LoadDocument:
    store.begin(run_id).write_bytes(bytes(size))
    document = LoadDocument(
        run_id=run_id,
        valid=True,
        target_rps=50,
        achieved_rps=50,
        sent=1,
        completed=1,
        errors={},
        dropped=0,
        response_ms=PercentilesDocument(),
        service_ms=PercentilesDocument(),
        generator_lag_ms=LagDocument(),
        traces=TraceCountsDocument(complete=1),
        slowest=[],
        thresholds=[],
        cpu_us_per_request=1.0,
        name=name,
    )
    store.save(document, RunRecord(run_id=run_id, started_ns=7, rows=1, options={"rps": 50.0}))
    return document


def test_ids_sort_by_time_and_differ() -> None:
    assert new_run_id(1_700_000_000.0).startswith("20231114T221320Z-")
    assert new_run_id(1_700_000_000.0) < new_run_id(1_700_000_001.0)
    assert len({new_run_id(0.0) for _ in range(20)}) > 15


def test_runs_are_listed_newest_first_and_found_by_id_and_name(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "runs")
    assert store.list() == []
    assert store.latest() is None
    old, new = keep(store, "20260101T000000Z-aaaa", name="base"), keep(store, "20260102T000000Z-bbbb", name="base")
    assert store.list() == [new, old]
    assert store.latest() == new
    assert store.document(old.run_id) == old
    assert store.document("base") == new
    assert store.record("base").options == {"rps": 50.0}
    assert store.document_or_none("other") is None


def test_an_unknown_run_names_the_newest(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    with pytest.raises(UnknownName, match="no run 'x'") as caught:
        store.document("x")
    assert caught.value.hint == "no saved runs; start one with `devenv load`"
    keep(store, "20260101T000000Z-aaaa")
    with pytest.raises(UnknownName) as caught:
        store.remove("x")
    assert "20260101T000000Z-aaaa" in caught.value.hint


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../runs", ""])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    store = RunStore(tmp_path / "runs")
    keep(store, "20260101T000000Z-aaaa")
    with pytest.raises(UnknownName):
        store.remove(name)


def test_a_run_is_removed_whole(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    keep(store, "20260101T000000Z-aaaa", name="base")
    assert store.remove("base") == "20260101T000000Z-aaaa"
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_go_beyond_the_number(tmp_path: Path) -> None:
    store = RunStore(tmp_path, keep_runs=2)
    for day in range(1, 5):
        keep(store, f"2026010{day}T000000Z-aaaa")
    assert [document.run_id[:8] for document in store.list()] == ["20260104", "20260103"]
    assert len(list(tmp_path.iterdir())) == 2


def test_the_oldest_go_beyond_the_size_and_the_newest_stays_whatever_its_size(tmp_path: Path) -> None:
    store = RunStore(tmp_path, keep_bytes=5000)
    keep(store, "20260101T000000Z-aaaa", size=10)
    keep(store, "20260102T000000Z-aaaa", size=10)
    assert len(store.list()) == 2
    keep(store, "20260103T000000Z-aaaa", size=100_000)
    assert [document.run_id[:8] for document in store.list()] == ["20260103"]


def test_runs_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    good = keep(store, "20260101T000000Z-aaaa")
    for run_id, text in (("20260102T000000Z-aaaa", "{"), ("20260103T000000Z-aaaa", json.dumps({"document": {"a": 1}}))):
        store.begin(run_id)
        (tmp_path / run_id / "run.json").write_text(text)
    store.begin("20260104T000000Z-aaaa")  # killed before its end
    assert store.list() == [good]
    assert store.latest() == good


def test_what_a_killed_run_left_is_removed_a_day_later_and_a_run_under_way_is_not(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    killed, running = store.begin("20260101T000000Z-aaaa"), store.begin("20260102T000000Z-aaaa")
    os.utime(killed.parent, (0, 0))
    keep(store, "20260103T000000Z-aaaa")
    assert not killed.parent.exists()
    assert running.parent.exists()


def test_runs_are_nobody_elses_to_read(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    keep(store, "20260101T000000Z-aaaa")
    assert (tmp_path / "20260101T000000Z-aaaa").stat().st_mode & 0o777 == 0o700
