"""Business spans, tasks, threads, queues, databases and clients."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import baggage, context

from devenv import tracing
from devenv.tracing.databases.statement import describe
from devenv.tracing.testing import assert_trace, recording

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"


@pytest.fixture(params=["light", "sdk"])
def rec(request):
    with recording({"provider": request.param}) as made:
        yield made


@pytest.fixture
def unsampled(rec):
    with tracing.attached({"traceparent": f"{PARENT}0"}):
        yield


def test_span_and_what_can_be_said_of_it(rec):
    with tracing.span("charge card", kind="client", attributes={"amount": 3, "items": ["a"]}) as span:
        assert tracing.current_span() is span
        tracing.add_event("charged", {"ok": True})
        tracing.set_attributes({"a.b": 1}, c=2)
        tracing.record_exception(ValueError("token=abc"))
        tracing.set_status_error("declined")
    found = rec.span("charge card")
    assert (found.kind, found.status, found.status_message) == ("client", "error", "declined")
    assert found.attributes == {"amount": 3, "items": ("a",), "a.b": 1, "c": 2}
    assert [name for name, _ in found.events] == ["charged", "exception"]
    assert "abc" not in str(found.events)


def test_exception_through_a_span(rec):
    with pytest.raises(ZeroDivisionError), tracing.span("divide"):
        raise ZeroDivisionError
    found = rec.span("divide")
    assert (found.status, found.attributes["error.type"]) == ("error", "ZeroDivisionError")


def test_unknown_kind_is_refused():
    with pytest.raises(KeyError):
        tracing.span("x", kind="srever")


def test_links(rec):
    with tracing.span("a") as first:
        carrier = tracing.capture()
    with tracing.span("b", links=[first, carrier, first.get_span_context()]):
        pass
    a = rec.span("a")
    assert rec.span("b").links == ((a.trace_id, a.span_id),) * 3


def test_traced_functions(rec):
    @tracing.traced("named", kind="server", user__id=7)
    def plain(x, *, y):
        return x + y

    @tracing.traced()
    async def coroutine():
        return plain(1, y=1)

    assert plain(1, y=2) == 3
    assert asyncio.run(coroutine()) == 2
    first, outer, inner = rec.spans()
    assert (first.name, first.kind, first.attributes) == ("named", "server", {"user.id": 7})
    assert outer.name.endswith("test_traced_functions.<locals>.coroutine")
    assert inner.parent_id == outer.span_id


def test_below_an_unsampled_parent_there_is_nothing(rec, unsampled):
    with tracing.span("a") as span, tracing.db_span("sqlite", "SELECT 1"):
        assert not span.is_recording()
        assert f"{span.get_span_context().trace_id:032x}" in PARENT
    tracing.add_event("e")
    assert rec.spans() == []


def test_tasks_carry_the_context_and_outlive_the_request(rec):
    async def work(name):
        await asyncio.sleep(0)
        with tracing.span(name):
            await asyncio.sleep(0)

    async def main():
        with tracing.span("request"):
            task = tracing.create_task(work("background"), name="t")
            carrier = tracing.capture()
        assert task.get_name() == "t"
        with tracing.span("other"):
            other = tracing.create_task(work("elsewhere"), context=carrier)
        await asyncio.gather(task, other)

    asyncio.run(main())
    request = rec.span("request")
    assert rec.span("background").parent_id == rec.span("elsewhere").parent_id == request.span_id


def test_threads_carry_the_context(rec):
    def work(name):
        with tracing.span(name):
            return threading.get_ident()

    async def main():
        with tracing.span("request"):
            assert await tracing.run_in_thread(work, "to thread") != threading.get_ident()

    asyncio.run(main())
    with tracing.span("pool"), ThreadPoolExecutor(2) as pool:
        list(pool.map(tracing.wrap(work), ["p1", "p2", "p3"]))
        pool.submit(work, "lost").result()
    assert rec.span("to thread").parent_id == rec.span("request").span_id
    assert {rec.span(name).parent_id for name in ("p1", "p2", "p3")} == {rec.span("pool").span_id}
    assert rec.span("lost").parent_id == ""


def test_queue_items_are_children_of_the_span_that_put_them(rec):
    async def main():
        queue = tracing.TracedQueue("mail", maxsize=5)
        token = context.attach(baggage.set_baggage("k", "v"))
        with tracing.span("request"):
            await queue.put("a")
        queue.put_nowait("b")
        context.detach(token)
        assert (queue.qsize(), queue.full(), queue.empty()) == (2, False, False)
        async with queue.process() as item:
            assert item == "a"
            assert baggage.get_baggage("k") == "v"
            with tracing.span("send it"):
                pass
        assert baggage.get_baggage("k") is None
        with pytest.raises(ValueError, match="b"):
            async with queue.process() as item:
                raise ValueError(item)
        await asyncio.wait_for(queue.join(), 5)

    asyncio.run(main())
    assert_trace(
        rec.spans(),
        """
        request
          send mail [producer]
            process mail [consumer]
              send it
        send mail [producer]
          process mail [consumer] !
        """,
    )
    assert rec.spans("process mail")[0].attributes["messaging.destination.name"] == "mail"


def test_batches_have_links(rec):
    async def main():
        queue = tracing.TracedQueue("mail")
        for number in range(5):
            with tracing.span(f"request {number}"):
                await queue.put(number)
        async with queue.process_batch(3) as items:
            assert items == [0, 1, 2]
        async with queue.process_batch(3) as items:
            assert items == [3, 4]
        await asyncio.wait_for(queue.join(), 5)

    asyncio.run(main())
    sent = rec.spans("send mail")
    first, second = rec.spans("process mail")
    assert first.links == tuple((span.trace_id, span.span_id) for span in sent[:3])
    assert len(second.links) == 2
    assert first.parent_id == ""
    assert first.attributes["messaging.batch.message_count"] == 3


def test_unsampled_items_are_processed_unsampled():
    async def main():
        queue = tracing.TracedQueue("mail")
        with tracing.attached({"traceparent": f"{PARENT}0"}):
            await queue.put(1)
            await queue.put(2)
        async with queue.process():
            pass
        async with queue.process_batch(5):
            pass

    with recording() as rec:
        asyncio.run(main())
        assert rec.spans() == []


def test_async_for_over_a_queue(rec):
    async def main():
        queue = tracing.TracedQueue("mail")
        for number in range(3):
            await queue.put(number)
        seen = []
        items = queue.__aiter__()
        while len(seen) < 3:
            seen.append(await items.__anext__())
        await items.aclose()
        assert seen == [0, 1, 2]

    asyncio.run(main())
    assert len(rec.spans("process mail")) == 3


def test_thread_queue(rec):
    queue = tracing.ThreadQueue("jobs")

    def worker():
        with queue.process(timeout=5) as item, tracing.span(f"job {item}"):
            pass
        with queue.process_batch(10, timeout=5) as items:
            assert items == [2, 3]

    with tracing.span("request"):
        for number in (1, 2, 3):
            queue.put(number)
    thread = threading.Thread(target=worker)
    thread.start()
    thread.join()
    queue.join()
    assert queue.empty()
    single, batch = rec.spans("process jobs")
    assert single.parent_id == rec.spans("send jobs")[0].span_id
    assert rec.span("job 1").parent_id == single.span_id
    assert len(batch.links) == 2


def test_a_connection_as_context_manager_commits_and_rolls_back_in_spans(rec):
    connection = tracing.sqlite_connection(":memory:")
    with connection:
        connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")  # no transaction, so nothing to commit
    with connection:
        connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError), connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(2,), (1,)])
    names = [span.name for span in rec.spans()]
    assert names == ["CREATE t", "INSERT t", "COMMIT", "BATCH INSERT t", "ROLLBACK"]
    assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_sqlite(rec, tmp_path):
    connection = tracing.sqlite_connection(tmp_path / "a.db")
    connection.execute("CREATE TABLE users (id INTEGER, name TEXT)")
    connection.executemany("INSERT INTO users VALUES (?, ?)", [(1, "bob"), (2, "eve")])
    connection.commit()
    rows = connection.execute("SELECT name FROM users WHERE name = 'bob' AND id < 10").fetchall()
    assert rows == [("bob",)]
    cursor = connection.cursor()
    cursor.execute("UPDATE users SET name = ? WHERE id = ?", ("mallory", 2))
    connection.rollback()
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("SELECT * FROM missing")
    connection.executescript("DELETE FROM users; VACUUM;")
    with connection:
        connection.execute("INSERT INTO users VALUES (3, 'x')")
    names = [span.name for span in rec.spans()]
    assert names[:6] == ["CREATE users", "BATCH INSERT users", "COMMIT", "SELECT users", "UPDATE users", "ROLLBACK"]
    assert names[-2:] == ["INSERT users", "COMMIT"]
    assert all(span.kind == "client" for span in rec.spans())
    select = rec.span("SELECT users")
    assert select.attributes == {
        "db.system.name": "sqlite",
        "db.query.summary": "SELECT users",
        "db.query.text": "SELECT name FROM users WHERE name = ? AND id < ?",
        "db.namespace": "a.db",
    }
    batch = rec.span("BATCH INSERT users").attributes
    assert (batch["db.response.affected_rows"], batch["db.operation.batch.size"]) == (2, 2)
    assert batch["db.query.summary"] == "BATCH INSERT users"
    missing = rec.span("SELECT missing")
    assert (missing.status, missing.attributes["error.type"]) == ("error", "sqlite3.OperationalError")
    if sys.version_info >= (3, 11):
        assert missing.attributes["db.response.status_code"] == "SQLITE_ERROR"
    for secret in ("bob", "eve", "mallory"):
        assert secret not in str([span.attributes for span in rec.spans()])


@pytest.mark.parametrize(
    ("sql", "operation", "target", "text"),
    [
        ("select 1", "select", "", "select ?"),
        ("  SELECT *\n FROM a.b WHERE x='it''s' -- why", "SELECT", "a.b", "SELECT * FROM a.b WHERE x=?"),
        (
            "INSERT OR IGNORE INTO \"t\" VALUES (1.5e3, X'ff', :n, $1, ?2)",
            "INSERT",
            '"t"',
            'INSERT OR IGNORE INTO "t" VALUES (?, ?, :n, $1, ?2)',
        ),
        ("WITH x AS (SELECT 1) UPDATE t2 SET a1=2", "", "t2", "WITH x AS (SELECT ?) UPDATE t2 SET a1=?"),
        ("PRAGMA journal_mode=WAL;", "PRAGMA", "", "PRAGMA journal_mode=WAL;"),
        ("", "", "", ""),
        ("DROP TABLE IF EXISTS old", "DROP", "old", "DROP TABLE IF EXISTS old"),
    ],
)
def test_statements(sql, operation, target, text):
    found = describe(sql)
    assert (found.operation, found.target, found.text) == (operation, target, text)


def test_client_span(rec):
    headers = {"accept": "x"}
    with tracing.client_span("POST", "http://bob:pw@auth:8081/login?token=1", headers) as span:
        span.set_attribute("http.response.status_code", 401)
    found = rec.span("POST")
    assert found.attributes == {
        "http.request.method": "POST",
        "url.full": "http://REDACTED:REDACTED@auth:8081/login?token=[REDACTED]",
        "server.address": "auth",
        "server.port": 8081,
        "http.response.status_code": 401,
        "error.type": "401",
    }
    assert (found.kind, found.status) == ("client", "error")
    assert headers["traceparent"].split("-")[2] == found.span_id
    with pytest.raises(OSError, match="refused"), tracing.client_span("GET", "https://user/x", {}):
        raise OSError("refused")
    failed = rec.span("GET")
    assert (failed.status, failed.attributes["error.type"], failed.attributes["server.port"]) == (
        "error",
        "OSError",
        443,
    )


def test_headers_of_any_kind():
    with recording():
        context_of = tracing.extract([(b"TraceParent", f"{PARENT}1".encode()), (b"x", b"y")])
        with tracing.attached(context_of):
            out: dict[str, str] = {}
            tracing.inject(out)
            assert out == {"traceparent": f"{PARENT}1"}
        assert not tracing.extract({"traceparent": [f"{PARENT}1", f"{PARENT}1"]})
        assert not tracing.extract({})


def test_recording_restores_what_was_set_up_before():
    from devenv.tracing.active import state

    with recording() as outer:
        with recording() as inner:
            assert state.tracing is inner.tracing
        assert state.tracing is outer.tracing
        with tracing.span("after"):
            pass
        assert outer.span("after")
    assert state.tracing is None


def test_assert_trace_shows_a_diff(rec):
    with tracing.span("a"), tracing.span("b"):
        pass
    with pytest.raises(AssertionError, match=r"(?s)-  c\n.*\+  b"):
        assert_trace(rec.spans(), "a\n  c")
    with pytest.raises(AssertionError, match="recorded: a, b"):
        rec.span("nothing")
    rec.clear()
    assert rec.spans() == []


def test_ids_for_log_lines(rec):
    assert tracing.current_ids() == ("", "")
    with tracing.span("s") as span:
        context = span.get_span_context()
        assert tracing.current_ids() == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    with tracing.attached({"traceparent": f"{PARENT}1"}):
        assert tracing.current_ids() == (PARENT[3:35], PARENT[36:52])


def test_ids_below_what_is_not_sampled():
    with recording({"sampler": {"ratio": 0.0}}), tracing.attached({}), tracing.span("s") as span:
        trace_id, span_id = tracing.current_ids()
        assert (trace_id, span_id) == (f"{span.get_span_context().trace_id:032x}", "")


@pytest.mark.parametrize("password", ["pw", "p@w", "p/w", "p/w@x"])
def test_a_client_span_names_the_server_not_the_user(rec, password):
    with tracing.client_span("GET", f"http://bob:{password}@auth:8081/x"):
        pass
    found = rec.span("GET").attributes
    assert (found["server.address"], found["server.port"]) == ("auth", 8081)
    assert found["url.full"] == "http://REDACTED:REDACTED@auth:8081/x"
