"""SQLAlchemy, DB-API, sqlite3 and Redis with their real libraries."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
import redis
import sqlalchemy

from devenv import tracing
from devenv.tracing.integrations import redis as redis_integration
from devenv.tracing.integrations import sqlalchemy as sqlalchemy_integration
from devenv.tracing.integrations import sqlite
from devenv.tracing.integrations.dbapi import TracedConnection


def test_sqlalchemy(rec):
    engine = sqlalchemy.create_engine("sqlite://")
    sqlalchemy_integration.instrument(engine)
    sqlalchemy_integration.instrument(engine)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (a TEXT)"))
        connection.execute(sqlalchemy.text("INSERT INTO t VALUES (:a)"), {"a": "secret"})
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError):
        connection.execute(sqlalchemy.text("SELECT * FROM missing"))
    assert [(span.name, span.status) for span in rec.spans()] == [
        ("CREATE t", "unset"),
        ("INSERT t", "unset"),
        ("SELECT missing", "error"),
    ]
    assert rec.span("INSERT t").attributes["db.system.name"] == "sqlite"
    assert "secret" not in str(rec.spans())
    assert not tracing.current_span().is_recording()
    sqlalchemy_integration.uninstrument(engine)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    assert len(rec.spans()) == 3


def test_dbapi(rec):
    connection = TracedConnection(sqlite3.connect(":memory:"), "sqlite", "main")
    with connection, connection.cursor() as cursor:
        assert cursor.execute("CREATE TABLE t (a)") is cursor
        cursor.executemany("INSERT INTO t VALUES (?)", [("x",), ("y",)])
        assert [row[0] for row in cursor.execute("SELECT a FROM t")] == ["x", "y"]
        assert cursor.rowcount == -1
    block = ["CREATE t", "BATCH INSERT t", "SELECT t", "COMMIT"]
    assert [span.name for span in rec.spans()] == block
    connection.commit()
    connection.rollback()
    assert [span.name for span in rec.spans()][len(block) :] == ["COMMIT", "ROLLBACK"]
    assert connection.total_changes == 2


class Driver:
    """A connection whose block ends as that of its driver does; PEP 249 leaves it open."""

    def __init__(self, module: str, **attributes: object) -> None:
        self.__dict__ |= attributes
        self.ended: list[str] = []
        self.__class__ = type("Connection", (Driver,), {"__module__": module})

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.append("exit")


@pytest.mark.parametrize(
    ("driver", "spans"),
    [
        (Driver("psycopg2.extensions", autocommit=False), ["COMMIT", "ROLLBACK"]),
        (Driver("psycopg", autocommit=False), ["COMMIT", "ROLLBACK"]),
        (Driver("pyodbc", autocommit=False), ["COMMIT", "ROLLBACK"]),
        (Driver("psycopg2.extensions", autocommit=True), []),
        (Driver("sqlite3", in_transaction=False), []),
        (Driver("pymysql.connections"), []),
        (Driver("mysql.connector.connection"), []),
    ],
    ids=lambda value: type(value).__module__ if isinstance(value, Driver) else None,
)
def test_the_end_of_a_block_is_a_span_only_if_it_ends_the_transaction(rec, driver, spans):
    connection = TracedConnection(driver, "postgresql")
    with connection:
        pass
    with pytest.raises(ZeroDivisionError), connection:
        1 / 0  # noqa: B018 - it fails
    assert [span.name for span in rec.spans()] == spans
    assert driver.ended == ["exit", "exit"]


def test_sqlite3_without_a_change_of_code(rec, patched):
    sqlite.instrument()
    with sqlite3.connect(":memory:") as connection:
        connection.execute("SELECT 1")
    assert rec.span("SELECT").attributes["db.namespace"] == ":memory:"

    class Own(sqlite3.Connection):
        pass

    assert type(sqlite3.connect(":memory:", factory=Own)) is Own


@pytest.fixture
def redis_port():
    """Answers every command with +OK, and -ERR to `BAD`; enough of RESP for a client."""

    class Handler(StreamRequestHandler):
        def handle(self):
            while line := self.rfile.readline():
                words = []
                for _ in range(int(line[1:])):
                    size = int(self.rfile.readline()[1:])
                    words.append(self.rfile.read(size + 2)[:-2])
                if words[0] == b"HELLO":
                    self.wfile.write(b"-ERR unknown command\r\n")
                elif words[0] == b"BAD":
                    self.wfile.write(b"-ERR bad\r\n")
                else:
                    self.wfile.write(b"+OK\r\n")

    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_redis(rec, patched, redis_port):
    redis_integration.instrument()
    client = redis.Redis(port=redis_port, host="127.0.0.1", protocol=2)
    client.set("user:1", "secret")
    pipeline = client.pipeline(transaction=False)
    pipeline.set("a", "secret")
    pipeline.set("b", "secret")
    pipeline.execute()
    with pytest.raises(redis.ResponseError):
        client.execute_command("BAD")
    client.close()

    async def main():
        asynchronous = redis.asyncio.Redis(port=redis_port, host="127.0.0.1", protocol=2)
        await asynchronous.set("k", "secret")
        batch = asynchronous.pipeline(transaction=False)
        batch.set("c", "secret")
        batch.get("c")
        await batch.execute()
        await asynchronous.aclose()

    asyncio.run(main())
    assert [(span.name, span.status) for span in rec.spans()] == [
        ("SET", "unset"),
        ("PIPELINE SET", "unset"),
        ("BAD", "error"),
        ("SET", "unset"),
        ("PIPELINE", "unset"),
    ]
    first, batch = rec.spans()[:2]
    assert first.attributes == {
        "db.system.name": "redis",
        "db.operation.name": "SET",
        "db.query.text": "SET ? ?",
        "server.address": "127.0.0.1",
        "server.port": redis_port,
        "db.namespace": "0",
    }
    assert (batch.attributes["db.operation.batch.size"], batch.attributes["db.query.text"]) == (2, "SET ? ?\nSET ? ?")
    assert "secret" not in str(rec.spans())
