"""The cases of databases: each driver creates a table, fills it by one call, reads it and fails, on the real server."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiosqlite
import asyncpg
import psycopg
import psycopg2
import pymongo
import pymysql
import redis
import redis.asyncio
import sqlalchemy
from conventions.cases import Place, Steps, case, raising
from conventions.check import Expected, expected
from pymongo.errors import OperationFailure
from servers.django_project import project
from servers.mongodb import mongodb_server

from devenv import tracing
from devenv.tracing.integrations import aiosqlite as aiosqlite_integration
from devenv.tracing.integrations import django, sqlite
from devenv.tracing.integrations import redis as redis_integration
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.integrations.databases import asyncpg as asyncpg_integration
from devenv.tracing.integrations.databases import psycopg as psycopg_integration
from devenv.tracing.integrations.databases import psycopg2 as psycopg2_integration
from devenv.tracing.integrations.databases import pymongo as pymongo_integration
from devenv.tracing.integrations.databases import pymysql as pymysql_integration
from devenv.tracing.integrations.dbapi import TracedConnection

CREATE, SELECT, MISSING = "CREATE TEMPORARY TABLE t (a VARCHAR(20))", "SELECT a FROM t", "SELECT a FROM missing"
FILLED = [("x",), ("y",)]
FAILED = ("failed", "coded")


def by_dbapi(connection: Any, group: str, mark: str, error: type[Exception]) -> Iterator[list[Expected]]:
    cursor = connection.cursor()
    cursor.execute(CREATE)
    yield [expected(group)]
    cursor.executemany(f"INSERT INTO t VALUES ({mark})", FILLED)
    yield [expected(group, "batched")]
    cursor.execute(SELECT)
    cursor.fetchall()
    yield [expected(group)]
    with raising(error):
        cursor.execute(MISSING)
    yield [expected(group, *FAILED)]
    connection.close()


@case("sqlite")
def by_sqlite(_place: Place) -> Steps:
    sqlite.instrument()
    return by_dbapi(sqlite3.connect("file:shop?mode=memory", uri=True), "db.sqlite", "?", sqlite3.OperationalError)


@case("sqlite_connection")
def by_sqlite_connection(_place: Place) -> Steps:
    yield from by_dbapi(tracing.sqlite_connection(":memory:"), "db.sqlite", "?", sqlite3.OperationalError)
    with tracing.sqlite_connection(":memory:") as connection:
        connection.execute("CREATE TABLE t (a)")
        yield [expected("db.sqlite")]
        connection.execute("INSERT INTO t VALUES (1)")
        yield [expected("db.sqlite")]
    yield [expected("db.sqlite", "interface")]  # the commit at the end of the block


@case("aiosqlite")
async def by_aiosqlite(_place: Place) -> AsyncIterator[list[Expected]]:
    sqlite.instrument()
    aiosqlite_integration.instrument()
    async with aiosqlite.connect(":memory:") as connection:
        await connection.execute(CREATE)
        yield [expected("db.sqlite")]
        await connection.executemany("INSERT INTO t VALUES (?)", FILLED)
        yield [expected("db.sqlite", "batched")]
        with raising(sqlite3.OperationalError):
            await connection.execute(MISSING)
        yield [expected("db.sqlite", *FAILED)]


@case("dbapi")
def by_traced_connection(_place: Place) -> Steps:
    connection = TracedConnection(sqlite3.connect(":memory:"), "sqlite", "main")
    yield from by_dbapi(connection, "db.sqlite", "?", sqlite3.OperationalError)
    calling = TracedConnection(Calling(), "postgresql", "shop", address="db", port=5433)
    calling.cursor().callproc("refund", (1,))
    yield [expected("db.postgresql", "-text", "interface", "procedure")]


class Calling:
    """A connection that has stored procedures."""

    def cursor(self) -> Calling:
        return self

    def callproc(self, *_arguments: Any) -> None:
        pass


@case("db_span")
def by_hand(_place: Place) -> Steps:
    with tracing.db_span("mysql", "SELECT a FROM t", namespace="shop"):
        pass
    yield [expected("db.mysql", "-on-server", "-other-port")]
    with raising(ValueError), tracing.db_span("mysql", "CALL refund(1)"):
        raise ValueError("own")
    yield [expected("db.mysql", "-on-server", "-other-port", "-named", "procedure", "failed")]


@case("django [databases]")
def by_django(_place: Place) -> Steps:
    from django.db.utils import ConnectionHandler, OperationalError

    project([])
    django.instrument_databases()
    handler = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    with handler["default"].cursor() as cursor:
        cursor.execute(CREATE)
        yield [expected("db.sqlite")]
        cursor.executemany("INSERT INTO t VALUES (%s)", FILLED)
        yield [expected("db.sqlite", "batched")]
        with raising(OperationalError):
            cursor.execute(MISSING)
        yield [expected("db.sqlite", *FAILED)]


@case("sqlalchemy", needs="postgres")
def by_sqlalchemy(place: Place) -> Steps:
    engine = sqlalchemy.create_engine(place.server.url.replace("postgresql:", "postgresql+psycopg:"))
    engine.connect().close()  # the dialect asks the server what it is
    place.rec.clear()
    sqlalchemy_integration.instrument(engine)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(CREATE))
        yield [expected("db.postgresql")]
        connection.execute(sqlalchemy.text("INSERT INTO t VALUES (:a)"), [{"a": "x"}, {"a": "y"}])
        yield [expected("db.postgresql", "batched")]
        with raising(sqlalchemy.exc.ProgrammingError):
            connection.execute(sqlalchemy.text(MISSING))
        yield [expected("db.postgresql", *FAILED)]
    sqlalchemy_integration.uninstrument(engine)
    engine.dispose()


@case("databases.psycopg [synchronous]", needs="postgres")
def by_psycopg(place: Place) -> Steps:
    psycopg_integration.instrument()
    connection = psycopg.connect(place.server.url)
    return by_dbapi(connection, "db.postgresql", "%s", psycopg.errors.UndefinedTable)


@case("databases.psycopg [asynchronous]", needs="postgres")
async def by_psycopg_async(place: Place) -> AsyncIterator[list[Expected]]:
    psycopg_integration.instrument()
    async with await psycopg.AsyncConnection.connect(place.server.url, autocommit=True) as connection:
        cursor = connection.cursor()
        await cursor.execute(CREATE)
        yield [expected("db.postgresql")]
        await cursor.executemany("INSERT INTO t VALUES (%s)", FILLED)
        yield [expected("db.postgresql", "batched")]
        with raising(psycopg.errors.UndefinedTable):
            await cursor.execute(MISSING)
        yield [expected("db.postgresql", *FAILED)]


@case("databases.psycopg2", needs="postgres")
def by_psycopg2(place: Place) -> Steps:
    psycopg2_integration.instrument()
    connection = psycopg2.connect(place.server.url)
    return by_dbapi(connection, "db.postgresql", "%s", psycopg2.errors.UndefinedTable)


@case("databases.asyncpg", needs="postgres")
async def by_asyncpg(place: Place) -> AsyncIterator[list[Expected]]:
    asyncpg_integration.instrument()
    connection = await asyncpg.connect(place.server.url)
    await connection.execute(CREATE)
    yield [expected("db.postgresql")]
    await connection.executemany("INSERT INTO t VALUES ($1)", FILLED)
    yield [expected("db.postgresql", "batched")]
    await connection.fetch(SELECT)
    yield [expected("db.postgresql")]
    with raising(asyncpg.UndefinedTableError):
        await connection.execute(MISSING)
    yield [expected("db.postgresql", *FAILED)]
    await connection.close()


@case("databases.pymysql", needs="mariadb")
def by_pymysql(place: Place) -> Steps:
    pymysql_integration.instrument()
    server = place.server
    connection = pymysql.connect(host="127.0.0.1", port=server.port, user="test", database=server.database)
    return by_dbapi(connection, "db.mariadb", "%s", pymysql.err.ProgrammingError)


@case("databases.pymongo")
def by_pymongo(_place: Place) -> Steps:
    pymongo_integration.instrument()
    options = {"serverSelectionTimeoutMS": 5000, "retryReads": False, "retryWrites": False}
    with mongodb_server() as server, pymongo.MongoClient("127.0.0.1", server.port, **options) as client:
        client.shop.users.find_one()
        yield [expected("db.mongodb")]
        client.shop.users.insert_many([{}, {}])
        yield [expected("db.mongodb", "batched")]
        with raising(OperationFailure):
            client.shop.refusing.find_one()
        yield [expected("db.mongodb", *FAILED)]


@case("redis [synchronous]", needs="redis")
def by_redis(place: Place) -> Steps:
    redis_integration.instrument()
    with redis.Redis(port=place.server.port) as client:
        client.set("k", "v")
        yield [expected("db.redis")]
        for transaction in (True, False):
            pipeline = client.pipeline(transaction=transaction)
            pipeline.set("a", "b").set("c", "d").execute()
            yield [expected("db.redis", "batched")]
            pipeline.set("a", "b").get("a").execute()
            yield [expected("db.redis", "batched")]
            pipeline.set("a", "b").execute()
            yield [expected("db.redis")]
        with raising(redis.ResponseError):
            client.lpush("k", "v")
        yield [expected("db.redis", *FAILED)]
        with raising(redis.exceptions.NoScriptError):
            client.evalsha("0" * 40, 0)
        yield [expected("db.redis", "procedure", *FAILED)]
    lost = redis.Redis(port=1, retry=None)
    with raising(redis.ConnectionError):
        lost.ping()
    yield [expected("db.redis", "failed")]
    lost.close()


@case("redis [asynchronous]", needs="redis")
async def by_redis_async(place: Place) -> AsyncIterator[list[Expected]]:
    redis_integration.instrument()
    client = redis.asyncio.Redis(port=place.server.port)
    await client.set("k", "v")
    yield [expected("db.redis")]
    for transaction in (True, False):
        pipeline = client.pipeline(transaction=transaction)
        await pipeline.set("a", "b").set("c", "d").execute()
        yield [expected("db.redis", "batched")]
    with raising(redis.ResponseError):
        await client.lpush("k", "v")
    yield [expected("db.redis", *FAILED)]
    await client.aclose()
