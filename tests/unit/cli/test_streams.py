"""Output streams that are closed, full, or a pipe without a reader: a message and exit 3, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DEVENV = f"{sys.executable} -m devenv -C ."


def shell(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
    return subprocess.run(
        ["bash", "-c", line],
        cwd=directory,
        env={**clean, "DEVENV_ENGINE": "process", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["stacks list", "stacks list --json", "--help", "config -s sample", "status"])
def test_a_closed_stdout_is_told_on_stderr(command: str, tmp_path: Path) -> None:
    done = shell(f"{DEVENV} {command} >&-", tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("devenv: cannot write to stdout: it is closed\n  hint: ")


@pytest.mark.parametrize("command", ["stacks list", "stacks list --json", "--help", "config -s sample"])
def test_a_full_stdout_is_told_on_stderr(command: str, tmp_path: Path) -> None:
    done = shell(f"{DEVENV} {command} >/dev/full", tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("devenv: cannot write to stdout: No space left on device\n  hint: ")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_closed_stderr_is_told_on_stdout(tmp_path: Path) -> None:
    done = shell(f"{DEVENV} stacks list 2>&-", tmp_path)
    assert done.returncode == 3
    assert done.stdout.startswith("devenv: cannot write to stderr: it is closed\n")
    done = shell(f"{DEVENV} stacks list --json 2>&-", tmp_path)
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == 3
    assert shell(f"{DEVENV} stacks list >&- 2>&-", tmp_path).returncode == 3


def test_a_full_stderr_does_not_stop_the_work(tmp_path: Path) -> None:
    done = shell(f"{DEVENV} up -s sample --dry-run 2>/dev/full", tmp_path)
    assert done.returncode == 3
    assert "sample" in done.stdout or "steps" in done.stdout
    assert done.stdout.endswith("devenv: cannot write to stderr: No space left on device\n")


@pytest.mark.parametrize("command", ["stacks list", "config -s sample", "config -s sample --json"])
def test_a_pipe_without_a_reader_ends_quietly(command: str, tmp_path: Path) -> None:
    done = shell(f"{DEVENV} {command} | true; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_characters_that_the_encoding_does_not_have_are_escaped(tmp_path: Path) -> None:
    done = shell(f"PYTHONIOENCODING=ascii {DEVENV} nöpe", tmp_path)
    assert done.returncode == 2
    assert "n\\xf6pe" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ("status --nope", "devenv status"),
        ("traces show --nope", "devenv traces show"),
        ("up --timeout", "devenv up"),
        ("-s traces status --nope", "devenv status"),
        ("nope", "devenv"),
        ("traces nope", "devenv traces"),
    ],
)
def test_the_hint_of_a_usage_error_names_the_command(arguments: str, command: str, tmp_path: Path) -> None:
    done = shell(f"{DEVENV} {arguments}", tmp_path)
    assert done.returncode == 2
    assert f"  hint: see `{command} --help`\n" in done.stderr


@pytest.mark.parametrize("command", ["config -s sample --json", "doctor --json", "status", "up -s sample --dry-run"])
def test_a_directory_whose_name_is_not_utf_8(command: str, tmp_path: Path) -> None:
    directory = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    directory.mkdir()
    done = shell(f"{DEVENV} {command}", directory)
    assert done.returncode in {0, 3}
    assert "internal error" not in done.stdout + done.stderr
