"""An upstream that misbehaves on request, for tests of the sample's gateway; one thread per connection."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class StubUpstream:
    """Answers by path: ``/echo``, ``/slow``, ``/broken``, ``/reset``, ``/endless``, ``/session``, ``/meet/``.

    Attributes:
        released: ends what ``/slow`` waits for.
        left: set once the reader of ``/endless`` has disconnected.
        meeting: the barrier at which requests to ``/meet/`` wait for each other.
    """

    released: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=10))
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> StubUpstream:
        handler = type("Handler", (_Handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self) -> None:
        assert self._server is not None
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: StubUpstream

    def do_GET(self) -> None:
        body = self._body()
        path = self.path.partition("?")[0]
        answers = {"/slow": self._slow, "/broken": self._broken, "/reset": self._reset, "/endless": self._endless}
        answers |= {"/session": self._session, "/meet/": lambda: self._meet(body)}
        answers.get(path, lambda: self._echo(body))()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - names that http.server calls

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _echo(self, body: bytes) -> None:
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": body.decode("latin-1"),
        }
        content = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Keep-Alive", "timeout=5")
        self.send_header("X-Request-Id", "the upstream's own")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _session(self) -> None:
        """Answers that the caller is account 1, unless the key names another answer."""
        content = (self.headers.get("x-api-key") or '{"id": 1}').encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _meet(self, body: bytes) -> None:
        """Answers once another request has come; closes the connection if none does."""
        try:
            self.stub.meeting.wait()
        except threading.BrokenBarrierError:
            self.close_connection = True
        else:
            self._echo(body)

    def _slow(self) -> None:
        self.stub.released.wait(20)
        self.close_connection = True

    def _broken(self) -> None:
        """Announces more than it sends."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 100_000)
        self.close_connection = True

    def _reset(self) -> None:
        """Closes the connection without an answer."""
        self.close_connection = True

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while not self.stub.released.wait(0.01):
                self.wfile.write(b"400\r\n" + b"y" * 1024 + b"\r\n")
        except OSError:
            self.stub.left.set()
        self.close_connection = True
