"""aiohttp's client: a trace configuration that creates client spans and sends the context."""

from __future__ import annotations

from collections.abc import Callable
from time import time_ns
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from yarl import URL

from devenv.tracing.clients import NO_CALL, ClientCall, begin_call
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

if TYPE_CHECKING:
    from aiohttp import (
        ClientResponse,
        ClientSession,
        TraceConfig,
        TraceRequestEndParams,
        TraceRequestExceptionParams,
        TraceRequestRedirectParams,
        TraceRequestStartParams,
    )
    from aiohttp.client_proto import ResponseHandler


_LIBRARY = "aiohttp's client"
# Attribute of a connection's protocol: its peer, which is not known any more when a response has closed the connection.
_PEER = "_devenv_peer"
_SEE_OTHER = 303
_MOVED = frozenset({301, 302})
# aiohttp's exceptions for redirects that it does not follow; it tells of the redirect before it raises them.
_NOT_FOLLOWED = frozenset(
    {"TooManyRedirects", "InvalidUrlRedirectClientError", "NonHttpUrlRedirectClientError"},
)


def aiohttp_trace_config() -> TraceConfig:
    """Return a configuration for `aiohttp.ClientSession(trace_configs=[aiohttp_trace_config()])`."""
    from aiohttp import TraceConfig
    from aiohttp.client_proto import ResponseHandler

    replace(ResponseHandler, "connection_made", _connecting)
    config = TraceConfig()
    config.on_request_start.append(_start)
    config.on_request_redirect.append(_redirect)
    config.on_request_end.append(_end)
    config.on_request_exception.append(_fail)
    config.freeze()
    return config


def instrument() -> None:
    """Trace every client session of the process."""
    from aiohttp import ClientSession

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def init(
            self: ClientSession, *args: Any, trace_configs: list[TraceConfig] | None = None, **options: Any
        ) -> None:
            original(self, *args, trace_configs=_with_ours(trace_configs), **options)

        return init

    replace(ClientSession, "__init__", make)


def _with_ours(given: list[TraceConfig] | None) -> list[TraceConfig] | None:
    """Return a session's trace configurations with ours, once."""
    try:
        configs = list(given or ())
        if any(_start in config.on_request_start for config in configs):
            return configs  # the program has passed it
        return [aiohttp_trace_config(), *configs]
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
        return given


async def _start(_session: ClientSession, context: SimpleNamespace, params: TraceRequestStartParams) -> None:
    context.call = begin_call(_LIBRARY, params.method, params.url, params.headers)


async def _redirect(_session: ClientSession, context: SimpleNamespace, params: TraceRequestRedirectParams) -> None:
    """End the span of this request, as soon as it is known that aiohttp follows, and start that of the next one."""
    _end_redirected(context)
    call: ClientCall = getattr(context, "call", NO_CALL)
    if call is NO_CALL:
        return
    try:
        response = params.response
        call.answered(response.status, response.headers, _connected, response)
        context.redirected = (call, time_ns())
        context.resends = getattr(context, "resends", 0) + 1
        location = response.headers.get("Location") or response.headers.get("URI")
        if location is not None:
            url = response.url.join(URL(location))
            sees_other = response.status == _SEE_OTHER and response.method != "HEAD"
            turns_to_get = response.status in _MOVED and response.method == "POST"
            method = "GET" if sees_other or turns_to_get else response.method
            context.call = begin_call(_LIBRARY, method, url, params.headers, context.resends)
    except Exception as error:  # noqa: BLE001 - logged; such as a location that is not a URL
        fault(_LIBRARY, error)


def _end_redirected(context: SimpleNamespace, error: BaseException | None = None) -> None:
    """End the span of the request that was redirected, at the time of its response."""
    try:
        call, ended = getattr(context, "redirected", (NO_CALL, 0))
        context.redirected = (NO_CALL, 0)
        if call is NO_CALL:
            return
        if error is not None:
            call.failed(error)
        call.end(ended)
    except Exception as raised:  # noqa: BLE001 - logged; the program may have its own kind of trace context
        fault(_LIBRARY, raised)


async def _end(_session: ClientSession, context: SimpleNamespace, params: TraceRequestEndParams) -> None:
    _end_redirected(context)
    call: ClientCall = getattr(context, "call", NO_CALL)
    call.answered(params.response.status, params.response.headers, _connected, params.response)
    call.end()


def _connecting(original: Callable[..., None]) -> Callable[..., None]:
    def connection_made(self: ResponseHandler, transport: Any) -> None:
        try:
            setattr(self, _PEER, transport.get_extra_info("peername"))
        except Exception as error:  # noqa: BLE001 - logged
            fault(_LIBRARY, error)
        original(self, transport)

    return connection_made


def _connected(response: ClientResponse) -> tuple[str, Any]:
    """Return the version of HTTP and the peer."""
    version = response.version
    peer = getattr(getattr(response, "_protocol", None), _PEER, None)
    return f"{version.major}.{version.minor}" if version is not None else "", peer


async def _fail(_session: ClientSession, context: SimpleNamespace, params: TraceRequestExceptionParams) -> None:
    error = params.exception
    if type(error).__name__ in _NOT_FOLLOWED:  # the next request has not been sent, and its span is left
        _end_redirected(context, error)
        return
    _end_redirected(context)
    call: ClientCall = getattr(context, "call", NO_CALL)
    call.failed(error)
    call.end()
