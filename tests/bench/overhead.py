"""What tracing adds to a request: CPU per request and latency, with confidence intervals, modes interleaved.

Run: `make bench-overhead [ARGS='--chain sample --generations 20 --json']`. Two chains of three services:

- `bare`: three ASGI handlers that do nothing but ask the next one (`overhead_service.py`): no work hides the cost;
- `sample`: the gateway, auth and user of `stacks/sample` with their real work (GET /api/profile).

Modes: `off`, `unsampled` (ratio 0), `1%`, `10%`, `100%`, and on the bare chain `stock 10%`, `stock 100%` where
OpenTelemetry's own instrumentation is installed (`--stock DIR`, a folder made by `pip install --target DIR
opentelemetry-instrumentation-asgi opentelemetry-instrumentation-aiohttp-client`).

The modes' requests alternate in short runs, so that whatever else the machine does meets all of them alike. CPU is the
time on the processor of all three services, every thread, as the kernel counts it, from round to round, so that
encoding and export are in it. The same program differs by some percent from one start to the next (where its memory
happens to lie), so the processes are started anew several times: the difference to `off` is taken within each such
generation, of the medians of its rounds, and its interval is a bootstrap of the generations. Latencies are of an open
loop at a fixed rate.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overhead_bare import serve

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "stacks" / "sample"
RATIOS = {"unsampled": "0", "1%": "0.01", "10%": "0.1", "100%": "1", "stock 10%": "0.1", "stock 100%": "1"}
CONNECTIONS = 32
RUN = 10  # requests of a worker before the next mode's turn: enough to be warm, too few for the machine to change
LIMIT_CPU, LIMIT_P99, LIMIT_P99_MS = 0.05, 0.10, 1.0


@dataclass
class Chain:
    """Three running services in one mode."""

    mode: str
    port: int
    processes: list[subprocess.Popen[bytes]]
    request: bytes
    cpu_us: list[float] = field(default_factory=list)
    latencies_ms: list[list[float]] = field(default_factory=list)
    connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    def cpu_ns(self) -> int:
        """Nanoseconds on the processor so far, all threads of all services."""
        tasks = (task for process in self.processes for task in Path(f"/proc/{process.pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    async def ask(self, slot: int) -> None:
        """One request over a kept connection; one that the server closed while it was idle is opened again."""
        try:
            await self._ask(slot)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.connections[slot] = await asyncio.open_connection("127.0.0.1", self.port)
            await self._ask(slot)

    async def _ask(self, slot: int) -> None:
        reader, writer = self.connections[slot]
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head[:20]:
            raise SystemExit(f"{self.mode}: {head.decode()}")
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(size)


def free_ports(count: int) -> list[int]:
    import socket

    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def environment(mode: str, endpoint: str, stock: str) -> dict[str, str]:
    env = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": RATIOS.get(mode, "1"),
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_BSP_MAX_QUEUE_SIZE": "8192",
        "OTEL_METRICS_EXPORTER": "none",
        "PYTHONHASHSEED": "0",  # another order of dictionaries is worth some percent, and not what is measured
        "TRACER": "none" if mode == "off" else "stock" if mode.startswith("stock") else "devenv",
    }
    if mode == "off":
        env["OTEL_SDK_DISABLED"] = "true"
    if mode.startswith("stock"):
        env["PYTHONPATH"] = stock
    return env


def start(chain: str, mode: str, endpoint: str, stock: str) -> Chain:
    """Start a chain and wait until it answers."""
    front, middle, back = free_ports(3)
    env = environment(mode, endpoint, stock)
    processes = []
    for index, port in enumerate((back, middle, front)):
        own = {"PORT": str(port)}
        if chain == "bare":
            own["NEXT"] = f"http://127.0.0.1:{(back, middle)[index - 1]}/items/17" if index else ""
            command = [sys.executable, str(HERE / "overhead_service.py")]
        else:
            name = ("user", "auth", "gateway")[index]
            own |= {"OTEL_SERVICE_NAME": name, "LOG_LEVEL": "WARNING"}
            own |= {"AUTH_URL": f"http://127.0.0.1:{middle}", "USER_URL": f"http://127.0.0.1:{back}"}
            command = [sys.executable, "-m", f"{name}.app"]
        env_of = {**env, "OTEL_SERVICE_NAME": ("back", "middle", "front")[index], **own}
        processes.append(
            subprocess.Popen(command, env=env_of, cwd=SAMPLE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
    path, key = ("/items/17", "") if chain == "bare" else ("/api/profile", "x-api-key: devenv-demo-key\r\n")
    request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\n{key}\r\n".encode()
    return Chain(mode, front, processes, request)


async def ready(chain: Chain) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            chain.connections.append(await asyncio.open_connection("127.0.0.1", chain.port))
            await chain.ask(0)
            break
        except (OSError, asyncio.IncompleteReadError, SystemExit):
            chain.connections.clear()
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
    for _ in range(CONNECTIONS - 1):
        chain.connections.append(await asyncio.open_connection("127.0.0.1", chain.port))


async def closed_loop(chains: list[Chain], requests: int, workers: int) -> None:
    """Ask every chain `requests` times, some of one mode and some of the next, in an order that changes each time."""

    async def work(chain: Chain, slot: int) -> None:
        for _ in range(RUN):
            await chain.ask(slot)

    for _ in range(requests // workers // RUN):
        for chain in random.sample(chains, len(chains)):
            await asyncio.gather(*(work(chain, slot) for slot in range(workers)))


async def open_loop(chain: Chain, rate: float, seconds: float) -> list[float]:
    """Latencies in ms from the intended instant of each request."""
    took: list[float] = []
    free = list(range(CONNECTIONS))
    tasks = []

    async def one(intended: float, slot: int) -> None:
        await chain.ask(slot)
        took.append((time.perf_counter() - intended) * 1000)
        free.append(slot)

    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        intended = begun + number / rate
        await asyncio.sleep(max(0.0, intended - time.perf_counter()))
        if free:
            tasks.append(asyncio.create_task(one(intended, free.pop())))
        else:
            took.append(float("inf"))
    await asyncio.gather(*tasks)
    return took


async def measure(chains: list[Chain], options: argparse.Namespace) -> None:
    """One generation of processes: rounds of CPU, then of latency."""
    await asyncio.gather(*(ready(chain) for chain in chains))
    await closed_loop(chains, 400, options.workers)
    marks = {chain.mode: chain.cpu_ns() for chain in chains}
    for number in range(1, options.rounds + 1):
        await closed_loop(chains, options.requests, options.workers)
        for chain in chains:
            now = chain.cpu_ns()
            chain.cpu_us.append((now - marks[chain.mode]) / 1000 / options.requests)
            marks[chain.mode] = now
        print(f"\rround {number}/{options.rounds}", end="", file=sys.stderr)
    for _ in range(options.latency_rounds):
        for chain in random.sample(chains, len(chains)):
            chain.latencies_ms.append(await open_loop(chain, options.rate, options.seconds))
    print(file=sys.stderr)


def stop(chains: list[Chain]) -> None:
    for chain in chains:
        for process in chain.processes:
            process.terminate()
    for chain in chains:
        for process in chain.processes:
            process.wait(20)


def run(modes: list[str], endpoint: str, options: argparse.Namespace) -> list[Chain]:
    """Every generation; the figures of all in one chain a mode."""
    total = [Chain(mode, 0, [], b"") for mode in modes]
    for _ in range(options.generations):
        chains: list[Chain] = []
        try:
            chains += [start(options.chain, mode, endpoint, options.stock) for mode in modes]
            asyncio.run(measure(chains, options))
        finally:
            stop(chains)
        for sum_of, chain in zip(total, chains, strict=True):
            sum_of.cpu_us.append(statistics.median(chain.cpu_us))
            sum_of.latencies_ms += chain.latencies_ms
    return total


def bootstrap(values: list[float]) -> tuple[float, float, float]:
    """Mean and the bounds of its 95 % interval."""
    source = random.Random(7)
    means = sorted(statistics.fmean(source.choices(values, k=len(values))) for _ in range(2000))
    return statistics.fmean(values), means[49], means[1949]


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def report(chains: list[Chain], spans: int) -> list[dict[str, Any]]:
    off = chains[0]
    base = statistics.fmean(off.cpu_us)
    rows = []
    for chain in chains:
        mean, low, high = bootstrap([mine - its for mine, its in zip(chain.cpu_us, off.cpu_us, strict=True)])
        row: dict[str, Any] = {
            "mode": chain.mode,
            "cpu_us": round(statistics.fmean(chain.cpu_us), 1),
            "added_us": [round(mean, 1), round(low, 1), round(high, 1)],
            "added_percent": [round(value / base * 100, 2) for value in (mean, low, high)],
        }
        if chain.mode == "100%" or chain.mode == "stock 100%":
            row["us_per_span"] = round(mean / spans, 2)
        if chain.latencies_ms:
            differences = [
                quantile(mine, 0.99) - quantile(its, 0.99)
                for mine, its in zip(chain.latencies_ms, off.latencies_ms, strict=True)
            ]
            row["p50_ms"] = round(statistics.median(quantile(run, 0.5) for run in chain.latencies_ms), 3)
            row["p99_ms"] = round(statistics.median(quantile(run, 0.99) for run in chain.latencies_ms), 3)
            row["p99_added_ms"] = [round(value, 3) for value in bootstrap(differences)]
        rows.append(row)
    return rows


def verdict(rows: list[dict[str, Any]]) -> list[str]:
    """What falls short of the limits at 1 % and 10 %."""
    off = rows[0]
    short = []
    for row in rows:
        if row["mode"] not in {"1%", "10%"}:
            continue
        if row["added_percent"][2] > LIMIT_CPU * 100:
            short.append(f"{row['mode']}: CPU +{row['added_percent'][2]} % (upper bound), limit {LIMIT_CPU:.0%}")
        if "p99_added_ms" in row and row["p99_added_ms"][2] > max(LIMIT_P99_MS, off["p99_ms"] * LIMIT_P99):
            short.append(f"{row['mode']}: p99 +{row['p99_added_ms'][2]} ms (upper bound)")
    return short


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chain", choices=["bare", "sample"], default="bare")
    parser.add_argument("--generations", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5, help="a generation")
    parser.add_argument("--requests", type=int, default=400, help="a mode and round")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--latency-rounds", type=int, default=1)
    parser.add_argument("--modes", default="")
    parser.add_argument("--stock", default="", help="folder with the stock instrumentation")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    modes = ["off", "unsampled", "1%", "10%", "100%"]
    if options.chain == "bare" and options.stock:
        modes += ["stock 10%", "stock 100%"]
    if options.modes:
        modes = ["off", *(mode for mode in options.modes.split(",") if mode != "off")]
    ports: Any = multiprocessing.Queue()
    receiver = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    receiver.start()
    endpoint = f"http://127.0.0.1:{ports.get(timeout=10)}"
    try:
        chains = run(modes, endpoint, options)
    finally:
        receiver.terminate()
    rows = report(chains, 5 if options.chain == "bare" else 9)
    short = verdict(rows)
    if options.json:
        print(json.dumps({"schema": "devenv.bench.overhead/1", "chain": options.chain, "rows": rows, "short": short}))
    else:
        for row in rows:
            mean, low, high = row["added_us"]
            latency = f"  p50 {row['p50_ms']:.2f}  p99 {row['p99_ms']:.2f} ms" if "p99_ms" in row else ""
            percent = row["added_percent"]
            per_span = f"  {row['us_per_span']} µs a span" if "us_per_span" in row else ""
            print(
                f"{row['mode']:10} {row['cpu_us']:8.1f} µs  +{mean:.1f} [{low:.1f}, {high:.1f}]"
                f"  {percent[0]:+.1f} % [{percent[1]:+.1f}, {percent[2]:+.1f}]{latency}{per_span}"
            )
        for line in short:
            print(f"falls short: {line}")
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
