"""The sample's services as real processes on free ports, for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from otlp_receiver import OtlpReceiver

SAMPLE = Path(__file__).parents[2] / "stacks" / "sample"
DEFAULT_SERVICES = ("user", "auth", "gateway")


def free_port() -> int:
    """A port that was not in use a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class SampleProcesses:
    """Starts and stops services; ``environment`` is added to each one's own."""

    otlp_endpoint: str
    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in DEFAULT_SERVICES})
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, service: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def log(self, service: str) -> str:
        return (self.directory / f"{service}.log").read_text()

    def lines_with(self, service: str, text: str) -> list[str]:
        """The lines of a service's log that have a text, once there are any.

        Raises:
            AssertionError: If there are none within 10 s.
        """
        deadline = time.monotonic() + 10
        while not (found := [line for line in self.log(service).splitlines() if text in line]):
            assert time.monotonic() < deadline, f"{service} did not log {text}:\n{self.log(service)}"
            time.sleep(0.02)
        return found

    def start(self, *services: str, command: list[str] | None = None, cwd: Path = SAMPLE, **extra: str) -> None:
        """Start services and wait until each is ready.

        Raises:
            AssertionError: If one ends, or is not ready within 20 s; with its log.
        """
        for service in services:
            environment = {
                **os.environ,
                "PORT": str(self.ports[service]),
                "OTEL_SERVICE_NAME": service,
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.otlp_endpoint,
                "OTEL_BSP_SCHEDULE_DELAY": "50",
                **{f"{name.upper()}_URL": self.url(name) for name in self.ports},
                **self.environment,
                **extra,
            }
            with (self.directory / f"{service}.log").open("ab") as log:
                self.running[service] = subprocess.Popen(
                    command or [sys.executable, "-m", f"{service}.app"],
                    cwd=cwd,
                    env=environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
        for service in services:
            self._await_ready(service)

    def stop(self, service: str, timeout: float = 10) -> int:
        """SIGTERM; the exit code."""
        process = self.running.pop(service)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout)

    def kill_all(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        self.running.clear()

    def _await_ready(self, service: str) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.running[service].poll() is not None:
                raise AssertionError(f"{service} ended:\n{self.log(service)}")
            try:
                with urllib.request.urlopen(self.url(service, "/readyz"), timeout=1) as answer:
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                time.sleep(0.02)
        raise AssertionError(f"{service} was not ready in time:\n{self.log(service)}")


@contextmanager
def running_sample(directory: Path, **environment: str) -> Iterator[tuple[SampleProcesses, OtlpReceiver]]:
    """The three services and a receiver of their spans."""
    receiver = OtlpReceiver().start()
    sample = SampleProcesses(receiver.endpoint, directory, environment)
    try:
        sample.start(*DEFAULT_SERVICES)
        yield sample, receiver
    finally:
        sample.kill_all()
        receiver.stop()
