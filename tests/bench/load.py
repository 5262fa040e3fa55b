"""CPU of one load request: devenv's generator beside aiohttp and httpx, against the same server.

usage: python tests/bench/load.py [--rps 50 4000] [--seconds 3] [--json]

The server is a separate process and answers from memory, so that only the client's CPU is counted. devenv runs its
whole hot path: pacing, trace context, root span, row, live figures.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import platform
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop

ANSWER = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\nserver: bench\r\n\r\n{"hello":"you"}'
)


MOST_HTTPX = 100


class Server(asyncio.Protocol):
    """Answers whatever ends in an empty line; takes OTLP posts too."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.skip = 0

    def data_received(self, data: bytes) -> None:
        if self.skip:
            self.skip -= len(data)
            if self.skip > 0:
                return
            self.transport.write(ANSWER)
            self.skip = 0
            return
        head, _, body = data.partition(b"\r\n\r\n")
        if head.startswith(b"POST"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self.skip = length - len(body)
            if self.skip > 0:
                return
        self.transport.write(ANSWER)


def serve(ready: Connection) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


async def measure_devenv(url: str, rps: float, seconds: float, otlp: str | None) -> dict[str, float]:
    from devenv.clock import SystemClock
    from devenv.load.options import LoadOptions
    from devenv.load.run import run_load
    from devenv.load.run_store import RunStore
    from devenv.load.workload import Workload
    from devenv.model.extension import Scenario

    with tempfile.TemporaryDirectory() as folder:
        document = await run_load(
            LoadOptions(rps=rps, duration=seconds, verify=False),
            Workload(scenario=Scenario(path="/x"), target=url),
            client=None,
            otlp_http_url=otlp,
            expected_services=(),
            clock=SystemClock(),
            sink=lambda event: None,
            store=RunStore(Path(folder)),
            stop=asyncio.Event(),
        )
    assert document.completed == document.sent, document.errors
    return {
        "cpu_us": document.cpu_us_per_request,
        "sent": document.sent,
        "lag_p50_ms": document.generator_lag_ms.p50 or 0.0,
        "lag_p99_ms": document.generator_lag_ms.p99 or 0.0,
        "p50_ms": document.response_ms.p50 or 0.0,
    }


async def paced(send: Any, rps: float, seconds: float) -> dict[str, float]:
    """Any client, paced in the same way: a task a request, at its time."""
    count = round(rps * seconds)
    tasks = []
    start, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        wait = start + number / rps - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.ensure_future(send()))
    await asyncio.gather(*tasks)
    return {"cpu_us": (time.process_time() - cpu) * 1e6 / count, "sent": count}


async def measure_aiohttp(url: str, rps: float, seconds: float) -> dict[str, float]:
    import aiohttp

    async with aiohttp.ClientSession() as session:

        async def send() -> None:
            async with session.get(url + "/x") as response:
                await response.read()

        return await paced(send, rps, seconds)


async def measure_httpx(url: str, rps: float, seconds: float) -> dict[str, float]:
    import httpx

    async with httpx.AsyncClient() as client:
        return await paced(lambda: client.get(url + "/x"), rps, seconds)


def floor_us(url: str, count: int = 3000) -> float:
    """What the bare system calls cost here: a blocking socket, one request after the other."""
    host, port = url.removeprefix("http://").split(":")
    request = b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        cpu = time.process_time()
        for _ in range(count):
            connection.sendall(request)
            connection.recv(65536)
        return (time.process_time() - cpu) * 1e6 / count


def measure(url: str, rps: float, seconds: float) -> dict[str, dict[str, float]]:
    return {
        "devenv": uvloop.run(measure_devenv(url, rps, seconds, url)),
        "devenv, no root spans": uvloop.run(measure_devenv(url, rps, seconds, None)),
        "aiohttp": uvloop.run(measure_aiohttp(url, rps, seconds)),
        "httpx": uvloop.run(measure_httpx(url, min(rps, MOST_HTTPX), seconds)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rps", type=float, nargs="+", default=[50, 4000], help="rates to measure at")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}"
        results = {f"{rps:g}": measure(url, rps, options.seconds) for rps in options.rps}
        results["floor"] = {"bare blocking socket": {"cpu_us": floor_us(url)}}
    finally:
        server.terminate()
    print(json.dumps(results, indent=1) if options.json else table(results, options.seconds))


def table(results: dict[str, dict[str, dict[str, float]]], seconds: float) -> str:
    lines = [f"CPU of one request, each for {seconds:g} s, Python {platform.python_version()}"]
    for rate, clients in results.items():
        lines.append("one after the other, without pause" if rate == "floor" else f"{rate} requests per second")
        for name, result in clients.items():
            more = ", ".join(f"{key} {value:.3f}" for key, value in result.items() if key.endswith("_ms"))
            lines.append(f"  {name:24} {result['cpu_us']:8.1f} µs   {more}".rstrip())
    lines.append(f"httpx at up to {MOST_HTTPX} requests per second.")
    lines.append("At a low rate, each request costs more: the loop sleeps and wakes for each one, with cold caches.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
