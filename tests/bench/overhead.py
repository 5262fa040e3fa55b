"""What tracing adds to a request: CPU per request and latency, with confidence intervals, modes interleaved.

Run: `make bench-overhead [ARGS='--generations 20 --json']`, on a machine that does nothing else. Two chains of three
services:

- `bare`: three ASGI handlers that do nothing but ask the next one (`overhead_service.py`): no work hides the cost;
- `sample`: the gateway, auth and user of `stacks/sample` with their real work (GET /api/profile).

The compiled part is measured if `make compile` has built it and DEVENV_TRACING_PURE is not set; the first line
says so.

Modes: `absent` (no tracing in the code), `off` (OTEL_SDK_DISABLED), `unsampled` (ratio 0), `1%`, `10%`, `100%`, and on
the bare chain `stock 10%` and `stock 100%`: OpenTelemetry's SDK with its own ASGI and aiohttp-client instrumentation
(`--stock DIR`, a folder made by `pip install --target DIR`; `make` makes it). The `off` of the bare chain has no
tracing in its code. With `--httpx` it also runs with httpx in place of the aiohttp client. Everything else is as the
library's profile for production has it.

CPU is the time on the processor of all three services, every thread, as the kernel counts it, until every exporter has
sent what it had: encoding and export are in it, whole.

The same program differs by ten percent and more from one start to the next (where its memory happens to lie). The
sample's modes are therefore taken in turn by the same processes (`overhead_switch.py`), in an order that changes each
time, and the processes are restarted several times: the difference to `absent` is a mean within each such generation,
and its interval a bootstrap of the generations. The bare chain's modes, whose differences are many times larger, are
processes side by side; what they take when nothing is asked is subtracted. Latencies are of an open loop at a fixed
rate, of the sample. The services have one core, this program and the receiver another.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from overhead_bare import serve
from overhead_chain import Chain, Mode, Sample, closed_loop, open_loop, start, start_sample
from overhead_report import Measured, rows_of, text, verdict

from devenv.tracing.light.native import speed

SETTLE_S = 6.0  # the exporters' delay in production is 5 s
IDLE_S = 3.0
WARM = 40  # requests after each change of mode
RATIOS = {"unsampled": 0.0, "1%": 0.01, "10%": 0.1, "100%": 1.0}
SAMPLE = ("absent", "off", *RATIOS)


def bare_modes(options: argparse.Namespace) -> list[Mode]:
    """The bare chain's, each client's `off` first."""
    modes = [Mode("bare", "off"), Mode("bare", "10%", 0.1), Mode("bare", "100%")]
    if options.stock:
        modes += [Mode("bare", "stock 10%", 0.1), Mode("bare", "stock 100%")]
    if options.httpx:
        modes += [Mode("bare", name, ratio, "httpx") for name, ratio in (("off", 0.0), ("10%", 0.1), ("100%", 1.0))]
    return modes


async def measure_bare(chains: list[Chain], results: dict[str, Measured], options: argparse.Namespace) -> None:
    """One generation of the bare chain: CPU from a settled exporter to the next."""
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


async def measure_sample(chain: Sample, results: dict[str, Measured], options: argparse.Namespace) -> None:
    """One generation of the sample: each mode's turn in every round, for CPU and then for latency."""
    await chain.connect()
    await closed_loop([chain], 800, options.workers)
    names = options.only
    taken: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in random.sample(names, len(names)):
            mode = str(RATIOS.get(name, name))
            await chain.take(mode)
            await closed_loop([chain], WARM, options.workers)
            mark = chain.cpu_ns()
            await closed_loop([chain], options.turn, options.workers)
            await chain.take(mode)  # what it recorded has been exported by then
            taken[name].append((chain.cpu_ns() - mark) / 1000 / options.turn)
    for name, values in taken.items():
        results[f"sample {name}"].cpu_us.append(statistics.fmean(values))
    for _ in range(options.latency_runs):
        for name in random.sample(names, len(names)):
            await chain.take(str(RATIOS.get(name, name)))
            await closed_loop([chain], WARM, options.workers)
            results[f"sample {name}"].latencies_ms.append(await open_loop(chain, options.rate, options.seconds))


def run(endpoint: str, options: argparse.Namespace, cores: set[int]) -> dict[str, Measured]:
    """Every generation of both chains."""
    modes = bare_modes(options) if options.bare else []
    every = [*modes, *(Mode("sample", name) for name in options.only)]
    results = {mode.label: Measured(mode) for mode in every}
    for number in range(1, max(options.bare, options.generations) + 1):
        if number <= options.bare:
            chains = [start(mode, endpoint, options.stock, cores) for mode in modes]
            _through(chains, measure_bare(chains, results, options))
        if number <= options.generations:
            with tempfile.TemporaryDirectory(prefix="devenv-bench-") as folder:
                sample = start_sample(endpoint, Path(folder), cores)
                _through([sample], measure_sample(sample, results, options))
        print(f"-- {number}", *map(text, rows_of(results)), sep="\n", file=sys.stderr, flush=True)
    return results


def _through(chains: Sequence[Chain], measuring: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(measuring)
    finally:
        for chain in chains:
            chain.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generations", type=int, default=20, help="of the sample's processes")
    parser.add_argument("--rounds", type=int, default=10, help="of turns, a generation")
    parser.add_argument("--turn", type=int, default=400, help="requests of a mode's turn")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(SAMPLE), help="'absent' and others")
    parser.add_argument("--bare", type=int, default=6, help="generations of the bare chain; 0: none")
    parser.add_argument("--requests", type=int, default=2000, help="of a mode of the bare chain, a generation")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=100.0, help="of the open loop")
    parser.add_argument("--seconds", type=float, default=4.0, help="of the open loop")
    parser.add_argument("--latency-runs", type=int, default=2, help="of the open loop, a mode and generation")
    parser.add_argument("--stock", default="", help="folder with the stock instrumentation")
    parser.add_argument("--httpx", action="store_true", help="the bare chain with httpx as well")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.stock = options.stock and str(Path(options.stock).resolve())
    gc.disable()  # a collection here would be a late request there
    own, *others = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {own})  # the receiver's too
    ports: Any = multiprocessing.Queue()
    receiver = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    receiver.start()
    endpoint = f"http://127.0.0.1:{ports.get(timeout=10)}"
    try:
        results = run(endpoint, options, set(others[:1]) or {own})
    finally:
        receiver.terminate()
    rows = rows_of(results)
    short = verdict(rows)
    library = "pure" if speed is None else "compiled"
    if options.json:
        print(json.dumps({"schema": "devenv.bench.overhead/2", "library": library, "rows": rows, "short": short}))
    else:
        print(f"the library is {library}", *map(text, rows), *(f"falls short: {line}" for line in short), sep="\n")
    sys.exit(1 if short else 0)


if __name__ == "__main__":
    main()
