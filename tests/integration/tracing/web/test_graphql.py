"""graphql-core, Strawberry and Graphene, alone and in FastAPI and Flask."""

from __future__ import annotations

import asyncio
import warnings

import flask
import graphene
import httpx
import pytest
import strawberry
from fastapi import FastAPI
from graphql import build_schema, graphql, graphql_sync, parse, subscribe
from strawberry.extensions.tracing import OpenTelemetryExtensionSync
from strawberry.fastapi import GraphQLRouter

from devenv import tracing
from devenv.tracing.context.suppression import silent
from devenv.tracing.integrations import asgi_servers, wsgi
from devenv.tracing.integrations.web import graphql as integration
from devenv.tracing.testing import recording, tree

SECRET = 'query Find($name: String) { item(name: "SECRET") other: item(name: $name) }'
SCHEMA = build_schema("""
    type Query { item(name: String): String, price: Int, whole: Int!, name: String, later: Int }
    type Mutation { buy(name: String): String }
    type Subscription { sold: Int }
""")


def _fail(*_, **__):
    raise ValueError("no price")


def _item(*_, name=None):
    with tracing.span("look up"):
        return name


async def _later(*_):
    await asyncio.sleep(0)
    with tracing.span("look up later"):
        return 1


async def _broken(*_):
    await asyncio.sleep(0)
    raise KeyError("later")


ROOT = {"item": _item, "buy": _item, "price": _fail, "whole": _fail, "later": _later, "name": _broken}


@pytest.fixture(autouse=True)
def _patched(patched):
    integration.instrument()


def test_an_operation_has_a_span_named_by_its_type_without_its_document(rec):
    found = graphql_sync(SCHEMA, SECRET, ROOT, variable_values={"name": "SECRET"})
    assert found.data == {"item": "SECRET", "other": "SECRET"}
    assert graphql_sync(SCHEMA, "mutation { buy }", ROOT).errors is None
    assert tree(rec.spans()).split("\n")[:5] == [
        "query [server]", "  look up", "  look up", "mutation [server]", "  look up"]  # fmt: skip
    query, mutation = rec.span("query"), rec.span("mutation")
    assert query.attributes == {"graphql.operation.type": "query", "graphql.operation.name": "Find"}
    assert mutation.attributes == {"graphql.operation.type": "mutation"}
    assert {query.status, mutation.status} == {"unset"}


@pytest.mark.parametrize(("text", "kinds"), [("{ price item }", ["ValueError"]), ("{ whole }", ["ValueError"])])
def test_an_error_of_a_field_fails_the_span(rec, text, kinds):
    assert len(graphql_sync(SCHEMA, text, ROOT).errors) == 1
    span = rec.span("query")
    assert (span.status, span.status_message, span.attributes["error.type"]) == (
        "error",
        "ValueError: no price",
        "ValueError",
    )
    assert [found["exception.type"] for name, found in span.events if name == "exception"] == kinds


async def test_an_operation_that_waits_ends_with_its_last_field(rec):
    with tracing.span("request"):
        results = await asyncio.gather(
            graphql(SCHEMA, "{ later }", ROOT), graphql(SCHEMA, "query Two { name price later }", ROOT)
        )
    assert [found.data for found in results] == [{"later": 1}, {"name": None, "price": None, "later": 1}]
    good, bad = rec.spans("query")
    assert (good.status, bad.status, bad.attributes["graphql.operation.name"]) == ("unset", "error", "Two")
    assert sorted(found["exception.type"] for _, found in bad.events) == ["KeyError", "ValueError"]
    inner = rec.spans("look up later")
    assert {span.parent_id for span in inner} == {good.span_id, bad.span_id}
    assert {good.parent_id, bad.parent_id} == {rec.span("request").span_id}
    assert tracing.current_ids() == ("", "")


async def test_a_cancelled_operation_ends(rec):
    started = asyncio.Event()

    async def wait(*_):
        started.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(graphql(SCHEMA, "{ later }", {"later": wait}))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rec.span("query").status == "unset"


async def test_each_event_of_a_subscription_has_a_span(rec):
    async def sold(*_):
        yield {"sold": 1}
        yield {"sold": 2}

    stream = subscribe(SCHEMA, parse("subscription { sold }"), {"sold": sold})
    stream = await stream if hasattr(stream, "__await__") else stream
    assert [event.data async for event in stream] == [{"sold": 1}, {"sold": 2}]
    assert [span.name for span in rec.spans()] == ["subscription"] * 2


def test_what_is_not_executed_or_not_traced_has_no_span(rec):
    assert graphql_sync(SCHEMA, "{ missing }", ROOT).errors
    with tracing.attached(silent()):
        graphql_sync(SCHEMA, "{ item }", {"item": "pen"})
    assert rec.spans() == []
    with recording({"enabled": False}) as off:
        assert graphql_sync(SCHEMA, "{ item }", ROOT).data == {"item": None}
        assert off.spans() == []


@strawberry.type
class Query:
    @strawberry.field
    def price(self, item: str) -> int:
        return {"pen": 2}[item]

    @strawberry.field
    async def later(self, item: str) -> str:
        await asyncio.sleep(0)
        return item


async def test_strawberry_in_fastapi(rec):
    asgi_servers.instrument_fastapi()
    app = FastAPI()
    app.include_router(GraphQLRouter(strawberry.Schema(Query)), prefix="/graphql")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        good = await client.post("/graphql", json={"query": '{ price(item: "pen") later(item: "ink") }'})
        bad = await client.post("/graphql", json={"query": 'query Bad { price(item: "ink") }'})
    assert good.json()["data"] == {"price": 2, "later": "ink"}
    assert bad.json()["data"] is None
    assert [line.strip() for line in tree(rec.spans()).strip().split("\n")] == [
        "POST /graphql [server]", "query [server]", "POST /graphql [server]", "query [server] !"]  # fmt: skip
    assert rec.spans("query")[1].attributes["error.type"] == "KeyError"


def test_strawberry_synchronous_and_its_own_extension(rec):
    assert strawberry.Schema(Query).execute_sync('{ price(item: "pen") }').data == {"price": 2}
    assert [span.name for span in rec.spans()] == ["query"]
    rec.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = strawberry.Schema(Query, extensions=[OpenTelemetryExtensionSync])
    assert schema.execute_sync('query Own { price(item: "pen") }').data == {"price": 2}
    names = [span.name for span in rec.spans()]
    assert "GraphQL Query: Own" in names
    assert "query" not in names


def test_graphene_in_flask(rec):
    class Shop(graphene.ObjectType):
        price = graphene.Int(item=graphene.String())

        def resolve_price(self, _info, item):
            return {"pen": 2}[item]

    wsgi.instrument_flask()
    schema, app = graphene.Schema(query=Shop), flask.Flask("shop")

    @app.post("/graphql")
    def endpoint():
        result = schema.execute(flask.request.json["query"])
        return {"data": result.data, "errors": len(result.errors or ())}

    client = app.test_client()
    assert client.post("/graphql", json={"query": '{ price(item: "pen") }'}).json == {"data": {"price": 2}, "errors": 0}
    assert client.post("/graphql", json={"query": '{ price(item: "ink") }'}).json["errors"] == 1
    assert [line.strip() for line in tree(rec.spans()).strip().split("\n")] == [
        "POST /graphql [server]", "query [server]", "POST /graphql [server]", "query [server] !"]  # fmt: skip
