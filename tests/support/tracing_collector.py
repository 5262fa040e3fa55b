"""A collector on loopback that is healthy, slow, resetting or overloaded as a test requires, with fixtures."""

from __future__ import annotations

import gzip
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from devenv.tracing.testing import decode


@dataclass
class Collector:
    """Answers each POST by the next entry of `script`, then always by the last: a status or a callable."""

    script: list = field(default_factory=lambda: [200])
    requests: list = field(default_factory=list)
    connections: set = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self):
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                with collector.changed:
                    step = collector.script.pop(0) if len(collector.script) > 1 else collector.script[0]
                    collector.requests.append((dict(self.headers), body, self.path))
                    collector.connections.add(self.client_address)
                    collector.changed.notify_all()
                if callable(step):
                    step(self)
                else:
                    reply(self, step)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def spans(self):
        return [span for headers, body, _ in list(self.requests) for span in decode(unpacked(headers, body))]

    def wait(self, condition, timeout=10.0):
        with self.changed:
            assert self.changed.wait_for(condition, timeout), f"after {timeout} s: {len(self.requests)} requests"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def unpacked(headers, body):
    return gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body


def reply(handler, status, headers=(), body=b""):
    handler.send_response(status)
    for name, value in headers:
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.connection.close()


def dead_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
