"""httpx's clients: transports around transports, and `instrument` for clients that exist already."""

from __future__ import annotations

from typing import Any

import httpx

from devenv.tracing.clients import ClientCall


class HTTPXTransport(httpx.BaseTransport):
    """Makes a client span for each request of a synchronous client and sends the context.

    Args:
        transport: Who really sends; httpx's own by default.
        **options: Options of httpx's own transport.
    """

    def __init__(self, transport: httpx.BaseTransport | None = None, **options: Any) -> None:
        self._transport = transport or httpx.HTTPTransport(**options)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        call = _begin(request)
        try:
            response = self._transport.handle_request(request)
            call.answered(response.status_code)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            call.end()
        return response

    def close(self) -> None:
        """Close the transport below."""
        self._transport.close()


class AsyncHTTPXTransport(httpx.AsyncBaseTransport):
    """The same for an asynchronous client."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, **options: Any) -> None:
        self._transport = transport or httpx.AsyncHTTPTransport(**options)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        call = _begin(request)
        try:
            response = await self._transport.handle_async_request(request)
            call.answered(response.status_code)
        except BaseException as error:
            call.failed(error)
            raise
        finally:
            call.end()
        return response

    async def aclose(self) -> None:
        """Close the transport below."""
        await self._transport.aclose()


def _begin(request: httpx.Request) -> ClientCall:
    call = ClientCall(request.method, str(request.url))
    for name, value in call.headers():
        request.headers[name] = value
    return call
