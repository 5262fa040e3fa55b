"""A lean HTTP/1.1 client: one origin, keep-alive, bounded concurrency.

Verification asks for many traces in a short time, where a general client's 2-3 ms of CPU a call would be the bottleneck
and its import alone a third of the budget of ``status``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

import httptools

from devenv.http.origin import Origin


class TransportError(OSError):
    """No answer could be had: not connected, cut off, timed out, or not HTTP; the message says which."""


@dataclass(slots=True)
class Response:
    """A whole response; header names are lower-case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Connection(asyncio.Protocol):
    """One connection; carries one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.open = False
        self._answer: asyncio.Future[Response] | None = None
        self._response = Response()
        self._chunks: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)
        self._complete = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self.open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(TransportError(f"the answer is not HTTP: {error}"))
            return
        if self._complete:
            self._succeed()

    def eof_received(self) -> None:
        self.open = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._response.status and "content-length" not in self._response.headers and not self._chunked:
            self._succeed()  # RFC 9112 6.3: a body without a length ends with the connection
        self._fail(TransportError(f"the connection was closed before the answer was complete ({exc or 'end of file'})"))

    @property
    def _chunked(self) -> bool:
        return "chunked" in self._response.headers.get("transfer-encoding", "")

    def on_status(self, status: bytes) -> None:  # noqa: ARG002 - httptools' signature
        self._response.status = self._parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._response.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        self._complete = True
        self.open = self.open and self._parser.should_keep_alive()

    def send(self, data: bytes) -> asyncio.Future[Response]:
        assert self.transport is not None  # noqa: S101 - only connected ones are handed out
        self._answer = asyncio.get_running_loop().create_future()
        self._response, self._chunks, self._complete = Response(), [], False
        self.transport.write(data)
        return self._answer

    def close(self) -> None:
        self.open = False
        if self.transport is not None:
            self.transport.abort()

    def _succeed(self) -> None:
        self._response.body = b"".join(self._chunks)
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._response)

    def _fail(self, error: TransportError) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


class HttpClient:
    """Requests to one origin.

    Args:
        base_url: its path is put before that of each request.
        timeout: seconds for a whole request, connecting included.
        connections: how many requests are under way at most; further ones wait.
    """

    def __init__(self, base_url: str, *, timeout: float = 10.0, connections: int = 8) -> None:
        self.origin = Origin.parse(base_url)
        self._tls = self.origin.tls
        self._timeout = timeout
        self._slots = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Send a request and read the whole answer, whatever its status.

        Raises:
            TransportError: there is no answer.
        """
        data = self._encode(method, path, headers or {}, body)
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._exchange(data)
            except TimeoutError as error:
                raise TransportError(f"no answer from {self.origin.authority} in {self._timeout:g} s") from error

    async def _exchange(self, data: bytes) -> Response:
        """Send on an idle connection, and once more on a new one where the server had closed that one meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            if connection.open:
                try:
                    return await self._send(connection, data)
                except TransportError:
                    break
        return await self._send(await self._connect(), data)

    async def _send(self, connection: _Connection, data: bytes) -> Response:
        try:
            response = await connection.send(data)
        except BaseException:
            connection.close()
            raise
        if connection.open:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(_Connection, self.origin.host, self.origin.port, ssl=self._tls)
        except OSError as error:
            raise TransportError(f"cannot connect to {self.origin.authority}: {error}") from error
        return connection

    def _encode(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        fields = {"host": self.origin.authority, **{name.lower(): value for name, value in headers.items()}}
        if body or method in {"POST", "PUT", "PATCH"}:
            fields["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"{method} {self.origin.path}{path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body
