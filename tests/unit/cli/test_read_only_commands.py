"""`config`, `doctor`, `status` and `up --dry-run` in a clone: nothing of it runs, nothing is written, nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TRAP = "touch {here}/it-ran"
STACK = """
services:
  web:
    image: web
    build: {{ context: ., dockerfile_inline: "FROM scratch\\nRUN {trap}" }}
    command: {trap}
    ports: ["127.0.0.1:8097:8097"]
    healthcheck: {{ test: [CMD-SHELL, "{trap}"], interval: 1s }}
    env_file: values.env
    x-devenv:
      ready: {{ exec: "{trap}" }}
      process: {{ command: [sh, -c, "{trap}"] }}
"""
COMMANDS = {
    "config": ["config"],
    "origin": ["config", "--origin"],
    "doctor": ["doctor"],
    "status": ["status"],
    "dry run": ["--engine", "process", "up", "--dry-run"],
    "stacks": ["stacks"],
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(STACK.format(trap=TRAP.format(here=tmp_path)))
    (tmp_path / "values.env").write_text(f"A=$(touch {tmp_path}/it-ran)\nB=`touch {tmp_path}/it-ran`\n")
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=clone\n")
    (tmp_path / "sub").mkdir()
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DEVENV_", "COMPOSE_"))}
    command = [sys.executable, "-m", "devenv", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
    )


def snapshot(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Each path with its inode, size and time of change."""
    found = {str(path): path.lstat() for path in (folder, *sorted(folder.rglob("*")))}
    return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.mark.parametrize(("command", "where"), [*((command, ".") for command in COMMANDS), ("dry run", "sub")])
def test_nothing_runs_and_nothing_is_written(clone: Path, command: str, where: str) -> None:
    before = snapshot(clone)
    done = run(clone / where, *COMMANDS[command])
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 1, 3}, done.stderr
    assert snapshot(clone) == before


@pytest.mark.parametrize("command", ["config", "doctor", "status", "dry run"])
@pytest.mark.parametrize("name", ["compose.yaml", ".env", "values.env"])
def test_a_fifo_in_the_place_of_a_file_does_not_hang(clone: Path, command: str, name: str) -> None:
    (clone / name).unlink()
    os.mkfifo(clone / name)
    done = run(clone, *COMMANDS[command])
    assert "Traceback" not in done.stderr
    reads = command != "status"
    assert ("not a regular file" in done.stdout + done.stderr) == reads, done.stderr
    if reads:
        assert name in done.stdout + done.stderr
        assert done.returncode == (3 if command == "doctor" else 2)
