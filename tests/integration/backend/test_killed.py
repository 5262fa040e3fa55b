"""``kill -9`` of the backend at random instants under ingest: what was acknowledged before is there, and there once."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded.forked_backend import forked_backend
from embedded.log_build import logged, make_record
from embedded.stores import MIB, SmallSegments, content, opened
from otlp_build import PROTOBUF, make_span, one, trace_id

from devenv.backend.logs.store import LogStore
from devenv.backend.storage.writer import INTERVAL

KILLS = int(os.environ.get("DEVENV_TEST_KILLS", "20"))
PROMISED_S = 0.2
"""What was acknowledged so long before the process ended is there again."""


@dataclass
class Sent:
    """A trace, and when its two requests and its log record were acknowledged; 0: they were not."""

    trace: bytes
    first: float = 0
    second: float = 0
    logged: float = 0


@contextmanager
def backend(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    command = [sys.executable, "-m", "devenv.backend", "--otlp-port=0", "--query-port=0", "--health-port=0"]
    process = subprocess.Popen([*command, "--storage", str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        ports = dict(part.split("=") for part in process.stdout.readline().split())
        yield process, {name: int(port) for name, port in ports.items()}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def send_until_killed(pid: int, port: int, lifetime: float) -> tuple[list[Sent], float]:
    """Send traces in two parts, the second one a little later, and kill the process after ``lifetime`` seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sent: list[Sent] = []

    def post(path: str, body: bytes) -> float:
        connection.request("POST", path, body, PROTOBUF)
        assert connection.getresponse().read() == b""
        return time.monotonic()

    def span(trace: bytes, name: str) -> float:
        return post("/v1/traces", one("web", make_span(trace, name=name)))

    end = time.monotonic() + lifetime
    while time.monotonic() < end:
        sent.append(Sent(trace_id()))
        sent[-1].first = span(sent[-1].trace, "first")
        if len(sent) > 20:
            sent[-20].second = span(sent[-20].trace, "second")
        sent[-1].logged = post("/v1/logs", logged("web", make_record("x", trace=sent[-1].trace)))
    # the last request is not answered, as a rule: its bytes are on their way when the process ends
    connection.request("POST", "/v1/traces", one("web", make_span(trace_id(), name="first")), PROTOBUF)
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    connection.close()
    return sent, killed


def test_what_was_acknowledged_is_there_once_after_each_kill(tmp_path: Path) -> None:
    assert 2 * INTERVAL <= PROMISED_S / 2
    random_ = random.Random(7)
    known: dict[bytes, set[str]] = {}
    known_records: Counter[bytes] = Counter()
    storage_settings = SmallSegments(tmp_path / "traces")
    used = 0
    for _ in range(KILLS):
        with forked_backend(storage_settings) as (process, port):
            assert process.pid is not None
            sent, killed = send_until_killed(process.pid, port, random_.uniform(0.0, 0.5))
        logs = LogStore(64 * MIB)
        checkpoints = set((tmp_path / "traces").glob("checkpoint-*.devenv"))
        store, storage = opened(tmp_path / "traces", logs=logs, small_segments=True)
        used += len(checkpoints & set((tmp_path / "traces").glob("checkpoint-*")))
        assert not storage.notices or all("were cut off" in notice for notice in storage.notices)
        records = Counter(record.trace_id for record in logs.of_services())
        stored = {
            trace: [span.name.decode() for _, span in found[0]] for trace, found in content(store)["traces"].items()
        }
        figures = storage.figures()
        storage.close()
        assert not [each for each in figures["damaged"] if not each["cut"]]
        assert sum(len(names) for names in stored.values()) == store.spans
        for trace, names in known.items():
            assert set(stored[trace]) == names
        for each in sent:
            for name, acknowledged in (("first", each.first), ("second", each.second)):
                if acknowledged and killed - acknowledged > PROMISED_S:
                    assert stored[each.trace].count(name) == 1
            if each.logged and killed - each.logged > PROMISED_S:
                assert records[each.trace] == 1
        assert set(records.values()) <= {1}
        assert known_records <= records
        assert sum(records.values()) == storage.restored_logs
        known_records = records
        assert all(len(names) == len(set(names)) for names in stored.values())
        known = {trace: set(names) for trace, names in stored.items()}
    assert known
    assert known_records
    assert used > KILLS


def test_the_backend_says_where_the_traces_are(tmp_path: Path) -> None:
    with backend(tmp_path / "traces") as (process, ports):
        connection = http.client.HTTPConnection("127.0.0.1", ports["otlp"], timeout=10)
        connection.request("POST", "/v1/traces", one("web", make_span(trace_id())), PROTOBUF)
        connection.getresponse().read()
        query = http.client.HTTPConnection("127.0.0.1", ports["query"], timeout=10)
        query.request("GET", "/api/devenv/stats")
        found = json.loads(query.getresponse().read())["storage"]
        assert found["directory"] == str(tmp_path / "traces")
        assert found["bytes"] > 0
        second = subprocess.run(
            [sys.executable, "-m", "devenv.backend", "--otlp-port=0", "--storage", str(tmp_path / "traces")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 3
        assert f"is in use by another trace backend of devenv (pid {process.pid})" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    store, storage = opened(tmp_path / "traces")
    assert store.spans == 1
    storage.close()
