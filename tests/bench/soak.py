"""A traced application for a long time with a collector that is dead, slow, resetting or overloaded.

Run: `make soak [ARGS='--seconds 60 --json']`. For each kind of collector (a healthy one among them) an application is
asked at a fixed rate with everything sampled, each in its own process, all in parallel. Reported: the slope of its
memory once it is warm, the latency of requests beside that with the healthy collector, and that every span is accounted
for. Exit code 1 if memory grows by more than 1 MiB per minute, p99 by more than 10% and 1 ms, or a span is missing
from the counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from overhead_bare import _receive, _send, handler_with_spans, scope_of
from tracing_collector import Collector, dead_port, reset

from devenv import tracing

KINDS = ("healthy", "dead", "slow", "resetting", "429", "503")
SPANS = 3
BUCKETS = 200_000
LIMIT_KIB_A_MINUTE = 1024.0


def collect(kind: str, url: Any, stop: Any) -> None:
    """Play the collector, in its own process."""
    if kind == "dead":
        url.put(dead_port())
        return
    never = threading.Event()
    steps = {"healthy": 200, "slow": lambda handler: never.wait(3600), "resetting": reset}
    made = Collector(script=[steps.get(kind, int(kind) if kind.isdigit() else 200)]).start()
    url.put(made.url)
    while not stop.wait(1.0):
        made.requests.clear()


def resident_kib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4.0


def slope_a_minute(samples: list[tuple[float, float]]) -> float:
    """KiB per minute by least squares over (seconds, KiB)."""
    if len(samples) < 3:
        return 0.0
    return statistics.linear_regression(*zip(*samples, strict=True)).slope * 60


def quantile(buckets: list[int], share: float) -> float:
    """Milliseconds below which the given share of requests lies."""
    left = sum(buckets) * share
    for micros, count in enumerate(buckets):
        left -= count
        if left <= 0:
            return micros / 1000
    return BUCKETS / 1000


async def ask(app: Any, rate: float, seconds: float) -> tuple[list[int], list[tuple[float, float]], int]:
    """Requests by latency in µs (a list that does not grow), memory by time, and how many requests there were."""
    latencies = [0] * BUCKETS
    memory: list[tuple[float, float]] = []
    begun = time.perf_counter()
    count = int(rate * seconds)
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        started = time.perf_counter()
        await app(scope_of(), _receive, _send)
        elapsed = time.perf_counter() - begun
        if elapsed > seconds / 3:  # the first third is for queue and caches to fill
            latencies[min(BUCKETS - 1, int((time.perf_counter() - started) * 1e6))] += 1
            if number % max(1, int(rate)) == 0:
                memory.append((elapsed, resident_kib()))
    return latencies, memory, count


def application(endpoint: str, rate: float, seconds: float, answer: Any) -> None:
    """Play the application, in its own process."""
    config = {"service_name": "soak", "exporter": {"endpoint": f"{endpoint}/v1/traces", "timeout_s": 5}}
    active = tracing.setup({**config, "batch": {"schedule_delay_ms": 500}}, environ={})
    latencies, memory, count = asyncio.run(ask(tracing.TracingMiddleware(handler_with_spans), rate, seconds))
    active.shutdown(2.0)
    stats = active.stats()
    answer.put(
        {
            "p50_ms": quantile(latencies, 0.5),
            "p99_ms": quantile(latencies, 0.99),
            "kib_a_minute": slope_a_minute(memory),
            "spans": count * SPANS,
            "exported": stats.exported,
            "dropped": stats.dropped,
            "failed": stats.failed,
            "unaccounted": count * SPANS - stats.exported - stats.dropped - stats.failed - stats.queued,
        }
    )


def run(kind: str, rate: float, seconds: float) -> dict[str, Any]:
    """One kind of collector."""
    context = multiprocessing.get_context("spawn")
    url, answer, stop = context.Queue(), context.Queue(), context.Event()
    collector = context.Process(target=collect, args=(kind, url, stop), daemon=True)
    collector.start()
    app = context.Process(target=application, args=(url.get(timeout=60), rate, seconds, answer), daemon=True)
    app.start()
    row: dict[str, Any] = answer.get(timeout=seconds + 60)
    app.join(10)
    stop.set()
    collector.join(3)
    if collector.is_alive():
        collector.terminate()
    return {"collector": kind, **{key: round(value, 4) for key, value in row.items()}}


def faults(row: dict[str, Any], healthy: dict[str, Any]) -> list[str]:
    """What falls short."""
    found = []
    if row["kib_a_minute"] > LIMIT_KIB_A_MINUTE:
        found.append(f"{row['collector']}: memory grows by {row['kib_a_minute']:.0f} KiB per minute")
    if row["p99_ms"] > healthy["p99_ms"] * 1.1 and row["p99_ms"] > healthy["p99_ms"] + 1.0:
        found.append(f"{row['collector']}: p99 {row['p99_ms']} ms, with a healthy collector {healthy['p99_ms']} ms")
    if row["unaccounted"]:
        found.append(f"{row['collector']}: {row['unaccounted']} spans are in no count")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0, help="of all kinds side by side")
    parser.add_argument("--rate", type=float, default=500.0)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = ["healthy", *(kind for kind in options.kinds.split(",") if kind != "healthy")]
    with ThreadPoolExecutor(len(kinds)) as pool:
        rows = list(pool.map(lambda kind: run(kind, options.rate, options.seconds), kinds))
    for row in rows if not options.json else ():
        print(" ".join(f"{key}={value}" for key, value in row.items()))
    short = [fault for row in rows for fault in faults(row, rows[0])]
    if options.json:
        print(json.dumps({"schema": "devenv.bench.soak/1", "rows": rows, "short": short}))
    else:
        for line in short:
            print(f"falls short: {line}")
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
