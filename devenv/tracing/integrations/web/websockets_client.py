"""The client of `websockets`: a client span for each opening handshake, with status 101 if it succeeds.

A connection that cannot be opened at all has no span.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from devenv.tracing.clients import NO_CALL, ClientCall, begin_call
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_LIBRARY = "websockets"


def instrument() -> None:
    """Trace every asynchronous client of the process."""
    from websockets.asyncio.client import ClientConnection

    replace(ClientConnection, "handshake", _make_async_handshake)


def instrument_sync() -> None:
    """Trace every synchronous client of the process."""
    from websockets.sync.client import ClientConnection

    replace(ClientConnection, "handshake", _make_handshake)


def _make_async_handshake(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def handshake(self: Any, additional_headers: Any = None, *args: Any, **options: Any) -> None:
        call, headers = _begin(self, additional_headers)
        try:
            await original(self, headers, *args, **options)
        except BaseException as error:
            _end(call, self, error)
            raise
        _end(call, self, None)

    return handshake


def _make_handshake(original: Callable[..., None]) -> Callable[..., None]:
    def handshake(self: Any, additional_headers: Any = None, *args: Any, **options: Any) -> None:
        call, headers = _begin(self, additional_headers)
        try:
            original(self, headers, *args, **options)
        except BaseException as error:
            _end(call, self, error)
            raise
        _end(call, self, None)

    return handshake


def _begin(connection: Any, given: Any) -> tuple[ClientCall, Any]:
    """Start the span of a handshake; also returns the headers to send. Does not raise."""
    try:
        from websockets.datastructures import Headers

        uri = connection.protocol.uri
        host = f"[{uri.host}]" if ":" in uri.host else uri.host
        url = f"{'wss' if uri.secure else 'ws'}://{host}:{uri.port}{uri.resource_name}"
        ours: dict[str, str] = {}
        call = begin_call(_LIBRARY, "GET", url, ours)
        if not ours:
            return call, given
        headers = Headers(given or ())
        for name, value in ours.items():
            if name in headers:
                del headers[name]
            headers[name] = value
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return NO_CALL, given
    return call, headers


def _connected(connection: Any) -> tuple[str, Any]:
    return "1.1", connection.remote_address


def _end(call: ClientCall, connection: Any, error: BaseException | None) -> None:
    """Record the server's response, or why there is none; does not raise."""
    try:
        response = getattr(connection, "response", None) or getattr(error, "response", None)
        if response is not None:
            call.answered(response.status_code, response.headers, _connected, connection)
        elif error is not None:
            call.failed(error)
    except Exception as own:  # noqa: BLE001 - logged
        fault(_LIBRARY, own)
    call.end()
