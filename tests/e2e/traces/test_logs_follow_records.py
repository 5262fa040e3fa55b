"""`devenv logs --follow` shows lines of output and log records as they arrive, each once."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from devenv_cli import Devenv

STACK = """
services:
  web:
    image: python:3.12-slim
    command: [python3, -u, app.py]
    working_dir: /app
    volumes: ["./:/app:ro"]
    init: true
    x-devenv: { process: { command: [python3, -u, app.py] } }
"""
# Prints "order N", and sends its record half a second later with one that it does not print. Jaeger has no /v1/logs.
PROGRAM = """
import json, os, time, urllib.error, urllib.request

def record(text, number, at, severity):
    return {"timeUnixNano": str(at), "severityNumber": severity, "body": {"stringValue": text},
            "traceId": f"{number:032x}", "spanId": f"{number:016x}"}

def send(records):
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": os.environ["OTEL_SERVICE_NAME"]}}]}
    body = {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]}
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/logs"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    while True:
        try:
            return urllib.request.urlopen(request).close()
        except urllib.error.HTTPError:
            return
        except OSError:  # the receiver may start later
            time.sleep(0.1)

time.sleep(2)  # at its start, a busy machine reads output so late that a line and its record are not known for one
for number in range(1, 10_000):
    at = time.time_ns()
    print(f"order {number}", flush=True)
    time.sleep(0.5)
    send([record(f"order {number}", number, at, 9), record(f"silent {number}\\nand more", number, at + 3 * 10**8, 17)])
"""
SECONDS = 30


class Follower:
    """A running `devenv --json logs --follow`."""

    def __init__(self, tool: Devenv, *arguments: str) -> None:
        command = tool.command("--engine", tool.engine, "--json", "logs", "--follow", *arguments)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(json.loads(line))

    def lines(self, count: int) -> list[tuple[str, str]]:
        """The next lines: stream and first line of the text."""
        found = [self._lines.get(timeout=SECONDS) for _ in range(count)]
        return [(line["stream"], line["text"].partition("\n")[0]) for line in found]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def tool(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devenv]:
    found = Devenv(tmp_path_factory.mktemp("follow"), engine, files=())
    (found.directory / "compose.yaml").write_text(STACK)
    (found.directory / "app.py").write_text(PROGRAM)
    found.json("up", "--no-canary")
    time.sleep(4)  # some lines and records are earlier than the commands
    yield found
    found.down()


def followed(tool: Devenv, count: int, *arguments: str) -> list[tuple[str, str]]:
    follower = Follower(tool, *arguments)
    try:
        return follower.lines(count)
    finally:
        follower.end()


def numbers(lines: list[tuple[str, str]], stream: str, word: str) -> list[int]:
    return [int(text.split()[1]) for found, text in lines if found == stream and text.startswith(word)]


def test_each_line_and_each_record_is_shown_once(tool: Devenv) -> None:
    lines = followed(tool, 24, "--grep", "order|silent")
    printed = numbers(lines, "stdout", "order")
    assert printed == list(range(1, len(printed) + 1))
    if tool.engine == "docker":
        assert len(printed) == 24
        return
    silent = numbers(lines, "otlp", "silent")
    assert len(printed) + len(silent) == 24, lines  # no record of a line that was printed
    assert silent == list(range(1, len(silent) + 1))
    assert len(silent) >= 10
    # What had happened before is in order of time.
    assert lines[:4] == [("stdout", "order 1"), ("otlp", "silent 1"), ("stdout", "order 2"), ("otlp", "silent 2")]


def test_what_is_not_asked_for_is_left_out(tool: Devenv) -> None:
    lines = followed(tool, 8, "--grep", "^order")
    assert lines == [("stdout", f"order {number}") for number in range(1, 9)]
    lines = followed(tool, 4, "--since", "0s", "--tail", "1")
    assert len(set(lines)) == 4
    assert ("stdout", "order 1") not in lines
    if tool.engine == "docker":
        return
    lines = followed(tool, 8, "--severity", "error")
    assert lines == [("otlp", f"silent {number}") for number in range(1, 9)]
    # A line does not say its severity: an earlier one has it from its record, and of a later one the record is shown.
    follower = Follower(tool, "--severity", "info", "--grep", "order")
    try:
        lines = follower.lines(3)
        while lines[-1][0] != "otlp":
            lines += follower.lines(1)
    finally:
        follower.end()
    assert [text for _, text in lines] == [f"order {number}" for number in range(1, len(lines) + 1)]
    assert lines[0][0] == "stdout"
    lines = followed(tool, 2, "--trace", f"{3:032x}")
    assert [text for _, text in lines] == ["order 3", "silent 3"]
