"""``devenv view --persist DIR``: spans and log records are there again, also after SIGKILL; what cannot be is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from embedded.log_build import logged, make_record
from otlp_build import PROTOBUF, make_span, one, trace_id

COMMAND = [sys.executable, "-m", "devenv"]
PROMISED_S = 0.2


@contextmanager
def viewing(folder: Path) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The command, as soon as it listens, with its document."""
    command = [*COMMAND, "--json", "view", "--ports", "auto", "--persist", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.kill()


def refused(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command that must not listen."""
    done = subprocess.run([*COMMAND, "view", "--ports", "auto", *arguments], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def send(document: dict[str, Any], trace: bytes, text: str) -> None:
    """A span and a log record of the same trace."""
    url = document["otlp_http_url"]
    span, record = one("shop", make_span(trace, name=text)), logged("shop", make_record(text, trace=trace))
    for path, body in (("traces", span), ("logs", record)):
        assert httpx.post(f"{url}/v1/{path}", content=body, headers=PROTOBUF).is_success


def texts(document: dict[str, Any], trace: bytes) -> tuple[list[str], list[str]]:
    """Names of the spans, and texts of the log records, of a trace."""
    url = document["query_url"]
    found = httpx.get(f"{url}/api/traces/{trace.hex()}").json()["data"]
    records = httpx.get(f"{url}/api/devenv/logs", params={"traceID": trace.hex()}).json()["records"]
    return [span["operationName"] for each in found or () for span in each["spans"]], [each["body"] for each in records]


def test_what_arrived_is_there_after_a_kill_and_told(tmp_path: Path) -> None:
    folder, first, second = tmp_path / "kept", trace_id(), trace_id()
    with viewing(folder) as (document, process):
        assert document["storage"] == str(folder)
        assert (document["restored_spans"], document["storage_notices"]) == (0, [])
        send(document, first, "one")
        code, told = refused("--persist", str(folder))
        assert code == 3
        assert f"{folder} is in use by another trace backend of devenv (pid {process.pid})" in told
        assert texts(document, first) == (["one"], ["one"])
        time.sleep(PROMISED_S)
        process.kill()
        process.wait()
    (segment,) = folder.glob("traces-*")
    whole = segment.read_bytes()
    segment.write_bytes(whole + b"half a record")
    with viewing(folder) as (document, process):
        assert (document["restored_spans"], document["restored_log_records"]) == (1, 1)
        assert document["storage_notices"] == [f"{segment}: the last 13 bytes were damaged and were cut off"]
        assert segment.read_bytes() == whole
        assert texts(document, first) == (["one"], ["one"])
        send(document, second, "two")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    with subprocess.Popen(
        [*COMMAND, "view", "--print", "--ports", "auto", "--persist", str(folder)], stdout=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None
        said = [next(shown.stdout) for _ in range(4)]
        shown.send_signal(signal.SIGINT)
        assert shown.wait(timeout=20) == 0
        assert said[3] == f"Kept in: {folder} (2 spans and 2 log records from before)\n"
        assert "The traces are kept on disk." in shown.stdout.read()


def test_a_folder_of_others_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    code, told = refused("--persist", str(tmp_path))
    assert code == 2
    assert f"{tmp_path} has files that devenv did not write: thesis.txt" in told
    assert "hint: choose an empty directory, or one that does not exist yet" in told
    code, told = refused("--persist", str(tmp_path / "thesis.txt"))
    assert code == 2
    assert "is not a directory" in told
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]
