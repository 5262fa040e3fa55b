"""The embedded backend beside a real Jaeger 2.x with memory storage: ingest, memory and search, in one run.

Run: `make bench-ingest [ARGS='--spans 300000 --json']`. The same requests go to both over one connection, as
an SDK sends them: 512 spans of one service a POST, traces of six spans over three services, five attributes a span.

- CPU per span: user and system time of the server process until it has settled, divided by the spans sent.
- gRPC: the same requests by grpcio to two further servers, CPU and throughput alone.
- Throughput: spans per second until the POSTs are answered (Jaeger answers before it stores), the median of ten parts.
- Memory: resident size with all spans stored.
- Search: median wall time of 20 traces of a service, and of 200 by duration and attribute: one in a hundred traces
  matches, or most of them do (`broad`).
- Filter: the same 200 by a filter with and, or and not; Jaeger, which has none over memory, is asked as before.
- Flatness: the embedded backend alone with its default memory, CPU per span of the last tenths against the first
  10,000 spans, up to two million: the older half is evicted meanwhile.

Exit code 1 where a bound of `BOUNDS` is missed. `DEVENV_TEST_JAEGER_BIN` names Jaeger's binary.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from urllib.parse import urlencode
from urllib.request import urlopen

import grpc
import psutil
from ingest_filter import FILTER, traces_in
from ingest_load import batches, spans_in

from devenv.backend.settings import EmbeddedSettings

# What devenv's figure may be as a part of Jaeger's; throughput is a lower bound.
BOUNDS = {
    "cpu_us_per_span": 0.6,
    "spans_per_second": 1.2,
    "rss_mb": 0.25,
    "search_20_ms": 0.4,
    "search_200_ms": 0.4,
    "search_broad_ms": 0.4,
    "search_filter_ms": 0.4,
}
GRPC_BOUNDS = {"cpu_us_per_span": 0.8}
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
FLAT = 1.35
IDLE = {"cpu_percent": 1, "rss_mb": 90}
FIRST_SPANS = 10_000
FIRST_TURNS = 8
MIB = 1024 * 1024


# --- the servers ------------------------------------------------------------------------------------------------------


@dataclass
class Server:
    """One process under test."""

    name: str
    process: psutil.Process
    otlp_port: int
    query_port: int
    grpc_port: int
    connection: http.client.HTTPConnection = field(init=False)
    channel: grpc.Channel = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.otlp_port, timeout=60)
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}")

    def export(self, body: bytes) -> None:
        self.channel.unary_unary(EXPORT)(body, timeout=60)

    def post(self, body: bytes) -> None:
        self.connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        response = self.connection.getresponse()
        response.read()
        if response.status != 200:
            raise SystemExit(f"{self.name} answered {response.status} to a batch")

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def rss(self) -> float:
        return self.process.memory_info().rss / MIB

    def get(self, path: str) -> dict:
        with urlopen(f"http://127.0.0.1:{self.query_port}{path}", timeout=60) as response:
            return json.load(response)

    def settle(self, seconds: float = 30) -> None:
        """Wait until the process has used next to no CPU for half a second."""
        deadline = time.monotonic() + seconds
        before = self.cpu()
        while time.monotonic() < deadline:
            time.sleep(0.5)
            now = self.cpu()
            if now - before < 0.02:
                return
            before = now


def free_ports(count: int) -> list[int]:
    sockets = [socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def _running(name: str, command: list[str], ports: list[int], folder: Path) -> Iterator[Server]:
    otlp, query, grpc_port = ports[:3]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{query}/api/services", timeout=1):
                    break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{name} did not start:\n{(folder / 'log').read_text()[-2000:]}") from error
                time.sleep(0.05)
        server = Server(name, psutil.Process(process.pid), otlp, query, grpc_port)
        yield server
        server.channel.close()
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def embedded(max_bytes: int, storage: Path | None = None) -> Iterator[Server]:
    ports = free_ports(3)
    otlp, query, grpc_port = map(str, ports)
    command = [sys.executable, "-m", "devenv.dashboard", "--otlp-port", otlp, "--query-port", query]
    command += ["--grpc-port", grpc_port, "--health-port", "0", "--max-bytes", str(max_bytes)]
    command += ["--storage", str(storage)] if storage else []
    with tempfile.TemporaryDirectory() as folder, _running("devenv", command, ports, Path(folder)) as server:
        yield server


@contextmanager
def jaeger(badger: Path | None = None) -> Iterator[Server]:
    """Jaeger's all-in-one pipeline (its own defaults), without tracing of itself; in memory or on badger."""
    binary = os.environ.get("DEVENV_TEST_JAEGER_BIN", "/var/cache/devenv-ci/bin/jaeger")
    if not os.access(binary, os.X_OK):
        raise SystemExit(f"{binary} is not a program: `.ci/go-build jaeger` builds it, or set DEVENV_TEST_JAEGER_BIN")
    ports = free_ports(5)
    otlp, query, otlp_grpc, query_grpc, health = (f"127.0.0.1:{port}" for port in ports)
    store: dict[str, object] = {"memory": {"max_traces": 400_000}}
    if badger is not None:
        directories = {"keys": str(badger / "keys"), "values": str(badger / "values")}
        store = {"badger": {"directories": directories, "ephemeral": False, "ttl": {"spans": "720h"}}}
    config = {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "pipelines": {
                "traces": {"receivers": ["otlp"], "processors": ["batch"], "exporters": ["jaeger_storage_exporter"]}
            },
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "jaeger_storage": {"backends": {"store": store}},
            "jaeger_query": {
                "storage": {"traces": "store"},
                "enable_tracing": False,
                "http": {"endpoint": query},
                "grpc": {"endpoint": query_grpc},
            },
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": health}},
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": otlp}, "grpc": {"endpoint": otlp_grpc}}}},
        "processors": {"batch": {}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "store"}},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.json").write_text(json.dumps(config))
        command = [binary, "--config", str(folder / "config.json")]
        with _running("badger" if badger else "jaeger", command, ports, folder) as server:
            yield server


# --- the measurements -------------------------------------------------------------------------------------------------


def ingest(
    servers: list[Server], bodies: list[bytes], send: Callable[[Server, bytes], None] = Server.post, parts: int = 10
) -> dict[str, dict[str, float]]:
    """The same requests to each server in turn, part by part, so that a busy machine disturbs all alike."""
    cpu: dict[str, float] = defaultdict(float)
    wall: dict[str, list[float]] = defaultdict(list)
    for part in range(parts):
        share = bodies[part::parts]
        for server in servers:
            before, begun = server.cpu(), time.perf_counter()
            for body in share:
                send(server, body)
            wall[server.name].append((time.perf_counter() - begun) / len(share))
            server.settle()
            cpu[server.name] += server.cpu() - before
    per_post = sum(spans_in(body) for body in bodies) / len(bodies)
    return {
        server.name: {
            "cpu_us_per_span": cpu[server.name] / (per_post * len(bodies)) * 1e6,
            "spans_per_second": per_post / statistics.median(wall[server.name]),
            "rss_mb": server.rss(),
        }
        for server in servers
    }


def search(
    servers: list[Server], query: dict[str, object], rounds: int = 21, filter_: dict[str, object] | None = None
) -> dict[str, float]:
    """Median milliseconds until the last byte of the answer, the servers asked in turn.

    The embedded backend is asked by the filter, if there is one, which finds as many traces.
    """
    window = {"start": 1, "end": time.time_ns() // 1000 + 10**9}
    path = f"/api/traces?{urlencode({'service': 'gateway', **query, **window})}"
    bounds = {"query.startTimeMin": "2000-01-01T00:00:00Z", "query.startTimeMax": "2200-01-01T00:00:00Z"}
    depth = {"query.searchDepth": query["limit"]}
    filtered = f"/api/v3/traces?{urlencode({'query.filter': json.dumps(filter_), **depth, **bounds})}"
    connections = [http.client.HTTPConnection("127.0.0.1", server.query_port, timeout=60) for server in servers]
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for server, connection in zip(servers, connections, strict=True):
            begun = time.perf_counter()
            by_filter = filter_ is not None and server.name == "devenv"
            connection.request("GET", filtered if by_filter else path)
            body = connection.getresponse().read()
            times[server.name].append((time.perf_counter() - begun) * 1000)
            found = traces_in(json.loads(body))
            if found != query["limit"]:
                raise SystemExit(f"{server.name} found {found} traces instead of {query['limit']}")
    for connection in connections:
        connection.close()
    return {name: statistics.median(each) for name, each in times.items()}


def flatness(spans: int) -> dict[str, float]:
    """CPU per span of the embedded backend while it fills up: of its first spans, then in tenths.

    The kernel counts CPU in hundredths of a second, so the first spans are measured on several new backends together.
    """
    now = time.time_ns()
    first = 0.0
    for turn in range(FIRST_TURNS):
        bodies = list(batches(FIRST_SPANS, now, seed=turn))
        with embedded(1024 * MIB) as server:
            before = server.cpu()
            for body in bodies:
                server.post(body)
            first += server.cpu() - before
    first_us = first / (FIRST_TURNS * FIRST_SPANS) * 1e6
    parts = []
    with embedded(EmbeddedSettings().max_bytes) as server:
        for part in range(10):
            bodies = list(batches(spans // 10, now, seed=part))
            before = server.cpu()
            for body in bodies:
                server.post(body)
            parts.append((server.cpu() - before) / (spans // 10) * 1e6)
        rss = server.rss()
        stored = server.get("/api/devenv/stats")["spans_stored"]
    return {
        "spans": spans,
        "stored": stored,
        "first_us": first_us,
        "last_us": parts[-1],
        "ratio": statistics.median(parts[-3:]) / min(first_us, statistics.median(parts[:3])),
        "rss_mb": rss,
    }


def idle() -> dict[str, float]:
    """CPU of the embedded backend with nothing to do, as a part of a core, and its memory when empty."""
    with embedded(256 * MIB) as server:
        server.settle()
        before = server.cpu()
        time.sleep(5)
        return {"cpu_percent": (server.cpu() - before) / 5 * 100, "rss_mb": server.rss()}


def compare_grpc(spans: int) -> dict[str, dict[str, float]]:
    bodies = list(batches(spans, time.time_ns()))
    with jaeger() as reference, embedded(256 * MIB) as own:
        servers = [reference, own]
        for server in servers:
            server.export(bodies[0])  # connects
            server.settle()
        return ingest(servers, bodies, Server.export)


def compare(spans: int) -> dict[str, dict[str, float]]:
    bodies = list(batches(spans, time.time_ns()))
    selective = {"limit": 200, "minDuration": "50ms", "tags": json.dumps({"http.response.status_code": "500"})}
    broad = {"limit": 200, "minDuration": "10ms", "tags": json.dumps({"http.request.method": "GET"})}
    with jaeger() as reference, embedded(256 * MIB) as own:
        servers = [reference, own]
        figures = ingest(servers, bodies)
        searches = {"search_20_ms": {"limit": 20}, "search_200_ms": selective, "search_broad_ms": broad}
        for key, query in searches.items():
            for name, value in search(servers, query).items():
                figures[name][key] = value
        for name, value in search(servers, selective, filter_=FILTER).items():
            figures[name]["search_filter_ms"] = value
    return figures


def report_table(title: str, figures: dict[str, dict[str, float]], bounds: dict[str, float]) -> list[str]:
    missed = []
    print(f"{title:18} {'jaeger':>12} {'devenv':>12} {'ratio':>8} {'bound':>8}")
    for key, bound in bounds.items():
        ratio = figures["devenv"][key] / figures["jaeger"][key]
        good = ratio >= bound if key == "spans_per_second" else ratio <= bound
        sign = ">=" if key == "spans_per_second" else "<="
        values = f"{figures['jaeger'][key]:12.1f} {figures['devenv'][key]:12.1f}"
        print(f"{key:18} {values} {ratio:8.2f} {sign:>3} {bound:4.2f}{'' if good else '  MISSED'}")
        if not good:
            missed.append(f"{title} {key}")
    return missed


def report(
    figures: dict[str, dict[str, float]],
    over_grpc: dict[str, dict[str, float]],
    flat: dict[str, float],
    quiet: dict[str, float],
) -> list[str]:
    missed = [*report_table("HTTP", figures, BOUNDS), *report_table("gRPC", over_grpc, GRPC_BOUNDS)]
    rates = [over_grpc[name]["spans_per_second"] for name in ("jaeger", "devenv")]
    print(
        f"{'spans_per_second':18} {rates[0]:12.1f} {rates[1]:12.1f} {rates[1] / rates[0]:8.2f}  (Jaeger stores later)"
    )
    print(
        f"flat to {flat['spans']:.0f} spans, {flat['stored']:.0f} stored: "
        f"{flat['first_us']:.2f} µs a span of the first {FIRST_SPANS}, "
        f"{flat['last_us']:.2f} at last, ratio {flat['ratio']:.2f} (bound {FLAT}), {flat['rss_mb']:.0f} MB"
    )
    print(f"idle: {quiet['cpu_percent']:.2f} % of a core, {quiet['rss_mb']:.0f} MB")
    if flat["ratio"] > FLAT:
        missed.append("flatness")
    missed += [f"idle {name}" for name, bound in IDLE.items() if quiet[name] > bound]
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=300_000)
    parser.add_argument("--flat-spans", type=int, default=2_000_000)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    given = parser.parse_args()
    figures = compare(given.spans)
    over_grpc = compare_grpc(given.spans)
    flat = flatness(given.flat_spans)
    quiet = idle()
    if given.json:
        print(json.dumps({**figures, "grpc": over_grpc, "flatness": flat, "idle": quiet}))
        return 0
    missed = report(figures, over_grpc, flat, quiet)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
