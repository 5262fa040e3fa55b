"""Celery with its real library: messages in memory, a real worker process that forks, beat, retries, eager tasks."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import types

import celery
import pytest
from celery.app.base import Celery
from celery.contrib.testing.worker import start_worker
from opentelemetry import baggage
from traced_programs import clean, wait_until

from devenv import tracing
from devenv.tracing.integrations.messaging import celery as integration
from devenv.tracing.process import patching
from devenv.tracing.testing import recording

COMMON = {"messaging.system": "celery", "messaging.destination.name": "celery"}


@pytest.fixture(autouse=True)
def _instrumented(patched):
    integration.instrument()
    yield
    integration.uninstrument()


def shop(queue):
    made = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
    made.conf.update(task_publish_retry=False, broker_connection_retry_on_startup=False, task_default_queue=queue)

    @made.task(name="add", shared=False)
    def add(one, other):
        with tracing.span("adding"):
            return one + other

    @made.task(name="fail", shared=False)
    def fail():
        raise ValueError("own")

    @made.task(name="retry", shared=False, bind=True, max_retries=1, default_retry_delay=0)
    def retry(self):
        if self.request.retries:
            return "done"
        raise self.retry(exc=ValueError("first"))

    @made.task(name="outer", shared=False)
    def outer():
        add.delay(1, 2)

    @made.task(name="bag", shared=False)
    def bag():
        return baggage.get_baggage("tenant")

    return made


@pytest.fixture
def app():
    """An application without a worker."""
    with shop("nobody") as made:
        yield made


@pytest.fixture(scope="module")
def worker():
    """An application with a worker, which takes seconds to end."""
    root = logging.getLogger()
    level, handlers = root.level, [*root.handlers]
    with shop("celery") as made, start_worker(made, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        root.setLevel(level)  # a worker sets up the logging of its process, which is that of all tests here
        root.handlers[:] = handlers
        yield made


def result(sent):
    return sent.get(timeout=20, disable_sync_subtasks=False)


def ended(rec, *names):
    """The spans, as soon as those named have ended: the result is stored before."""
    wait_until(lambda: set(names) <= {span.name for span in rec.spans()}, rec.spans)
    return {span.name: span for span in rec.spans()}


def test_a_task_has_a_span_where_it_is_sent_and_one_where_it_runs(rec, worker):
    with tracing.span("request"):
        sent = worker.tasks["add"].delay(1, 2)
    assert result(sent) == 3
    found = ended(rec, "process add")
    request, send, process, inner = (found[name] for name in ("request", "send add", "process add", "adding"))
    assert [span.parent_id for span in (send, process, inner)] == [request.span_id, send.span_id, process.span_id]
    assert (send.kind, process.kind, send.status, process.status) == ("producer", "consumer", "unset", "unset")
    common = {**COMMON, "messaging.message.id": sent.id, "celery.task_name": "add"}
    assert send.attributes == {**common, "messaging.operation.name": "send", "messaging.operation.type": "send"}
    processing = {"messaging.operation.name": "process", "messaging.operation.type": "process"}
    assert process.attributes == {**common, **processing, "celery.state": "SUCCESS"}


def test_a_task_sent_by_its_name_to_another_queue(rec, app):
    app.send_task("elsewhere.run", queue="slow")
    (span,) = rec.spans()
    assert (span.name, span.parent_id, span.attributes["messaging.destination.name"]) == (
        "send elsewhere.run",
        "",
        "slow",
    )


def test_a_failed_task(rec, worker):
    with pytest.raises(ValueError, match="own"):
        result(worker.tasks["fail"].delay())
    span = ended(rec, "process fail")["process fail"]
    assert (span.status, span.attributes["error.type"], span.attributes["celery.state"]) == (
        "error",
        "ValueError",
        "FAILURE",
    )
    assert [name for name, _ in span.events] == ["exception"]


def test_a_retry_is_a_message_of_the_execution_that_asks_for_it(rec, worker):
    assert result(worker.tasks["retry"].delay()) == "done"
    wait_until(lambda: len(rec.spans()) == 4, rec.spans)
    first, second = sorted((span for span in rec.spans() if span.kind == "consumer"), key=lambda span: span.start_ns)
    sent = {span.span_id: span.parent_id for span in rec.spans() if span.kind == "producer"}
    assert sent[second.parent_id] == first.span_id
    assert (first.status, first.attributes["celery.state"], [name for name, _ in first.events]) == (
        "unset",
        "RETRY",
        ["exception"],
    )
    assert (second.attributes["celery.state"], second.attributes["celery.retries"]) == ("SUCCESS", 1)


def test_a_task_that_sends_a_task_and_a_chain_are_one_trace(rec, worker):
    with tracing.span("request"):
        worker.tasks["outer"].delay()
        add = worker.tasks["add"]
        assert result((add.s(1, 2) | add.s(3)).delay()) == 6
    wait_until(lambda: len(rec.spans("process add")) == 3, rec.spans)
    assert len({span.trace_id for span in rec.spans()}) == 1
    assert [span for span in rec.spans() if span.kind == "producer" and not span.parent_id] == []


def test_baggage_and_an_unsampled_trace_reach_the_worker(rec, worker):
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-00", "baggage": "tenant=7"}
    with tracing.attached(headers):
        sent = worker.tasks["bag"].delay()
    assert result(sent) == "7"
    assert rec.spans() == []


def test_an_eager_task_is_a_child_of_its_caller(rec, app):
    app.conf.task_always_eager = True
    with tracing.span("request"):
        assert app.tasks["add"].delay(1, 2).get() == 3
        assert isinstance(app.tasks["fail"].delay().result, ValueError)
        assert app.tasks["retry"].delay().get() == "done"
    request = rec.span("request")
    found = [(span.name, span.parent_id == request.span_id) for span in rec.spans() if span.kind == "consumer"]
    assert found == [("process add", True), ("process fail", True), ("process retry", True), ("process retry", True)]
    assert rec.span("process fail").status == "error"
    assert not [span for span in rec.spans() if span.kind == "producer"]


def test_an_eager_task_that_throws(rec, app):
    with pytest.raises(ValueError, match="own"):
        app.tasks["fail"].apply(throw=True)
    try:
        raise KeyError("handled")
    except KeyError:
        app.tasks["add"].apply((1, 2))
    assert [rec.span(name).status for name in ("process fail", "process add")] == ["error", "unset"]


def test_a_broker_that_does_not_answer_fails_the_span(rec, app):
    lost = Celery("lost", broker="redis://127.0.0.1:1/0", set_as_current=False)
    with pytest.raises(celery.exceptions.OperationalError):
        lost.send_task("add", retry=False, connection=lost.connection(transport_options={"max_retries": 0}))
    (span,) = [span for span in rec.spans() if span.kind == "producer"]
    assert (span.name, span.status) == ("send add", "error")


def test_beat_sends_with_a_trace_of_its_own(rec, app):
    from celery.beat import Scheduler

    scheduler = Scheduler(app)
    entry = scheduler.Entry(name="often", task="add", schedule=1.0, args=(1, 2), app=app)
    scheduler.apply_async(entry, advance=False)
    scheduler.apply_async(entry, advance=False)
    assert [(span.name, span.parent_id) for span in rec.spans()] == [("send add", "")] * 2
    assert len({span.trace_id for span in rec.spans()}) == 2


def test_nothing_is_sent_along_if_tracing_is_off(app):
    with recording({"enabled": False}) as rec:
        seen = {}
        celery.signals.before_task_publish.connect(lambda headers, **_: seen.update(headers), weak=False)
        app.tasks["add"].delay(1, 2)
        assert app.tasks["add"].apply((1, 2)).get() == 3
        assert "traceparent" not in seen
        assert seen["task"] == "add"
        assert rec.spans() == []


def test_an_active_stock_instrumentation_takes_the_library(monkeypatch):
    class CeleryInstrumentor:
        is_instrumented_by_opentelemetry = True

    module = types.ModuleType("opentelemetry.instrumentation.celery")
    module.CeleryInstrumentor = CeleryInstrumentor
    integration.uninstrument()
    patching.restore_all()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = Celery.send_task
    integration.instrument()
    assert Celery.send_task is before
    assert celery.signals.task_prerun.receivers == []


PROGRAM = """
    import os
    from pathlib import Path

    from celery import Celery
    from devenv import tracing

    tracing.auto(service_name=os.environ["SERVICE"])
    here = str(Path(__file__).parent / "queue")
    Path(here).mkdir(exist_ok=True)
    app = Celery("program", broker="filesystem://")
    app.conf.broker_transport_options = {"data_folder_in": here, "data_folder_out": here, "control_folder": here}
    app.conf.worker_hijack_root_logger = False

    @app.task(name="work")
    def work():
        with tracing.span("working", attributes={"pid": os.getpid()}):
            pass
        Path(__file__).with_name("done").touch()

    if __name__ == "__main__":
        with tracing.span("request"):
            work.delay()
"""


def test_a_worker_that_forks_exports_what_its_children_have_done(collector, tmp_path):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    to = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    sending = [sys.executable, "program.py"]
    subprocess.run(sending, cwd=tmp_path, env=clean(SERVICE="web", **to), check=True, timeout=60)
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "program",
        "worker",
        "-P",
        "prefork",
        "-c",
        "1",
        "--without-mingle",
    ]
    log = tmp_path / "worker.log"
    with log.open("wb") as out:
        running = subprocess.Popen(command, cwd=tmp_path, env=clean(SERVICE="worker", **to), stdout=out, stderr=out)
    try:
        wait_until((tmp_path / "done").exists, log.read_text)
    finally:
        running.terminate()
        running.wait(30)
    assert running.returncode == 0, log.read_text()
    found = {span.name: span for span in collector.spans()}
    assert set(found) == {"request", "send work", "process work", "working"}, log.read_text()
    names = ["request", "send work", "process work", "working"]
    assert [found[name].parent_id for name in names[1:]] == [found[name].span_id for name in names[:-1]]
    assert len({span.trace_id for span in found.values()}) == 1
    assert found["working"].attributes["pid"] != running.pid
