"""Health probes over HTTP and TCP, on asyncio's streams.

No HTTP library is imported here: a probe needs the status line, and ``status`` has half a second for everything.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from devenv.health.probe import Answer, one_line
from devenv.health.route import PortRoute
from devenv.http.request_bytes import request_bytes
from devenv.http.response_head import NotHttp, ResponseHead
from devenv.immutable import immutable

CONNECT_TIMEOUT = 1.0
"""Seconds; the kernel repeats a lost first packet after one second, and a new attempt is faster."""

HOLD_SECONDS = 0.03
"""Seconds that a TCP connection has to last: a proxy without a listener accepts, then resets immediately."""

BODY_LIMIT = 64 * 1024
"""At most this many bytes of an HTTP response are read."""


@asynccontextmanager
async def connection(
    host: str, port: int, *, timeout: float = CONNECT_TIMEOUT
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection, and close it at the end of the block.

    Raises:
        TimeoutError: If the connection is not established within ``timeout`` seconds.
        OSError: If it is refused or reset, or if the host is unreachable.
    """
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(host, port, limit=BODY_LIMIT)
    try:
        yield reader, writer
    finally:
        writer.close()


def unsampled_traceparent() -> str:
    """Return a W3C ``traceparent`` without the sampled flag, so that the probe's request leaves no trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


@immutable()
class HttpProbe:
    """``GET path``; ready with a status from 200 to 399, or with exactly ``status`` if it is set.

    Attributes:
        timeout: seconds for the whole exchange.
    """

    route: PortRoute
    path: str
    status: int | None = None
    timeout: float = 5.0

    @property
    def description(self) -> str:
        """The request in one clause."""
        return f"GET {self.path} on port {self.route.port}"

    @property
    def costly(self) -> bool:
        """False: a request to a health endpoint is cheap."""
        return False

    async def ask(self) -> Answer:
        """Send one request."""
        return await self.route.ask(self._exchange)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _exchange(self, host: str, port: int) -> Answer:
        async with connection(host, port) as (reader, writer):
            try:
                async with asyncio.timeout(self.timeout):
                    writer.write(self._request())
                    head = await reader.readuntil(b"\r\n\r\n")
                    return await self._judge(head, reader)
            except TimeoutError:
                return Answer(False, f"connected, but no answer within {self.timeout:g} s")
            except asyncio.IncompleteReadError as error:
                received = one_line(error.partial.decode("latin-1"))
                return Answer(False, f"not HTTP: {received}" if received else "connection closed without an answer")
            except asyncio.LimitOverrunError:
                return Answer(False, "not HTTP: headers longer than 64 KiB")

    def _request(self) -> bytes:
        headers = {
            "Host": f"localhost:{self.route.port}",
            "User-Agent": "devenv-probe",
            "Accept": "*/*",
            "traceparent": unsampled_traceparent(),
            "Connection": "close",
        }
        return request_bytes("GET", self.path, headers)

    async def _judge(self, data: bytes, reader: asyncio.StreamReader) -> Answer:
        try:
            head = ResponseHead.parse(data)
        except NotHttp as error:
            return Answer(False, one_line(f"not HTTP: {error}"))
        status = head.status
        ok = status == self.status if self.status is not None else 200 <= status < 400
        body = await _body(head, reader)
        expected = f" (expected {self.status})" if self.status is not None and not ok else ""
        return Answer(ok, one_line(head.reason + expected + (f": {body}" if body and not ok else "")))


async def _body(head: ResponseHead, reader: asyncio.StreamReader) -> str:
    """Return the body, up to the limit, if its length is stated; reading it spares simple servers a broken pipe."""
    if head.content_length is None:
        return ""
    try:
        return (await reader.readexactly(min(head.content_length, BODY_LIMIT))).decode(errors="replace")
    except asyncio.IncompleteReadError as error:
        return error.partial.decode(errors="replace")


@immutable()
class TcpProbe:
    """A connection; ready if it is accepted and held, or if the server sends something."""

    route: PortRoute

    @property
    def description(self) -> str:
        """The request in one clause."""
        return f"TCP connection to port {self.route.port}"

    @property
    def costly(self) -> bool:
        """False: a connection is cheap."""
        return False

    async def ask(self) -> Answer:
        """Connect once."""
        return await self.route.ask(self._connect)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _connect(self, host: str, port: int) -> Answer:
        async with connection(host, port) as (reader, _writer):
            try:
                async with asyncio.timeout(HOLD_SECONDS):
                    received = await reader.read(1)
            except TimeoutError:
                return Answer(True, "accepted")
            return Answer(True, "accepted") if received else Answer(False, "accepted, then closed immediately")
