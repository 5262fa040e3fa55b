"""An HTTP server on loopback that keeps the headers it got."""

from __future__ import annotations

import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def http_upstream() -> Iterator[types.SimpleNamespace]:
    """Answers `ok`, 500 below /500, a challenge below /401, a redirect below /redirect, nothing below /empty,
    and at its end only below /slow.

    `got` has each request's headers, with names in lowercase.
    """
    got = []
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            got.append({name.lower(): value for name, value in self.headers.items()})
            redirects = self.path.startswith("/redirect")
            if self.path.startswith("/slow"):
                released.wait(10)
                self.close_connection = True
                return
            challenges = self.path.startswith("/401") and "Authorization" not in self.headers
            wrong = 500 if self.path.startswith("/500") else 401 if challenges else 200
            self.send_response(302 if redirects else wrong)
            if challenges:
                self.send_header("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5')
            if redirects:
                self.send_header("Location", "/after")
            body = b"" if self.path.startswith("/empty") else b"ok"
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    port = server.server_port
    yield types.SimpleNamespace(url=f"http://127.0.0.1:{port}", port=port, got=got)
    released.set()
    server.shutdown()
    server.server_close()
