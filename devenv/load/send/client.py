"""The load client: an open model, in which sending never waits for responses.

It keeps connections alive and reuses the one that became idle last. So those that are no longer needed stay idle, and
are closed before the server closes them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable

from devenv.http.origin import Origin
from devenv.load.send.connection import LoadConnection
from devenv.load.send.flight import Flight
from devenv.model.run import RequestError

IDLE_NS = 2_500_000_000
"""A connection idle for longer is closed: servers close theirs after 5 s (uvicorn, Node), some after 2 s."""

_ERRORS = {
    errno.ECONNREFUSED: RequestError.REFUSED,
    errno.ECONNRESET: RequestError.RESET,
    errno.EPIPE: RequestError.RESET,
}

Finished = Callable[[Flight, int, int, RequestError], None]
"""Called once per request: the flight, its end in nanoseconds since the start, the status or 0, the error."""


class LoadClient:
    """A client that sends requests to one origin and reports the end of each.

    Args:
        origin: the target.
        timeout: seconds from a request's sending until it is abandoned.
        retriable: whether to send a request again on a new connection, if the kept-alive one closes before the first
            byte of the response.
        head_only: the requests are ``HEAD``, whose responses never have a body.
        finished: called at the end of each request.
        connection: the class of the connections.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        timeout: float,
        retriable: bool,
        head_only: bool,
        finished: Finished,
        connection: type[LoadConnection] = LoadConnection,
    ) -> None:
        self._origin = origin
        self._tls = origin.tls
        self._timeout_ns = round(timeout * 1e9)
        self._retriable = retriable
        self._head_only = head_only
        self._finished = finished
        self._connection = connection
        self._base_ns = time.perf_counter_ns()
        self._settled: asyncio.Event | None = None
        self._address: tuple[str, int] = (origin.host, origin.port)
        self._idle: list[LoadConnection] = []
        self._flights: deque[Flight] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self.in_flight = 0
        self.opened = 0

    async def resolve(self) -> None:
        """Resolve the host once and keep the first address that accepts a connection, if any does."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._origin.host, self._origin.port, type=socket.SOCK_STREAM)
        except socket.gaierror:
            return  # each request will fail with this reason
        for *_, address in found:
            try:
                await self._open((str(address[0]), int(address[1])))
            except (OSError, TimeoutError):
                continue
            self._address = (str(address[0]), int(address[1]))
            return

    def begin(self) -> int:
        """Start the run's clock and return the wall time at that moment, in nanoseconds since the epoch."""
        wall_ns = time.time_ns()
        self._base_ns = time.perf_counter_ns()
        return wall_ns

    async def settled(self, seconds: float) -> None:
        """Wait until no request is in flight, at most ``seconds``."""
        if self.in_flight == 0:
            return
        self._settled = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            return
        finally:
            self._settled = None

    def now(self) -> int:
        """Return the nanoseconds since the start of the run."""
        return time.perf_counter_ns() - self._base_ns

    def send(self, flight: Flight) -> None:
        """Send a request, on an idle connection if possible; never waits."""
        self.in_flight += 1
        self._flights.append(flight)
        self._dispatch(flight)

    def sweep(self) -> None:
        """Abandon requests older than the timeout, and close connections idle for long; to be called periodically."""
        now = self.now()
        while self._flights and (self._flights[0].done or now - self._flights[0].actual >= self._timeout_ns):
            flight = self._flights.popleft()
            if not flight.done:
                waiting = flight.connection is None
                self._give_up(flight, RequestError.CONNECT_TIMEOUT if waiting else RequestError.TIMEOUT)
        keep = now - IDLE_NS
        self._idle = [connection for connection in self._idle if self._is_young(connection, keep)]

    def cancel(self) -> None:
        """Abandon all requests in flight."""
        for flight in self._flights:
            if not flight.done:
                self._give_up(flight, RequestError.CANCELLED)
        self._flights.clear()

    def close(self) -> None:
        """Close every connection; to be called when no request is in flight."""
        for task in self._connecting:
            task.cancel()
        for connection in self._idle:
            connection.abort()
        self._idle.clear()

    def answered(self, connection: LoadConnection, flight: Flight, status: int) -> None:
        """Called by the connection."""
        now = self.now()
        if connection.alive:
            connection.idle_since = now
            self._idle.append(connection)
        else:
            connection.abort()
        self._end(flight, now, status, RequestError.NONE)

    def broken(self, connection: LoadConnection, flight: Flight, error: RequestError, *, untouched: bool) -> None:
        """Called by the connection."""
        stale = untouched and connection.served > 0 and error in {RequestError.CLOSED, RequestError.RESET}
        if stale and self._retriable and not flight.retried:
            flight.retried = True
            self._dispatch(flight, reconnect=True)
            return
        self._end(flight, self.now(), 0, error)

    def _dispatch(self, flight: Flight, *, reconnect: bool = False) -> None:
        while self._idle and not reconnect:
            connection = self._idle.pop()
            if connection.alive:
                connection.send(flight)
                return
        task = asyncio.get_running_loop().create_task(self._connect_and_send(flight))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_and_send(self, flight: Flight) -> None:
        try:
            await self._open(self._address)
        except (OSError, TimeoutError) as error:
            if not flight.done:
                self._end(flight, self.now(), 0, _kind(error))
            return
        if not flight.done and self._idle:
            self._idle.pop().send(flight)

    async def _open(self, address: tuple[str, int]) -> None:
        """Open a connection and add it to the idle ones."""
        host, port = address
        async with asyncio.timeout(self._timeout_ns / 1e9):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: self._connection(self, head_only=self._head_only),
                host,
                port,
                ssl=self._tls,
                server_hostname=self._origin.host if self._tls else None,
            )
        self.opened += 1
        connection.idle_since = self.now()
        self._idle.append(connection)

    def _give_up(self, flight: Flight, error: RequestError) -> None:
        if flight.connection is not None:
            flight.connection.abort()
            flight.connection = None
        self._end(flight, self.now(), 0, error)

    def _end(self, flight: Flight, end: int, status: int, error: RequestError) -> None:
        flight.done = True
        self.in_flight -= 1
        if self._settled is not None and self.in_flight == 0:
            self._settled.set()
        self._finished(flight, end, status, error)

    def _is_young(self, connection: LoadConnection, keep: int) -> bool:
        if connection.alive and connection.idle_since >= keep:
            return True
        connection.abort()
        return False


def _kind(error: OSError) -> RequestError:
    """Return the kind of a failed connection attempt."""
    if isinstance(error, socket.gaierror):
        return RequestError.RESOLVE
    if isinstance(error, ssl.SSLError):
        return RequestError.TLS
    if isinstance(error, TimeoutError):
        return RequestError.CONNECT_TIMEOUT
    return _ERRORS.get(error.errno or 0, RequestError.UNREACHABLE)
