"""The load client for a few requests whose response matters, where httpx costs too much.

Importing httpx takes 0.1 to 0.2 s, which is longer than the canary in `devenv up` takes. Each of its requests takes
1.3 ms of CPU instead of 0.2 ms, which is too much for root spans beside a load (docs/decisions/traces.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from devenv.http.origin import Origin
from devenv.http.request_bytes import request_bytes
from devenv.load.send.client import LoadClient
from devenv.load.send.connection import LoadConnection
from devenv.load.send.flight import Flight
from devenv.model.run import RequestError
from devenv.traces.http import BackendResponse, TransportError

_CONNECT = {
    RequestError.REFUSED: "connection refused",
    RequestError.RESOLVE: "the host name cannot be resolved",
    RequestError.UNREACHABLE: "the host is not reachable",
    RequestError.TLS: "the TLS handshake failed",
    RequestError.CONNECT_TIMEOUT: "timed out",
    RequestError.NO_SOCKET: "this machine has no descriptor or local port left",
}
_BROKEN = {RequestError.RESET, RequestError.CLOSED}


class _Exchange(Flight):
    """A request with the place for its response."""

    __slots__ = ("chunks", "ended")

    def __init__(self, sent: int, data: bytes) -> None:
        super().__init__(0, sent, sent, b"", b"", False, data)
        self.chunks: list[bytes] = []
        self.ended: asyncio.Future[tuple[int, RequestError]] = asyncio.get_running_loop().create_future()


class _BodyConnection(LoadConnection):
    """A connection that keeps the body of the response."""

    __slots__ = ()

    def on_body(self, data: bytes) -> None:
        """The parser's callback."""
        if isinstance(self._flight, _Exchange):
            self._flight.chunks.append(data)


class LeanClient:
    """Sends requests to one origin; has the methods of :class:`~devenv.traces.http.HttpClient`.

    Args:
        base_url: its path is put before that of each request.
        timeout: seconds for a whole request, connecting included.
        retriable: a request may be sent again if the kept-alive connection was closed.
    """

    def __init__(self, base_url: str, *, timeout: float, retriable: bool = False) -> None:
        self.origin = Origin.parse(base_url)
        self._timeout = timeout
        self._retriable = retriable
        self._clients: dict[bool, LoadClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.cancel()
            client.close()
        self._clients.clear()

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> BackendResponse:
        """Send a request and return the status and the body of the response.

        Raises:
            TransportError: If there is no response.
        """
        fields = {"host": self.origin.authority, **{name.lower(): value for name, value in (headers or {}).items()}}
        data = request_bytes(method, f"{self.origin.path}{path}", fields, body)
        client = self._client(head_only=method == "HEAD")
        client.sweep()
        exchange = _Exchange(client.now(), data)
        client.send(exchange)
        try:
            async with asyncio.timeout(self._timeout):
                status, error = await exchange.ended
        except TimeoutError:
            client.sweep()
            status, error = 0, RequestError.TIMEOUT
        if error is not RequestError.NONE:
            raise TransportError(self._text(error))
        return BackendResponse(status, b"".join(exchange.chunks))

    def _client(self, *, head_only: bool) -> LoadClient:
        if head_only not in self._clients:
            self._clients[head_only] = LoadClient(
                self.origin,
                timeout=self._timeout,
                retriable=self._retriable,
                head_only=head_only,
                finished=_end,
                connection=_BodyConnection,
            )
        return self._clients[head_only]

    def _text(self, error: RequestError) -> str:
        if error in _CONNECT:
            return f"cannot connect to {self.origin.authority}: {_CONNECT[error]}"
        if error in _BROKEN:
            return f"the connection was closed before the response was complete ({error.label()})"
        if error is RequestError.PROTOCOL:
            return "the response is not HTTP"
        return f"no answer from {self.origin.authority} in {self._timeout:g} s"


def _end(flight: Flight, end: int, status: int, error: RequestError) -> None:  # noqa: ARG001 (the client's signature)
    if isinstance(flight, _Exchange) and not flight.ended.done():
        flight.ended.set_result((status, error))
