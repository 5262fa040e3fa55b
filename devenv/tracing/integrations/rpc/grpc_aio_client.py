"""gRPC's asynchronous client (`grpc.aio`): a span for each call, to the end of its last response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc.aio

from devenv.tracing.integrations.rpc.grpc_spans import (
    LIBRARY,
    Target,
    begin_client,
    broken_client,
    end_client,
    taken,
    target_of,
)
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace

_KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def instrument() -> None:
    """Trace every channel that is opened from now on."""
    if not taken("GrpcAioInstrumentorClient"):
        replace(grpc.aio, "insecure_channel", _make_channel)
        replace(grpc.aio, "secure_channel", _make_channel)


def _make_channel(original: Callable[..., grpc.aio.Channel]) -> Callable[..., grpc.aio.Channel]:
    def channel(target: str, *args: Any, **options: Any) -> grpc.aio.Channel:
        made = original(target, *args, **options)
        _trace(made, target)
        return made

    return channel


def _trace(channel: Any, target: str) -> None:
    """Trace the calls of a channel; does not raise. An interceptor would change the objects of its calls."""
    try:
        server = target_of(target)
        for kind in _KINDS:
            setattr(channel, kind, _make_factory(getattr(channel, kind), server))
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)


def _make_factory(original: Callable[..., Any], server: Target) -> Callable[..., Any]:
    def factory(method: Any, *args: Any, **options: Any) -> Any:
        return _Calling(original(method, *args, **options), method, server)

    return factory


class _Calling:
    """Makes the calls of one method."""

    def __init__(self, inner: Callable[..., Any], method: Any, server: Target) -> None:
        self._inner = inner
        self._method = method
        self._server = server

    def __call__(self, *args: Any, metadata: Any = None, **options: Any) -> Any:
        span, metadata = begin_client(self._method, self._server, metadata)
        try:
            call = self._inner(*args, metadata=metadata, **options)
        except BaseException as error:
            broken_client(span, error)
            raise
        _watch(span, call)
        return call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _watch(span: Any, call: Any) -> None:
    """End the span with the call; does not raise."""
    try:
        if span.is_recording():
            call.add_done_callback(lambda _: _ended(span, call))
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)


def _ended(span: Any, call: Any) -> None:
    """End the span of a call that is done; does not raise."""
    try:
        code, details = _now(call.code), _now(call.details)
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)
        code = details = None
    end_client(span, code, details)


def _now(function: Callable[[], Any]) -> Any:
    """Return what a coroutine function of a call that is done returns at once; None if it waits."""
    coroutine = function()
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    coroutine.close()
    return None
