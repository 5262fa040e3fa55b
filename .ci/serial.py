"""Run the tests marked `serial`: those that need only loopback in a network of their own, beside the others.

usage: python .ci/serial.py [OPTION OF PYTEST …]

Both kinds use the same fixed ports, so the second pytest needs its own network namespace. If the user may not make one
(it takes root), or the system has none, one pytest runs all tests one by one. The output of the first pytest is shown
as it comes, that of the second after it. The exit code is that of the first pytest that failed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any

PYTEST = [sys.executable, "-m", "pytest", "-q"]
OWN_NETWORK = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
ALL, ON_THE_MACHINE, ON_LOOPBACK = "serial", "serial and machine", "serial and not machine"
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
            process.send_signal(number)  # which does nothing if it has ended

    def start(self, command: list[str], output: IO[bytes] | None = None) -> None:
        """Start one; its output goes to a file, or to where this program's goes."""
        error = None if output is None else subprocess.STDOUT
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=error, process_group=0)
        self.processes.append(process)
        if self.received is not None:  # between the two lines above, or before
            process.send_signal(self.received)

    def wait(self) -> int:
        """Wait for all; return the first exit code that is not 0."""
        codes = [process.wait() for process in self.processes]
        if set(codes) != {NO_TESTS}:
            codes = [code for code in codes if code != NO_TESTS]
        failed = next((code for code in codes if code), 0)
        return failed if failed >= 0 else 128 - failed  # as a shell writes the end by a signal


def main(options: list[str]) -> int:
    """Run the tests; return the exit code."""
    runs = Runs()
    if not can_isolate():
        runs.start([*PYTEST, "-m", ALL, *options])
        return runs.wait()
    colour = ["--color=yes"] if sys.stdout.isatty() else []
    with tempfile.TemporaryFile() as output:
        runs.start([*PYTEST, "-m", ON_THE_MACHINE, *options])
        runs.start([*OWN_NETWORK, *PYTEST, "-m", ON_LOOPBACK, *colour, *options], output)
        code = runs.wait()
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout.buffer)
        sys.stdout.flush()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
