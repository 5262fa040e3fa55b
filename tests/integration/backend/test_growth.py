"""Memory of a backend process under abuse: after the first round it is where it stays."""

from __future__ import annotations

import gzip
import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import psutil
import pytest
from otlp_build import JSON, PROTOBUF, field, make_span, one, request, resource_spans, trace_id

MIB = 1024 * 1024
BOUND = 8 * MIB


@dataclass
class Target:
    process: psutil.Process
    otlp_port: int
    query_port: int

    def rss(self) -> float:
        return float(self.process.memory_info().rss) / MIB


@pytest.fixture
def target() -> Iterator[Target]:
    ports = [argument for name in ("otlp", "query", "health") for argument in (f"--{name}-port", "0")]
    command = [sys.executable, "-m", "devenv.dashboard", *ports, "--max-bytes", str(BOUND)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = dict(pair.split("=") for pair in process.stdout.readline().split())
        yield Target(psutil.Process(process.pid), int(found["otlp"]), int(found["query"]))
        process.terminate()


def abuse(target: Target, chance: random.Random) -> None:
    """One round: each kind of hostile client once, and more honest traffic than the store can hold."""
    names = f"{chance.randbytes(3).hex()}"
    many_services = [
        resource_spans(f"{names}-{number}", make_span(trace_id(), name=f"{names}-{number}"), resource={"n": number})
        for number in range(400)
    ]
    spans = [make_span(trace_id(), attributes={"filler": chance.randbytes(400).hex()}) for _ in range(400)]
    million = make_span(trace_id()).SerializeToString() + b"\x4a\x08\x0a\x01k\x12\x03\x0a\x01v" * 300_000
    empty = field(1, field(2, b"\x12\x00" * 2_100_000))
    with httpx.Client(base_url=f"http://127.0.0.1:{target.otlp_port}", timeout=60) as client:

        def post(body: bytes, headers: dict[str, str] = PROTOBUF) -> int:
            return client.post("/v1/traces", content=body, headers=headers).status_code

        for _ in range(20):
            assert post(one(f"busy-{chance.randint(1, 3)}", *spans)) == 200
        assert post(request(*many_services)) == 200
        # A span of many attributes, a great many spans of nothing, deep and wide JSON, noise.
        assert post(BOMB, {**PROTOBUF, "Content-Encoding": "gzip"}) == 413
        assert post(field(1, field(2, field(2, million)))) == 200
        assert post(empty) == 413
        assert post(chance.randbytes(3 * MIB)) == 400
        assert post(json.dumps([[[{}]] * 20] * 20_000).encode(), JSON) == 400
        assert post(b'{"resourceSpans":' + b"[{}," * 300_000, JSON) == 400
    idle = [socket.create_connection(("127.0.0.1", target.otlp_port)) for _ in range(100)]
    for each in idle:
        each.send(b"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000)
    for each in idle:
        each.close()
    with httpx.Client(base_url=f"http://127.0.0.1:{target.query_port}", timeout=60) as client:
        for path in ("/api/traces?service=busy-1&limit=500", "/api/dependencies", "/search?service=busy-1&limit=200"):
            assert client.get(path).status_code == 200
        bad = {"service": "busy-1", "tags": json.dumps({chance.randbytes(99).hex(): "x" * 999})}
        assert client.get("/api/traces", params=bad).json()["data"] == []
        figures = client.get("/api/devenv/stats").json()
    assert figures["bytes"] <= BOUND


BOMB = gzip.compress(bytes(100 * MIB), 6)


@pytest.mark.skipif(sys.platform != "linux", reason="resident size is compared as Linux counts it")
def test_abuse_does_not_make_it_grow(target: Target) -> None:
    chance = random.Random(4)
    sizes = []
    for _ in range(8):
        abuse(target, chance)
        sizes.append(target.rss())
    # The allocator gives memory back when it pleases: the least of the last rounds against the most of the first.
    assert min(sizes[4:]) < max(sizes[:3]) + 10, sizes
    assert max(sizes) < 200, sizes
