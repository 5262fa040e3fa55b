"""The real command line as a separate process, and its results read without devenv's own code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "stacks" / "sample" / "compose.yaml"
SERVICES = {"gateway", "auth", "user"}
FIRST = ["nice", "-n", "-10"] if os.geteuid() == 0 else []
"""Prefix of a command that gets the processor before the tests that run beside: a load generator must not be late."""

_TRIES = 5


@dataclass
class Devenv:
    """Runs `devenv` as a user does: a separate process with its own stdout and stderr.

    `begun` is the wall-clock time at which the last command was started.
    """

    directory: Path
    engine: str
    files: tuple[Path, ...] = (SAMPLE,)
    environ: dict[str, str] = field(default_factory=dict)
    begun: float = 0.0

    def command(self, *arguments: str) -> list[str]:
        files = [word for path in self.files for word in ("-f", str(path))]
        return [sys.executable, "-m", "devenv", "-C", str(self.directory), *files, *arguments]

    def run(self, *arguments: str, timeout: float = 180, **environ: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
        first = FIRST if arguments[:1] == ("load",) else []
        self.begun = time.time()
        return subprocess.run(
            [*first, *self.command(*arguments)],
            env={**inherited, "DEVENV_ENGINE": self.engine, **self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def json(self, *arguments: str, code: int = 0, **environ: str) -> Any:
        """The document that a command prints; it is the only thing on stdout.

        A load is repeated if this machine was too busy for it: such a run is invalid, whatever the stack does.
        """
        for _ in range(_TRIES if arguments[:1] == ("load",) else 1):
            done = self.run(*arguments, "--json", **environ)
            if "the load generator was late" not in done.stdout:
                break
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def down(self) -> Any:
        document = self.json("down", "--volumes")
        assert document["left"] == []
        return document


def get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def services_of(trace: dict[str, Any]) -> set[str]:
    return {process["serviceName"] for process in trace["processes"].values()}


def find_trace(query_url: str, trace_id: str) -> dict[str, Any] | None:
    """A trace by Jaeger's API; `None` if it does not exist."""
    try:
        found: dict[str, Any] = get_json(f"{query_url}/api/traces/{trace_id}")["data"][0]
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return None
    return found


def wait_for_trace(
    query_url: str, trace_id: str, services: set[str], *, spans: int = 0, seconds: float = 10
) -> dict[str, Any]:
    """The trace, once all of `services` have spans in it and it has enough spans: a service sends several batches."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        trace = find_trace(query_url, trace_id)
        if trace is not None and services_of(trace) >= services and len(trace["spans"]) >= spans:
            return trace
    raise AssertionError(f"trace {trace_id} is not there with {services} after {seconds} s")
