"""Real programs as separate processes: servers that a test starts, sends requests to, and ends."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracing_collector import dead_port

CLI = (sys.executable, "-m", "devenv")


def free_port() -> int:
    return int(dead_port().rpartition(":")[2])


def clean(**environ: str) -> dict[str, str]:
    """This process's environment without what would set tracing, and with what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "DEVENV_"))}
    return {**kept, **environ}


@dataclass
class Server:
    """A server process that answers on `port`."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str, headers: Mapping[str, str] | None = None, timeout: float = 20) -> tuple[int, bytes]:
        """Ask until something answers."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", path, headers=dict(headers or {}))
                response = connection.getresponse()
                return response.status, response.read()
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline, self.log.read_text()
                time.sleep(0.05)

    def wait_for(self, path: str, body: bytes, timeout: float = 30) -> None:
        """Ask until the answer is as given."""
        deadline = time.monotonic() + timeout
        while self.get(path)[1] != body:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def pids(self, path: str, count: int, timeout: float = 30) -> int:
        """Ask for process ids until `count` processes have answered; how many answers there were."""
        deadline, seen, answered = time.monotonic() + timeout, set(), 0
        while len(seen) < count:
            seen.add(self.get(path)[1])
            answered += 1
            assert time.monotonic() < deadline, f"{len(seen)} of {count}\n{self.log.read_text()}"
        return answered

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def serving(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Iterator[Server]:
    """Run a server whose command names its port as `{port}`."""
    port = free_port()
    log = folder / "server.log"
    with log.open("wb") as out:
        words = [word.format(port=port) for word in command]
        process = subprocess.Popen(
            words, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield Server(port, process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the session that was begun for it, workers included
            process.wait()


def wait_until(condition: Callable[[], bool], what: Callable[[], object], timeout: float = 30) -> None:
    """Ask until a condition holds; `what` is said if it does not in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)
