"""The HTTP client for trace backends: one origin, keep-alive, a limit on concurrent requests; httpx does the work.

Importing httpx takes 0.1 to 0.2 s, so it is imported at the first request, in a thread. For the canary of `devenv up`
this is too long: it uses :class:`~devenv.load.send.lean_client.LeanClient` instead.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from devenv.http.origin import Origin
from devenv.immutable import immutable

if TYPE_CHECKING:
    import httpx

_HEADERS = {"user-agent": "devenv", "accept": "*/*", "accept-encoding": "identity"}
_NO_HEAD, _NO_END = "Server disconnected", "peer closed connection"
"""Beginnings of httpx's messages about a connection that ended before the head or the end of a response.

Their class has other causes as well.
"""


class TransportError(OSError):
    """A request without a response: not connected, cut off, timed out, or not HTTP; the message has the reason."""


@immutable()
class BackendResponse:
    """A response, without its headers."""

    status: int
    body: bytes = b""


class RequestSender(Protocol):
    """A client of one origin, such as :class:`HttpClient`."""

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> BackendResponse:
        """Send a request.

        Raises:
            TransportError: If there is no response.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class Authorized:
    """A client that sends a bearer token with each request."""

    def __init__(self, sender: RequestSender, token: str) -> None:
        self._sender = sender
        self._headers = {"authorization": f"Bearer {token}"}

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> BackendResponse:
        """Send a request; see :meth:`RequestSender.request`."""
        return await self._sender.request(method, path, headers={**self._headers, **(headers or {})}, body=body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._sender.aclose()


def _import_httpx() -> None:
    # httpx imports its own command line, with rich and pygments, if it finds them: a third of the time, for nothing.
    skipped = "httpx._main" not in sys.modules
    if skipped:
        sys.modules["httpx._main"] = None  # type: ignore[assignment]  # what makes an import fail, as Python documents
    try:
        for name in ("httpx", "httpcore"):  # httpx imports httpcore when the first client is created
            import_module(name)
    finally:
        if skipped:
            del sys.modules["httpx._main"]


class HttpClient:
    """Sends requests to one origin.

    Settings of the environment (proxies, certificates) are ignored: trace backends are on this machine or its network.

    Args:
        base_url: its path is put before that of each request.
        timeout: seconds for a whole request, connecting included.
        connections: maximum number of concurrent requests; further ones wait.
    """

    def __init__(self, base_url: str, *, timeout: float = 10.0, connections: int = 8) -> None:
        self.origin = Origin.parse(base_url)
        self._timeout = timeout
        self._connections = connections
        self._slots = asyncio.Semaphore(connections)
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> BackendResponse:
        """Send a request and read the whole response, whatever its status.

        Raises:
            TransportError: If there is no response.
        """
        if self._client is None:
            await asyncio.to_thread(_import_httpx)
        client = self._client = self._client or self._connect()
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout):
                    return await self._exchange(client, method, path, headers or {}, body)
            except TimeoutError as error:
                raise TransportError(f"no answer from {self.origin.authority} in {self._timeout:g} s") from error

    def _connect(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(
            verify=self.origin.tls or False,  # loading certificates takes longer than a request
            trust_env=False,
            timeout=None,  # noqa: S113 - asyncio.timeout is around each request, with the time in the queue
            limits=httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._connections),
            headers=_HEADERS,
            base_url=f"{self.origin.scheme}://{self.origin.authority}",
        )

    async def _exchange(
        self, client: httpx.AsyncClient, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> BackendResponse:
        """Send once more if the server had closed the kept-alive connection."""
        import httpx

        # The target is sent unchanged. In the URL, httpx would check and quote the path again, character by character.
        target = {"target": f"{self.origin.path}{path}".encode("latin-1")}
        for last in (False, True):
            try:
                found = await client.request(method, "", headers=headers, content=body or None, extensions=target)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if last or not _has_no_head(error):
                    raise self._translated(error) from error
            else:
                return BackendResponse(found.status_code, found.content)
        raise AssertionError("the second attempt returns or raises")

    def _translated(self, error: Exception) -> TransportError:
        import httpx

        text = str(error)
        if isinstance(error, httpx.ConnectError):
            return TransportError(f"cannot connect to {self.origin.authority}: {_reason(error)}")
        if text.startswith(_NO_HEAD):
            return TransportError("the connection was closed before a response arrived, or the response is not HTTP")
        if isinstance(error, httpx.NetworkError) or text.startswith(_NO_END):
            return TransportError(f"the connection was closed before the response was complete ({_reason(error)})")
        if isinstance(error, httpx.RemoteProtocolError):
            return TransportError(f"the response is not HTTP: {text}")
        return TransportError(f"cannot send the request to {self.origin.authority}: {_reason(error)}")


def _has_no_head(error: Exception) -> bool:
    """Whether the connection ended before a response, as a kept-alive connection does that the server had closed."""
    import httpx

    return isinstance(error, httpx.ReadError | httpx.WriteError) or str(error).startswith(_NO_HEAD)


def _reason(error: BaseException) -> str:
    """The operating system's reason for an error, if there is one; httpx and its layers below hide it."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno is not None:
            return str(found)
        found = found.__cause__ or found.__context__
    return str(error) or type(error).__name__
