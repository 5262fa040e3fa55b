"""A trace of 80,000 spans on the terminal: folded, in time that grows with the spans, and ended by Ctrl-C at once."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import time
import urllib.request
from typing import Any

import pytest
from devenv_cli import Devenv
from otlp_build import make_span, one

SPANS = 80_000
POSTS = 40
TRACE = bytes(range(1, 17))
OTLP = "http://127.0.0.1:4318/v1/traces"


@pytest.fixture(scope="module")
def stored(up: Any) -> str:
    """The trace's ID, with all spans sent: each span has eight children, as calls in loops have."""
    start = time.time_ns() - 10**9
    size = SPANS // POSTS
    for first in range(0, SPANS, size):
        spans = [
            make_span(
                TRACE,
                name=f"GET /item/{number % 50}",
                id=(number + 1).to_bytes(8, "big"),
                parent=((number - 1) // 8 + 1).to_bytes(8, "big") if number else b"",
                kind=2 + number % 2,
                start=start + number * 1000,
                took=1_000_000,
                attributes={"http.request.method": "GET", "http.response.status_code": 200, "server.address": "api"},
            )
            for number in range(first, first + size)
        ]
        headers = {"Content-Type": "application/x-protobuf"}
        with urllib.request.urlopen(urllib.request.Request(OTLP, data=one("web", *spans), headers=headers)) as answer:
            assert answer.status == 200
    return TRACE.hex()


def cpu_of(devenv: Devenv, *arguments: str) -> tuple[float, str]:
    """Seconds of processor time that a command takes, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = devenv.run(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, done.stdout


def test_every_span_is_shown_or_counted(devenv: Devenv, stored: str) -> None:
    """Jaeger answers a POST before it has stored the spans."""
    deadline = time.monotonic() + 30
    while True:
        shown = devenv.run("traces", "show", stored).stdout
        if f"{SPANS} spans" in shown or time.monotonic() > deadline:
            break
    rows = shown.splitlines()[1:-2]
    counted = [int(number) for row in rows for number in re.findall(r"… (\d+) more", row)]
    below = [int(number) for row in rows for number in re.findall(r"with (\d+) spans? below", row)]
    whole = len([row for row in rows if "…" not in row.split("web:")[0]])
    assert whole + sum(counted) + sum(below) == SPANS
    document = json.loads(devenv.run("traces", "show", stored, "--json").stdout)
    assert len(document["spans"]) == SPANS


@pytest.mark.alone
def test_it_takes_a_few_times_as_long_as_status(devenv: Devenv, stored: str, engine: str) -> None:
    """Three seconds where `status` takes less than half of one. Jaeger answers in JSON, which takes longer."""
    least = min(cpu_of(devenv, "status", "--no-usage")[0] for _ in range(3))
    took = min(cpu_of(devenv, "traces", "show", stored)[0] for _ in range(3))
    assert took < least * (7 if engine == "process" else 10)


@pytest.mark.alone
def test_ctrl_c_ends_it_at_once_wherever_it_is(devenv: Devenv, stored: str) -> None:
    began = time.monotonic()
    devenv.run("status", "--no-usage")
    unit = time.monotonic() - began
    for moment in (1.2, 2.0, 2.8):
        ends = []
        for _ in range(3):  # this machine is shared: the best of three
            command = subprocess.Popen(
                devenv.command("traces", "show", stored),
                env={"DEVENV_ENGINE": devenv.engine, "PATH": "/usr/bin:/bin"},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            time.sleep(moment * unit)
            command.send_signal(signal.SIGINT)
            sent = time.monotonic()
            _, told = command.communicate(timeout=20)
            ends.append(time.monotonic() - sent)
            # The signal itself ends an interpreter that is ending already, as all is printed.
            assert (command.returncode, told[:19]) in {(0, ""), (130, "devenv: interrupted"), (-signal.SIGINT, "")}
        assert min(ends) < unit * 0.6, f"Ctrl-C after {moment * unit:.1f} s"
