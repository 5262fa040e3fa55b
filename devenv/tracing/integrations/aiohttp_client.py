"""aiohttp's client: a trace configuration that creates client spans and sends the context."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from devenv.tracing.clients import NO_CALL, ClientCall, begin_call
from devenv.tracing.process.faults import fault

if TYPE_CHECKING:
    from aiohttp import (
        ClientSession,
        TraceConfig,
        TraceRequestEndParams,
        TraceRequestExceptionParams,
        TraceRequestStartParams,
    )


_LIBRARY = "aiohttp's client"


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


async def _end(_session: ClientSession, context: SimpleNamespace, params: TraceRequestEndParams) -> None:
    call: ClientCall = getattr(context, "call", NO_CALL)
    call.answered(params.response.status, params.response.headers)
    call.end()


async def _fail(_session: ClientSession, context: SimpleNamespace, params: TraceRequestExceptionParams) -> None:
    call: ClientCall = getattr(context, "call", NO_CALL)
    call.failed(params.exception)
    call.end()
