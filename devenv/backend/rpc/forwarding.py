"""A client's connection to the port of OTLP over gRPC: its bytes are handed on to grpcio's server, and back.

The port is our own, so that it is taken and released like the others, counts for the same limits, and costs nothing
until a gRPC client comes. A client of HTTP/1 gets an answer that names the right port.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

from devenv.http.server.connection import Connection, ConnectionOwner
from devenv.http.server.message import HttpRequest, Response
from devenv.http.server.router import Router

log = logging.getLogger(__name__)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client of HTTP/2 sends first (RFC 9113, 3.4)."""
# Seconds without a byte after which a connection may be closed in favour of another one.
_QUIET = 1.0


class Upstream(Protocol):
    """The gRPC server."""

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Start it if it does not run, and connect to it."""


def http_router(otlp_port: Callable[[], int]) -> Router:
    """Return a router that tells every client of HTTP/1 the receiver's port for it."""

    def other_port(request: HttpRequest, status: int, reason: str) -> Response:  # noqa: ARG001 (the router's signature)
        text = f"400 this port takes OTLP over gRPC; OTLP over HTTP is taken on port {otlp_port()}\n"
        response = Response.text(text, 400)
        response.close = True
        return response

    return Router((), other_port)


class Forwarding(asyncio.Protocol):
    """One connection; it becomes one of HTTP/1 if the client does not begin as HTTP/2 does."""

    def __init__(self, listener: ConnectionOwner, server: Upstream) -> None:
        self._listener = listener
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._upstream: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early = b""
        self._held: set[str] = set()
        self._stuck_at: float | None = None
        self.closing = False
        self.since = self._last = self._loop.time()

    # -- the client --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._listener.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Called by asyncio: the client has disconnected."""
        self.closing = True
        if self._task is not None:
            self._task.cancel()
        if self._upstream is not None:
            self._upstream.close()
        self._listener.closed(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: bytes from the client."""
        self._last = self._loop.time()
        if self._listener.turns.read_later(len(data), self._read_on):
            self._hold("turn")
        if self._upstream is not None:
            self._upstream.write(data)
            return
        self._early += data
        begun = self._early[: len(PREFACE)]
        if not PREFACE.startswith(begun):
            self._serve_http()
        elif len(begun) == len(PREFACE) and self._task is None:
            self._hold("start")
            self._task = self._loop.create_task(self._open())

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not read."""
        self._stuck_at = self._loop.time()
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        """Called by asyncio: the client reads again."""
        self._stuck_at = None
        if self._upstream is not None:
            self._upstream.resume_reading()

    def _read_on(self) -> None:
        self._let("turn")

    def _hold(self, reason: str) -> None:
        self._held.add(reason)
        self._transport.pause_reading()

    def _let(self, reason: str) -> None:
        self._held.discard(reason)
        if not self._held and not self._transport.is_closing():
            self._transport.resume_reading()

    def _serve_http(self) -> None:
        # Such as an exporter of OTLP over HTTP with the wrong port.
        self._listener.closed(self)
        connection = Connection(self._listener)
        self._transport.set_protocol(connection)
        connection.connection_made(self._transport)
        connection.data_received(self._early)

    # -- the server --------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        try:
            upstream = await self._server.connect(lambda: _Answers(self))
        except (OSError, ImportError, RuntimeError) as error:
            log.error("OTLP over gRPC cannot be served: %s", error)  # noqa: TRY400 (a missing module needs no traceback)
            self.abort()
            return
        self._upstream = upstream
        if self.closing:
            upstream.close()
            return
        upstream.write(self._early)
        self._early = b""
        self._let("start")

    def answered(self, data: bytes) -> None:
        """Bytes from the server."""
        self._last = self._loop.time()
        self._transport.write(data)

    def full(self, full: bool) -> None:
        """Whether the server has more bytes to read than it should."""
        if full:
            self._hold("server")
        else:
            self._let("server")

    def ended(self) -> None:
        """The server has closed the connection."""
        self.closing = True
        self._transport.close()

    # -- limits ------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether nothing was sent for a moment."""
        return self._loop.time() - self._last > _QUIET

    def check(self, now: float) -> None:
        """Close the connection if a time limit is exceeded; called every second. The server closes idle ones."""
        limits = self._listener.limits
        late = self._task is None and now - self.since > limits.header_time
        if late or (self._stuck_at is not None and now - self._stuck_at > limits.write_stall):
            self.abort()

    def abort(self) -> None:
        """Close immediately; unsent data is dropped."""
        self.closing = True
        self._transport.abort()


class _Answers(asyncio.Protocol):
    """The server's side of a connection."""

    def __init__(self, client: Forwarding) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.answered(data)

    def pause_writing(self) -> None:
        self._client.full(True)

    def resume_writing(self) -> None:
        self._client.full(False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._client.ended()
