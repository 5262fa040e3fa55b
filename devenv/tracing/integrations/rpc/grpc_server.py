"""gRPC's synchronous server: a span for each call, to the end of its last response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc

from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.context.serving import Serving
from devenv.tracing.integrations.rpc.grpc_spans import LIBRARY, begin_server, end_server, first, reject_server, taken
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace


def instrument() -> None:
    """Trace every server that is created from now on."""
    if not taken("GrpcInstrumentorServer"):
        replace(grpc, "server", _make_server)


def _make_server(original: Callable[..., grpc.Server]) -> Callable[..., grpc.Server]:
    def server(pool: Any = None, handlers: Any = None, interceptors: Any = None, *args: Any, **more: Any) -> Any:
        if "thread_pool" in more:
            pool = more.pop("thread_pool")
        return original(pool, handlers, first(interceptors, TracingServerInterceptor()), *args, **more)

    return server


class TracingServerInterceptor(grpc.ServerInterceptor):
    """For `grpc.server(pool, interceptors=[TracingServerInterceptor(), …])`; put it first."""

    def intercept_service(self, continuation: Callable[[Any], Any], details: Any) -> Any:
        """Return the handler of a call, traced."""
        handler = continuation(details)
        if handler is None:
            reject_server(details.method, details.invocation_metadata)
            return None
        return with_spans(handler, details.method, unary, streaming)


Wrap = Callable[[Callable[..., Any], Any], Callable[..., Any]]


def with_spans(handler: Any, method: str, one: Wrap, several: Wrap) -> Any:
    """Return a handler whose calls have a span; does not raise.

    Args:
        handler: gRPC's handler.
        method: The full method.
        one: Wraps a function with one response.
        several: Wraps a function with a stream of responses.
    """
    try:
        sides = (handler.request_streaming, handler.response_streaming)
        kind = "_".join("stream" if streams else "unary" for streams in sides)
        behavior = getattr(handler, kind)
        if getattr(behavior, "experimental_non_blocking", None) is not None:
            return handler
        traced = (several if handler.response_streaming else one)(behavior, method)
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        return make(traced, handler.request_deserializer, handler.response_serializer)
    except Exception as error:  # noqa: BLE001 - logged
        fault(LIBRARY, error)
        return handler


def unary(behavior: Callable[..., Any], method: Any) -> Callable[..., Any]:
    """Wrap a function with one response."""

    def call(request: Any, servicer: Any) -> Any:
        begun = begin_server(method, servicer)
        if begun is None:
            return behavior(request, servicer)
        span, context = begun
        with Serving(context, lambda error: end_server(span, servicer, error)):
            return behavior(request, servicer)

    return call


def streaming(behavior: Callable[..., Any], method: Any) -> Callable[..., Any]:
    """Wrap a function with a stream of responses."""

    def call(request: Any, servicer: Any) -> Iterator[Any]:
        begun = begin_server(method, servicer)
        if begun is None:
            yield from behavior(request, servicer)
            return
        span, context = begun
        failure: BaseException | None = None
        responses: Any = None
        try:
            while True:
                token = attach(context)
                try:
                    if responses is None:
                        responses = behavior(request, servicer)
                    response = next(responses)
                except StopIteration:
                    return
                finally:
                    detach(token)
                yield response
        except BaseException as error:
            failure = error
            raise
        finally:
            end_server(span, servicer, failure)

    return call
