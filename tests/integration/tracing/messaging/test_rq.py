"""RQ with its real library and a real Redis: a worker in this process, and one that forks for each job."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta

import pytest
import redis
import rq
from opentelemetry import baggage
from rq.registry import ScheduledJobRegistry
from traced_programs import clean

from devenv import tracing
from devenv.tracing.integrations import redis as redis_integration
from devenv.tracing.integrations.messaging import rq as integration
from devenv.tracing.testing import recording


def add(one, other):
    with tracing.span("adding"):
        return one + other


def tenant():
    return baggage.get_baggage("tenant")


def fail():
    raise ValueError("own")


def fail_once():
    if rq.get_current_job().retries_left:
        raise ValueError("first")


@pytest.fixture(autouse=True)
def _instrumented(patched):
    integration.instrument()


@pytest.fixture
def connection(redis_server):
    with redis.Redis(port=redis_server.port) as made:
        yield made
        made.flushall()


@pytest.fixture
def queue(connection):
    return rq.Queue("jobs", connection=connection)


def work(queue):
    rq.SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")


def name(function):
    return f"{__name__}.{function}"


def test_a_job_has_a_span_where_it_is_enqueued_and_one_where_it_runs(rec, queue):
    with tracing.span("request"):
        job = queue.enqueue(add, 1, 2)
    work(queue)
    assert job.latest_result().return_value == 3
    request, send, process, inner = (
        rec.span(found) for found in ("request", f"send {name('add')}", f"process {name('add')}", "adding")
    )
    assert [span.parent_id for span in (send, process, inner)] == [request.span_id, send.span_id, process.span_id]
    assert (send.kind, process.kind, process.status) == ("producer", "consumer", "unset")
    common = {"messaging.system": "rq", "messaging.destination.name": "jobs", "messaging.message.id": job.id}
    assert send.attributes == {**common, "messaging.operation.name": "send", "messaging.operation.type": "send"}
    processing = {"messaging.operation.name": "process", "messaging.operation.type": "process"}
    assert process.attributes == {**common, **processing}
    assert job.get_meta() == {}


def test_a_failed_job(rec, queue):
    queue.enqueue(fail)
    work(queue)
    span = rec.span(f"process {name('fail')}")
    assert (span.status, span.attributes["error.type"], [event for event, _ in span.events]) == (
        "error",
        "ValueError",
        ["exception"],
    )


def test_a_retry_is_sent_by_the_execution_that_has_failed(rec, queue):
    queue.enqueue(fail_once, retry=rq.Retry(1))
    work(queue)
    first, second = rec.spans(f"process {name('fail_once')}")
    again = next(span for span in rec.spans() if span.span_id == second.parent_id)
    assert (again.kind, again.parent_id, first.status, second.status) == ("producer", first.span_id, "error", "unset")


def test_jobs_that_wait_are_sent_in_the_context_of_their_creation(rec, queue):
    with tracing.span("request"):
        before = queue.enqueue(add, 1, 2)
        queue.enqueue(add, 3, 4, depends_on=before)
        scheduled = queue.enqueue_at(datetime.now(UTC) + timedelta(days=1), add, 5, 6)
    work(queue)
    ScheduledJobRegistry(queue=queue).remove(scheduled)
    queue.enqueue_job(rq.job.Job.fetch(scheduled.id, connection=queue.connection))
    work(queue)
    request = rec.span("request")
    assert len(rec.spans(f"process {name('add')}")) == 3
    assert {span.trace_id for span in rec.spans()} == {request.trace_id}
    assert [span.parent_id for span in rec.spans() if span.kind == "producer"] == [request.span_id] * 3


def test_several_jobs_at_once(rec, queue):
    queue.enqueue_many([rq.Queue.prepare_data(add, (1, 2)), rq.Queue.prepare_data(add, (3, 4))])
    work(queue)
    sent = {span.span_id for span in rec.spans() if span.kind == "producer"}
    assert {span.parent_id for span in rec.spans() if span.kind == "consumer"} == sent
    assert len(sent) == 2


def test_a_synchronous_queue(rec, connection):
    with tracing.span("request"):
        rq.Queue("now", connection=connection, is_async=False).enqueue(add, 1, 2)
    send, process = rec.span(f"send {name('add')}"), rec.span(f"process {name('add')}")
    assert (send.parent_id, process.parent_id) == (rec.span("request").span_id, send.span_id)


def test_baggage_and_an_unsampled_trace_reach_the_worker(rec, queue):
    with tracing.attached({"traceparent": f"00-{'a' * 32}-{'b' * 16}-00", "baggage": "tenant=7"}):
        job = queue.enqueue(tenant)
    work(queue)
    assert (job.latest_result().return_value, rec.spans()) == ("7", [])


def test_a_field_that_another_program_has_written_is_left_alone(rec, queue):
    job = queue.enqueue(add, 1, 2)
    for wrong in ("{", "[1]", '{"traceparent": 7}'):
        queue.connection.hset(job.key, integration._FIELD, wrong)
        rq.job.Job.fetch(job.id, connection=queue.connection).perform()
    assert [span.parent_id for span in rec.spans() if span.kind == "consumer"] == [""] * 3


def test_nothing_is_stored_if_tracing_is_off(queue):
    with recording({"enabled": False}):
        job = queue.enqueue(add, 1, 2)
        assert integration._FIELD.encode() not in queue.connection.hgetall(job.key)
        work(queue)
        assert job.latest_result().return_value == 3


def callback(_job, connection, _result, *_):
    connection.get("of a callback")


def handle(job, *_):
    job.connection.get("of a handler")


def reading():
    rq.get_current_job().connection.get("of a job")
    raise ValueError("own")


def fine():
    rq.get_current_job().connection.get("of a job")


def test_what_a_worker_does_for_itself_has_no_spans(rec, queue, patched):
    redis_integration.instrument()
    with tracing.span("request"):
        good = queue.enqueue(fine, on_success=rq.Callback(callback))
        queue.enqueue(reading, on_failure=rq.Callback(callback))
        queue.enqueue(fine, depends_on=good)
    sent = len(rec.spans())
    rec.clear()
    rq.SimpleWorker([queue], connection=queue.connection, exception_handlers=[handle]).work(
        burst=True, logging_level="CRITICAL"
    )
    assert sent > 4
    found = rec.spans()
    processed = {span.span_id: span for span in found if span.name.startswith("process ")}
    assert len(processed) == 3
    reads = [span for span in found if span.name == "GET"]
    assert [span.parent_id in processed for span in reads].count(True) == 3
    assert len(reads) == 3 + 2 + 1
    # A job that waited for another one is sent by the worker. RQ 2 has a command in a job's own method.
    (later,) = rec.spans("send jobs")
    own = [span for span in found if span.name not in {"GET", "PERSIST"} and span.span_id not in processed]
    assert {span.parent_id for span in own if span is not later} <= {later.span_id}


PROGRAM = """
    import sys
    from devenv import tracing

    tracing.auto(service_name=sys.argv[1], leave_out={"redis"})
    import redis
    import rq
    from jobs import work

    with redis.Redis(port=int(sys.argv[2])) as connection:
        queue = rq.Queue("forking", connection=connection)
        if sys.argv[1] == "web":
            with tracing.span("request"):
                queue.enqueue(work)
        else:
            rq.Worker([queue], connection=connection).work(burst=True)
"""
JOBS = """
    import os
    from devenv import tracing

    def work():
        with tracing.span("working", attributes={"pid": os.getpid(), "worker": os.getppid()}):
            pass
"""


def test_a_worker_that_forks_exports_what_its_children_have_done(collector, redis_server, tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    environ = clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="60000")
    for role in ("web", "worker"):
        command = [sys.executable, "program.py", role, str(redis_server.port)]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    found = {span.name: span for span in collector.spans()}
    names = ["request", "send jobs.work", "process jobs.work", "working"]
    assert set(found) == set(names), done.stderr
    assert [found[name].parent_id for name in names[1:]] == [found[name].span_id for name in names[:-1]]
    assert found["working"].attributes["pid"] != found["working"].attributes["worker"]
