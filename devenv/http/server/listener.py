"""A listening socket and its connections."""

from __future__ import annotations

import asyncio
import errno

from devenv.errors import PortTaken
from devenv.http.server.connection import Connection
from devenv.http.server.guard import Guard
from devenv.http.server.limits import Limits
from devenv.http.server.router import Router


class Listener:
    """One port. :meth:`open` binds it, :meth:`close` releases it and closes its connections."""

    def __init__(self, router: Router, guard: Guard, limits: Limits | None = None) -> None:
        self.router = router
        self.guard = guard
        self.limits = limits or Limits()
        self.connections: set[Connection] = set()
        self.buffered = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing = False

    async def open(self, host: str, port: int) -> None:
        """Start to listen; port 0 selects a free one, available as :attr:`port` afterwards.

        Raises:
            PortTaken: If another process uses the port.
        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(self), host, port, backlog=512)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(
                f"port {port} on {host} is in use",
                hint=f"find its owner with: ss -ltnp 'sport = :{port}'",
                details={"host": host, "port": port},
            ) from error
        address: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        self.port = address[1]

    async def close(self) -> None:
        """Stop listening and close every connection; returns when the port is free."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.abort()
        if self._server is not None:
            await self._server.wait_closed()

    def opened(self, connection: Connection) -> None:
        """Add a connection; if there are too many, close another one."""
        self.connections.add(connection)
        if len(self.connections) > self.limits.connections:
            idle = [other for other in self.connections if other.idle and other is not connection]
            victim = min(idle or self.connections, key=lambda other: other.since)
            victim.abort()
        if self._sweeper is None and not self._closing:
            self._sweeper = asyncio.get_running_loop().call_later(1.0, self._sweep)

    def closed(self, connection: Connection) -> None:
        """Remove a connection."""
        self.connections.discard(connection)

    def _sweep(self) -> None:
        # One timer for all connections, and none without connections: an idle daemon uses no CPU.
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self.connections):
            connection.check(now)
        self._sweeper = loop.call_later(1.0, self._sweep) if self.connections else None
