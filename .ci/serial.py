"""Run the tests marked `serial`, two at a time if that is possible.

usage: python .ci/serial.py [OPTION OF PYTEST …]

Tests marked `machine` use the machine's network and its engine: one pytest runs these one by one. Tests that need only
loopback use the same fixed ports, so the pytest that runs them has its own network namespace. If the user may not make
one (it takes root), or the system has none, one pytest runs all tests one by one. A test marked `alone` runs while the
other pytest runs none: the file in DEVENV_TEST_TURNS is locked for it (tests/conftest.py).

Tests of the kinds in DEVENV_TEST_LEAVE_OUT are not run: those that the machine is not prepared for, so that they do
not count as skipped.

Of the two pytests, the output of the first is shown as it comes, that of the second after it. The exit code is that of
the first that failed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import IO, Any

PYTEST = [sys.executable, "-m", "pytest", "-q", "--durations=25"]
OWN_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
LEFT_OUT = "".join(f" and not {kind}" for kind in os.environ.get("DEVENV_TEST_LEAVE_OUT", "").split(",") if kind)
ON_THE_MACHINE = ["-m", f"serial and machine{LEFT_OUT}"]
ON_LOOPBACK = ["-m", f"serial and not machine{LEFT_OUT}"]
NO_TESTS = 5
"""Exit code of a pytest without a test to run, which is right for one of the two if the options select tests."""


def can_isolate() -> bool:
    """Return whether this user can make a network namespace."""
    try:
        return subprocess.run([*OWN_NETWORK, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:  # there is no such program, as on macOS
        return False


class Runs:
    """The pytests that were started. Each has its own process group: a Ctrl-C reaches it once, by this program."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []
        self.received: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.forward)

    def forward(self, number: int, _: Any) -> None:
        """Pass a signal on; it ends the pytests, and this program with them."""
        self.received = number
        for process in self.processes:
            _signal(process, number)

    def start(self, command: list[str], output: IO[bytes] | None = None) -> None:
        """Start one; its output goes to a file, or to where this program's goes."""
        error = None if output is None else subprocess.STDOUT
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=error, process_group=0)
        self.processes.append(process)
        if self.received is not None:  # between the two lines above, or before
            _signal(process, self.received)

    def wait(self) -> int:
        """Wait for all; return the first exit code that is not 0."""
        codes = [process.wait() for process in self.processes]
        if set(codes) != {NO_TESTS}:
            codes = [code for code in codes if code != NO_TESTS]
        failed = next((code for code in codes if code), 0)
        return failed if failed >= 0 else 128 - failed  # as a shell writes the end by a signal


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal a pytest and all that it started, as a terminal does."""
    if process.poll() is None:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(process.pid, number)


def main(options: list[str]) -> int:
    """Run the tests; return the exit code."""
    runs = Runs()
    if not can_isolate():
        runs.start([*PYTEST, "-m", f"serial{LEFT_OUT}", *options])
        return runs.wait()
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as turns:
        os.environ["DEVENV_TEST_TURNS"] = turns.name
        runs.start([*PYTEST, *ON_THE_MACHINE, *options])
        runs.start([*OWN_NETWORK, *PYTEST, *ON_LOOPBACK, *colour, *options], output)
        code = runs.wait()
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
