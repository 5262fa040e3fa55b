"""One keep-alive HTTP/1.1 connection of the load client: it writes a request, and reports the end of its response.

Only what is needed is parsed: the status and the end of the message. Bodies are skipped by the parser.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools

from devenv.http.response_head import ResponseHead
from devenv.load.send.flight import Flight
from devenv.model.run import RequestError


class FlightOwner(Protocol):
    """What a connection reports to: the load client."""

    def answered(self, connection: LoadConnection, flight: Flight, status: int) -> None:
        """The response is complete; the connection can be used again if it is still ``alive``."""
        ...

    def broken(self, connection: LoadConnection, flight: Flight, error: RequestError, *, untouched: bool) -> None:
        """The connection ended during a request; ``untouched``: before the first byte of a response."""
        ...


class LoadConnection(asyncio.Protocol):
    """A connection; it carries at most one request at a time.

    Attributes:
        alive: whether it can carry a request.
        served: number of requests that it has completed.
        idle_since: nanoseconds on the owner's clock, set by the owner.
    """

    __slots__ = (
        "_complete",
        "_flight",
        "_head",
        "_owner",
        "_parser",
        "_status",
        "_transport",
        "alive",
        "head_only",
        "idle_since",
        "served",
    )

    def __init__(self, owner: FlightOwner, *, head_only: bool = False) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._flight: Flight | None = None
        self._head = b""
        self._status = 0
        self._complete = False
        self.alive = False
        self.head_only = head_only
        self.served = 0
        self.idle_since = 0

    def send(self, flight: Flight) -> None:
        """Write the request of ``flight``."""
        assert self._transport is not None  # noqa: S101 - only connected ones are handed out
        self._flight = flight
        flight.connection = self
        self._head = b""
        self._status = 0
        self._complete = False
        self._transport.write(flight.data)

    def abort(self) -> None:
        """Close at once; a request on it is no longer reported."""
        self.alive = False
        self._flight = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(
            "asyncio.Transport", transport
        )  # uvloop's transport has the methods, but another base class
        self.alive = True

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._flight is None:
            self.abort()  # a response without a request
            return
        if self._status < 200:
            self._head += data  # usually in one piece, which is then not copied
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._break(RequestError.PROTOCOL)
            return
        if self._complete:
            self._finish()

    def eof_received(self) -> None:
        """Called by asyncio, which then closes the connection."""
        self.alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self.alive = False
        if self._flight is None:
            return
        if self._status >= 200 and exc is None and ResponseHead.parse(self._head).ends_with_connection:
            self._finish()
            return
        self._break(RequestError.RESET if isinstance(exc, ConnectionError) else RequestError.CLOSED)

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._status = self._parser.get_status_code()
        if self.head_only and self._status >= 200:
            self._complete = True

    def on_message_complete(self) -> None:
        """Called by the parser, also for the interim responses (1xx) before the final one."""
        if self._status >= 200:
            self._complete = True
            if not self._parser.should_keep_alive():  # only valid here: after the message it is always false
                self.alive = False

    def _finish(self) -> None:
        flight, self._flight = self._flight, None
        assert flight is not None  # noqa: S101 - callers have looked
        flight.connection = None
        self.served += 1
        if self.head_only:
            self._parser = httptools.HttpResponseParser(
                self
            )  # it would wait for a body, which a response to HEAD does not have
        self._owner.answered(self, flight, self._status)

    def _break(self, error: RequestError) -> None:
        flight, untouched = self._flight, not self._head
        self.abort()
        if flight is not None:
            flight.connection = None
            self._owner.broken(self, flight, error, untouched=untouched)
