"""A program with gRPC, for `test_own_faults`: what it sees of each call is returned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio

from devenv.tracing.integrations.rpc import grpc as integration


def _one(request: bytes, servicer: Any) -> bytes:
    if request == b"raise":
        raise ValueError("own")
    if request == b"abort":
        servicer.abort(grpc.StatusCode.INTERNAL, "own")
    return request


def _several(request: bytes, servicer: Any) -> Any:
    yield _one(request, servicer)


async def _async_one(request: bytes, servicer: Any) -> bytes:
    if request == b"abort":
        await servicer.abort(grpc.StatusCode.INTERNAL, "own")
    return _one(request, servicer)


async def _async_several(request: bytes, servicer: Any) -> Any:
    yield await _async_one(request, servicer)


def _handlers(one: Callable[..., Any], several: Callable[..., Any]) -> grpc.GenericRpcHandler:
    kinds = {"One": grpc.unary_unary_rpc_method_handler(one), "Several": grpc.unary_stream_rpc_method_handler(several)}
    return grpc.method_handlers_generic_handler("a.B", kinds)


def _synchronous() -> list[Any]:
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers([_handlers(_one, _several)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    answers: list[Any] = []
    with grpc.insecure_channel(f"dns:///127.0.0.1:{port}") as channel:
        for request in (b"x", b"raise", b"abort"):
            try:
                answers.append(channel.unary_unary("/a.B/One")(request, metadata=(("baggage", "devenv.request=1"),)))
                answers.append(list(channel.unary_stream("/a.B/Several")(request)))
            except grpc.RpcError as error:
                answers.append((error.code(), error.details()))
        try:
            channel.unary_unary("/a.B/Missing")(b"")
        except grpc.RpcError as error:
            answers.append((error.code(), error.details()))
    server.stop(0).wait(5)
    return answers


async def _asynchronous() -> list[Any]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_handlers(_async_one, _async_several)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    answers: list[Any] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for request in (b"x", b"raise", b"abort"):
            try:
                answers.append(await channel.unary_unary("/a.B/One")(request))
                answers.append([part async for part in channel.unary_stream("/a.B/Several")(request)])
            except grpc.RpcError as error:
                answers.append((error.code(), error.details()))
    await server.stop(0)
    return answers


def with_grpc(_url: str) -> Any:
    """The synchronous interface, then the asynchronous one: responses, an exception and an abort of each."""
    integration.instrument()
    return [_synchronous(), asyncio.run(_asynchronous())]
