"""CPU of tracing on a bare ASGI handler, in µs per request and per span: what `devenv.tracing` itself costs.

Run: `.venv/bin/python tests/bench/overhead_bare.py [--requests 20000] [--json]`. No server, no network but the export
to a receiver in another process; the process's CPU time is taken, so that encoding and export in their thread count.
Rounds of the cases are interleaved; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import statistics
import sys
from collections.abc import Awaitable, Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import process_time
from typing import Any

from devenv import tracing

UNSAMPLED = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
SAMPLED = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
BAGGAGE = (b"baggage", b"devenv.request=5e1f-000123")
HEADERS = [
    (b"host", b"127.0.0.1:8080"),
    (b"user-agent", b"bench/1.0"),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"x-request-id", b"5e1f000123"),
]
Body = Callable[[], Awaitable[None]]


class _Route:
    path_format = "/items/{item_id}"


def scope_of(*more: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/items/17",
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 40000),
        "headers": [*HEADERS, *more],
        "route": _Route,
    }


async def handler(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def handler_with_call(scope: Any, receive: Any, send: Any) -> None:
    headers = {"accept": "*/*"}
    with tracing.client_span("GET", "http://user:8082/accounts/1", headers) as span:
        span.set_attribute("http.response.status_code", 200)
    await handler(scope, receive, send)


async def handler_with_spans(scope: Any, receive: Any, send: Any) -> None:
    with (
        tracing.span("compose", attributes={"account.id": 1}),
        tracing.db_span("sqlite", "SELECT * FROM a WHERE id = ?"),
    ):
        pass
    await handler(scope, receive, send)


async def _receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b""}


async def _send(message: Any) -> None:
    return None


async def measure(
    app: Any, headers: tuple[tuple[bytes, bytes], ...], requests: int, done: Callable[[], object]
) -> float:
    """µs of process CPU a request, what is exported afterwards included."""
    template = scope_of(*headers)
    gc.collect()
    started = process_time()
    for number in range(requests):
        await app(dict(template), _receive, _send)
        if number % 50 == 49:
            await asyncio.sleep(0.001)
    done()
    return (process_time() - started) / requests * 1e6


class _Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        return None


def serve(port: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    port.put(server.server_port)
    server.serve_forever()


def cases() -> list[tuple[str, Any, tuple[tuple[bytes, bytes], ...], int]]:
    """(name, application below the middleware, headers, spans a request)."""
    return [
        ("unsampled", handler, (UNSAMPLED,), 0),
        ("unsampled + baggage", handler, (UNSAMPLED, BAGGAGE), 0),
        ("unsampled + call", handler_with_call, (UNSAMPLED,), 0),
        ("unsampled + 2 spans", handler_with_spans, (UNSAMPLED,), 0),
        ("sampled", handler, (SAMPLED,), 1),
        ("sampled + baggage", handler, (SAMPLED, BAGGAGE), 1),
        ("sampled + call", handler_with_call, (SAMPLED,), 2),
        ("sampled + 2 spans", handler_with_spans, (SAMPLED,), 3),
    ]


async def run(requests: int, rounds: int, provider: str, endpoint: str) -> list[dict[str, Any]]:
    active = tracing.setup(
        {
            "service_name": "bench",
            "provider": provider,
            "exporter": {"endpoint": endpoint},
            "batch": {"max_queue_size": 100_000, "schedule_delay_ms": 1000},
        },
        environ={},
    )
    flush = lambda: active.force_flush(60)  # noqa: E731 - one expression
    plain: dict[Any, list[float]] = {}
    with_tracing: dict[str, list[float]] = {}
    for _ in range(rounds + 1):  # the first round warms up
        for name, app, headers, _spans in cases():
            bare = handler
            plain.setdefault(name, []).append(await measure(bare, headers, requests, flush))
            wrapped = tracing.TracingMiddleware(app)
            with_tracing.setdefault(name, []).append(await measure(wrapped, headers, requests, flush))
    rows = []
    for name, _, _, spans in cases():
        added = [a - b for a, b in zip(with_tracing[name][1:], plain[name][1:], strict=True)]
        median = statistics.median(added)
        rows.append(
            {
                "case": name,
                "provider": provider,
                "added_us": round(median, 2),
                "us_per_span": round(median / spans, 2) if spans else None,
            }
        )
    print(active.stats(), file=sys.stderr)
    active.shutdown(5)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--provider", default="light,sdk")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    port: Any = multiprocessing.Queue()
    receiver = multiprocessing.Process(target=serve, args=(port,), daemon=True)
    receiver.start()
    endpoint = f"http://127.0.0.1:{port.get(timeout=10)}/v1/traces"
    rows = []
    for provider in options.provider.split(","):
        rows += asyncio.run(run(options.requests, options.rounds, provider, endpoint))
    receiver.terminate()
    if options.json:
        print(json.dumps({"schema": "devenv.bench.overhead_bare/1", "rows": rows}))
        return
    for row in rows:
        per_span = f"{row['us_per_span']:8.2f} µs a span" if row["us_per_span"] is not None else ""
        print(f"{row['provider']:6} {row['case']:22} {row['added_us']:8.2f} µs a request {per_span}")


if __name__ == "__main__":
    main()
