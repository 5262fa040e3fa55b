"""Probes over the network: a minimal HTTP/1.1 GET and a TCP connection, on asyncio's streams.

No HTTP library is imported here: a probe needs the status line, and ``status`` has half a second for everything.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from devenv.health.probe import Answer, one_line
from devenv.health.route import Route

CONNECT_TIMEOUT = 1.0
"""Seconds; a lost first packet is repeated by the kernel after one second, asking anew is quicker."""

HOLD_SECONDS = 0.03
"""How long a TCP connection has to last: a proxy without a listener behind it accepts and resets at once."""

BODY_LIMIT = 64 * 1024
"""Bytes of an HTTP answer that are read at most."""


@asynccontextmanager
async def connection(
    host: str, port: int, *, timeout: float = CONNECT_TIMEOUT
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is closed on the way out.

    Raises:
        TimeoutError: no answer to the connection within ``timeout`` seconds.
        OSError: refused, unreachable or reset.
    """
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(host, port, limit=BODY_LIMIT)
    try:
        yield reader, writer
    finally:
        writer.close()


def unsampled_traceparent() -> str:
    """A W3C ``traceparent`` whose sampled flag is off, so that the probe's request leaves no trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """``GET path``; ready with any status below 400, or with exactly ``status`` where given.

    Attributes:
        timeout: seconds for the whole exchange.
    """

    route: Route
    path: str
    status: int | None = None
    timeout: float = 5.0

    @property
    def description(self) -> str:
        """What is asked, in one clause."""
        return f"GET {self.path} on port {self.route.port}"

    @property
    def costly(self) -> bool:
        """A request to a health endpoint is cheap."""
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
                said = one_line(error.partial.decode("latin-1"))
                return Answer(False, f"not HTTP: {said}" if said else "connection closed without an answer")
            except asyncio.LimitOverrunError:
                return Answer(False, "not HTTP: no end of headers within 64 KiB")

    def _request(self) -> bytes:
        lines = (
            f"GET {self.path} HTTP/1.1",
            f"Host: localhost:{self.route.port}",
            "User-Agent: devenv-probe",
            "Accept: */*",
            f"traceparent: {unsampled_traceparent()}",
            "Connection: close",
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def _judge(self, head: bytes, reader: asyncio.StreamReader) -> Answer:
        status_line, *headers = head.decode("latin-1").split("\r\n")
        version, _, rest = status_line.partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/") or not (code.isascii() and code.isdigit()):
            return Answer(False, one_line(f"not HTTP: {status_line}"))
        status = int(code)
        ok = status == self.status if self.status is not None else 200 <= status < 400
        body = await _body(headers, reader)
        wanted = f" (expected {self.status})" if self.status is not None and not ok else ""
        return Answer(ok, one_line(rest + wanted + (f": {body}" if body and not ok else "")))


async def _body(headers: list[str], reader: asyncio.StreamReader) -> str:
    """The body where its length is stated and small; reading it spares simple servers a broken pipe."""
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "content-length" and value.strip().isdecimal():
            length = min(int(value), BODY_LIMIT)
            try:
                return (await reader.readexactly(length)).decode(errors="replace")
            except asyncio.IncompleteReadError as error:
                return error.partial.decode(errors="replace")
    return ""


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """Connects; ready where the connection is accepted and held, or something is said on it."""

    route: Route

    @property
    def description(self) -> str:
        """What is asked, in one clause."""
        return f"TCP connection to port {self.route.port}"

    @property
    def costly(self) -> bool:
        """A connection is cheap."""
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
                    said = await reader.read(1)
            except TimeoutError:
                return Answer(True, "accepted")
            return Answer(True, "accepted") if said else Answer(False, "accepted and closed at once")
