"""Runs the situations of each HTTP client in this process: `python -m side_by_side.clients WAY` prints JSON."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from side_by_side.facts import Facts, facts_of
from side_by_side.recorders import HAND, Taken, recorded
from side_by_side.situations import work

# The stock instrumentation of each.
CLIENTS = {
    "httpx": ("httpx", "HTTPXClientInstrumentor"),
    "httpx-async": ("httpx", "HTTPXClientInstrumentor"),
    "requests": ("requests", "RequestsInstrumentor"),
    "urllib3": ("urllib3", "URLLib3Instrumentor"),
    "urllib": ("urllib", "URLLibInstrumentor"),
    "aiohttp-client": ("aiohttp_client", "AioHttpClientInstrumentor"),
}
# The path of each; the authority is the test server's, or a closed port's.
SITUATIONS = {
    "200": "/ok",
    "404": "/404",
    "500": "/500",
    "connection refused": "/refused",
    "timeout": "/slow",
    "redirect": "/moved",
    "stream that is closed early": "/stream",
    "secrets in the URL": "/ok?page=1&token=abc&X-Amz-Signature=abc",
}


def timeout_of(url: str) -> float:
    """Return the client's timeout in seconds: short only if it is to be reached, however busy the machine is."""
    return 0.2 if "/slow" in url else 30.0


class Upstream(BaseHTTPRequestHandler):
    """Answers by the path; keeps the `traceparent` of each request."""

    protocol_version = "HTTP/1.1"
    got: ClassVar[list[str]] = []
    released = threading.Event()

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.got.append(self.headers.get("traceparent", ""))
        if path == "/slow":
            self.released.wait(10)
        code = {"/404": 404, "/500": 500, "/moved": 302}.get(path, 200)
        size = 1_000_000 if path == "/stream" else 2
        self.send_response(code)
        if path == "/moved":
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", str(size))
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.wfile.write(b"x" * size)
        except OSError:
            self.close_connection = True  # the client has closed the stream

    def log_message(self, *args):
        pass


@contextmanager
def upstream() -> Iterator[int]:
    """Serve on loopback; the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    server.handle_error = lambda *args: None
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_port
    Upstream.released.set()
    server.shutdown()
    server.server_close()


def run(way: str) -> dict[str, dict[str, Facts]]:
    """Return the facts of every situation, by client."""
    stock = tuple(dict.fromkeys(CLIENTS.values()))
    with upstream() as port, recorded(way, stock) as take:
        return {client: _situations(client, way, port, take) for client in CLIENTS}


def _situations(client: str, way: str, port: int, take: Taken) -> dict[str, Facts]:
    """Return the facts: `response` is what the program gets, `sent` whose context the server gets."""
    calls = importlib.import_module("side_by_side.client_calls")
    call = getattr(calls, f"by_{client.replace('-', '_')}")
    found = {}
    for name, path in SITUATIONS.items():
        closed = name == "connection refused"
        user = "user:secret@" if "?" in path else ""
        url = f"http://{user}127.0.0.1:{calls.closed_port() if closed else port}{path}"
        Upstream.got.clear()
        with work("program"):
            response = _outcome(call, url, stream=name.startswith("stream"), hand=way == HAND)
        spans = take()
        ports = {url.rpartition(":")[2].partition("/")[0]: "<port>"}
        ids = {span.span_id: "client" if span.kind == "client" else span.name for span in spans}
        sent = [ids.get(given[36:52], "another") if given else "none" for given in Upstream.got]
        found[name] = {"response": response, "sent": ", ".join(sent) or "nothing", **facts_of(spans, ports)}
    return found


def _outcome(call, url: str, **options) -> str:
    try:
        answered = call(url, **options)
        return str(asyncio.run(answered) if inspect.iscoroutine(answered) else answered)
    except Exception as error:  # noqa: BLE001 - what the program would get
        return f"raises {type(error).__name__}"


if __name__ == "__main__":
    logging.disable()
    warnings.simplefilter("ignore")
    json.dump(run(sys.argv[1]), sys.stdout)
