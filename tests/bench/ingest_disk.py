"""The embedded backend with its storage on disk, beside Jaeger with memory and with badger, in one run.

The load and the measures are those of `ingest.py`. Besides: the bytes on disk per span, and what it takes to open the
folder again after the backend was killed: the CPU time per span, all of it (reading, checksums, indexes), for which
there is a bound that the load of the machine does not change much, and how long the whole start took.

The requests are sent in order of time, as SDKs send them. `ingest.py` scatters them: the spans of a trace arrive in
three parts, each of them a tenth of the load after the last, so that half of all spans are in a later segment than the
beginning of their trace. What opening takes after that is said, too, without a bound.

Exit code 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import time
from pathlib import Path

from ingest import MIB, Server, embedded, ingest, jaeger
from ingest_load import batches

# What devenv's figure may be as a part of another's; for throughput, a lower bound.
BOUNDS = (("cpu_us_per_span", "jaeger", 1.0), ("cpu_us_per_span", "badger", 0.5), ("spans_per_second", "badger", 1.0))
OPENED_US_PER_SPAN = 2.0  # 500,000 spans per second


def compare(spans: int, folder: Path) -> dict[str, dict[str, float]]:
    bodies = list(batches(spans, time.time_ns()))
    own, badger, scattered = folder / "devenv", folder / "badger", folder / "scattered"
    with jaeger() as memory, jaeger(badger) as disk, embedded(1024 * MIB, own) as server:
        figures = ingest([memory, disk, server], in_order(bodies))
        kill(server)
    for name, place in (("devenv", own), ("badger", badger)):
        size = sum(file.stat().st_blocks * 512 for file in place.rglob("*") if file.is_file())
        figures[name]["disk_bytes_per_span"] = size / spans
    begun = time.perf_counter()
    restored = opened_again(own, spans)
    figures["devenv"]["start_seconds"] = time.perf_counter() - begun
    figures["devenv"]["opened_us_per_span"] = restored["cpu_seconds"] * 1e6 / spans
    figures["devenv"]["opened_per_second"] = spans / restored["seconds"]
    with embedded(1024 * MIB, scattered) as server:
        ingest([server], bodies)
        kill(server)
    figures["devenv"]["scattered_us_per_span"] = opened_again(scattered, spans)["cpu_seconds"] * 1e6 / spans
    return figures


def in_order(bodies: list[bytes], parts: int = 10) -> list[bytes]:
    """So that `ingest`, which takes every tenth request for each of its parts, sends them one after the other."""
    found, rest = list(bodies), iter(bodies)
    for part in range(parts):
        found[part::parts] = [next(rest) for _ in range(part, len(bodies), parts)]
    return found


def kill(server: Server) -> None:
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()


def opened_again(folder: Path, spans: int) -> dict[str, float]:
    with embedded(1024 * MIB, folder) as server:
        storage = server.get("/api/devenv/stats")["storage"]
    restored: dict[str, float] = storage["restored"]
    if restored["spans"] != spans:
        raise SystemExit(f"opened again with {restored['spans']} of {spans} spans: {storage}")
    return restored


def report(figures: dict[str, dict[str, float]]) -> list[str]:
    missed = []
    for key, other, bound in BOUNDS:
        mine, theirs = figures["devenv"][key], figures[other][key]
        ratio = mine / theirs
        good = ratio >= bound if key == "spans_per_second" else ratio <= bound
        sign = ">=" if key == "spans_per_second" else "<="
        line = f"disk {key:18} {other} {theirs:10.1f} devenv {mine:10.1f} {ratio:6.2f} {sign} {bound:3.1f}"
        print(line + ("" if good else "  MISSED"))
        missed += [] if good else [f"{key} beside {other}"]
    own = figures["devenv"]
    sizes = (
        f"{own['disk_bytes_per_span']:.0f} bytes a span on disk, badger {figures['badger']['disk_bytes_per_span']:.0f}"
    )
    slow = own["opened_us_per_span"] > OPENED_US_PER_SPAN
    print(
        f"{sizes}; opened again with {own['opened_us_per_span']:.2f} us of CPU a span <= {OPENED_US_PER_SPAN}"
        f"{'  MISSED' if slow else ''} ({own['opened_per_second']:.0f} spans/s), "
        f"the whole start took {own['start_seconds']:.2f} s; "
        f"if scattered, {own['scattered_us_per_span']:.2f} us of CPU a span"
    )
    return missed + (["opening"] if slow else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=300_000)
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    given, _ = parser.parse_known_args()  # the other options are those of ingest.py
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # /tmp may be in memory
        figures = compare(given.spans - given.spans % 6, Path(folder))
    if given.json:
        print(json.dumps(figures))
        return 0
    return 1 if report(figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
