"""What is killed on the process engine: restarts as the policy says, nothing orphaned, and the truth in `status`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv

ROUNDS = 9
SEED = 20_261_123
RESTARTING = "services:\n  user:\n    restart: always\n"


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[Devenv]:
    override = tmp_path / "restart.yaml"
    override.write_text(RESTARTING)
    found = Devenv(tmp_path, "process")
    found.files = (*found.files, override)
    yield found
    found.down()


def daemon(tool: Devenv) -> dict[str, Any]:
    """Who runs, as the daemon wrote it: its own pid, and a row an instance."""
    found: dict[str, Any] = json.loads((tool.directory / ".devenv" / "daemon.json").read_text())
    return found


def pid_of(tool: Devenv, service: str) -> int:
    return next(int(row["pid"]) for row in daemon(tool)["instances"] if row["service"] == service)


def state_of(tool: Devenv, service: str) -> dict[str, Any]:
    document = json.loads(tool.run("status", "--no-usage", "--json").stdout)
    return next(row for row in document["services"] if row["name"] == service)


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
    return False


def test_a_killed_service_restarts_as_its_policy_says(tool: Devenv) -> None:
    tool.json("up")
    before = pid_of(tool, "user")
    os.kill(before, signal.SIGKILL)
    assert within(10, lambda: state_of(tool, "user")["health"] == "healthy" and pid_of(tool, "user") != before)
    assert state_of(tool, "user")["restarts"] == 1
    os.kill(pid_of(tool, "auth"), signal.SIGKILL)
    assert within(10, lambda: state_of(tool, "auth")["state"] == "exited")
    assert state_of(tool, "auth")["instances"][0]["exit_code"] == 137
    assert tool.json("up")["canary"]["verdict"] == "complete"


def test_nothing_survives_a_killed_daemon_and_up_and_down_converge(tool: Devenv) -> None:
    tool.json("up")
    pids = [row["pid"] for row in daemon(tool)["instances"]]
    assert len(pids) == 3
    os.kill(daemon(tool)["pid"], signal.SIGKILL)
    assert within(10, lambda: not any(runs(pid) for pid in pids))
    status = tool.run("status", "--json")
    assert status.returncode == 1
    assert {row["state"] for row in json.loads(status.stdout)["services"]} == {"dead"}
    again = tool.json("up")
    assert again["canary"]["verdict"] == "complete"
    os.kill(daemon(tool)["pid"], signal.SIGKILL)
    removed = tool.json("down")
    assert removed["left"] == []
    assert not (tool.directory / ".devenv" / "daemon.json").exists()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(again["entrypoint_url"] + "/healthz", timeout=2)


def test_a_run_accounts_for_what_was_lost(tool: Devenv) -> None:
    tool.json("up")
    load = subprocess.Popen(
        tool.command("--engine", "process", "load", "--rps", "40", "--duration", "4s", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    victim = pid_of(tool, "user")
    log = tool.directory / ".devenv" / "logs" / "user-1.log"
    seen = log.stat().st_size
    assert within(20, lambda: log.stat().st_size > seen + 2000), "no load arrived"
    os.kill(victim, signal.SIGKILL)
    out, err = load.communicate(timeout=120)
    run = json.loads(out)
    assert load.returncode in {0, 1}, err
    assert run["sent"] == 160
    assert run["completed"] + sum(run["errors"].values()) >= run["sent"] - run["dropped"]
    assert sum(run["traces"].values()) == run["sent"]
    assert 0 < run["traces"]["complete"] < run["sent"]
    assert run["causes"]


def test_down_after_a_killed_up_leaves_nothing(tmp_path: Path) -> None:
    tool = Devenv(tmp_path, "process")
    begun = time.monotonic()
    tool.json("up", "--no-canary", "--isolated")
    whole = time.monotonic() - begun
    tool.down()
    chance = random.Random(SEED)
    for number in range(ROUNDS):
        instant = chance.uniform(0.2, 1.0) * whole
        process = subprocess.Popen(
            tool.command("--engine", "process", "up", "--no-canary", "--isolated"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=instant)  # the instant of the kill is the input of this test
        process.kill()
        process.wait()
        if number % 3 == 2:
            assert tool.run("up", "--no-canary", "--isolated").returncode == 0, f"up after a kill at {instant:.2f} s"
        tool.down()
        left = [pid for pid in Path("/proc").glob("[0-9]*") if str(tmp_path).encode() in command_line(pid)]
        assert left == [], f"round {number}, killed after {instant:.2f} of {whole:.2f} s"


def command_line(process: Path) -> bytes:
    """Command line and environment of a process, where they can be read."""
    with contextlib.suppress(OSError):
        return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    return b""
