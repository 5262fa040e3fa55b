"""One request after the other over the load client, for requests of which only the status counts.

The canary's request leaves before httpx is imported, and root spans leave beside the load, where each request with
httpx would cost 1.3 ms of CPU instead of 0.2 ms (docs/decisions/traces.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from devenv.http.origin import Origin
from devenv.http.request_bytes import request_bytes
from devenv.load.send.client import LoadClient
from devenv.load.send.flight import Flight
from devenv.model.run import RequestError
from devenv.traces.http import Response, TransportError

_CONNECT = {
    RequestError.REFUSED: "connection refused",
    RequestError.RESOLVE: "the host name cannot be resolved",
    RequestError.UNREACHABLE: "the host is not reachable",
    RequestError.TLS: "the TLS handshake failed",
    RequestError.CONNECT_TIMEOUT: "timed out",
}
_BROKEN = {RequestError.RESET, RequestError.CLOSED}


class StatusClient:
    """Sends requests to one origin and reads the status of each response; its headers and body are skipped.

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
        self._turn = asyncio.Lock()
        self._ended: asyncio.Future[tuple[int, RequestError]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Response:
        """Send a request and return its status.

        Raises:
            TransportError: If there is no response.
        """
        fields = {"host": self.origin.authority, **{name.lower(): value for name, value in (headers or {}).items()}}
        data = request_bytes(method, f"{self.origin.path}{path}", fields, body)
        async with self._turn:
            status, error = await self._exchange(self._client(head_only=method == "HEAD"), data)
        if error is not RequestError.NONE:
            raise TransportError(self._text(error))
        return Response(status)

    def _client(self, *, head_only: bool) -> LoadClient:
        if head_only not in self._clients:
            self._clients[head_only] = LoadClient(
                self.origin,
                timeout=self._timeout,
                retriable=self._retriable,
                head_only=head_only,
                finished=self._finished,
            )
        return self._clients[head_only]

    async def _exchange(self, client: LoadClient, data: bytes) -> tuple[int, RequestError]:
        self._ended = asyncio.get_running_loop().create_future()
        client.sweep()
        client.send(Flight(0, 0, client.now(), b"", b"", False, data))
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ended
        except TimeoutError:
            return 0, RequestError.TIMEOUT
        finally:
            client.cancel()

    def _finished(self, flight: Flight, end: int, status: int, error: RequestError) -> None:  # noqa: ARG002 (the client's signature)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result((status, error))

    def _text(self, error: RequestError) -> str:
        if error in _CONNECT:
            return f"cannot connect to {self.origin.authority}: {_CONNECT[error]}"
        if error in _BROKEN:
            return f"the connection was closed before the response was complete ({error.label()})"
        if error is RequestError.PROTOCOL:
            return "the response is not HTTP"
        return f"no answer from {self.origin.authority} in {self._timeout:g} s"
