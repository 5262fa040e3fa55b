"""A state directory that cannot be written: a message and exit code 3 from every command, never 70."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from devenv_cli import Devenv

STACK = "services:\n  web:\n    x-devenv: {process: {command: sleep 60}}\n"
READ = ("status", "logs")


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def tool(request: pytest.FixtureRequest, tmp_path: Path) -> Devenv:
    file = tmp_path / "compose.yaml"
    file.write_text(STACK)
    return Devenv(tmp_path, request.param, files=(file,))


def refusal(tool: Devenv, command: str) -> str:
    done = tool.run(*command.split())
    assert done.returncode == 3, f"{command}: {done.returncode} {done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_file_in_the_place_of_the_state(tool: Devenv) -> None:
    (tool.directory / ".devenv").write_text("")
    for command in ("up --no-canary", "up --no-canary --isolated", "down"):
        assert "a file with this name exists\n  hint: move the file away" in refusal(tool, command)
    for command in READ:
        assert "is not running" in refusal(tool, command)


def test_a_dangling_link_in_the_place_of_the_state(tool: Devenv) -> None:
    (tool.directory / ".devenv").symlink_to("/nowhere/else")
    for command in ("up --no-canary", "down"):
        said = refusal(tool, command)
        assert "it is a symbolic link to /nowhere/else, which does not exist\n  hint: remove the link" in said
    for command in READ:
        assert "is not running" in refusal(tool, command)


@pytest.fixture
def small_disk(tool: Devenv) -> Iterator[Path]:
    state = tool.directory / ".devenv"
    state.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "none", state], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield state
    subprocess.run(["umount", state], check=True)


def test_a_full_disk_below_the_state(tool: Devenv, small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        (small_disk / "fill").write_bytes(bytes(1 << 20))
    for command in ("up --no-canary", "up --no-canary --isolated"):
        assert "No space left on device\n  hint: free disk space" in refusal(tool, command)
    (small_disk / ".gitignore").write_bytes(b"")
    assert "No space left on device\n  hint: free disk space" in refusal(tool, "up --no-canary")
    assert tool.run("down").returncode == 0


def test_a_read_only_project(tool: Devenv) -> None:
    directory = tool.directory
    if subprocess.run(["mount", "--bind", directory, directory], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
        for command in ("up --no-canary", "up --no-canary --isolated", "down"):
            assert "Read-only file system\n  hint: make the project directory writable" in refusal(tool, command)
        for command in READ:
            assert "is not running" in refusal(tool, command)
        refusal(replace(tool, files=()), "init new")
    finally:
        subprocess.run(["umount", directory], check=True)
