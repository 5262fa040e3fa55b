"""What `overhead.py` makes of its measurements: differences with intervals, and what falls short of the limits."""

from __future__ import annotations

import random
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overhead_chain import SPANS, Mode

# Percent of services without tracing: the mean, and the upper bound of its interval (None: no limit).
LIMITS_CPU: dict[str, tuple[float, float | None]] = {"1%": (2.0, 4.0), "10%": (2.0, 4.0), "100%": (8.0, None)}
LIMIT_P99, LIMIT_P99_MS, LIMIT_BASE, LIMIT_STOCK = 0.10, 1.0, 2.0, 0.08


@dataclass
class Measured:
    """One mode's figures: CPU in µs a request by generation, latencies in ms by run of the open loop."""

    mode: Mode
    cpu_us: list[float] = field(default_factory=list)
    latencies_ms: list[list[float]] = field(default_factory=list)


def bootstrap(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and the bounds of its 95 % interval (percentile bootstrap)."""
    source = random.Random(7)
    means = sorted(statistics.fmean(source.choices(values, k=len(values))) for _ in range(5000))
    return statistics.fmean(values), means[124], means[4874]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which the given share lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def rows_of(measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """A row a mode: its CPU, and what it adds to its chain without tracing, as mean and bounds of the 95 % interval."""
    rows = []
    for label, mine in measured.items():
        its = measured[mine.mode.base]
        if not mine.cpu_us:
            continue
        base = statistics.fmean(its.cpu_us)
        added = bootstrap([a - b for a, b in zip(mine.cpu_us, its.cpu_us, strict=True)])
        row: dict[str, Any] = {
            "mode": label,
            "cpu_us": round(statistics.fmean(mine.cpu_us), 1),
            "added_us": [round(value, 1) for value in added],
            "added_percent": [round(value / base * 100, 2) for value in added],
        }
        if mine.mode.name.endswith("100%"):
            row["us_per_span"] = round(added[0] / SPANS[mine.mode.chain], 2)
        if mine.latencies_ms and its.latencies_ms:
            p99 = [quantile(run, 0.99) for run in mine.latencies_ms]
            its_p99 = [quantile(run, 0.99) for run in its.latencies_ms]
            row["p50_ms"] = round(statistics.median(quantile(run, 0.5) for run in mine.latencies_ms), 3)
            row["p99_ms"] = round(statistics.fmean(p99), 3)
            differences = bootstrap([a - b for a, b in zip(p99, its_p99, strict=True)])
            row["p99_added_ms"] = [round(value, 3) for value in differences]
        rows.append(row)
    return rows


def verdict(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What falls short of the limits; a limit whose modes were not measured is not judged."""
    by_mode = {row["mode"]: row for row in rows}
    base = by_mode.get("sample absent")
    short = []
    for name, (most, most_upper) in LIMITS_CPU.items():
        row = by_mode.get(f"sample {name}")
        if row is None or base is None:
            continue
        mean, _, upper = row["added_percent"]
        if mean > most:
            short.append(f"sample {name}: CPU +{mean} %, limit {most} %")
        if most_upper is not None and upper > most_upper:
            short.append(f"sample {name}: CPU +{upper} % (upper bound), limit {most_upper} %")
        allowed = max(LIMIT_P99_MS, base.get("p99_ms", 0) * LIMIT_P99)
        if "p99_added_ms" in row and row["p99_added_ms"][2] > allowed:
            short.append(f"sample {name}: p99 +{row['p99_added_ms'][2]} ms (upper bound), limit {allowed:.2f} ms")
    bare = by_mode.get("bare off")
    if bare and base and base["cpu_us"] > bare["cpu_us"] * LIMIT_BASE:
        short.append(
            f"the sample's route costs {base['cpu_us'] / bare['cpu_us']:.2f} times three bare handlers, limit 2"
        )
    ours, stock = by_mode.get("bare 100%"), by_mode.get("bare stock 100%")
    if ours and stock and ours["added_us"][0] > stock["added_us"][0] * LIMIT_STOCK:
        short.append(f"bare 100%: {ours['added_us'][0] / stock['added_us'][0]:.3f} of stock, limit {LIMIT_STOCK}")
    return short


def text(row: Mapping[str, Any]) -> str:
    """A row for people."""
    mean, low, high = row["added_us"]
    percent = row["added_percent"]
    latency = f"  p50 {row['p50_ms']:.2f}  p99 {row['p99_ms']:.2f} ms" if "p99_ms" in row else ""
    if "p99_added_ms" in row:
        latency += " {:+.2f} [{:+.2f}, {:+.2f}]".format(*row["p99_added_ms"])
    per_span = f"  {row['us_per_span']} µs a span" if "us_per_span" in row else ""
    return (
        f"{row['mode']:18} {row['cpu_us']:8.1f} µs  {mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        f"  {percent[0]:+.1f} % [{percent[1]:+.1f}, {percent[2]:+.1f}]{latency}{per_span}"
    )
