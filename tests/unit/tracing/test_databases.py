"""What is recorded of a statement: its summary, its text without values, its server, its failure; one span each."""

from __future__ import annotations

import sqlite3

import pytest

from devenv import tracing
from devenv.tracing.databases.failures import response_code
from devenv.tracing.databases.statement import describe
from devenv.tracing.databases.target import Database
from devenv.tracing.integrations.dbapi import TracedConnection
from devenv.tracing.sql import PROCEDURE, many_span, statement_span
from devenv.tracing.testing import recording


@pytest.fixture
def rec():
    with recording({"service_name": "shop"}) as made:
        yield made


@pytest.mark.parametrize(
    ("sql", "summary", "target"),
    [
        ("SELECT * FROM users WHERE name = ?", "SELECT users", "users"),
        ("INSERT INTO sent (a, b) SELECT a, b FROM orders WHERE id = 1", "INSERT sent SELECT orders", ""),
        ("SELECT * FROM songs, artists a WHERE songs.artist = a.id", "SELECT songs artists", ""),
        ("SELECT d FROM (SELECT * FROM o JOIN c ON o.c = c.id) t", "SELECT SELECT o c", ""),
        ('SELECT * FROM "song list", `b`', 'SELECT "song list" `b`', ""),
        ("call refund(1)", "call refund", "refund"),
        (
            "WITH a AS (SELECT * FROM t), b(x) AS (SELECT 1) SELECT * FROM a JOIN v USING (id)",
            "SELECT t SELECT SELECT v",
            "",
        ),
        ("SELECT EXTRACT(YEAR FROM d), x IS DISTINCT FROM y FROM s.t FOR UPDATE", "SELECT s.t", "s.t"),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "INSERT t", "t"),
        ("INSERT INTO t SELECT a FROM u ON DUPLICATE KEY UPDATE a = 1, b = 2", "INSERT t SELECT u", ""),
        ("UPDATE OR IGNORE t SET a = 1, b = 2", "UPDATE t", "t"),
        ("CREATE TABLE t (a TEXT, FOREIGN KEY (b) REFERENCES u ON DELETE CASCADE)", "CREATE t", "t"),
        ("CREATE UNIQUE INDEX i ON t (a)", "CREATE i", ""),
        ("CREATE VIEW v AS SELECT * FROM t", "CREATE v SELECT t", ""),
        ("SELECT * FROM generate_series(1, 2), u", "SELECT u", "u"),
        ("SELECT * FROM %s WHERE a = %(x)s", "SELECT", ""),
        ("TRUNCATE TABLE a, b", "TRUNCATE a b", ""),
        ("COPY t FROM STDIN", "COPY t", "t"),
        ("SELECT 1; DELETE FROM t", "SELECT DELETE t", "t"),
        ("BEGIN;", "BEGIN", ""),
        ("", "", ""),
        ("SELECT " + " UNION ALL SELECT ".join(f"* FROM table_{n:03}" for n in range(99)), None, ""),
    ],
)
def test_the_summary_of_a_statement(sql, summary, target):
    found = describe(sql)
    if summary is None:
        assert 240 < len(found.summary) <= 255
        assert found.summary.split()[-1] in {"SELECT", *(f"table_{n:03}" for n in range(99))}
    else:
        assert found.summary == summary
    assert found.target == target


@pytest.mark.parametrize(
    ("system", "sql"),
    [
        ("postgresql", "SELECT $$it's SECRET$$, $tag$SECRET $$ SECRET$tag$, E'it\\'s SECRET', 'SECRET'"),
        ("postgresql", "SELECT 'a--b'\n, 'SECRET' /* SECRET ' */, 'SECRET"),
        ("sqlite", "SELECT 'a\\', x'5EC7E7', 'SECRET' -- it's SECRET\n, 'SECRET'"),
        ("mysql", 'SELECT "SECRET\\"SECRET", \'it\\\'s SECRET\' # SECRET\n, "SECRET"'),
        ("mariadb", "SELECT 5--3, 'a\nb', 'SECRET'"),
    ],
)
def test_no_literal_is_recorded(system, sql):
    found = describe(sql, system)
    assert "SECRET" not in found.text + found.summary
    assert "5EC" not in found.text


def test_only_the_beginning_of_a_long_statement_is_read(rec):
    values = ", ".join(f"('SECRET {n}')" for n in range(100_000))
    with statement_span(Database("postgresql"), f"INSERT INTO t VALUES {values}"):
        pass
    (found,) = rec.spans()
    assert (found.name, len(found.attributes["db.query.text"])) == ("INSERT t", 2048)
    assert "SECRET" not in str(found.attributes)


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (Database("postgresql", "shop", "db", 5432), {"server.address": "db", "db.namespace": "shop"}),
        (Database("postgresql", "", "db", 5433), {"server.address": "db", "server.port": 5433}),
        (Database("postgresql", "", "/run/postgresql", 5433), {"server.address": "/run/postgresql"}),
        (Database("mysql", "", "db", 3306), {"server.address": "db"}),
        (Database("sqlite", "", "", 5433), {}),
    ],
)
def test_the_server_of_a_statement(rec, database, expected):
    with statement_span(database, "COMMIT"):
        pass
    found = {key: rec.span("COMMIT").attributes.get(key) for key in ("server.address", "server.port", "db.namespace")}
    assert {key: value for key, value in found.items() if value is not None} == expected


@pytest.mark.parametrize(
    ("statement", "name"), [("", "shop"), ("COMMIT", "COMMIT"), ("SELECT 1", "SELECT"), ("/* x */", "shop")]
)
def test_the_name_without_a_summary_is_the_target(rec, statement, name):
    with statement_span(Database("mysql", "shop"), statement):
        pass
    assert [span.name for span in rec.spans()] == [name]


@pytest.mark.parametrize(("parameters", "size"), [([], 0), ([1], None), ([1, 2], 2), (iter([1, 2]), None)])
def test_the_size_of_a_batch(rec, parameters, size):
    with many_span(Database("mysql"), "INSERT INTO t VALUES (%s)", parameters):
        pass
    (found,) = rec.spans()
    assert found.attributes.get("db.operation.batch.size") == size
    assert found.name == ("INSERT t" if size is None else "BATCH INSERT t")
    assert {"db.operation.name", "db.collection.name"}.isdisjoint(found.attributes)  # they are not read from a text


def test_a_procedure(rec):
    with statement_span(Database("mysql"), "refund", PROCEDURE):
        pass
    attributes = rec.span("CALL refund").attributes
    assert (attributes["db.stored_procedure.name"], "db.query.text" in attributes) == ("refund", False)


def _error(module: str, *args: object, **attributes: object) -> Exception:
    error = type("Error", (Exception,), {"__module__": module})(*args)
    error.__dict__.update(attributes)
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (_error("psycopg.errors", sqlstate="42P01"), "42P01"),
        (_error("psycopg.errors", sqlstate=None), ""),
        (_error("psycopg2.errors", pgcode="23505"), "23505"),
        (_error("asyncpg.exceptions", sqlstate="23505"), "23505"),
        (_error("pymysql.err", 1146, "no such table"), "1146"),
        (_error("pymysql.err", 0, ""), ""),
        (_error("mysql.connector.errors", errno=1146, sqlstate="42S02"), "1146"),
        (_error("sqlite3", sqlite_errorname="SQLITE_CONSTRAINT_UNIQUE"), "SQLITE_CONSTRAINT_UNIQUE"),
        (_error("sqlalchemy.exc", orig=_error("psycopg2.errors", pgcode="23505")), "23505"),
        (OSError(111, "refused"), ""),
    ],
    ids=str,
)
def test_the_code_of_a_failure(rec, error, code):
    assert response_code(error) == code
    with pytest.raises(type(error)), statement_span(Database("postgresql"), "SELECT 1"):
        raise error
    found = rec.span("SELECT")
    assert found.attributes.get("db.response.status_code", "") == code
    assert (found.status, "error.type" in found.attributes) == ("error", True)


def test_a_statement_through_two_libraries_has_one_span(rec):
    connection = TracedConnection(TracedConnection(sqlite3.connect(":memory:"), "sqlite"), "other_sql", "above")
    connection.cursor().execute("SELECT 1")
    with tracing.span("stock", kind="client", attributes={"db.system": "sqlite"}):
        connection.cursor().execute("SELECT 1")
    with tracing.span("call", kind="client"):
        connection.cursor().execute("SELECT 1")
    assert [span.name for span in rec.spans()] == ["SELECT", "stock", "call", "SELECT"]
    assert rec.spans("SELECT")[0].attributes["db.namespace"] == "above"
