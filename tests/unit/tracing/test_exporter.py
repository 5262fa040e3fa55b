"""Warnings of the exporter about lost spans."""

from __future__ import annotations

import threading
import time

import pytest
from tracing_collector import dead_port

from devenv.tracing.export import exporter as module
from devenv.tracing.export import transport
from devenv.tracing.export.encoding import Encoder
from devenv.tracing.export.exporter import BatchExporter
from devenv.tracing.export.redaction import Redactor
from devenv.tracing.export.transport import Outcome
from devenv.tracing.settings import Settings
from devenv.tracing.testing import recording


class Gate:
    """Sends nothing until it is opened; `outcomes` are the results, and success afterwards."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.taken = threading.Semaphore(0)
        self.outcomes: list[Outcome] = []

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:
        self.taken.release()
        assert self.open.wait(5)
        return self.outcomes.pop(0) if self.outcomes else Outcome(0)

    def close(self) -> None:
        return None


def losses(caplog: pytest.LogCaptureFixture) -> list[str]:
    texts = [record.getMessage() for record in caplog.records]
    return [text.partition("://")[0] + text.rpartition(",")[2] for text in texts]


def test_a_drop_is_reported_once_and_counts_are_those_since_the_last_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_REPORT_EVERY_S", 0.0)
    settings, gate = Settings(max_queue_size=1, schedule_delay_ms=10), Gate()
    exporter = BatchExporter(settings, Encoder(Redactor()), dict, lambda pause: gate)
    with recording({"provider": "light"}) as rec:
        span = rec.tracing.tracer("tests").start_span("a")
        span.end()
    exporter.offer(span)
    assert gate.taken.acquire(timeout=5)
    exporter.offer(span)
    exporter.offer(span)  # the queue is full
    gate.open.set()
    assert exporter.force_flush(5)
    assert losses(caplog) == ["spans lost: 0 not delivered to http 1 dropped because the queue was full"]
    for _ in range(3):
        exporter.offer(span)
        assert exporter.force_flush(5)
    assert len(losses(caplog)) == 1
    gate.outcomes = [Outcome(1, "HTTP 400")]
    exporter.offer(span)
    assert not exporter.force_flush(5)
    assert losses(caplog)[1:] == [
        "spans lost: 1 not delivered to http 0 dropped because the queue was full (last: HTTP 400)"
    ]
    assert (exporter.stats().failed, exporter.stats().dropped) == (1, 1)
    exporter.shutdown(5)


@pytest.mark.parametrize("closed", [True, False])
def test_a_failure_while_the_interpreter_ends_is_told_once(closed: bool, caplog: pytest.LogCaptureFixture) -> None:
    """What fails under a thread that outlives the exit has no traceback: the exit has told what is lost."""

    class Ending(Gate):
        def send(self, body: bytes, spans: int, deadline: float) -> Outcome:
            super().send(body, spans, deadline)
            raise RuntimeError("the interpreter is ending")

    gate = Ending()
    exporter = BatchExporter(Settings(schedule_delay_ms=10), Encoder(Redactor()), dict, lambda pause: gate)
    with recording({"provider": "light"}) as rec:
        span = rec.tracing.tracer("tests").start_span("a")
        span.end()
    exporter.offer(span)
    assert gate.taken.acquire(timeout=5)
    if closed:
        assert not exporter.shutdown(0.01)
    gate.open.set()
    thread = exporter._thread
    assert thread is not None
    if closed:
        thread.join(5)
    else:
        assert not exporter.force_flush(5)
    told = [record.getMessage() for record in caplog.records if record.exc_info]
    assert told == ([] if closed else ["export failed"])
    exporter.shutdown(5)


@pytest.mark.parametrize(("receiver", "starts_s", "told"), [("starting", 60, 0), ("starting", -1, 1), ("", 60, 1)])
def test_a_receiver_that_up_starts_beside_the_program_has_time_to(
    receiver: str, starts_s: float, told: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVENV_TRACING_RECEIVER", receiver)
    monkeypatch.setattr(transport, "_RECEIVER_STARTS_S", starts_s)
    interrupted = [False, True]  # after the first attempt, before the second
    made = transport.Transport(Settings(endpoint=dead_port()), lambda _: interrupted.pop(0))
    assert made.send(b"", 1, time.monotonic() + 60).rejected == 1
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["export failed"] * told
