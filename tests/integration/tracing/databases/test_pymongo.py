"""pymongo's clients, synchronous and asynchronous, with a server that answers as MongoDB does."""

from __future__ import annotations

import asyncio

import pymongo
import pytest
from pymongo.errors import AutoReconnect, BulkWriteError, ClientBulkWriteException, DuplicateKeyError, OperationFailure
from servers.mongodb import mongodb_server

from devenv import tracing
from devenv.tracing.context.suppression import silent
from devenv.tracing.integrations.databases import pymongo as integration
from devenv.tracing.testing import recording

OPTIONS = {"serverSelectionTimeoutMS": 5000, "retryReads": False, "retryWrites": False}


@pytest.fixture
def server():
    with mongodb_server() as made:
        yield made


@pytest.fixture
def client(rec, server):
    integration.instrument()
    integration.instrument()  # twice is as once
    with pymongo.MongoClient("127.0.0.1", server.port, **OPTIONS) as made:
        yield made


def common(server, **more):
    return {"db.system.name": "mongodb", "server.address": "127.0.0.1", "server.port": server.port, **more}


def test_a_command_has_a_span_below_the_caller_and_a_cursor_has_one(rec, server, client):
    with tracing.span("request") as request:
        users = client.shop.users
        assert [found["_id"] for found in users.find({"name": "SECRET"}, batch_size=2)] == [1, 2, 3]
        users.insert_one({"name": "SECRET"})
    client.close()
    assert "getMore" in server.commands
    assert "endSessions" in server.commands
    found = rec.spans()
    assert [span.name for span in found] == ["request", "find users", "insert users"]
    assert {span.parent_id for span in found[1:]} == {f"{request.get_span_context().span_id:016x}"}
    assert {(span.kind, span.status) for span in found[1:]} == {("client", "unset")}
    expected = {"db.namespace": "shop", "db.collection.name": "users", "db.operation.name": "find"}
    assert found[1].attributes == common(server, **expected)
    assert found[2].attributes == common(server, **{**expected, "db.operation.name": "insert"})


def test_several_documents_are_a_batch(rec, server, client):
    users = client.shop.users
    users.insert_many([{"name": "SECRET"}, {"name": "SECRET"}, {}])
    users.bulk_write([pymongo.UpdateOne({}, {"$set": {"a": 1}}), pymongo.UpdateOne({}, {"$set": {"a": 2}})])
    users.delete_many({"name": "SECRET"})
    sizes = [(span.name, span.attributes.get("db.operation.batch.size")) for span in rec.spans()]
    assert sizes == [("insert users", 3), ("update users", 2), ("delete users", None)]
    assert "SECRET" not in str([span.attributes for span in rec.spans()])


def test_a_command_for_no_collection_is_named_by_the_database(rec, server, client):
    client.shop.command("createUser", "SECRET", pwd="SECRET", roles=[])
    client.admin.command("ping")
    client.shop.aggregate([{"$currentOp": {}}]).close()
    assert [span.name for span in rec.spans()] == ["createUser shop", "ping admin", "aggregate shop"]
    assert all("db.collection.name" not in span.attributes for span in rec.spans())
    assert "SECRET" not in str([span.attributes for span in rec.spans()])


def test_failures_have_the_code_of_the_server_or_the_exception_of_the_client(rec, server, client):
    with pytest.raises(OperationFailure):
        client.shop.refusing.find_one()
    with pytest.raises(AutoReconnect):
        client.shop.dying.find_one()
    refused, lost = rec.spans()
    assert (refused.status, refused.attributes["db.response.status_code"]) == ("error", "13")
    assert refused.attributes["error.type"] == "pymongo.errors.OperationFailure"
    assert [name for name, _ in refused.events] == ["exception"]
    assert (lost.status, lost.attributes["error.type"]) == ("error", "pymongo.errors.AutoReconnect")
    assert "db.response.status_code" not in lost.attributes


def test_what_could_not_be_written_is_a_failure(rec, server, client):
    with pytest.raises(DuplicateKeyError):
        client.shop.unique.insert_one({})
    with pytest.raises(BulkWriteError):
        client.shop.unique.insert_many([{}, {}])
    with pytest.raises(ClientBulkWriteException):
        client.bulk_write([pymongo.InsertOne({}, "shop.unique")])
    assert [span.name for span in rec.spans()] == ["insert unique", "insert unique", "bulkWrite admin"]
    for span in rec.spans():
        assert (span.status, span.attributes["db.response.status_code"]) == ("error", "11000")
        assert (span.attributes["error.type"], "SECRET" in str(span)) == ("11000", False)


def test_an_unacknowledged_write_has_a_span(rec, server, client):
    client.shop.get_collection("users", write_concern=pymongo.WriteConcern(w=0)).insert_one({})
    assert rec.span("insert users").status == "unset"


async def test_the_asynchronous_client(rec, server):
    integration.instrument()
    async with pymongo.AsyncMongoClient("127.0.0.1", server.port, **OPTIONS) as client:
        with tracing.span("request") as request:
            assert [found["_id"] async for found in client.shop.users.find(batch_size=2)] == [1, 2, 3]
            await asyncio.gather(*(client.shop.users.insert_one({}) for _ in range(3)))
        with pytest.raises(OperationFailure):
            await client.shop.refusing.find_one()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.shop.slow.find_one(), 0.05)
    names = [span.name for span in rec.spans()]
    assert names == ["request", "find users", *["insert users"] * 3, "find refusing", "find slow"]
    assert {span.parent_id for span in rec.spans()[1:5]} == {f"{request.get_span_context().span_id:016x}"}
    slow = rec.span("find slow")
    assert (slow.status, slow.attributes["error.type"]) == ("error", "asyncio.exceptions.CancelledError")


async def test_a_cancelled_command_ends_if_pymongo_does_not_tell(rec, server, monkeypatch):
    """As pymongo below 4.20.1; after it, the same task continues, and another one ends."""
    integration.instrument()
    monkeypatch.setattr(pymongo.monitoring._EventListeners, "publish_command_failure", lambda *_, **__: None)
    async with pymongo.AsyncMongoClient("127.0.0.1", server.port, **OPTIONS) as client:

        async def ask():
            with pytest.raises(asyncio.TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.shop.slow.find_one()
            await client.shop.users.find_one()

        await asyncio.create_task(ask())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.create_task(client.shop.slow.find_one()), 0.05)
        await asyncio.sleep(0)
    assert [span.name for span in rec.spans()] == ["find slow", "find users", "find slow"]
    slow = rec.spans("find slow")
    assert {span.attributes["error.type"] for span in slow} == {"asyncio.exceptions.CancelledError"}
    assert rec.span("find users").status == "unset"


def test_where_spans_are_suppressed_or_not_sampled_there_is_none(rec, server, client):
    with tracing.attached(silent()):
        client.shop.users.find_one()
    with tracing.db_span("mongodb", "COMMIT"):
        client.shop.users.find_one()
    assert [span.name for span in rec.spans()] == ["COMMIT"]
    with recording({"enabled": False}) as off:
        client.shop.users.find_one()
        assert off.spans() == []


def test_commands_without_an_end_are_not_kept_for_ever(rec, server, client, monkeypatch):
    monkeypatch.setattr(integration, "_MOST", 2)
    listener = integration.Commands()
    for number in range(5):
        listener.started(
            pymongo.monitoring.CommandStartedEvent({"find": "users"}, "shop", number, ("127.0.0.1", 1), number)
        )
    assert (len(listener._open), len(rec.spans("find users"))) == (2, 3)
