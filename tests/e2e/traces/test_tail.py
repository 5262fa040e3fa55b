"""`devenv traces tail` beside a load, as a user sees it."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from devenv_cli import Devenv

SECONDS = 30


class Tail:
    """A running `devenv traces tail --json`, and the documents that it has printed."""

    def __init__(self, tool: Devenv, *options: str) -> None:
        command = tool.command("--engine", tool.engine, "--json", "traces", "tail", *options)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: queue.Queue[str] = queue.Queue()
        self.seen: list[Any] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)

    def read(self) -> Any:
        self.seen.append(json.loads(self.lines.get(timeout=SECONDS)))
        return self.seen[-1]


@pytest.fixture
def everything(devenv: Devenv, up: Any) -> Iterator[Tail]:
    yield from _running(Tail(devenv))


@pytest.fixture
def errors(devenv: Devenv, up: Any) -> Iterator[Tail]:
    yield from _running(Tail(devenv, "--errors"))


def _running(tail: Tail) -> Iterator[Tail]:
    yield tail
    tail.process.kill()
    tail.process.wait()


def test_each_trace_is_printed_once_with_all_its_spans(devenv: Devenv, everything: Tail, errors: Tail) -> None:
    while everything.lines.empty():  # traces from before it has begun are not shown
        devenv.json("load", "--rps", "5", "--duration", "1s")
    run = devenv.json("load", "--rps", "10", "--duration", "2s", "--fail", "traced==100%")
    found = devenv.json("traces", "search", "--run", run["run_id"], "--limit", "50")["traces"]
    wanted = {trace["trace_id"]: trace for trace in found}
    assert len(wanted) == 20
    assert {(trace["entry_service"], trace["entry_operation"]) for trace in found} == {("gateway", "GET /api/profile")}
    shown: dict[str, Any] = {}
    while not wanted.keys() <= shown.keys():
        trace = everything.read()
        assert shown.setdefault(trace["trace_id"], trace) is trace
    assert {name: shown[name] for name in wanted} == wanted
    assert errors.lines.empty()
    devenv.down()
    assert everything.process.wait(SECONDS) == errors.process.wait(SECONDS) == 0
