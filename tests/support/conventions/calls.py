"""The cases of remote calls and of the rest: gRPC, AWS, GraphQL, Jinja2, threads, logging."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import jinja2
from botocore.exceptions import ClientError, EndpointConnectionError
from conventions.cases import Place, Steps, case, raising
from conventions.check import Expected, expected
from graphql import build_schema, graphql_sync
from servers.aws import aws_clients

from devenv import tracing
from devenv.tracing.integrations import log_records, threads
from devenv.tracing.integrations.rpc import botocore as botocore_integration
from devenv.tracing.integrations.rpc import grpc as grpc_integration
from devenv.tracing.integrations.web import graphql as graphql_integration
from devenv.tracing.integrations.web import jinja2 as jinja2_integration

METHOD = "/test.Echo/One"


def fail() -> Any:
    raise ValueError("own")


def answer(request: bytes, servicer: Any) -> bytes:
    if request == b"refused":
        servicer.abort(grpc.StatusCode.NOT_FOUND, "nothing here")
    return fail() if request == b"broken" else request


async def async_answer(request: bytes, servicer: Any) -> bytes:
    if request == b"refused":
        await servicer.abort(grpc.StatusCode.NOT_FOUND, "nothing here")
    return fail() if request == b"broken" else request


def handlers(one: Any) -> Any:
    return grpc.method_handlers_generic_handler("test.Echo", {"One": grpc.unary_unary_rpc_method_handler(one)})


def both(*outcome: str) -> list[Expected]:
    """Return what is expected of a call; one that the handler refuses has not failed for the server."""
    client = ("failed",) if outcome else ()
    server = ("failed",) if "failed" in outcome else ()
    return [expected("grpc.client", *client), expected("grpc.server", *server)]


REQUESTS = {b"fine": (), b"refused": ("refused",), b"broken": ("failed",)}


@case("rpc.grpc [synchronous]")
def by_grpc(_place: Place) -> Steps:
    grpc_integration.instrument()
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([handlers(answer)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        for request, outcome in REQUESTS.items():
            try:
                channel.unary_unary(METHOD)(request)
            except grpc.RpcError:
                assert outcome
            yield both(*outcome)
    server.stop(0).wait(5)


@case("rpc.grpc [asynchronous]")
async def by_grpc_async(_place: Place) -> AsyncIterator[list[Expected]]:
    grpc_integration.instrument()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([handlers(async_answer)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for request, outcome in REQUESTS.items():
            try:
                await channel.unary_unary(METHOD)(request)
            except grpc.RpcError:
                assert outcome
            yield both(*outcome)
    await server.stop(0)


@case("rpc.botocore")
def by_botocore(_place: Place) -> Steps:
    botocore_integration.instrument()
    with aws_clients() as client:
        client("s3").get_object(Bucket="b", Key="k")["Body"].read()
        yield [expected("aws.s3")]
        with raising(ClientError):
            client("s3").get_object(Bucket="b", Key="missing")
        yield [expected("aws.s3", "failed")]
        with raising(EndpointConnectionError):
            client("s3", port=1).get_object(Bucket="b", Key="k")
        yield [expected("aws.s3", "-answered", "-extended", "failed")]
        client("dynamodb").put_item(TableName="t", Item={"a": {"S": "v"}})
        yield [expected("aws.dynamodb.put")]
        client("sqs").receive_message(QueueUrl="http://queue")
        yield [expected("aws")]


@case("web.graphql")
def by_graphql(_place: Place) -> Steps:
    graphql_integration.instrument()
    schema = build_schema("type Query { item: Int, broken: Int } type Mutation { buy: Int }")
    for document, conditions in (
        ("{ item }", ()),
        ("query Find { item }", ("operation-named",)),
        ("mutation { buy }", ()),
        ("{ broken }", ("failed",)),
    ):
        graphql_sync(schema, document, {"item": 1, "buy": 1, "broken": lambda *_: fail()})
        yield [expected("graphql", *conditions)]


# No convention is about the spans of these: they have none of a kind that one is about.


@case("web.jinja2")
def by_jinja2(_place: Place) -> Steps:
    jinja2_integration.instrument()
    jinja2.Environment().from_string("{{ 1 }}").render()
    yield []


@case("threads")
def by_threads(_place: Place) -> Steps:
    threads.instrument()
    with tracing.span("above"), ThreadPoolExecutor(1) as pool:
        pool.submit(id, 1).result()
        thread = threading.Thread(target=id, args=(1,))
        thread.start()
        thread.join()
    yield []


@case("log_records")
def by_logging(_place: Place) -> Steps:
    log_records.instrument_lines()
    with tracing.span("above"):
        logging.getLogger("shop").warning("no pens are left")
    yield []
