"""One client's connection: HTTP/1.1 with keep-alive and pipelining, bounded in size and time."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Coroutine
from contextlib import aclosing
from functools import partial
from time import monotonic
from typing import Any, Protocol, cast

import httptools

from devenv.http.server.capacity import ByteBudget, ListenerConnection
from devenv.http.server.guard import Guard
from devenv.http.server.head import response_head
from devenv.http.server.limits import Limits
from devenv.http.server.message import HttpRequest, Response, own_path
from devenv.http.server.router import Router
from devenv.http.server.turns import Pieces, Turns

log = logging.getLogger(__name__)

_PIPELINE = 32
_LINGER = 2.0
_SEND_BUFFER = 1024 * 1024
# A body in several pieces becomes bytes up to this size; a copy of a larger one would be twice its memory.
_COPIED = 1024 * 1024


class ConnectionOwner(Protocol):
    """The listener of a connection, as far as the connection uses it.

    Attributes:
        budget: memory of request bodies, for all connections together.
        turns: the loop's time, for all connections together.
        urgent: whether requests are answered at once, whatever other connections do.
    """

    router: Router
    guard: Guard
    limits: Limits
    urgent: bool

    @property
    def budget(self) -> ByteBudget:
        """The memory of request bodies."""

    @property
    def turns(self) -> Turns:
        """The loop's time."""

    def opened(self, connection: ListenerConnection) -> None:
        """A client has connected."""

    def closed(self, connection: ListenerConnection) -> None:
        """A client's connection has ended."""


class Connection(asyncio.Protocol):
    """A connection: parses requests, passes them to the router one after the other, and writes the responses."""

    def __init__(self, listener: ConnectionOwner) -> None:
        self._listener = listener
        self._limits = listener.limits
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[HttpRequest, bool, int]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._paused_at = 0.0
        self._ended = 0.0
        self._done = False
        self._in_progress = False
        self.since = self._loop.time()
        self._begin_message(in_progress=False)

    # -- transport ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio: the client has connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._tune_socket()
        self._listener.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        """Called by asyncio: the client has disconnected; its pending requests are cancelled."""
        self._done = True
        self._release()
        self._drop_waiting()
        if self._task is not None:
            self._task.cancel()
        self._listener.closed(self)

    def pause_writing(self) -> None:
        """Called by asyncio: the client does not read its response."""
        self._writable.clear()
        self._paused_at = self._loop.time()

    def resume_writing(self) -> None:
        """Called by asyncio: the client reads again."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio: bytes of requests."""
        if self._listener.turns.read_later(len(data), self._read_on):
            self._transport.pause_reading()
        if self._done:
            return
        self._last_data = self._loop.time()
        if not self._in_progress:
            self._start = self._last_data
            self._in_progress = True
        while data and not self._done:
            data = self._feed(data)

    def _read_on(self) -> None:
        if self._task is None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _feed(self, data: bytes) -> bytes:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # An offer that a server may ignore (RFC 9110, 7.8), such as the h2c of Java's HTTP client. The parser
            # stops here and treats a body as the other protocol, so it gets the request again without the offer.
            head = self._head_without_upgrade()
            self._parser = httptools.HttpRequestParser(self)
            self._begin_message(in_progress=True)
            return head + data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            self._refuse(400, f"not HTTP: {error}")
        return b""

    def _head_without_upgrade(self) -> bytes:
        method = self._parser.get_method()
        kept = (pair for pair in self._headers.items() if pair[0] not in {"upgrade", "connection"})
        lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in kept)
        return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self._url, lines)

    # -- parser ------------------------------------------------------------------------------------------------

    def _begin_message(self, *, in_progress: bool) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._header_bytes = 0
        self._body: bytes | bytearray = b""
        self._body_bytes = 0
        self._headers_done = False
        self._in_progress = in_progress
        self._start = self._last_data = self._loop.time()

    def on_url(self, url: bytes) -> None:
        """Called by httptools: a piece of the request target."""
        if self._header_bytes == 0 and not self._in_progress:
            self._begin_message(in_progress=True)
        self._url += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by httptools: one header (or trailer) field."""
        self._count_header(len(name) + len(value) + 4)
        if self._done or self._headers_done:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        known = self._headers.get(key)
        if known is not None and key in {"host", "content-length"} and known != text:
            self._refuse(400, f"conflicting {key} headers")
        self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """Called by httptools: decide whether to read the body."""
        if self._done:
            return
        self._headers_done = True
        method = self._parser.get_method().decode("latin-1")
        if method == "CONNECT":
            self._refuse(405, "this server is not a proxy")
        if self._parser.should_upgrade():
            return
        refusal = self._listener.guard.refusal(method, self._headers)
        if refusal is not None:
            self._refuse(*refusal)
        elif "host" not in self._headers and self._parser.get_http_version() == "1.1":
            self._refuse(400, "the Host header is missing")
        elif int(self._headers.get("content-length", "0") or "0") > self._limits.body_bytes:
            self._refuse(413, f"the body is larger than {self._limits.body_bytes} bytes")
        elif self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Called by httptools: a piece of the body, without the chunk framing."""
        if self._done:
            return
        if self._body_bytes + len(body) > self._limits.body_bytes:
            self._refuse(413, f"the body is larger than {self._limits.body_bytes} bytes")
        elif not self._listener.budget.take(len(body)):
            self._refuse(503, "too many request bodies at the same time", (("Retry-After", "1"),))
        elif not self._body_bytes:
            self._body_bytes = len(body)
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body_bytes += len(body)
            self._body += body

    def on_message_complete(self) -> None:
        """Called by httptools: the request is complete."""
        if self._done or self._parser.should_upgrade():
            return
        path, _, query = self._url.partition(b"?")
        request = HttpRequest(
            self._parser.get_method().decode("latin-1"),
            own_path(path),
            query.decode("latin-1"),
            self._headers,
            bytes(self._body) if self._body_bytes <= _COPIED else cast("bytes", self._body),
            version=self._parser.get_http_version(),
        )
        keep = bool(self._parser.should_keep_alive())
        self._waiting.append((request, keep, self._body_bytes))  # its memory is released with the answer
        self._begin_message(in_progress=False)
        if len(self._waiting) > _PIPELINE:
            self._refuse(429, "too many pipelined requests")
        elif self._task is None:
            self._serve_next()

    # -- serving -----------------------------------------------------------------------------------------------

    def _serve_next(self) -> None:
        while self._waiting and self._task is None and not self._done:
            request, keep, held = self._waiting.popleft()
            answer = self._answer_in_turn(request)
            if isinstance(answer, Response) and isinstance(answer.body, bytes) and self._writable.is_set():
                self._write_whole(request, answer, answer.body, keep)
                self._listener.budget.give(held)
            else:
                self._transport.pause_reading()
                self._task = self._loop.create_task(self._serve_slowly(request, answer, keep))
                self._task.add_done_callback(partial(self._answered, held))

    def _answered(self, held: int, task: asyncio.Task[None]) -> None:  # noqa: ARG002 (a callback's signature)
        self._listener.budget.give(held)

    def _answer_in_turn(self, request: HttpRequest) -> Response | Coroutine[Any, Any, Response]:
        turns = self._listener.turns
        if turns.crowded and not self._listener.urgent:
            return self._answer_later(request)
        begun = monotonic()
        answer = self._answer(request)
        turns.spend(monotonic() - begun)
        return answer

    async def _answer_later(self, request: HttpRequest) -> Response:
        await self._listener.turns.wait()
        answer = self._answer(request)
        return answer if isinstance(answer, Response) else await answer

    def _answer(self, request: HttpRequest) -> Response | Coroutine[Any, Any, Response]:
        resolved = self._listener.router.resolve(request)
        if isinstance(resolved, Response):
            return resolved
        handler, request = resolved
        try:
            return cast("Response | Coroutine[Any, Any, Response]", handler(request))
        except Exception as error:  # noqa: BLE001 (a handler's bug must cost one answer, not the server)
            return _failed(request, error)

    async def _serve_slowly(
        self, request: HttpRequest, answer: Response | Coroutine[Any, Any, Response], keep: bool
    ) -> None:
        try:
            response = answer if isinstance(answer, Response) else await answer
        except Exception as error:  # noqa: BLE001 (as in _answer)
            response = _failed(request, error)
        try:
            await self._writable.wait()
            if not isinstance(response.body, bytes) and request.version == "1.0":
                # HTTP/1.0 has no chunks.
                response.body = b"".join([piece async for piece in self._listener.turns.paced(response.body)])
            if isinstance(response.body, bytes):
                self._write_whole(request, response, response.body, keep)
            else:
                await self._write_chunks(request, response, response.body, keep)
        except Exception as error:  # noqa: BLE001 (the response is partly sent; only closing shows the error)
            _failed(request, error)
            self.abort()
        self._task = None
        if not self._done:
            self._transport.resume_reading()
            self._serve_next()

    def _write_whole(self, request: HttpRequest, response: Response, body: bytes, keep: bool) -> None:
        keep = keep and not response.close
        head = response_head(response, keep, b"Content-Length: %d\r\n" % len(body))
        self._transport.write(head if request.method == "HEAD" else head + body)
        if not keep:
            self._end()

    async def _write_chunks(self, request: HttpRequest, response: Response, body: Pieces, keep: bool) -> None:
        keep = keep and not response.close
        self._transport.write(response_head(response, keep, b"Transfer-Encoding: chunked\r\n"))
        if request.method != "HEAD":
            async with aclosing(self._listener.turns.paced(body)) as chunks:
                async for chunk in chunks:
                    if chunk:
                        self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                    await self._writable.wait()
            self._transport.write(b"0\r\n\r\n")
        if not keep:
            self._end()

    # -- limits ------------------------------------------------------------------------------------------------

    @property
    def closing(self) -> bool:
        """Whether it is full: it accepts no further request."""
        return self._done

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        return not self._in_progress and self._task is None and not self._waiting

    def check(self, now: float) -> None:
        """Close the connection if a time limit is exceeded; called every second."""
        limits = self._limits
        stuck = not self._writable.is_set() and now - self._paused_at > limits.write_stall
        if stuck or (self._done and now - self._ended > _LINGER):
            self.abort()
        elif self.idle and now - self._last_data > limits.idle_time:
            self._end()
        elif self._in_progress and not self._done:
            if not self._headers_done:
                late = now - self._start > limits.header_time
            else:
                late = now - self._last_data > limits.body_stall or now - self._start > limits.body_time
            if late:
                self._refuse(408, "the request did not arrive in time")

    def _tune_socket(self) -> None:
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            # Responses are written whole: waiting for more only delays them, and a list of traces should be sent in
            # one piece instead of waking both sides for each part.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def abort(self) -> None:
        """Close immediately; unsent data is dropped."""
        self._done = True
        self._transport.abort()

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > self._limits.header_bytes and not self._done:
            self._refuse(431, f"the header is larger than {self._limits.header_bytes} bytes")

    def _refuse(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        # Earlier responses may still be in progress: only an idle connection gets an error response.
        if self._done:
            return
        if self._task is None:
            response = Response.text(f"{status} {reason}\n", status)
            response.headers = headers
            body = cast("bytes", response.body)
            self._transport.write(response_head(response, False, b"Content-Length: %d\r\n" % len(body)) + body)
        self._drop_waiting()
        self._end()

    def _end(self) -> None:
        self._done = True
        self._ended = self._loop.time()
        self._release()
        if not self._in_progress:
            self._transport.close()
        elif self._transport.can_write_eof():
            # Closing while a body arrives resets the connection, and the client never sees the response:
            # the rest is read and dropped for a moment instead.
            self._transport.write_eof()

    def _release(self) -> None:
        self._listener.budget.give(self._body_bytes)
        self._body_bytes = 0
        self._body = b""

    def _drop_waiting(self) -> None:
        self._listener.budget.give(sum(held for _, _, held in self._waiting))
        self._waiting.clear()


def _failed(request: HttpRequest, error: Exception) -> Response:
    log.error("no response to %s %s", request.method, request.path, exc_info=error)
    return Response.text("500 internal error\n", 500)
