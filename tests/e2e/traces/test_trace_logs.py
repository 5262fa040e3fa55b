"""`devenv logs --trace` on both engines: captured lines, the events of spans, and log records where they are kept."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest
from devenv_cli import Devenv
from embedded.log_build import logged, make_record
from otlp_build import make_span, one, span_id, trace_id

OTLP = "http://127.0.0.1:4318"
MS = 1_000_000


def send(path: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    with urllib.request.urlopen(urllib.request.Request(OTLP + path, data=body, headers=headers)) as answer:
        assert answer.status == 200


def lines(devenv: Devenv, *arguments: str) -> list[dict[str, Any]]:
    done = devenv.run("--json", "logs", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def canary(up: Any) -> str:
    """The ID of a trace of the sample, whose services print a line of JSON for each request."""
    trace: str = up["canary"]["trace_id"]
    return trace


def test_lines_of_json_are_read(devenv: Devenv, canary: str) -> None:
    found = lines(devenv, "--trace", canary)
    printed = [line for line in found if line["stream"] in {"stdout", "stderr"}]
    assert {line["service"] for line in printed} >= {"gateway", "auth", "user"}
    for line in printed:
        assert (line["trace_id"], line["severity"], line["message"]) == (canary, "INFO", "request")
        assert len(line["span_id"]) == 16
        assert line["instance"] == 1
    assert lines(devenv, "--trace", canary, "--severity", "error") == []
    assert len(lines(devenv, "--trace", canary[:12], "user")) == sum(line["service"] == "user" for line in found)


def test_records_and_events_are_among_them(devenv: Devenv, up: Any) -> None:
    trace, span, start = trace_id(), span_id(), time.time_ns() - 10**9
    events = [("cache.miss", 5 * MS, {"key": "k"}), ("exception", 9 * MS, {"exception.type": "E"})]
    send("/v1/traces", one("gateway", make_span(trace, id=span, start=start, events=events)))
    expected = [("event", "cache.miss key=k", None), ("event", "exception: E", "ERROR")]
    if up["engine"] == "process":
        record = make_record("slow\x1b[2J", trace=trace, span=span, at=start + 7 * MS, severity=13)
        send("/v1/logs", logged("gateway", record))
        expected.insert(1, ("otlp", "slow\x1b[2J", "WARN"))
    deadline = time.monotonic() + 20
    found: list[dict[str, Any]] = []
    while len(found) < len(expected) and time.monotonic() < deadline:
        found = lines(devenv, "--trace", trace.hex())
    assert [(line["stream"], line["text"], line["severity"]) for line in found] == expected
    assert {(line["trace_id"], line["span_id"], line["service"]) for line in found} == {
        (trace.hex(), span.hex(), "gateway")
    }
    shown = devenv.run("logs", "--trace", trace.hex(), "--severity", "error").stdout
    assert shown == f"gateway | ERROR exception: E  [event of span {span.hex()}]\n"


def test_a_level_that_does_not_exist(devenv: Devenv, up: Any) -> None:
    done = devenv.run("logs", "--severity", "eror")
    assert done.returncode == 2
    assert "--severity: found 'eror', expected one of trace, debug, info, warn, error, fatal" in done.stderr
    assert "did you mean 'error'?" in done.stderr
