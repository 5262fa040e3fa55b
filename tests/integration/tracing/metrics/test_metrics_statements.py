"""Which statements and commands are measured, and with which attributes: recorded or not, each once."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import aiosqlite
import pymongo
import pytest
import redis
import sqlalchemy
from metric_programs.measured import series
from pymongo.errors import DuplicateKeyError, OperationFailure
from redis.backoff import NoBackoff
from redis.retry import Retry
from servers.mongodb import mongodb_server

from devenv import tracing
from devenv.tracing import sql
from devenv.tracing.active import state
from devenv.tracing.context.ambient import attach, detach
from devenv.tracing.context.suppression import silent
from devenv.tracing.databases.target import Database
from devenv.tracing.integrations import aiosqlite as aiosqlite_integration
from devenv.tracing.integrations import redis as redis_integration
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.integrations import sqlite
from devenv.tracing.integrations.databases import pymongo as mongodb_integration
from devenv.tracing.integrations.databases.psycopg_streams import _rows
from devenv.tracing.light import notices
from devenv.tracing.metrics import mongo_commands, statements
from devenv.tracing.process import patching
from devenv.tracing.testing import recording

SHOP = Database("postgresql", "shop", "db", 5433)
SELECT = {
    "db.system.name": "postgresql",
    "db.namespace": "shop",
    "db.query.summary": "SELECT orders",
    "server.address": "db",
    "server.port": 5433,
}
SQLITE = {
    "db.system.name": "sqlite", "db.namespace": ":memory:", "db.query.summary": "SELECT t",
}  # fmt: skip


@pytest.fixture(
    params=[("light", 0.0), ("light", 1.0), ("sdk", 0.0), ("sdk", 1.0)], ids=lambda found: "-".join(map(str, found))
)
def recorded(request):
    provider, ratio = request.param
    settings = {"metrics": {"exporter": "console"}, "sampler": {"ratio": ratio}, "provider": provider}
    with recording(settings), tracing.span("s"):
        yield
    patching.restore_all()


@pytest.mark.usefixtures("recorded")
def test_a_statement_has_the_attributes_of_the_conventions():
    for number in range(2):
        with sql.statement_span(SHOP, f"select * from orders where id = {number}".replace("select", "SELECT")):
            pass
    error = sqlite3.IntegrityError("unique")
    error.sqlstate = "23505"  # type: ignore[attr-defined] # as psycopg's
    for raised in (error, asyncio.CancelledError()):
        with pytest.raises(type(raised)), sql.statement_span(SHOP, "SELECT * FROM orders"):
            raise raised
    with sql.many_span(SHOP, "INSERT INTO orders VALUES (?)", [(1,), (2,)]):
        pass
    with sql.statement_span(SHOP, "settle", sql.PROCEDURE):
        pass
    assert series() == [
        (SELECT, 2),
        ({**SELECT, "db.response.status_code": "23505", "error.type": "sqlite3.IntegrityError"}, 1),
        ({**SELECT, "error.type": "asyncio.exceptions.CancelledError"}, 1),
        ({**SELECT, "db.query.summary": "BATCH INSERT orders"}, 1),
        (
            {
                **SELECT,
                "db.operation.name": "CALL", "db.query.summary": "CALL settle", "db.stored_procedure.name": "settle",
            },
            1,
        ),
    ]  # fmt: skip


@pytest.mark.usefixtures("recorded")
def test_a_statement_that_goes_through_several_libraries_is_measured_once():
    for _ in range(2):
        with sql.statement_span(SHOP, "SELECT * FROM orders"), sql.statement_span(SHOP, "SELECT * FROM orders"):
            pass
    assert series() == [(SELECT, 2)]


@pytest.mark.usefixtures("recorded")
def test_what_is_suppressed_is_not_measured():
    token = attach(silent())
    try:
        with sql.statement_span(SHOP, "SELECT * FROM orders"):
            pass
    finally:
        detach(token)
    assert series() == []


@pytest.mark.usefixtures("recorded")
def test_statements_while_another_one_streams_are_measured():
    rows = _rows(iter([1, 2]), sql.statement_span(SHOP, "SELECT * FROM orders"))
    for _ in rows:
        with sql.statement_span(SHOP, "SELECT * FROM parts"):
            pass
    seen = [(found["db.query.summary"], number) for found, number in series()]
    assert seen == [("SELECT parts", 2), ("SELECT orders", 1)]


@pytest.mark.usefixtures("recorded")
def test_sqlite_alone_below_sqlalchemy_and_aiosqlite():
    sqlite.instrument()
    sqlalchemy_integration.instrument()
    aiosqlite_integration.instrument()
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    connection.cursor().execute("SELECT a FROM t").fetchall()
    connection.execute("SELECT a FROM t").fetchall()
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as used:
        used.execute(sqlalchemy.text("SELECT 1 AS a"))
    sqlalchemy_integration.uninstrument()

    async def main() -> None:
        async with aiosqlite.connect(":memory:") as opened:
            await opened.execute("CREATE TABLE t (a)")

    asyncio.run(main())
    found = series()
    assert (SQLITE, 2) in found
    operations = [(one["db.query.summary"], number) for one, number in found if one["db.system.name"] == "sqlite"]
    assert sorted(operations) == [("CREATE t", 2), ("SELECT", 1), ("SELECT t", 2)]


@pytest.mark.usefixtures("recorded")
def test_commands_of_redis():
    redis_integration.instrument()
    client = redis.Redis(host="127.0.0.1", port=9, db=3, retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.ConnectionError):
        client.get("key")
    with pytest.raises(redis.ConnectionError), client.pipeline() as pipeline:
        pipeline.get("a").get("b").execute()
    failed = {
        "db.system.name": "redis", "db.namespace": "3", "server.address": "127.0.0.1", "server.port": 9,
        "error.type": "redis.exceptions.ConnectionError",
    }  # fmt: skip
    assert series() == [
        ({**failed, "db.operation.name": "GET"}, 1),
        ({**failed, "db.operation.name": "MULTI GET"}, 1),
    ]


@pytest.mark.usefixtures("recorded")
def test_commands_of_mongodb():
    mongodb_integration.instrument()
    with mongodb_server() as server:
        with pymongo.MongoClient("127.0.0.1", server.port, retryReads=False) as client:
            assert len(list(client.shop.users.find({}, batch_size=2))) == 3
            with pytest.raises(OperationFailure):
                client.shop.refusing.find_one()
            with pytest.raises(DuplicateKeyError):
                client.shop.unique.insert_one({})
            with tracing.db_span("mongodb", "COMMIT"):
                client.shop.users.find_one()
            with tracing.attached(silent()):
                client.shop.users.find_one()
        common = {
            "db.system.name": "mongodb",
            "db.namespace": "shop",
            "server.address": "127.0.0.1",
            "server.port": server.port,
        }
    failures = (
        {"db.response.status_code": "13", "error.type": "pymongo.errors.OperationFailure"},
        {"db.response.status_code": "11000", "error.type": "11000"},
    )
    assert [one for one in series() if "server.port" in one[0]] == [
        ({**common, "db.operation.name": "find", "db.collection.name": "users"}, 1),
        ({**common, "db.operation.name": "find", "db.collection.name": "refusing", **failures[0]}, 1),
        ({**common, "db.operation.name": "insert", "db.collection.name": "unique", **failures[1]}, 1),
    ]
    assert mongo_commands._open == {}


@pytest.mark.usefixtures("recorded")
def test_a_meter_that_fails_is_told_and_changes_nothing(caplog):
    def fail(*_: Any) -> None:
        raise RuntimeError("planted")

    notices.forget()
    assert state.meter is not None
    state.meter.database = fail
    with pytest.raises(KeyError), sql.statement_span(SHOP, "SELECT * FROM orders"):
        raise KeyError
    told = [record.getMessage() for record in caplog.records]
    assert "cannot trace the duration of a statement: RuntimeError: planted" in told


def test_what_is_kept_of_statements_is_bounded(monkeypatch):
    monkeypatch.setattr(statements, "_MOST_KNOWN", 3)
    with recording({"metrics": {"exporter": "console"}, "sampler": {"ratio": 0}}), tracing.span("s"):
        for number in range(9):
            with sql.statement_span(SHOP, f"SELECT * FROM t{number}"):
                pass
        assert len(statements._known) <= 3
        assert len(series()) == 9
    patching.restore_all()
