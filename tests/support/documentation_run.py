"""Runs the commands of a documentation page in an empty directory or in a copy of one, and compares their output."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from devenv_cli import FIRST
from documentation import Command, File, Page, PageMistake, agrees

LONGEST_S = 150.0
BROWSERS = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
"""Without these variables, `devenv open` prints its URL: no test may start a browser on a developer's desktop."""

_GRACE_S = 5.0


class Shell:
    """One bash for a page, so that `cd`, variables and background jobs last from block to block, as for a reader.

    Args:
        directory: Directory in which it starts.
        scratch: Directory for commands and outputs.
        environ: Its environment.
    """

    def __init__(self, directory: Path, scratch: Path, environ: dict[str, str]) -> None:
        self._scratch = scratch
        self._count = 0
        self._bash = subprocess.Popen(
            [*FIRST, "bash", "--noprofile", "--norc"],
            cwd=directory,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # background jobs are of its process group, and end with it
        )

    def run(self, command: str, timeout: float = LONGEST_S) -> tuple[int, list[str]]:
        """Run a command; return its exit code and its output, stdout and stderr together as on a terminal.

        Raises:
            TimeoutError: If the command does not end in time.
            EOFError: If the command ends the shell.
        """
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._count += 1
        script = self._scratch / f"{self._count}.sh"
        output = self._scratch / f"{self._count}.out"
        script.write_text(command + "\n", encoding="utf-8")
        self._bash.stdin.write(f"source '{script}' </dev/null >'{output}' 2>&1; echo $?\n".encode())
        self._bash.stdin.flush()
        if not select.select([self._bash.stdout], [], [], timeout)[0]:
            raise TimeoutError(f"it did not end within {timeout:g} s; so far:\n{output.read_text(errors='replace')}")
        code = self._bash.stdout.readline().strip()
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines() if output.exists() else []
        if not code.isdigit():
            raise EOFError("it ended the shell; printed:\n" + "\n".join(lines))
        return int(code), lines

    def close(self) -> None:
        """End the shell and what it left in the background, and return when all of it has ended.

        Raises:
            TimeoutError: If a process outlives SIGKILL.
        """
        group = _group(self._bash.pid)
        try:
            os.killpg(self._bash.pid, signal.SIGTERM)
            self._bash.wait(_GRACE_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass  # what is left of the group gets SIGKILL below, the shell included
        with suppress(ProcessLookupError):  # nothing is left
            os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.wait()
        _wait_for(group)  # a signal is on its way when `killpg` returns: the processes end a few milliseconds later
        for stream in (self._bash.stdin, self._bash.stdout):
            if stream is not None:
                stream.close()


def _group(leader: int) -> list[psutil.Process]:
    """Return the processes of a process group, except its leader."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):  # it has ended since it was listed
            if process.pid != leader and os.getpgid(process.pid) == leader:
                found.append(process)
    return found


def _wait_for(processes: list[psutil.Process]) -> None:
    """Wait until all have ended. The entry of a process that its parent never collects stays, as a zombie."""
    deadline = time.monotonic() + _GRACE_S
    while left := [each for each in processes if _runs(each)]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"these did not end: {left}")
        time.sleep(0.005)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment() -> dict[str, str]:
    """Return a reader's environment: this interpreter's commands first, no variables that configure devenv."""
    steering = ("DEVENV_", "OTEL_", "PYTHON", "PYTEST_", *BROWSERS)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(steering)}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "DEVENV_ENGINE": "process", "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}


def run_page(page: Page, root: Path, scratch: Path) -> int:
    """Write the page's files, run its commands, and return the number of commands.

    Args:
        page: The page.
        root: The repository, which contains the directories that pages start in.
        scratch: An empty directory for the page's files and for those of the runner.

    Raises:
        PageMistake: If a command fails or prints something else, or if something is left after `devenv down`.
    """
    work, kept = scratch / "work", scratch / "kept"
    kept.mkdir()
    if page.start:
        unwanted = shutil.ignore_patterns("__pycache__", ".devenv")
        shutil.copytree(root / page.start, work, ignore=unwanted)
    else:
        work.mkdir()
    environ = environment()
    with _shell(work, kept, environ) as shell:
        for step in page.steps:
            _write(work, step) if isinstance(step, File) else _execute(page, shell, step)
    return sum(isinstance(step, Command) for step in page.steps)


@contextmanager
def _shell(work: Path, kept: Path, environ: dict[str, str]) -> Iterator[Shell]:
    shell = Shell(work, kept, environ)
    try:
        yield shell
    finally:
        shell.close()
        left = [each for project in work.rglob(".devenv") for each in _take_down(project.parent, environ)]
        if left:
            raise PageMistake(f"devenv down left {left}")


def _take_down(project: Path, environ: dict[str, str]) -> list[str]:
    command = [sys.executable, "-m", "devenv", "-C", str(project), "down", "--volumes", "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        return [f"{project}: {done.stdout}{done.stderr}"]
    return [str(each) for each in json.loads(done.stdout)["left"]]


def _write(work: Path, file: File) -> None:
    path = work / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(file.text, encoding="utf-8")


def _execute(page: Page, shell: Shell, command: Command) -> None:
    where = f"{page.name}:{command.line}: $ {command.text}"
    try:
        code, output = shell.run(command.text)
    except (TimeoutError, EOFError) as error:
        raise PageMistake(f"{where}\n{error}") from error
    printed = "\n".join(output) or "(nothing)"
    if code not in command.exit_codes:
        wanted = " or ".join(map(str, command.exit_codes))
        raise PageMistake(f"{where}\nexit code {code}, expected {wanted}; printed:\n{printed}")
    if not agrees(command.expected, output):
        raise PageMistake(f"{where}\nexpected:\n" + "\n".join(command.expected) + f"\nprinted:\n{printed}")
