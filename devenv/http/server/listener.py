"""A listening socket and its connections."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence

from devenv.errors import PortTaken
from devenv.http.server.capacity import ByteBudget, Capacity, ListenerConnection
from devenv.http.server.connection import Connection
from devenv.http.server.guard import Guard
from devenv.http.server.limits import Limits
from devenv.http.server.router import Router
from devenv.http.server.turns import Turns

# Not on this machine: no IPv6, or no such address.
_NO_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_LOOPBACKS = {"127.0.0.1": "::1"}


class Listener:
    """One port. :meth:`open` binds it, :meth:`close` releases it and closes its connections.

    ``capacity`` is what it shares with other listeners; by default, it has its own. ``urgent`` means that its requests
    are answered at once, whatever the others do: for a listener whose handlers do nothing long. ``connection`` makes
    the protocol of a new connection; by default, it is HTTP/1.1.
    """

    def __init__(
        self,
        router: Router,
        guard: Guard,
        limits: Limits | None = None,
        capacity: Capacity | None = None,
        *,
        urgent: bool = False,
        connection: Callable[[Listener], asyncio.BaseProtocol] = Connection,
    ) -> None:
        self.router = router
        self.guard = guard
        self.limits = limits or Limits()
        self.capacity = capacity or Capacity(self.limits)
        self.urgent = urgent
        self.connections: set[ListenerConnection] = set()
        self._connection = connection
        self.port = 0
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._closing = False

    @property
    def budget(self) -> ByteBudget:
        """The memory of request bodies, shared with other listeners."""
        return self.capacity.budget

    @property
    def turns(self) -> Turns:
        """The loop's time, shared with other listeners."""
        return self.capacity.turns

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses that it listens on."""
        return [socket.getsockname()[0] for server in self._servers for socket in server.sockets]

    async def open(self, host: str, port: int) -> None:
        """Start to listen; port 0 selects a free one, available as :attr:`port` afterwards.

        On 127.0.0.1, it listens on ::1 too, if the machine has it: ``localhost`` is either of them.

        Raises:
            PortTaken: If another process uses the port.
        """
        server = await self._bind(host, port)
        self._servers.append(server)
        address: tuple[str, int] = server.sockets[0].getsockname()[:2]
        self.port = address[1]
        if host in _LOOPBACKS:
            await self._open_other(_LOOPBACKS[host], chosen=port == 0)

    async def _open_other(self, host: str, *, chosen: bool) -> None:
        try:
            self._servers.append(await self._bind(host, self.port))
        except PortTaken:
            if not chosen:
                await self.close()
                raise
        except OSError as error:
            if error.errno not in _NO_ADDRESS:
                await self.close()
                raise

    async def _bind(self, host: str, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(lambda: self._connection(self), host, port, backlog=self.capacity.backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortTaken(
                f"port {port} on {host} is in use",
                hint=f"find its owner with: ss -ltnp 'sport = :{port}'",
                details={"host": host, "port": port},
            ) from error

    async def close(self) -> None:
        """Stop listening and close every connection; returns when the port is free."""
        self._closing = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for server in self._servers:
            server.close()
        for connection in tuple(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()

    def opened(self, connection: ListenerConnection) -> None:
        """Add a connection; if there are too many, close another one."""
        self.connections.add(connection)
        self.capacity.connections.add(connection)
        self.capacity.make_room(connection)
        if self._sweeper is None and not self._closing:
            self._sweeper = asyncio.get_running_loop().call_later(1.0, self._sweep)

    def closed(self, connection: ListenerConnection) -> None:
        """Remove a connection."""
        self.connections.discard(connection)
        self.capacity.connections.discard(connection)

    def _sweep(self) -> None:
        # One timer for all connections, and none without connections: an idle daemon uses no CPU.
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self.connections):
            connection.check(now)
        self._sweeper = loop.call_later(1.0, self._sweep) if self.connections else None
