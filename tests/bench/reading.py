"""How long a request to store spans waits while a large trace is read, on the embedded backend.

Run: `make bench-reading [ARGS='--spans 80000 --json']`. A process reads an address of a trace; beside it, the benchmark
sends a span every few milliseconds. Printed for each address: the time until the first byte of the answer and until its
last, and how long the requests beside it took. What they take with nothing beside them is printed first.

Exit code 1 if a request takes longer than `SLOWEST` or a page's first byte later than `FIRST`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from ingest import Server, embedded
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SLOWEST = 0.05
FIRST = 0.1
TRACE = bytes(range(16))
SERVICES = 6
BATCH = 500
ADDRESSES = {
    "page": "/trace/{trace}",
    "page, all spans": "/trace/{trace}?spans={spans}",
    "Jaeger JSON": "/api/traces/{trace}",
    "OTLP JSON": "/api/v3/traces/{trace}",
    "search page": "/search?service=service-1",
    "service map": "/dependencies",
}
READER = """
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=300)
begun = time.perf_counter()
connection.request("GET", sys.argv[2])
response = connection.getresponse()
assert response.status == 200, response.status
size = len(response.read(1))
first = time.perf_counter() - begun
while piece := response.read(65536):
    size += len(piece)
print(first, time.perf_counter() - begun, size)
"""


def requests(spans: int) -> list[bytes]:
    """Encoded requests with one trace, each span a child of one of those before it."""
    random_ = random.Random(1)
    ids = [random_.randbytes(8) for _ in range(spans)]
    start = time.time_ns() - 60 * 10**9
    found = []
    for low in range(0, spans, BATCH):
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        name = f"service-{low // BATCH % SERVICES}"
        resource_spans.resource.attributes.add(key="service.name").value.string_value = name
        scope_spans = resource_spans.scope_spans.add()
        for number in range(low, min(low + BATCH, spans)):
            span = scope_spans.spans.add(trace_id=TRACE, span_id=ids[number], name=f"operation {number % 50}")
            span.kind = 1 + number % 5
            span.parent_span_id = ids[(number - 1) // 3] if number else b""
            span.start_time_unix_nano = start + number * 1000
            span.end_time_unix_nano = span.start_time_unix_nano + 10**7
            for key in range(5):
                span.attributes.add(key=f"key.{key}").value.string_value = f"value {number % 1000}"
        found.append(request.SerializeToString())
    return found


def small() -> bytes:
    """An encoded request with one span, alone in its trace."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"\1" * 16, span_id=b"\1" * 8, name="beside")
    return request.SerializeToString()


def post(connection: http.client.HTTPConnection, body: bytes) -> float:
    """Send a request, and return the seconds until its answer."""
    begun = time.perf_counter()
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise SystemExit(f"POST /v1/traces: {response.status}")
    return time.perf_counter() - begun


def beside(server: Server, more: Callable[[], bool]) -> list[float]:
    """The times of requests, in order, while `more` returns True."""
    connection = http.client.HTTPConnection("127.0.0.1", server.otlp_port, timeout=60)
    body = small()
    found = []
    while more():
        found.append(post(connection, body))
        time.sleep(0.004)
    return sorted(found)


def read(server: Server, path: str) -> dict[str, Any]:
    """Read one address; times in seconds."""
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(server.query_port), path], stdout=subprocess.PIPE, text=True
    )
    times = beside(server, lambda: reader.poll() is None)
    output = reader.communicate()[0]
    if reader.returncode:
        raise SystemExit(f"GET {path}: exit code {reader.returncode}")
    first, whole, size = output.split()
    return {"first": float(first), "whole": float(whole), "bytes": int(size), **_summary(times)}


def _summary(times: list[float]) -> dict[str, float]:
    return {"requests": len(times), "median": statistics.median(times), "slowest": times[-1]}


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spans", type=int, default=80_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with embedded(1 << 30) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.otlp_port, timeout=60)
        for body in requests(given.spans):
            post(connection, body)
        until = time.perf_counter() + 2
        found = {"nothing": _summary(beside(server, lambda: time.perf_counter() < until))}
        for name, address in ADDRESSES.items():
            found[name] = read(server, address.format(trace=TRACE.hex(), spans=given.spans))
    if given.json:
        print(json.dumps(found))
    else:
        print(f"{'read':<16} {'first byte':>10} {'whole':>9} {'median':>9} {'slowest':>9} ms")
        for name, each in found.items():
            cells = [each.get("first"), each.get("whole"), each["median"], each["slowest"]]
            print(f"{name:<16} " + " ".join(f"{cell * 1000:>9.1f}" if cell is not None else " " * 9 for cell in cells))
    missed = [name for name, each in found.items() if each["slowest"] > SLOWEST]
    missed += [name for name, each in found.items() if name.startswith("page") and each["first"] > FIRST]
    return int(bool(missed))


if __name__ == "__main__":
    raise SystemExit(main())
