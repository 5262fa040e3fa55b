"""gRPC's asynchronous server (`grpc.aio`): a span for each call, to the end of its last response."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc.aio

from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.context.serving import Serving
from devenv.tracing.integrations.rpc.grpc_server import streaming, unary, with_spans
from devenv.tracing.integrations.rpc.grpc_spans import begin_server, end_server, first, reject_server, taken
from devenv.tracing.process.patching import replace


def instrument() -> None:
    """Trace every server that is created from now on."""
    if not taken("GrpcAioInstrumentorServer"):
        replace(grpc.aio, "server", _make_server)


def _make_server(original: Callable[..., grpc.aio.Server]) -> Callable[..., grpc.aio.Server]:
    def server(pool: Any = None, handlers: Any = None, interceptors: Any = None, *args: Any, **more: Any) -> Any:
        if "migration_thread_pool" in more:
            pool = more.pop("migration_thread_pool")
        return original(pool, handlers, first(interceptors, AsyncTracingServerInterceptor()), *args, **more)

    return server


class AsyncTracingServerInterceptor(grpc.aio.ServerInterceptor):
    """For `grpc.aio.server(interceptors=[AsyncTracingServerInterceptor(), …])`; put it first."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Return the handler of a call, traced."""
        handler = await continuation(details)
        if handler is None:
            reject_server(details.method, details.invocation_metadata)
            return None
        return with_spans(handler, details.method, _one, _several)


def _one(behavior: Callable[..., Any], method: Any) -> Callable[..., Any]:
    """Wrap a function with one response; gRPC runs one that is not a coroutine function in a thread."""
    return _coroutine(behavior, method) if inspect.iscoroutinefunction(behavior) else unary(behavior, method)


def _several(behavior: Callable[..., Any], method: Any) -> Callable[..., Any]:
    """Wrap a function with a stream of responses, which it yields, or writes itself as a coroutine."""
    if inspect.isasyncgenfunction(behavior):
        return _generator(behavior, method)
    return _coroutine(behavior, method) if inspect.iscoroutinefunction(behavior) else streaming(behavior, method)


def _coroutine(behavior: Callable[..., Any], method: Any) -> Callable[..., Any]:
    async def call(request: Any, servicer: Any) -> Any:
        begun = begin_server(method, servicer)
        if begun is None:
            return await behavior(request, servicer)
        span, context = begun
        with Serving(context, lambda error: end_server(span, servicer, error)):
            return await behavior(request, servicer)

    return call


def _generator(behavior: Callable[..., Any], method: Any) -> Callable[..., Any]:
    async def call(request: Any, servicer: Any) -> AsyncIterator[Any]:
        responses = behavior(request, servicer)
        begun = begin_server(method, servicer)
        if begun is None:
            async for response in responses:
                yield response
            return
        span, context = begun
        failure: BaseException | None = None
        try:
            while True:
                token = attach(context)
                try:
                    response = await responses.__anext__()
                except StopAsyncIteration:
                    return
                finally:
                    detach(token)
                yield response
        except BaseException as error:
            failure = error
            raise
        finally:
            end_server(span, servicer, failure)
            await responses.aclose()

    return call
