"""A service of the sample as a process: its start, its end, and what it says when it cannot start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from otlp_receiver import OtlpReceiver
from sample_processes import SAMPLE, SampleProcesses, free_port


def test_sigterm_sends_the_last_spans_before_the_end(sample: SampleProcesses, receiver: OtlpReceiver) -> None:
    sample.start("user", OTEL_BSP_SCHEDULE_DELAY="60000")
    assert httpx.get(sample.url("user", "/users/1")).status_code == 200
    changed = httpx.patch(sample.url("user", "/users/1"), json={"display_name": "x"})
    assert changed.status_code == 200
    assert not receiver.spans
    assert sample.stop("user") == 0
    names = {span.name for span in receiver.spans}
    assert {"GET /users/{id}", "PATCH /users/{id}", "process audit", "INSERT audit"} <= names


def test_sigterm_lets_a_request_finish(sample: SampleProcesses) -> None:
    sample.start("user")
    with socket.create_connection(("127.0.0.1", sample.ports["user"]), timeout=10) as connection:
        connection.sendall(b"PATCH /users/1 HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        process = sample.running["user"]
        process.terminate()
        connection.sendall(b'{"email":1}')
        assert connection.recv(1000).startswith(b"HTTP/1.1 422")
    assert process.wait(10) == 0


def test_a_collector_that_is_away_delays_neither_requests_nor_the_end(sample: SampleProcesses) -> None:
    sample.start("user", OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    for _ in range(20):
        assert httpx.get(sample.url("user", "/users/1"), timeout=1).status_code == 200
    assert sample.stop("user", timeout=8) == 0


def run(service: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"{service}.app"]
    return subprocess.run(
        command, cwd=SAMPLE, env={**os.environ, **environment}, capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize(
    ("service", "environment", "said"),
    [
        ("auth", {"AUTH_SECRET": "short"}, "tokens.secret (AUTH_SECRET): expected at least 32 bytes"),
        ("gateway", {"AUTH_URL": "auth:8081"}, "upstreams.auth (AUTH_URL): found 'auth:8081'"),
        ("gateway", {"PORT": "http"}, "PORT: found 'http', expected a number"),
        ("user", {"CONFIG": "/no/such/file"}, "/no/such/file: cannot be read"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(
    service: str, environment: dict[str, str], said: str
) -> None:
    ended = run(service, **environment)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert said in ended.stderr


def test_a_misspelt_tracing_setting_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    text = (SAMPLE / "user" / "config.yaml").read_text()
    path.write_text(text.replace("service_name: user", "service_name: user\n  samplr: {ratio: 1}"))
    ended = run("user", CONFIG=str(path))
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert f"{path}:{len(text.splitlines()) + 1}:3" in ended.stderr
    assert "did you mean sampler?" in ended.stderr


def test_a_port_that_is_taken_is_exit_code_3() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        ended = run("user", PORT=str(holder.getsockname()[1]))
    assert ended.returncode == 3
    assert "address already in use" in ended.stdout
