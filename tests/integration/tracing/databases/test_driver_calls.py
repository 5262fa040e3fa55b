"""What the drivers do beside statements: commits, rollbacks, procedures, copies and streams, with the real servers."""

from __future__ import annotations

import asyncio
import io
import sqlite3

import asyncpg
import psycopg
import psycopg2
import pymysql
import pytest
import sqlalchemy

from devenv import tracing
from devenv.tracing.integrations import aiosqlite as aiosqlite_integration
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.integrations import sqlite as sqlite_integration
from devenv.tracing.integrations.databases import asyncpg as asyncpg_integration
from devenv.tracing.integrations.databases import psycopg as psycopg_integration
from devenv.tracing.integrations.databases import psycopg2 as psycopg2_integration
from devenv.tracing.integrations.databases import pymysql as pymysql_integration

TABLE = "CREATE TEMPORARY TABLE pens (name VARCHAR(20))"
DOUBLE = """CREATE OR REPLACE FUNCTION pg_temp.twice(amount int) RETURNS int AS 'SELECT 2 * amount' LANGUAGE sql"""


@pytest.fixture(autouse=True)
def _patched(patched):
    for integration in (psycopg_integration, psycopg2_integration, asyncpg_integration, pymysql_integration):
        integration.instrument()


def names(rec):
    return [span.name for span in rec.spans()]


@pytest.mark.parametrize("driver", [psycopg, psycopg2])
def test_a_commit_or_rollback_has_a_span_if_a_transaction_is_open(rec, postgres, driver):
    connection = driver.connect(postgres.url)
    connection.commit()
    connection.rollback()
    connection.cursor().execute("SELECT 1")
    connection.commit()
    connection.commit()
    connection.cursor().execute("SELECT 2")
    connection.rollback()
    with connection:
        connection.cursor().execute("SELECT 3")
    assert names(rec) == ["SELECT", "COMMIT", "SELECT", "ROLLBACK", "SELECT", "COMMIT"]
    commit = rec.spans("COMMIT")[0]
    assert commit.attributes["db.operation.name"] == "COMMIT"
    assert (commit.kind, commit.attributes["server.port"]) == ("client", postgres.port)
    connection.close()
    with pytest.raises((psycopg.OperationalError, psycopg2.InterfaceError)):
        connection.commit()
    assert len(rec.spans()) == 6


def test_a_commit_that_fails_is_failed(rec, postgres):
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TEMPORARY TABLE once (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        connection.execute("INSERT INTO once VALUES (1), (1)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.commit()
    commit = rec.spans("COMMIT")[0]
    assert (commit.status, commit.attributes["db.response.status_code"]) == ("error", "23505")


async def test_the_end_of_a_block_of_psycopg_has_a_span(rec, postgres):
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        with connection.transaction():
            connection.execute("SELECT 1")
            with connection.transaction():
                connection.execute("SELECT 2")
        with pytest.raises(ZeroDivisionError), connection.transaction():
            connection.execute(f"SELECT {1 // 0}")
        with connection.transaction(force_rollback=True):
            pass
    assert names(rec) == ["SELECT", "SELECT", "COMMIT", "ROLLBACK", "ROLLBACK"]
    assert {span.status for span in rec.spans()} == {"unset"}
    rec.clear()
    async with await psycopg.AsyncConnection.connect(postgres.url) as connection:
        await connection.execute("SELECT 1")
        await connection.commit()
        async with connection.transaction():
            await connection.execute("SELECT 2")
    assert names(rec) == ["SELECT", "COMMIT", "SELECT", "COMMIT"]


def test_sqlalchemy_commits_with_a_span_and_returns_a_connection_without(rec, postgres):
    sqlalchemy_integration.instrument()
    try:
        for driver in ("psycopg", "psycopg2"):
            engine = sqlalchemy.create_engine(postgres.url.replace("postgresql:", f"postgresql+{driver}:"))
            engine.connect().close()
            rec.clear()
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("SELECT 1"))
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text("SELECT 2"))
            engine.dispose()
            assert names(rec) == ["SELECT", "SELECT", "COMMIT"]
    finally:
        sqlalchemy_integration.uninstrument()


def test_copies_of_psycopg(rec, postgres):
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        cursor = connection.cursor()
        cursor.execute(TABLE)
        sqlite_integration.instrument()
        with cursor.copy("COPY pens (name) FROM STDIN") as copy:
            sqlite3.connect(":memory:").execute("SELECT 'own'")
            copy.write_row(("SECRET",))
        with cursor.copy("COPY (SELECT name FROM pens WHERE name = 'SECRET') TO STDOUT") as copy:
            assert list(copy.rows()) == [("SECRET",)]
        with pytest.raises(ZeroDivisionError), cursor.copy("COPY pens (name) FROM STDIN") as copy:
            copy.write_row((str(1 // 0),))
        with pytest.raises(psycopg.errors.UndefinedTable), cursor.copy("COPY missing FROM STDIN"):
            pass
        assert tracing.current_ids() == ("", "")
    assert names(rec) == ["CREATE pens", "COPY pens", "SELECT", "COPY SELECT pens", "COPY pens", "COPY missing"]
    copied, below = rec.spans()[1:3]
    assert copied.attributes["db.query.summary"] == "COPY pens"
    assert below.parent_id == ""
    assert copied.start_ns < below.start_ns < below.end_ns < copied.end_ns
    assert [span.status for span in rec.spans()] == ["unset"] * 4 + ["error"] * 2
    assert rec.spans()[5].attributes["db.response.status_code"] == "42P01"
    assert "SECRET" not in str([span.attributes for span in rec.spans()])


async def test_copies_and_streams_of_psycopg_asynchronous(rec, postgres):
    async with await psycopg.AsyncConnection.connect(postgres.url, autocommit=True) as connection:
        cursor = connection.cursor()
        await cursor.execute(TABLE)
        async with cursor.copy("COPY pens (name) FROM STDIN") as copy:
            await copy.write_row(("SECRET",))
        assert [row async for row in cursor.stream("SELECT name FROM pens")] == [("SECRET",)]
        with pytest.raises(psycopg.errors.UndefinedTable):
            async for _ in cursor.stream("SELECT * FROM missing"):
                pass
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with cursor.copy("COPY missing FROM STDIN"):
                pass
    assert names(rec) == ["CREATE pens", "COPY pens", "SELECT pens", "SELECT missing", "COPY missing"]
    assert [span.status for span in rec.spans()] == ["unset"] * 3 + ["error"] * 2


def test_a_stream_of_psycopg_has_one_span_and_the_program_is_not_below_it(rec, postgres):
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        cursor = connection.cursor()
        for number, _ in enumerate(cursor.stream("SELECT generate_series(1, 3)")):
            with tracing.span("own"):
                assert number < 3
        left = cursor.stream("SELECT generate_series(1, 3)")
        next(left)
        left.close()
        with pytest.raises(psycopg.errors.UndefinedTable):
            list(cursor.stream("SELECT * FROM missing"))
    assert names(rec) == ["SELECT", *["own"] * 3, "SELECT", "SELECT missing"]
    assert {span.parent_id for span in rec.spans("own")} == {""}
    assert [span.status for span in rec.spans()] == ["unset"] * 5 + ["error"]


def test_copies_and_procedures_of_psycopg2(rec, postgres):
    connection = psycopg2.connect(postgres.url)
    cursor = connection.cursor()
    cursor.execute(TABLE)
    cursor.copy_from(io.StringIO("SECRET\n"), "pens")
    cursor.copy_expert("COPY pens (name) FROM STDIN", io.StringIO("SECRET\n"))
    kept = io.StringIO()
    cursor.copy_to(kept, "pens", columns=("name",))
    assert kept.getvalue() == "SECRET\nSECRET\n"
    cursor.execute(DOUBLE)
    rec.spans()
    cursor.callproc("pg_temp.twice", (4,))
    assert cursor.fetchall() == [(8,)]
    with pytest.raises(psycopg2.errors.UndefinedTable):
        cursor.copy_from(io.StringIO(), "missing")
    connection.close()
    found = [span for span in rec.spans() if "FUNCTION" not in span.attributes.get("db.query.text", "")]
    assert [span.name for span in found] == [
        *("CREATE pens", 'COPY "pens"', "COPY pens", 'COPY "pens"', "CALL pg_temp.twice", 'COPY "missing"')
    ]
    called = found[4].attributes
    assert (called["db.stored_procedure.name"], called["db.query.summary"]) == ("pg_temp.twice", "CALL pg_temp.twice")
    assert (found[5].status, found[5].attributes["db.response.status_code"]) == ("error", "42P01")
    assert "SECRET" not in str([span.attributes for span in rec.spans()])


async def test_copies_of_asyncpg(rec, postgres):
    async with asyncpg.create_pool(postgres.url, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        await connection.execute(TABLE)
        rec.clear()
        await connection.copy_records_to_table("pens", records=[("SECRET",)], columns=["name"])
        await connection.copy_to_table("pens", source=io.BytesIO(b"SECRET\n"))
        kept = io.BytesIO()
        await connection.copy_from_table("pens", output=kept)
        await connection.copy_from_query("SELECT name FROM pens WHERE name = $1", "SECRET", output=kept)
        assert kept.getvalue() == b"SECRET\n" * 4
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.copy_from_table("missing", output=kept)
        found = rec.spans()
    copies = [span for span in found if "COPY" in span.name]
    assert [span.name for span in copies] == [
        *('COPY "pens"', 'COPY "pens"', 'COPY "pens"', "COPY SELECT pens", 'COPY "missing"')
    ]
    assert [span.status for span in copies] == ["unset"] * 4 + ["error"]
    assert "SECRET" not in str([span.attributes for span in found])


def test_pymysql(rec, mariadb):
    connection = pymysql.connect(host="127.0.0.1", port=mariadb.port, user="test", database=mariadb.database)
    connection.commit()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS kept (a INT) ENGINE=InnoDB")
    cursor.execute("INSERT INTO kept VALUES (1)")
    connection.commit()
    connection.commit()
    cursor.execute("INSERT INTO kept VALUES (1)")
    connection.rollback()
    with pytest.raises(pymysql.err.MySQLError):  # this server was started without a table of procedures
        cursor.callproc("missing", ("SECRET",))
    connection.close()
    assert names(rec) == ["CREATE kept", "INSERT kept", "COMMIT", "INSERT kept", "ROLLBACK", "CALL missing"]
    called = rec.span("CALL missing")
    assert (called.status, called.attributes["db.stored_procedure.name"]) == ("error", "missing")
    assert rec.span("COMMIT").attributes["db.system.name"] == "mariadb"
    assert "SECRET" not in str(called.attributes)


def test_sqlite_and_aiosqlite_commit_with_a_span_if_a_transaction_is_open(rec):
    import aiosqlite

    sqlite_integration.instrument()
    aiosqlite_integration.instrument()

    async def write():
        async with aiosqlite.connect(":memory:") as db:
            await db.execute("CREATE TABLE pens (name)")
            await db.commit()
            await db.execute("INSERT INTO pens VALUES (1)")
            await db.commit()

    asyncio.run(write())
    assert names(rec) == ["CREATE pens", "INSERT pens", "COMMIT"]
