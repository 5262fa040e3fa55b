"""gRPC's synchronous client: a span for each call, to the end of its last response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import grpc

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


class _Details(NamedTuple):
    """What gRPC reads of a call."""

    method: Any
    timeout: Any
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


def instrument() -> None:
    """Trace every channel that is opened from now on."""
    if not taken("GrpcInstrumentorClient"):
        replace(grpc, "insecure_channel", _make_channel)
        replace(grpc, "secure_channel", _make_channel)


def _make_channel(original: Callable[..., grpc.Channel]) -> Callable[..., grpc.Channel]:
    def channel(target: str, *args: Any, **options: Any) -> grpc.Channel:
        return _traced(original(target, *args, **options), target)

    return channel


def _traced(channel: grpc.Channel, target: str) -> grpc.Channel:
    try:
        return grpc.intercept_channel(channel, TracingInterceptor(target_of(target)))
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)
        return channel


class TracingInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Creates the spans of one channel's calls; gRPC's own object of the call is what the program gets.

    Args:
        target: The address and port of the server.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    def _intercept(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        span, metadata = begin_client(details.method, self._target, details.metadata)
        if metadata is not details.metadata:
            given = [getattr(details, name, None) for name in _Details._fields]
            details = _Details(*given)._replace(metadata=metadata)
        try:
            call = continuation(details, request)
        except BaseException as error:
            broken_client(span, error)
            raise
        _watch(span, call)
        return call

    intercept_unary_unary = _intercept  # type: ignore[assignment] # one function for all four kinds
    intercept_unary_stream = _intercept  # type: ignore[assignment] # one function for all four kinds
    intercept_stream_unary = _intercept  # type: ignore[assignment] # one function for all four kinds
    intercept_stream_stream = _intercept  # type: ignore[assignment] # one function for all four kinds


def _watch(span: Any, call: Any) -> None:
    """End the span with the call; does not raise."""
    try:
        if not span.is_recording():
            return

        def done(*_: Any) -> None:
            _ended(span, call)

        add = getattr(call, "add_done_callback", None)
        if add is not None:
            add(done)
        elif not call.add_callback(done):
            done()
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)


def _ended(span: Any, call: Any) -> None:
    """End the span of a call that is done; does not raise."""
    try:
        code = call.code() if hasattr(call, "code") else None
        details = call.details() if hasattr(call, "details") else None
    except Exception as error:  # noqa: BLE001 - logged; gRPC calls this in its own thread
        fault(LIBRARY, error)
        code = details = None
    end_client(span, code, details)
