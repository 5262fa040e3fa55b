"""Many hostile bodies at once: memory stays bounded, others are answered, what is too much is told to come again."""

from __future__ import annotations

import asyncio
import gzip
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
from embedded.loop_watch import LoopWatch
from otlp_build import field, make_span, one, trace_id
from raw_http import PROTOBUF, Client, running, until

from devenv.http.server import Limits

MIB = 1024 * 1024
JSON = "Content-Type: application/json\r\n"
GZIP = "Content-Encoding: gzip\r\n"


@dataclass
class Target:
    process: psutil.Process
    otlp_port: int
    query_port: int
    health_port: int

    def rss(self) -> float:
        return float(self.process.memory_info().rss) / MIB


@pytest.fixture
def target() -> Iterator[Target]:
    """A backend in a process with the usual 1,024 file descriptors."""
    ports = [argument for name in ("otlp", "query", "health") for argument in (f"--{name}-port", "0")]
    command = [sys.executable, "-m", "devenv.dashboard", *ports]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with subprocess.Popen(["prlimit", f"--nofile=1024:{hard}", *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = dict(pair.split("=") for pair in process.stdout.readline().split())
        yield Target(psutil.Process(process.pid), *(int(found[name]) for name in ("otlp", "query", "health")))
        process.terminate()


async def watch(target: Target, work: asyncio.Task[Counter[int]]) -> LoopWatch:
    """Ask /status on new connections while the work lasts."""
    seen = LoopWatch(target.process)
    while not work.done():
        client = await Client.to(target.health_port)
        seen.asked()
        assert (await client.ask("/status", "Connection: close\r\n"))[0] == 200
        seen.answered()
        client.writer.close()
        await asyncio.sleep(0.02)
    return seen


async def post_all(target: Target, bodies: list[tuple[bytes, str]]) -> Counter[int]:
    async def post(body: bytes, headers: str) -> int:
        client = await Client.to(target.otlp_port)
        client.send(f"POST /v1/traces HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n")
        client.send(body)
        head = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 240)
        client.writer.close()
        return int(head.split()[1])

    return Counter(await asyncio.gather(*(post(*each) for each in bodies)))


NUMBERS = b'{"resourceSpans":[{"resource":{"attributes":[' + b"1.5," * (9 * MIB) + b"1]}}]}"
LISTS = b'{"x":[' + b"[]," * (12 * MIB) + b"1]}"
STRINGS = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"x":[' + b'"\\n",' * (4 * MIB) + b"1]}]}]}]}"
SPACES = b'{"resourceSpans":[' + b" " * (24 * MIB) + b"]}"
ESCAPES = b'{"x":"' + b"\\\\" * (12 * MIB) + b'"}'


def test_forty_bombs_of_spans_do_not_take_the_memory(target: Target) -> None:
    """Each has 16 MiB, decompressed; a decoder's tree of one would take as much as is allowed for all."""
    spans = b"".join(field(2, make_span(trace_id()).SerializeToString()) for _ in range(200))
    body = gzip.compress(field(1, field(2, spans * (16 * MIB // len(spans)))), 6)
    assert len(body) < MIB

    async def scenario() -> None:
        before = target.rss()
        work = asyncio.create_task(post_all(target, [(body, PROTOBUF + GZIP)] * 40))
        seen = await watch(target, work)
        assert set(work.result()) <= {200, 413, 503}, work.result()
        assert work.result()[503]
        # 256 MiB are for the traces.
        assert seen.most - before < 256 + 200, (before, seen.most)
        sys.stdout.write(f"{seen.check()}, {work.result()}\n")

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "body", [NUMBERS, LISTS, STRINGS, SPACES, ESCAPES], ids=["numbers", "lists", "strings", "spaces", "escapes"]
)
def test_json_bombs_do_not_take_the_memory_nor_the_loop(target: Target, body: bytes) -> None:
    """A decoder would make some hundred MiB of each, and hold the loop for seconds."""
    packed = gzip.compress(body, 6)

    async def scenario() -> None:
        before = target.rss()
        work = asyncio.create_task(post_all(target, [(packed, JSON + GZIP)] * 6))
        seen = await watch(target, work)
        assert set(work.result()) <= {200, 400, 413, 503}, work.result()
        assert seen.most - before < 200, (before, seen.most)
        sys.stdout.write(f"{seen.check()}, {work.result()}\n")

    asyncio.run(scenario())


def test_connections_to_all_ports_together_leave_descriptors(target: Target) -> None:
    async def scenario() -> None:
        ports = (target.otlp_port, target.query_port, target.health_port)
        idle = [await Client.to(port) for port in ports for _ in range(400)]
        begun = time.perf_counter()
        client = await Client.to(target.health_port)
        assert (await client.ask("/status"))[0] == 200
        assert time.perf_counter() - begun < 6  # out of descriptors, it took 12 s
        assert target.process.num_fds() < 700
        for each in idle:
            each.writer.transport.abort()

    asyncio.run(scenario())


async def test_the_budget_holds_until_the_answer() -> None:
    big = gzip.compress(one("a", *(make_span(trace_id(), attributes={"k": "v" * 1000}) for _ in range(3000))))
    async with running(limits=Limits(buffered=MIB)) as backend:
        client = await Client.to(backend.otlp_port)
        status, headers, _ = await client.post(big, PROTOBUF + GZIP)
        assert (status, headers["retry-after"]) == (503, "1")
        assert backend.stats()["spans_received"] == 0
        await until(lambda: backend._otlp.budget.used == 0)
        assert (await client.post(one("a", make_span(trace_id()))))[0] == 200
        await until(lambda: backend._otlp.budget.used == 0)
