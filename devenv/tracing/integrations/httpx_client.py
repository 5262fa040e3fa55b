"""httpx's clients: wrappers of transports, and `instrument` for every client of the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from devenv.tracing.clients import NO_CALL, RESENT, begin_call
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_LIBRARY = "httpx"
# In a request's extensions, which a redirect's request copies: how many times it has been sent.
_SENT = "devenv.tracing.sent"
# Attribute of a connection's stream: its peer, which an asynchronous one takes long to find.
_PEER = "_devenv_peer"
_VERSIONS = {b"HTTP/1.0": "1.0", b"HTTP/1.1": "1.1", b"HTTP/2": "2"}


class HTTPXTransport(httpx.BaseTransport):
    """Creates a client span for each request of a synchronous client and sends the context.

    Args:
        transport: The transport that sends the request. Default: httpx's own.
        **options: Options of httpx's own transport.
    """

    def __init__(self, transport: httpx.BaseTransport | None = None, **options: Any) -> None:
        self._transport = transport or httpx.HTTPTransport(**options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        return _send(self._transport.handle_request, request)

    def close(self) -> None:
        """Close the wrapped transport."""
        self._transport.close()


class AsyncHTTPXTransport(httpx.AsyncBaseTransport):
    """The same for an asynchronous client."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, **options: Any) -> None:
        self._transport = transport or httpx.AsyncHTTPTransport(**options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        return await _send_async(self._transport.handle_async_request, request)

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self._transport.aclose()


def _connected(response: httpx.Response) -> tuple[str, Any]:
    """Return the version of HTTP and the peer; neither for an application in the same process."""
    extensions = response.extensions
    version = _VERSIONS.get(extensions.get("http_version", b""), "")
    stream = extensions.get("network_stream")
    if stream is None:
        return version, None
    peer = getattr(stream, _PEER, None)
    if peer is None:
        try:
            peer = stream.get_extra_info("server_addr")
        except OSError:  # closed
            return version, None
        if hasattr(stream, "__dict__"):
            setattr(stream, _PEER, peer)
    return version, peer


def _note(request: httpx.Request, response: httpx.Response) -> None:
    """Note in a request that it has been sent, if httpx may send it, or a copy of it, again."""
    try:
        if response.status_code in RESENT and type(request.extensions) is dict:
            request.extensions = {**request.extensions, _SENT: request.extensions.get(_SENT, 0) + 1}
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)


def instrument() -> None:
    """Trace every client of the process that sends through httpx's own transports."""
    replace(httpx.HTTPTransport, "handle_request", _handling)
    replace(httpx.AsyncHTTPTransport, "handle_async_request", _handling_async)


def _handling(original: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
    def handle_request(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        return _send(original.__get__(self), request)

    return handle_request


def _handling_async(original: Callable[..., Awaitable[httpx.Response]]) -> Callable[..., Awaitable[httpx.Response]]:
    async def handle_async_request(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return await _send_async(original.__get__(self), request)

    return handle_async_request


def _send(send: Callable[[httpx.Request], httpx.Response], request: httpx.Request) -> httpx.Response:
    call = begin_call(_LIBRARY, request.method, request.url, request.headers, request.extensions.get(_SENT, 0))
    if call is NO_CALL:
        return send(request)
    token = attach(call.below())
    try:
        response = send(request)
    except BaseException as error:
        call.failed(error)
        raise
    else:
        call.answered(response.status_code, response.headers, _connected, response)
        _note(request, response)
        return response
    finally:
        detach(token)
        call.end()


async def _send_async(
    send: Callable[[httpx.Request], Awaitable[httpx.Response]], request: httpx.Request
) -> httpx.Response:
    call = begin_call(_LIBRARY, request.method, request.url, request.headers, request.extensions.get(_SENT, 0))
    if call is NO_CALL:
        return await send(request)
    token = attach(call.below())
    try:
        response = await send(request)
    except BaseException as error:
        call.failed(error)
        raise
    else:
        call.answered(response.status_code, response.headers, _connected, response)
        _note(request, response)
        return response
    finally:
        detach(token)
        call.end()
