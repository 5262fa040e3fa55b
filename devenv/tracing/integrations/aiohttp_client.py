"""aiohttp's client: a trace configuration that creates client spans and sends the context."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from devenv.tracing.active import state
from devenv.tracing.clients import ClientCall

if TYPE_CHECKING:
    from aiohttp import (
        ClientSession,
        TraceConfig,
        TraceRequestEndParams,
        TraceRequestExceptionParams,
        TraceRequestStartParams,
    )


def aiohttp_trace_config() -> TraceConfig:
    """Return a configuration for `aiohttp.ClientSession(trace_configs=[aiohttp_trace_config()])`."""
    from aiohttp import TraceConfig

    config = TraceConfig()
    config.on_request_start.append(_start)
    config.on_request_end.append(_end)
    config.on_request_exception.append(_fail)
    config.freeze()
    return config


def instrument() -> None:
    """Trace every client session of the process."""
    from aiohttp import ClientSession

    from devenv.tracing.process.patching import replace

    def make(original: Callable[..., None]) -> Callable[..., None]:
        def init(
            self: ClientSession, *args: Any, trace_configs: list[TraceConfig] | None = None, **options: Any
        ) -> None:
            original(self, *args, trace_configs=[aiohttp_trace_config(), *(trace_configs or ())], **options)

        return init

    replace(ClientSession, "__init__", make)


async def _start(_session: ClientSession, context: SimpleNamespace, params: TraceRequestStartParams) -> None:
    call = ClientCall(params.method, str(params.url), state.passive())
    call.put(params.headers)
    context.call = call


async def _end(_session: ClientSession, context: SimpleNamespace, params: TraceRequestEndParams) -> None:
    call: ClientCall = context.call
    call.answered(params.response.status)
    call.end()


async def _fail(_session: ClientSession, context: SimpleNamespace, params: TraceRequestExceptionParams) -> None:
    call: ClientCall = context.call
    call.failed(params.exception)
    call.end()
