"""Long computations: Ctrl-C is heard while they run, and they do not keep the process."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time

import pytest

from devenv.traces.background import in_background, parse_json

BUSY = """
import json, sys, time
from devenv.cli.runner import run_async
from devenv.errors import Interrupted
from devenv.traces.background import in_background, parse_json

def work():
    body = json.dumps([{"a": {"b": number}} for number in range(1000)]).encode()
    print("busy", flush=True)
    end = time.monotonic() + 30
    while time.monotonic() < end:
        parse_json(body)

try:
    run_async(lambda: in_background(work))
except Interrupted:
    sys.exit(130)
"""


async def test_results_and_errors_are_those_of_the_work() -> None:
    assert await in_background(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await in_background(lambda: 1 / 0)


def test_ctrl_c_ends_the_process_at_once() -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 130
    assert time.monotonic() - sent < 2  # 0.1 s on a machine without other load; the work takes 30 s


@pytest.mark.slow
async def test_the_loop_runs_while_json_is_parsed() -> None:
    body = json.dumps([{"spanId": str(number), "tags": {}} for number in range(300_000)]).encode()
    work = asyncio.ensure_future(in_background(lambda: parse_json(body)))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.002)
        turns += 1
    assert len(await work) == 300_000  # type: ignore[arg-type]  # the list above
    assert turns >= 3


def test_json_that_is_nested_too_deeply_is_not_valid() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(b"[" * 100_000)
