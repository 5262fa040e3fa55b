"""What tracing adds to a request: CPU per request and latency, with confidence intervals, modes interleaved.

Run: `make bench-overhead [ARGS='--generations 20 --json']`, on a machine that does nothing else. Two chains of three
services:

- `bare`: three ASGI handlers that do nothing but ask the next one (`overhead_service.py`): no work hides the cost;
- `sample`: the gateway, auth and user of `stacks/sample` with their real work (GET /api/profile).

Modes: `absent` (no tracing in the code, `untraced/`), `off` (OTEL_SDK_DISABLED), `unsampled` (ratio 0), `1%`, `10%`,
`100%`, and on the bare chain `stock 10%` and `stock 100%`: OpenTelemetry's SDK with its own ASGI and aiohttp-client
instrumentation (`--stock DIR`, a folder made by `pip install --target DIR`; `make` makes it). The `off` of the bare
chain has no tracing in its code. With `--httpx` it also runs with httpx in place of the aiohttp client. Everything else
is as the library's profile for production has it.

The modes' requests alternate in short runs, so that whatever else the machine does meets all of them alike. CPU is the
time on the processor of all three services, every thread, as the kernel counts it, from a moment when every exporter
has sent what it had to the next such moment: encoding and export are in it, whole; what the services take when nothing
is asked is subtracted. The same program differs by some percent from one start to the next (where its memory happens to
lie), so the processes are started anew several times: the difference to `off` is taken within each such generation, and
its interval is a bootstrap of the generations.
Latencies are of an open loop at a fixed rate, one run a mode and generation. The services have one core, this program
and the receiver another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import sys
import time
from typing import Any

from overhead_bare import serve
from overhead_chain import Chain, Mode, closed_loop, open_loop, start
from overhead_report import Measured, rows_of, text, verdict

SETTLE_S = 6.0  # the exporters' delay in production is 5 s
IDLE_S = 3.0
RATIOS = (("unsampled", 0.0), ("1%", 0.01), ("10%", 0.1), ("100%", 1.0))


def modes_of(options: argparse.Namespace) -> list[Mode]:
    """What is to be measured, each chain's `off` first."""
    both = [Mode("sample", "absent"), *(Mode("sample", name, ratio) for name, ratio in RATIOS)]
    both += [Mode("bare", "100%")]
    if options.stock:
        both += [Mode("bare", "stock 10%", 0.1), Mode("bare", "stock 100%")]
    if options.httpx:
        both += [Mode("bare", name, ratio, "httpx") for name, ratio in RATIOS[2:]]
    wanted = {label.strip() for label in options.modes.split(",") if label.strip()}
    chosen = [mode for mode in both if not wanted or mode.label in wanted]
    bases = dict.fromkeys(Mode(mode.chain, "off", client=mode.client) for mode in chosen)
    return [*bases, *chosen]


async def measure(chains: list[Chain], results: dict[str, Measured], options: argparse.Namespace) -> None:
    """One generation of processes: CPU, then latency."""
    await asyncio.gather(*(chain.connect() for chain in chains))
    await closed_loop(chains, 400, options.workers)
    await asyncio.sleep(SETTLE_S)
    before, begun = [chain.cpu_ns() for chain in chains], time.perf_counter()
    await asyncio.sleep(IDLE_S)
    marks, started = [chain.cpu_ns() for chain in chains], time.perf_counter()
    await closed_loop(chains, options.requests, options.workers)
    await asyncio.sleep(SETTLE_S)
    elapsed = (time.perf_counter() - started) / (started - begun)
    for chain, idle, mark in zip(chains, before, marks, strict=True):
        taken = chain.cpu_ns() - mark - (mark - idle) * elapsed
        results[chain.mode.label].cpu_us.append(taken / 1000 / options.requests)
    for chain in random.sample(chains, len(chains)) if options.seconds else ():
        if chain.mode.chain == "sample":
            results[chain.mode.label].latencies_ms.append(await open_loop(chain, options.rate, options.seconds))


def run(modes: list[Mode], endpoint: str, options: argparse.Namespace, cores: set[int]) -> dict[str, Measured]:
    """Every generation."""
    results = {mode.label: Measured(mode) for mode in modes}
    for number in range(1, options.generations + 1):
        chains: list[Chain] = []
        try:
            chains += [start(mode, endpoint, options.stock, cores) for mode in modes]
            asyncio.run(measure(chains, results, options))
        finally:
            for chain in chains:
                chain.stop()
        if not options.json:
            print(f"-- after {number} of {options.generations} generations", flush=True)
            for row in rows_of(results):
                print(text(row), flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=20)
    parser.add_argument("--requests", type=int, default=2000, help="a mode and generation, for CPU")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=100.0, help="of the open loop")
    parser.add_argument("--seconds", type=float, default=8.0, help="of the open loop, a mode and generation; 0: none")
    parser.add_argument("--modes", default="", help="such as 'sample 1%%,sample 10%%'; their `off` comes along")
    parser.add_argument("--stock", default="", help="folder with the stock instrumentation")
    parser.add_argument("--httpx", action="store_true", help="the bare chain with httpx as well")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    own, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own})  # the receiver's too
    ports: Any = multiprocessing.Queue()
    receiver = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    receiver.start()
    endpoint = f"http://127.0.0.1:{ports.get(timeout=10)}"
    try:
        results = run(modes_of(options), endpoint, options, set(others[:1]) or {own})
    finally:
        receiver.terminate()
    rows = rows_of(results)
    short = verdict(rows)
    if options.json:
        print(json.dumps({"schema": "devenv.bench.overhead/2", "rows": rows, "short": short}))
    for line in short if not options.json else ():
        print(f"falls short: {line}")
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
