"""What a user waits for without containers: `up` on processes, the first span in `view`, and the idle daemon.

Run: `make bench-local [ARGS='--rounds 7 --json']`. Wall time of whole commands, their start included:

- up: `devenv up` of the sample on the process engine, to the verified trace of its canary, with all receivers open
  (OTLP over gRPC and HTTP, remote sampling).
- view: from the start of `devenv view` until the page of its URL shows the first span, which is sent as soon as the
  receiver answers; and from that request alone.
- idle: processor time and resident memory of the daemon after `up`, without requests, and once more after a client of
  gRPC has come: its library is loaded then.

Exit code 1 if the median of a time, or a figure of the idle daemon, is above its bound.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import grpc
import psutil
from ingest import EXPORT
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

STACK = Path(__file__).parents[2] / "stacks" / "sample" / "compose.yaml"
BOUNDS = {"up_ms": 1500, "view_ms": 1000, "idle_percent": 1, "idle_mb": 90, "idle_after_grpc_mb": 90}
IDLE_S = 10
MIB = 1024 * 1024
ENVIRONMENT = {**os.environ, "CI": "true", "DEVENV_ENGINE": "process"}
SAMPLING = "services: {}\nx-devenv: { sampling: { default: 1, services: { user: { operations: { none: 0 } } } } }\n"


def one_span() -> bytes:
    """An encoded request with one span."""
    request = ExportTraceServiceRequest()
    part = request.resource_spans.add()
    part.resource.attributes.add(key="service.name").value.string_value = "first"
    now = time.time_ns()
    part.scope_spans.add().spans.add(
        trace_id=b"\1" * 16, span_id=b"\1" * 8, name="first span", start_time_unix_nano=now, end_time_unix_nano=now + 1
    )
    return request.SerializeToString()


def post(url: str, body: bytes) -> None:
    urlopen(Request(f"{url}/v1/traces", body, {"Content-Type": "application/x-protobuf"}), timeout=10).close()


class Project:
    """The sample in a new folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sampling.yaml").write_text(SAMPLING)

    def run(self, *words: str) -> tuple[float, dict[str, Any]]:
        """Run a command; gives wall milliseconds and its document."""
        files = ["-f", str(STACK), "-f", str(self.folder / "sampling.yaml")]
        command = [sys.executable, "-m", "devenv", "-C", str(self.folder), *files, "--json", *words]
        begun = time.perf_counter()
        ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
        elapsed = (time.perf_counter() - begun) * 1000
        if ended.returncode != 0:
            raise SystemExit(f"devenv {' '.join(words)}: exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        return elapsed, json.loads(ended.stdout)

    def daemon(self) -> psutil.Process:
        return psutil.Process(json.loads((self.folder / ".devenv" / "daemon.json").read_text())["pid"])


@contextmanager
def project() -> Iterator[Project]:
    folder = Path(tempfile.mkdtemp())
    found = Project(folder)
    try:
        yield found
    finally:
        found.run("down", "--volumes")
        shutil.rmtree(folder)


def idle(daemon: psutil.Process) -> tuple[float, float]:
    """Percent of a core, and resident memory in MB."""
    time.sleep(2)
    before = sum(daemon.cpu_times()[:2])
    time.sleep(IDLE_S)
    return (sum(daemon.cpu_times()[:2]) - before) / IDLE_S * 100, daemon.memory_info().rss / MIB


def start(rounds: int) -> dict[str, float]:
    times = []
    with project() as sample:
        sample.run("up")
        for _ in range(rounds):
            sample.run("down")
            elapsed, document = sample.run("up")
            if document["canary"]["verdict"] != "complete":
                raise SystemExit(f"the canary is {document['canary']['verdict']}")
            times.append(elapsed)
        percent, resident = idle(sample.daemon())
        with grpc.insecure_channel("127.0.0.1:4317") as channel:
            channel.unary_unary(EXPORT)(one_span(), timeout=20)
        _, after = idle(sample.daemon())
    return {
        "up_ms": statistics.median(times),
        "idle_percent": percent,
        "idle_mb": resident,
        "idle_after_grpc_mb": after,
    }


def view(rounds: int) -> dict[str, float]:
    whole, from_span = [], []
    for _ in range(rounds):
        command = [sys.executable, "-m", "devenv", "--json", "view", "--ports", "auto"]
        begun = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            document = json.loads(process.stdout.readline() if process.stdout else "")
            sent = time.perf_counter()
            post(document["otlp_http_url"], one_span())
            while b"first span" not in urlopen(document["ui_url"], timeout=10).read():
                time.sleep(0.005)
            shown = time.perf_counter()
            process.send_signal(signal.SIGINT)
        whole.append((shown - begun) * 1000)
        from_span.append((shown - sent) * 1000)
    return {"view_ms": statistics.median(whole), "view_from_span_ms": statistics.median(from_span)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    given = parser.parse_args()
    figures = {**start(given.rounds), **view(given.rounds)}
    missed = [name for name, bound in BOUNDS.items() if figures[name] > bound]
    if given.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            bound = f" <= {BOUNDS[name]}" if name in BOUNDS else ""
            print(f"{name:20} {value:8.1f}{bound}{'  MISSED' if name in missed else ''}")
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
