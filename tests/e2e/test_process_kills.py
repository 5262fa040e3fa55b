"""What is killed on the process engine: restarts as the policy says, nothing orphaned, and the truth in `status`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv

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
