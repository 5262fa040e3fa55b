"""OTLP's three services and remote sampling over gRPC, on grpcio: a request's bytes go to a handler as over HTTP.

So both protocols have one way of decoding, one memory for bodies, the same limits and the same texts.
Rules: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from devenv.http.server.capacity import Capacity
from devenv.http.server.limits import Limits
from devenv.http.server.message import HttpRequest, Response
from devenv.http.server.router import Route
from devenv.otlp import messages

if TYPE_CHECKING:
    import grpc.aio

log = logging.getLogger(__name__)

MESSAGE_BYTES = 16 * 1024 * 1024
"""Largest message as sent. Decompressed, the limit is that of an HTTP body; Jaeger takes 4 MiB."""
ABSTRACT = os.uname().sysname == "Linux"
"""Whether sockets can have a name without a file, which is gone with the process however it ends."""
VERBOSITY = "GRPC_VERBOSITY"
_COLLECTOR = "opentelemetry.proto.collector"
# Service and method of what has another path over HTTP.
_METHODS = {
    "/v1/traces": f"/{_COLLECTOR}.trace.v1.TraceService/Export",
    "/v1/metrics": f"/{_COLLECTOR}.metrics.v1.MetricsService/Export",
    "/v1/logs": f"/{_COLLECTOR}.logs.v1.LogsService/Export",
}
# Calls whose message is being received. Each may hold a message that is not complete, and so is not counted yet.
_RECEIVING = 16
# Seconds that a call may take to send its message, and wait for others that do.
_MESSAGE_TIME = 5.0
_STREAMS = 100
_IDLE_MS = 10 * 60 * 1000
_GRACE = 0.2
_BUSY = "too many request bodies at the same time"
_LATE = "the request did not arrive in time"
_INVALID_ARGUMENT, _INTERNAL, _UNAVAILABLE = 3, 13, 14


class ExportServer:
    """The server. It is imported and started with the first :meth:`connect`: that takes 20 MB and a tenth of a second.

    Args:
        routes: the handlers of OTLP over HTTP, by path, and those whose path is a method of gRPC; others are left out.
        capacity: the memory of bodies and the loop's time, shared with HTTP.
        limits: those of HTTP.
    """

    def __init__(self, routes: Iterable[Route], capacity: Capacity, limits: Limits) -> None:
        self._routes = [(_METHODS.get(route.pattern, route.pattern), route) for route in routes]
        self._capacity = capacity
        self._message_bytes = min(MESSAGE_BYTES, limits.body_bytes)
        self._receiving = asyncio.Semaphore(_RECEIVING)
        self._starting = asyncio.Lock()
        self._server: grpc.aio.Server | None = None
        self._address = ""
        self._folder: Path | None = None
        self._closing = False

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """Start the server if it does not run, and connect to it.

        Raises:
            ImportError: If grpcio is not installed, or its library does not load.
            OSError, RuntimeError: If it cannot listen.
        """
        async with self._starting:
            if self._server is None:
                self._server = await self._start()
        loop = asyncio.get_running_loop()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, self._address)
        except BaseException:
            connection.close()
            raise
        transport, _ = await loop.create_unix_connection(make, sock=connection)
        return transport

    async def close(self) -> None:
        """Answer the calls in progress, refuse new ones, and stop."""
        self._closing = True
        async with self._starting:
            if self._server is not None:
                await self._server.stop(_GRACE)
                self._server = None
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    async def _start(self) -> grpc.aio.Server:
        if self._closing:
            raise RuntimeError("the trace backend is closing")
        library = await asyncio.to_thread(_library)  # the loop keeps serving
        server: grpc.aio.Server = library.aio.server(options=self._options())
        for method, route in self._routes:
            call = _Call(self, route, library)
            _, service, name = method.split("/")
            methods = {name: library.stream_unary_rpc_method_handler(call.answer)}
            handler = library.method_handlers_generic_handler(service, methods)
            server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(self._listen())
        await server.start()
        return server

    def _options(self) -> list[tuple[str, int]]:
        return [
            ("grpc.max_receive_message_length", self._message_bytes),
            # Bodies are decompressed as those of HTTP are: piece by piece, within the memory for bodies.
            ("grpc.per_message_decompression", 0),
            ("grpc.max_concurrent_streams", _STREAMS),
            ("grpc.max_connection_idle_ms", _IDLE_MS),
            # Clients may ask whether the connection lives as often as they like.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_ping_strikes", 0),
        ]

    def _listen(self) -> str:
        name = f"devenv-{secrets.token_hex(16)}"
        if ABSTRACT:
            self._address = f"\0{name}"
            return f"unix-abstract:{name}"
        self._folder = Path(tempfile.mkdtemp(prefix="devenv-", dir="/tmp"))
        self._address = str(self._folder / "grpc.sock")
        return f"unix:{self._address}"

    @asynccontextmanager
    async def received(self, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[bytes]:
        """Receive a call's message; its memory is reserved until the context is left.

        Raises:
            Refused: If it has none, is too slow, or there is no memory.
        """
        try:
            async with asyncio.timeout(_MESSAGE_TIME):
                await self._receiving.acquire()
        except TimeoutError:
            raise Refused(_UNAVAILABLE, _BUSY) from None
        try:
            async with asyncio.timeout(_MESSAGE_TIME):
                message = await context.read()
        except TimeoutError:
            raise Refused(_UNAVAILABLE, _LATE) from None
        finally:
            self._receiving.release()
        if not isinstance(message, bytes):
            raise Refused(_INVALID_ARGUMENT, "the call has no message")
        if not self._capacity.budget.take(len(message)):
            raise Refused(_UNAVAILABLE, _BUSY)
        try:
            yield message
        finally:
            self._capacity.budget.give(len(message))

    async def answer(self, route: Route, body: bytes) -> Response:
        """Pass a message to its handler, in turn with other short requests."""
        turns = self._capacity.turns
        if self._closing:
            raise Refused(_UNAVAILABLE, "the trace backend is closing")
        headers = {"content-type": "application/x-protobuf", "content-encoding": encoding_of(body)}
        request = HttpRequest(route.method, route.pattern, "", headers, body, version="2")
        if turns.crowded:
            await turns.wait()
        begun = monotonic()
        answer = route.handler(request)
        turns.spend(monotonic() - begun)
        return answer if isinstance(answer, Response) else await answer


def _library() -> Any:
    # grpcio writes a line to stderr for each odd header that a client sends; it reads the variable with its import.
    # It is set for C only: a service that is started meanwhile gets what `os.environ` has.
    given = VERBOSITY in os.environ
    if not given:
        os.putenv(VERBOSITY, "NONE")
    try:
        return import_module("grpc")
    finally:
        if not given:
            os.unsetenv(VERBOSITY)


class Refused(Exception):
    """A call that fails with a code of google.rpc.Status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Call:
    """The method of one service."""

    def __init__(self, server: ExportServer, route: Route, library: Any) -> None:
        self._server = server
        self._route = route
        self._codes = {code.value[0]: code for code in library.StatusCode}

    async def answer(self, requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Answer one call; ``requests`` is not used, because the message is read when there is memory for it."""
        del requests
        try:
            async with self._server.received(context) as body:
                answer = await self._server.answer(self._route, body)
            if answer.status == 200:
                return cast("bytes", answer.body)
            status = messages.RpcStatus.FromString(cast("bytes", answer.body))
            code, message = status.code, status.message.decode("utf-8", "replace")
        except Refused as refused:
            code, message = refused.code, refused.message
        except Exception:
            log.exception("no response to %s", self._route.pattern)
            code, message = _INTERNAL, "internal error"
        await context.abort(self._codes[code], message)
        raise AssertionError  # abort does not return


def encoding_of(message: bytes) -> str:
    """Return the encoding of a message, which grpcio does not tell. No message of OTLP begins as these do.

    0x1f would be a field of a kind that protobuf does not have, and 0x78 the field 15, which OTLP's requests have not.
    """
    if message[:2] == b"\x1f\x8b":
        return "gzip"
    return "deflate" if message[:1] == b"\x78" else ""
