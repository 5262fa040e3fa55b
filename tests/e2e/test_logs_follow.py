"""`devenv logs --follow` while its service is restarted and recreated, as a user sees it."""

from __future__ import annotations

import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import Devenv

STACK = """
services:
  web:
    image: python:3.12-slim
    command: {command}
    init: true
    environment: {{ ROUND: "{round}" }}
    x-devenv: {{ instrument: false, process: {{ command: {command} }} }}
"""
COMMAND = """["sh", "-c", "id=$$(cat /proc/sys/kernel/random/uuid); while :; do echo $$id; sleep 0.1; done"]"""
START = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SECONDS = 60


class Follower:
    """A running `devenv logs --follow`, and the lines that it has printed."""

    def __init__(self, tool: Devenv) -> None:
        command = tool.command("--engine", tool.engine, "--plain", "logs", "web", "--follow", "--tail", "1")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line)

    @property
    def starts(self) -> list[str]:
        """The starts of the service whose output has arrived, in order."""
        return list(dict.fromkeys(found[0] for line in self.seen if (found := START.search(line))))

    def until_starts(self, number: int) -> None:
        while len(self.starts) < number:
            self.seen.append(self.lines.get(timeout=SECONDS))

    def until_notes(self, number: int) -> None:
        """The note may come after the first lines: a local process has one log for all its starts."""
        while len(self.notes()) < number:
            self.seen.append(self.lines.get(timeout=SECONDS))

    def notes(self) -> list[str]:
        return re.findall(r"was (restarted|recreated)", "".join(self.seen))


@pytest.fixture
def tool(engine: str, tmp_path: Path) -> Iterator[Devenv]:
    found = Devenv(tmp_path, engine, files=())
    write(found, 1)
    found.json("up", "--no-canary")
    yield found
    found.down()


def write(tool: Devenv, number: int) -> None:
    (tool.directory / "compose.yaml").write_text(STACK.format(command=COMMAND, round=number))


def test_following_goes_on_over_restart_and_recreation(tool: Devenv) -> None:
    follower = Follower(tool)
    try:
        follower.until_starts(1)
        assert tool.run("restart", "web").returncode == 0
        follower.until_starts(2)
        follower.until_notes(1)
        assert follower.notes() == ["restarted"]
        write(tool, 2)
        tool.json("up", "--no-canary")
        follower.until_starts(3)
        follower.until_notes(2)
        assert len(follower.notes()) == 2
        tool.down()
        assert follower.process.wait(timeout=SECONDS) == 0
    finally:
        follower.process.kill()
