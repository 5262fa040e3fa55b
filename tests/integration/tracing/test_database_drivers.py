"""psycopg, psycopg2, asyncpg and PyMySQL with their real libraries and a real PostgreSQL and MariaDB."""

from __future__ import annotations

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import psycopg2.sql
import pymysql
import pytest
import sqlalchemy

from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.integrations.databases import asyncpg as asyncpg_integration
from devenv.tracing.integrations.databases import psycopg as psycopg_integration
from devenv.tracing.integrations.databases import psycopg2 as psycopg2_integration
from devenv.tracing.integrations.databases import pymysql as pymysql_integration
from devenv.tracing.process import patching
from devenv.tracing.process.stock import taken
from devenv.tracing.testing import recording


@pytest.fixture
def rec():
    with recording({"service_name": "shop"}) as made:
        yield made


@pytest.fixture(autouse=True)
def _patched():
    for integration in (psycopg_integration, psycopg2_integration, asyncpg_integration, pymysql_integration):
        integration.instrument()
    yield
    patching.restore_all()


STATEMENTS = ["CREATE t", "BATCH INSERT t", "SELECT t", "SELECT missing"]


def check(rec, server, code, error, system="postgresql"):
    spans = rec.spans()
    assert [span.name for span in spans] == STATEMENTS
    for span in spans:
        found = span.attributes
        assert (span.kind, found["db.system.name"], found["db.namespace"]) == ("client", system, server.database)
        assert (found["server.address"], found["server.port"]) == ("127.0.0.1", server.port)
        assert "SECRET" not in str(found)
    assert spans[1].attributes["db.operation.batch.size"] == 2
    failed = spans[3].attributes
    assert (spans[3].status, failed["db.response.status_code"], failed["error.type"]) == ("error", code, error)
    assert [span.status for span in spans[:3]] == ["unset"] * 3


def dbapi(connection, rec, missing):
    cursor = connection.cursor()
    cursor.execute("CREATE TEMPORARY TABLE t (a VARCHAR(20))")
    cursor.executemany("INSERT INTO t VALUES (%s)", [("SECRET 1",), ("SECRET 2",)])
    cursor.execute("SELECT * FROM t WHERE a = 'SECRET 1' OR a = %s", ("SECRET 2",))
    assert [row[0] for row in cursor.fetchall()] == ["SECRET 1", "SECRET 2"]
    with pytest.raises(missing):
        cursor.execute("SELECT * FROM missing")
    connection.close()


def test_psycopg(rec, postgres):
    dbapi(psycopg.connect(postgres.url), rec, psycopg.errors.UndefinedTable)
    check(rec, postgres, "42P01", "psycopg.errors.UndefinedTable")


def test_psycopg_with_composed_statements_and_its_other_cursors(rec, postgres):
    with psycopg.connect(postgres.url) as connection:
        connection.execute(psycopg.sql.SQL("SELECT {}").format(psycopg.sql.Literal("SECRET")))
        connection.execute(b"SELECT 1")
        with connection.cursor(name="own") as cursor:
            assert cursor.execute("SELECT * FROM generate_series(1, 2)").fetchall() == [(1,), (2,)]
        psycopg.ClientCursor(connection).execute("SELECT %s FROM pg_class", ("SECRET",))
    assert [span.name for span in rec.spans()] == ["SELECT", "SELECT", "SELECT", "SELECT pg_class", "COMMIT"]
    assert "SECRET" not in str([span.attributes for span in rec.spans()])


async def test_psycopg_asynchronous(rec, postgres):
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        cursor = connection.cursor()
        await cursor.execute("CREATE TEMPORARY TABLE t (a VARCHAR(20))")
        await cursor.executemany("INSERT INTO t VALUES (%s)", [("SECRET 1",), ("SECRET 2",)])
        assert len(await (await connection.execute("SELECT * FROM t")).fetchall()) == 2
        with pytest.raises(psycopg.errors.UndefinedTable):
            await cursor.execute("SELECT * FROM missing")
    check(rec, postgres, "42P01", "psycopg.errors.UndefinedTable")


def test_psycopg2(rec, postgres):
    dbapi(psycopg2.connect(postgres.url), rec, psycopg2.errors.UndefinedTable)
    check(rec, postgres, "42P01", "psycopg2.errors.UndefinedTable")


@pytest.mark.parametrize("options", [{"cursor_factory": psycopg2.extras.RealDictCursor},
                                     {"connection_factory": psycopg2.extras.RealDictConnection}])  # fmt: skip
def test_psycopg2_with_the_classes_of_the_program(rec, postgres, options):
    connection = psycopg2.connect(postgres.url, **options)
    with connection, connection.cursor() as cursor:
        assert isinstance(cursor, psycopg2.extras.RealDictCursor)
        cursor.execute(psycopg2.sql.SQL("SELECT 1 AS {}").format(psycopg2.sql.Identifier("one")))
        assert cursor.fetchall() == [{"one": 1}]
    with connection.cursor("named", cursor_factory=psycopg2.extras.DictCursor) as cursor:
        cursor.execute("SELECT 2 AS two")
        assert cursor.fetchone()["two"] == 2
    connection.close()
    assert [span.name for span in rec.spans()] == ["SELECT", "COMMIT", "SELECT"]


async def test_asyncpg(rec, postgres):
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("CREATE TEMPORARY TABLE t (a VARCHAR(20))")
    await connection.executemany("INSERT INTO t VALUES ($1)", [("SECRET 1",), ("SECRET 2",)])
    assert len(await connection.fetch("SELECT * FROM t WHERE a LIKE $1", "SECRET%")) == 2
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.fetchval("SELECT * FROM missing")
    await connection.close()
    check(rec, postgres, "42P01", "asyncpg.exceptions.UndefinedTableError")


async def test_asyncpg_with_a_pool_and_prepared_statements(rec, postgres):
    async with asyncpg.create_pool(postgres.url, min_size=1, max_size=1) as pool:
        assert await pool.fetchval("SELECT 1") == 1
        async with pool.acquire() as connection, connection.transaction():
            prepared = await connection.prepare("SELECT relname FROM pg_class")
            assert await prepared.fetchrow()
    names = [span.name for span in rec.spans() if "RESET" not in span.attributes["db.query.text"]]
    assert names == ["SELECT", "BEGIN", "SELECT pg_class", "COMMIT"]


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_sqlalchemy_above_a_driver_has_one_span_a_statement(rec, postgres, driver):
    engine = sqlalchemy.create_engine(postgres.url.replace("postgresql:", f"postgresql+{driver}:"))
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
        rec.clear()
        sqlalchemy_integration.instrument(engine)
        connection.execute(sqlalchemy.text("SELECT relname FROM pg_class"))
        with pytest.raises(sqlalchemy.exc.ProgrammingError):
            connection.execute(sqlalchemy.text("SELECT * FROM missing"))
    engine.dispose()
    assert [span.name for span in rec.spans()] == ["SELECT pg_class", "SELECT missing"]
    found = rec.span("SELECT missing").attributes
    assert (found["db.response.status_code"], found["server.port"]) == ("42P01", postgres.port)


def test_pymysql(rec, mariadb):
    connection = pymysql.connect(host="127.0.0.1", port=mariadb.port, user="test", database=mariadb.database)
    dbapi(connection, rec, pymysql.err.ProgrammingError)
    check(rec, mariadb, "1146", "pymysql.err.ProgrammingError", "mariadb")


def test_an_active_stock_instrumentation_takes_the_library(monkeypatch):
    import sys
    import types

    class PsycopgInstrumentor:
        is_instrumented_by_opentelemetry = True

    module = types.ModuleType("opentelemetry.instrumentation.psycopg")
    module.PsycopgInstrumentor = PsycopgInstrumentor
    patching.restore_all()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = psycopg.Cursor.execute
    psycopg_integration.instrument()
    assert (taken("psycopg"), taken("asyncpg"), psycopg.Cursor.execute) == (True, False, before)
