"""Streams bodies through the proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from starlette.types import Receive, Scope, Send

from gateway.headers import response_headers

_WHOLE_BYTES = 64 * 1024  # an answer that announces no more than this is passed on in one piece


class CallerGone(Exception):
    """The caller closed the connection; an answer is not possible."""


class RequestBody:
    """The body of a request, passed on as it arrives.

    Attributes:
        complete: whether all of it has been read.
        caller_gone: whether the caller left before that.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.complete = False
        self.caller_gone = False

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> RequestBody | None:
        """Return the body of a request, or ``None`` if it has none."""
        announced = any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
        return cls(receive) if announced else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the chunks; can be used once.

        Raises:
            CallerGone: If the connection ended before the body.
        """
        while not self.complete:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.caller_gone = True
                raise CallerGone
            self.complete = not message.get("more_body", False)
            if message.get("body"):
                yield message["body"]


async def send_response(
    response: aiohttp.ClientResponse, body: RequestBody | None, receive: Receive, send: Send
) -> None:
    """Pass an upstream's answer on.

    A short answer is read first, so that the gateway can still answer 502 if the upstream closes the connection in it.

    Raises:
        aiohttp.ClientError: If the upstream closes the connection.
    """
    start = {
        "type": "http.response.start",
        "status": response.status,
        "headers": response_headers(response.raw_headers),
    }
    length = response.content_length
    if response.method == "HEAD" or (length is not None and length <= _WHOLE_BYTES):
        content = await response.read()
        await send(start)
        await send({"type": "http.response.body", "body": content})
        return
    await send(start)
    if body is None or body.complete:
        await _stream_watched(response, receive, send)
    else:
        await _stream(response, send)


async def _stream(response: aiohttp.ClientResponse, send: Send) -> None:
    async for chunk in response.content.iter_any():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _stream_watched(response: aiohttp.ClientResponse, receive: Receive, send: Send) -> None:
    """Stream, and close the upstream's connection when the caller leaves: the server discards what is sent then."""
    gone = asyncio.ensure_future(_disconnect(receive))
    gone.add_done_callback(lambda watch: None if watch.cancelled() else response.close())
    try:
        await _stream(response, send)
    except aiohttp.ClientError:
        if not gone.done():
            raise
    finally:
        gone.cancel()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
