"""Mutated requests to every port, many at once: memory stays bounded, and /status is answered at once.

``DEVENV_FUZZ_SECONDS=300`` makes it the long form, ``DEVENV_FUZZ_SEED`` another run of it.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psutil
from embedded.log_build import as_json as logs_as_json
from embedded.log_build import logged, make_record
from embedded.loop_watch import LoopWatch
from embedded.metric_build import counter, gauge, histogram, metrics_request, number, resource_metrics
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, NumberDataPoint
from otlp_build import field, make_span, one, request, resource_spans

MIB = 1024 * 1024
SECONDS = float(os.environ.get("DEVENV_FUZZ_SECONDS", "6"))
SEED = int(os.environ.get("DEVENV_FUZZ_SEED", "1"))
CLIENTS = 24
MEMORY = 300
TRACES = [bytes([number]) * 16 for number in range(1, 200)]
PATHS = (
    "/api/traces?service=a&limit={n}",
    "/api/traces/{id}",
    "/api/traces/{id}?raw=true",
    "/api/traces?traceID={id}&traceID={x}",
    "/api/traces?service=a&tags={x}&minDuration={x}&start={n}",
    "/api/v3/traces/{id}",
    "/api/v3/traces?query.start_time_min=2020-01-01T00:00:00Z&query.start_time_max=2040-01-01T00:00:00Z",
    "/api/v3/trace-summaries?query.start_time_min={x}&query.start_time_max={x}",
    "/api/services/{x}/operations",
    "/api/operations?service=a&spanKind={x}",
    "/api/dependencies?endTs={n}&lookback={n}",
    "/api/devenv/evicted?traceID={id}",
    "/api/devenv/stats",
    "/api/{x}",
    "/",
    "/search?service=a&limit={n}",
    "/trace/{id}",
    "/map",
)


def honest(chance: random.Random) -> bytes:
    """A good request, from one span to some thousand."""
    count = chance.choice((1, 5, 50, 500, 4000))
    spans = [
        make_span(
            chance.choice(TRACES),
            name=f"span {chance.randrange(20)}",
            kind=chance.randrange(6),
            attributes={"k": chance.choice(("v", 1, 1.5, True, ["a", {"b": 1}])), "url": "x" * chance.randrange(80)},
        )
        for _ in range(count)
    ]
    return request(resource_spans(chance.choice("abc"), *spans), resource_spans("a", *spans[:3]))


def honest_logs(chance: random.Random) -> bytes:
    records = (
        make_record(
            chance.choice(("x" * chance.randrange(80), ["a", {"b": 1}], None)),
            trace=chance.choice((b"", *TRACES)),
            severity=chance.randrange(25),
            attributes={"k": chance.choice(("v", 1, 1.5, True))},
            event=chance.choice(("", "e")),
        )
        for _ in range(chance.choice((1, 5, 50, 500)))
    )
    return logged(chance.choice("abc"), *records)


def honest_metrics(chance: random.Random) -> bytes:
    def points() -> list[NumberDataPoint]:
        return [number(chance.choice((1, 2**40, 0.5)), time.time_ns(), k=chance.randrange(9)) for _ in range(9)]

    metrics: list[Metric] = []
    for name in range(chance.choice((1, 5, 50))):
        buckets = histogram([1, 2, chance.randrange(9)], [0.1, 5.0], time.time_ns(), k=name)
        metrics += [gauge(*points(), name=f"g{name}"), counter(*points(), name=f"c{name}"), buckets]
    return metrics_request(resource_metrics(chance.choice("abc"), *metrics))


def as_json(chance: random.Random) -> bytes:
    spans = [
        {
            "traceId": chance.choice(TRACES).hex(),
            "spanId": chance.randbytes(8).hex(),
            "name": chance.choice(("x", "\u202e", "[/x]", "\x1b]52;")),
            "attributes": [
                {"key": "k", "value": {"arrayValue": {"values": [{"intValue": "1"}] * chance.randrange(9)}}}
            ],
        }
        for _ in range(chance.choice((1, 20, 400, 3000)))
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def hostile(chance: random.Random) -> bytes:
    """What is small when compressed, and large or deep when it is not."""
    size = chance.choice((1, 4, 4, 40)) * MIB
    part = chance.choice((b"[],", b"1.5,", b'"\\n",', b"{},", b"[", b'{"a":', b" ", b"\\", b"\x12\x00", b"\x00"))
    head = chance.choice((b"", b'{"resourceSpans":[', b'{"x":[', b'{"resourceSpans":[{"scopeSpans":[{"spans":['))
    if part in {b"\x12\x00", b"\x00"}:
        return field(1, field(2, part * (size // len(part))))
    return head + part * (size // len(part))


def metrics_as_json(chance: random.Random) -> bytes:
    return MessageToJson(ExportMetricsServiceRequest.FromString(honest_metrics(chance))).encode()


OTHERS: dict[str, dict[str, Callable[[random.Random], bytes]]] = {
    "/v1/logs": {
        "application/x-protobuf": honest_logs,
        "application/json": lambda chance: logs_as_json(honest_logs(chance)),
    },
    "/v1/metrics": {"application/x-protobuf": honest_metrics, "application/json": metrics_as_json},
}


def mutated(chance: random.Random, body: bytes) -> bytes:
    damaged = bytearray(body)
    for _ in range(chance.choice((0, 1, 3, 20))):
        at = chance.randrange(len(damaged) or 1)
        match chance.randrange(4):
            case 0:
                damaged[at : at + 1] = chance.randbytes(1)
            case 1:
                del damaged[at : at + chance.choice((1, 10, 10_000))]
            case 2:
                damaged[at:at] = damaged[: chance.choice((1, 100, 10_000))]
            case _:
                damaged[at:at] = chance.choice((b"\xff" * 12, b'"', b"[" * 50, b"}", b"\\", b"\xc3"))
    return bytes(damaged)


def squeezed(chance: random.Random, body: bytes) -> tuple[bytes, str]:
    match chance.randrange(5):
        case 0 | 1:
            return body, ""
        case 2:
            return zlib.compress(body, 1), "Content-Encoding: deflate\r\n"
        case 3:
            return mutated(chance, gzip.compress(body, 1)), "Content-Encoding: gzip\r\n"
        case _:
            return gzip.compress(body, 1), "Content-Encoding: gzip\r\n"


def posts(chance: random.Random) -> list[bytes]:
    """A supply of posts, made before the clock runs: this process shares the machine with the backend."""
    made = []
    for _ in range(50):
        kind = chance.randrange(10)
        if kind < 5:
            body, content = mutated(chance, honest(chance)), "application/x-protobuf"
        elif kind < 8:
            body, content = mutated(chance, as_json(chance)), "application/json"
        else:
            body, content = hostile(chance), chance.choice(("application/x-protobuf", "application/json"))
        encoding = ""
        if kind >= 8 or chance.randrange(2):
            body, encoding = (
                squeezed(chance, body) if kind < 8 else (gzip.compress(body, 1), "Content-Encoding: gzip\r\n")
            )
        path = chance.choice(("/v1/traces",) * 6 + ("/v1/metrics", "/v1/logs"))
        if kind < 8 and path in OTHERS:
            whole = OTHERS[path][content](chance)
            body, encoding = squeezed(chance, mutated(chance, whole))
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {content}\r\n{encoding}"
        made.append(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return made


def query(chance: random.Random) -> bytes:
    path = chance.choice(PATHS)
    odd = quote(
        chance.choice(("", "x", "\0", "1e9", "-1", '{"a":"b"}', "é" * 50, "a" * 3000, "[" * 500, "..")), safe=""
    )
    path = path.format(n=chance.choice((0, 1, 20, 1500, -5, "x")), id=chance.choice(TRACES).hex(), x=odd)
    if not chance.randrange(6):
        return mutated(chance, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    if not chance.randrange(8):
        body = mutated(chance, as_json(chance))
        head = b"POST /api/transform HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
        return head % len(body) + body
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


async def client(port: int, make: Callable[[], bytes], until: float, seen: Counter[str]) -> None:
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(make())
            async with asyncio.timeout(30):
                head = await reader.readline()
                while await reader.read(MIB):
                    pass
            seen[head.split(b" ")[1].decode() if head.startswith(b"HTTP/1.1 ") else "closed"] += 1
        except (TimeoutError, ConnectionError) as error:
            seen[type(error).__name__] += 1
        finally:
            writer.transport.abort()


async def watch(port: int, seen: LoopWatch, until: float) -> None:
    """Ask /status on a kept connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        seen.asked()
        writer.write(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        assert b" 200 " in head
        seen.answered()
        await asyncio.sleep(0.02)
    writer.close()


CHILD = """
import asyncio, sys
sys.path[:0] = {path!r}
import test_fuzz
asyncio.run(test_fuzz.flood({otlp}, {query}))
"""


async def flood(otlp: int, query_port: int) -> None:
    """All clients, in a separate process: what they cost must not look like a slow answer."""
    chance = random.Random(SEED)
    supply = posts(chance)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    until = time.monotonic() + SECONDS
    seen: Counter[str] = Counter()
    work = [client(otlp, lambda: chance.choice(supply), until, seen) for _ in range(CLIENTS * 2 // 3)]
    work += [client(query_port, lambda: query(chance), until, seen) for _ in range(CLIENTS // 3)]
    await asyncio.gather(*work)
    sys.stdout.write(json.dumps(seen))


def test_mutated_requests_many_at_once() -> None:
    ports = [argument for name in ("otlp", "query", "health") for argument in (f"--{name}-port", "0")]
    command = [sys.executable, "-m", "devenv.dashboard", *ports, "--max-bytes", str(64 * MIB)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as backend:
        try:
            assert backend.stdout is not None
            found = {key: int(port) for key, port in (pair.split("=") for pair in backend.stdout.readline().split())}
            folders = [str(Path(__file__).parent), *sys.path]
            code = CHILD.format(path=folders, otlp=found["otlp"], query=found["query"])
            with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as clients:
                assert clients.stdout is not None
                assert clients.stdout.readline() == "ready\n"
                until = time.monotonic() + SECONDS
                seen = LoopWatch(psutil.Process(backend.pid))
                asyncio.run(watch(found["health"], seen, until))
                answers = json.loads(clients.communicate(timeout=90)[0])
        finally:
            backend.terminate()
        errors = backend.communicate(timeout=30)[1]
    figures = f"{seen.check()}, {answers}"
    sys.stdout.write(figures + "\n")
    assert "Traceback" not in errors, errors[-3000:]
    assert "500" not in answers, figures
    assert seen.most < MEMORY, figures
    assert answers["200"] > 10, figures


def test_the_supply_has_good_and_bad_requests() -> None:
    chance = random.Random(SEED)
    assert one("a", make_span(TRACES[0]))
    supply = posts(chance)
    assert len(set(supply)) > 40
    assert {head.split(b" ")[1] for head in supply} == {b"/v1/traces", *map(str.encode, OTHERS)}
