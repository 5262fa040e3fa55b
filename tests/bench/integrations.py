"""What each integration of a library adds to a call, in µs of CPU per span: the library bare beside traced, in one run.

Run: `.venv/bin/python tests/bench/integrations.py [--only pika,grpc] [--rounds 7] [--seconds 0.3] [--json]`. Both sides
of a connection are in this process if both are traced. Spans are exported to a receiver in another process, and the
process's CPU time is taken, so that encoding and export count. Rounds with and without the integration alternate;
figures are medians of the differences, with their quartiles.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import multiprocessing
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import messaging_cases  # noqa: F401 - registers its cases
from integration_cases import CASES, Case
from overhead_bare import serve

from devenv import tracing
from devenv.tracing.process import patching

_SHORTEST = 20e-6
"""Seconds that a call is taken for if it is shorter: with a span it takes longer by far."""


def cpu(run: Callable[[int], None], calls: int, done: Callable[[], object]) -> float:
    """µs of process CPU per call, the export of the spans included."""
    gc.collect()
    started = process_time()
    run(calls)
    done()
    return (process_time() - started) / calls * 1e6


def measure(case: Case, rounds: int, seconds: float, done: Callable[[], object]) -> dict[str, Any]:
    """Alternate the library bare and traced; the first round warms up."""
    bare: list[float] = []
    added: list[float] = []
    with case.make() as run:
        calls = 20
        while (took := cpu(run, calls, done) * calls / 1e6) < seconds / 4:
            calls *= 2
        calls = max(20, int(calls * seconds / max(took, calls * _SHORTEST)))
    for _ in range(rounds + 1):
        with case.make() as run:
            plain = cpu(run, calls, done)
        case.instrument()
        try:
            with case.make() as run, tracing.span("program") if case.below else tracing.attached({}):
                with_spans = cpu(run, calls, done)
        finally:
            case.undo()
            patching.restore_all()
        bare.append(plain)
        added.append(with_spans - plain)
    per_span = sorted(value / case.spans for value in added[1:])
    low, middle, high = statistics.quantiles(per_span, n=4)
    return {
        "library": case.name,
        "spans": case.spans,
        "calls": calls,
        "bare_us": round(statistics.median(bare[1:]), 1),
        "us_per_span": round(middle, 1),
        "quartiles_us": [round(low, 1), round(high, 1)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(CASES), help="Names of libraries with commas.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="CPU time of each measurement of the bare library.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    port: Any = multiprocessing.Queue()
    receiver = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    receiver.start()
    active = tracing.setup(
        {
            "service_name": "bench",
            "exporter": {"endpoint": f"http://127.0.0.1:{port.get(timeout=10)}/v1/traces"},
            "batch": {"max_queue_size": 200_000, "schedule_delay_ms": 1000},
            "limits": {"trace_spans": 0},
        },
        environ={},
    )
    rows = []
    for name in options.only.split(","):
        rows.append(measure(CASES[name], options.rounds, options.seconds, lambda: active.force_flush(60)))
        if not options.json:
            row = rows[-1]
            print(
                f"{row['library']:24} bare {row['bare_us']:8.1f} µs per call, {row['spans']} span(s) per call: "
                f"{row['us_per_span']:6.1f} µs per span {row['quartiles_us']}",
                flush=True,
            )
    active.shutdown(5)
    receiver.terminate()
    if options.json:
        print(json.dumps({"schema": "devenv.bench.integrations/1", "rows": rows}))


if __name__ == "__main__":
    main()
