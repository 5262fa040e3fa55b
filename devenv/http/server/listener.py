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
    """One port. :meth:`open` binds it, :meth:`close` ends it and all its connections."""

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
        """Begin to listen; port 0 takes a free one, found in :attr:`port` afterwards.

        Raises:
            PortTaken: another process listens there.
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
        """A connection came in: make room for it where there are too many."""
        self.connections.add(connection)
        if len(self.connections) > self.limits.connections:
            idle = [other for other in self.connections if other.idle and other is not connection]
            victim = min(idle or self.connections, key=lambda other: other.since)
            victim.abort()
        if self._sweeper is None and not self._closing:
            self._sweeper = asyncio.get_running_loop().call_later(1.0, self._sweep)

    def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        self.connections.discard(connection)

    def _sweep(self) -> None:
        # One timer for all connections, and none while there is no connection: an idle daemon costs nothing.
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self.connections):
            connection.check(now)
        self._sweeper = loop.call_later(1.0, self._sweep) if self.connections else None
