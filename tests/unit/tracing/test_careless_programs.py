"""Wrong values from programs: no call raises, the span is kept, and one warning says what was wrong."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import pytest
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags

from devenv import tracing
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.light import notices
from devenv.tracing.process import ending
from devenv.tracing.runtime import Tracing
from devenv.tracing.testing import MemorySender, recording

REMOTE = SpanContext(0xABC, 0xDEF, True, TraceFlags(1))


class Unprintable:
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class UnprintableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Broken(Mapping, Sequence):
    def __getitem__(self, key):
        raise OSError("gone")

    def __len__(self):
        raise OSError("gone")

    def __iter__(self):
        raise OSError("gone")


class Timed(Exception):
    @property
    def __cause__(self):
        raise OSError("gone")


@pytest.fixture(autouse=True)
def _fresh():
    notices.forget()


@pytest.fixture
def rec():
    with recording() as opened:
        yield opened


def recursive():
    items: list = [1]
    items += [items, items]
    return items


def laughs():
    value: list = ["ha"]
    for _ in range(40):
        value = [value, value]
    return value


@pytest.mark.parametrize("name", [None, 7, b"x", Unprintable(), ["a"], {"a": 1}])
def test_a_name_that_is_no_text(rec, caplog, name):
    tracer = rec.tracing.tracer("t")
    tracer.start_span(name).end()
    with tracer.start_as_current_span(name), tracing.span(name):
        pass
    renamed = tracer.start_span("s")
    renamed.update_name(name)
    renamed.add_event(name)
    renamed.end()
    found = rec.spans()
    assert len(found) == 4
    expected = "<unprintable Unprintable object>" if isinstance(name, Unprintable) else str(name)
    assert {span.name for span in found} == {expected}
    assert found[-1].events[0][0] == expected
    warned = [record for record in caplog.records if "name of a span" in record.getMessage()]
    assert len(warned) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1.7e18, 1_700_000_000_000_000_000),
        (1_700_000_000.5, 1_700_000_000_500_000_000),
        (datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc), 1_700_000_000_000_000_000),
        (float("nan"), None),
        (float("inf"), None),
        (-5, None),
        ("soon", None),
        (Unprintable(), None),
        (1 << 70, None),
    ],
)
def test_times_that_are_no_whole_numbers(rec, given, expected):
    span = rec.tracing.tracer("t").start_span("s", start_time=given)
    span.add_event("e", timestamp=given)
    span.record_exception(ValueError("x"), timestamp=given)
    span.end(end_time=given)
    found = rec.span("s")
    if expected is not None:
        assert (found.start_ns, found.end_ns) == (expected, expected)
    else:
        assert found.start_ns > 1_600_000_000_000_000_000
        assert found.end_ns >= found.start_ns


@pytest.mark.parametrize(
    "value",
    [
        recursive(),
        laughs(),
        Unprintable(),
        Broken(),
        [Unprintable()],
        {"a": Broken()},
        {Unprintable(): 1},
        {1, 2},
        object,
    ],
)
def test_values_of_every_sort(rec, value):
    tracer = rec.tracing.tracer("t")
    span = tracer.start_span("s", attributes={"v": value, "ok": 1}, links=[Link(REMOTE, {"v": value})])
    span.set_attribute("w", value)
    span.set_attributes({"x": value})
    span.add_event("e", {"v": value})
    span.record_exception(ValueError("x"), {"v": value})
    span.end()
    with tracing.span("t", attributes={"v": value, "ok": 1}):
        tracing.set_attributes(w=value)
    found = rec.span("s")
    assert found.attributes["ok"] == 1
    assert {"v", "w", "x"} <= set(found.attributes)
    assert len(found.events) == 2
    assert len(repr(found.attributes)) < 20_000
    assert rec.span("t").attributes["ok"] == 1


@pytest.mark.parametrize("attributes", [7, [("a", 1)], "text", Broken(), object()])
def test_attributes_that_are_no_mapping(rec, attributes):
    span = rec.tracing.tracer("t").start_span("s", attributes=attributes)
    span.set_attributes(attributes)
    span.add_event("e", attributes)
    span.record_exception(ValueError("x"), attributes)
    span.add_link(REMOTE, attributes)
    span.end()
    found = rec.span("s")
    assert (found.attributes, len(found.events), len(found.links)) == ({}, 2, 1)


@pytest.mark.parametrize("key", [None, "", 7, ["a"], Unprintable()])
def test_keys_that_are_no_names(rec, key):
    span = rec.tracing.tracer("t").start_span("s")
    span.set_attribute(key, 1)
    span.set_attribute("ok", 1)
    span.end()
    found = rec.span("s")
    assert (found.attributes, found.dropped_attributes) == ({"ok": 1}, 1)


@pytest.mark.parametrize("links", [7, [None], ["x"], [Link(None)], Broken()])
def test_links_that_are_none(rec, links):
    span = rec.tracing.tracer("t").start_span("s", links=links)
    span.add_link(None)
    span.add_link(REMOTE)
    span.end()
    assert len(rec.span("s").links) == 1


@pytest.mark.parametrize("status", ["ERROR", 2, None, Unprintable()])
def test_a_status_of_another_type(rec, status):
    span = rec.tracing.tracer("t").start_span("s")
    span.set_status(status)
    span.set_status(StatusCode.ERROR, Unprintable())
    span.end()
    found = rec.span("s")
    assert (found.status, found.status_message) == ("error", "<unprintable Unprintable object>")


@pytest.mark.parametrize("error", [UnprintableError("x"), Timed("x"), "text", None])
def test_exceptions_that_cannot_be_described(rec, error):
    span = rec.tracing.tracer("t").start_span("s")
    span.record_exception(error)
    span.end()
    assert rec.span("s").events[0][1]["exception.type"].rpartition(".")[2] == type(error).__name__


@pytest.mark.parametrize("how", ["span", "traced", "block", "api", "client", "db"])
def test_the_programs_exception_is_what_the_program_gets(rec, how):
    tracer = rec.tracing.tracer("t")

    @tracing.traced()
    def function():
        raise UnprintableError("x")

    blocks = {
        "span": lambda: tracing.span("s"),
        "block": lambda: tracer.start_as_current_span("s"),
        "api": lambda: tracer.start_span("s"),
        "client": lambda: tracing.client_span("GET", "http://h/"),
        "db": lambda: tracing.db_span("sqlite", "SELECT 1"),
    }

    def in_block():
        with blocks[how]():
            raise UnprintableError("x")

    with pytest.raises(UnprintableError):
        (function if how == "traced" else in_block)()
    (found,) = rec.spans()
    assert found.status == "error"
    assert "unprintable" in found.status_message


class Failing:
    """Whatever it is asked to do, it fails."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)

        def fail(*_args, **_options):
            raise OSError(f"{name} failed")

        return fail


def test_failing_processors_and_samplers_break_nothing(rec):
    rec.tracing.provider.add_span_processor(Failing())
    with tracing.span("s"):
        pass
    rec.tracing.provider.decider.custom, rec.tracing.provider.decider.parent_based = Failing(), False
    with tracing.span("t"):
        pass
    assert [span.name for span in rec.spans()] == ["s", "t"]
    assert rec.tracing.provider.force_flush() is False
    rec.tracing.provider.shutdown()


def memory_tracing(**batch):
    memory = MemorySender()
    settings = resolve({"service_name": "s", "batch": batch}, environ={})
    return Tracing(settings, sender=lambda _pause: memory), memory


def no_threads(_self):
    raise RuntimeError("can't create new thread at interpreter shutdown")


@pytest.mark.parametrize("end", ["shutdown", "force_flush"])
def test_a_span_that_ends_when_no_thread_can_start(monkeypatch, end):
    opened, memory = memory_tracing()
    monkeypatch.setattr(threading.Thread, "start", no_threads)
    opened.tracer("t").start_span("late").end()
    assert opened.stats().queued == 1
    assert getattr(opened, end)(5.0) is True
    assert [span.name for span in memory.spans] == ["late"]
    assert (opened.stats().exported, opened.stats().queued) == (1, 0)


def test_the_exporters_thread_starts_as_soon_as_it_can(monkeypatch):
    opened, memory = memory_tracing()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_threads)
        opened.tracer("t").start_span("early").end()
    opened.tracer("t").start_span("late").end()
    assert opened.shutdown(5.0) is True
    assert [span.name for span in memory.spans] == ["early", "late"]


def test_without_a_thread_a_full_queue_is_counted(monkeypatch):
    opened, memory = memory_tracing(max_queue_size=3)
    monkeypatch.setattr(threading.Thread, "start", no_threads)
    for _ in range(5):
        opened.tracer("t").start_span("s").end()
    opened.shutdown(5.0)
    assert (len(memory.spans), opened.stats().dropped) == (3, 2)


def test_a_span_that_a_processor_has_spoilt_is_exported_as_text(rec):
    class Spoiling:
        def on_start(self, span, parent_context=None):
            span.name, span.start_time, span.own["x"] = ["a"], 1.5e18, Unprintable()

        def __getattr__(self, name):
            return lambda *_args: None

    rec.tracing.provider.add_span_processor(Spoiling())
    with tracing.span("s", attributes={"ok": 1}):
        pass
    (found,) = rec.spans()
    assert (found.name, found.start_ns, found.attributes["ok"]) == ("['a']", 1_500_000_000_000_000_000, 1)
    assert found.attributes["x"] == "<unprintable Unprintable object>"


def test_each_fault_is_warned_about_once(rec, caplog):
    caplog.set_level(logging.WARNING)
    for _ in range(50):
        with tracing.span("s", attributes={"x": Unprintable()}):
            pass
    assert len(caplog.records) == 1


@pytest.mark.parametrize("attributes", [{"a": 1, "": 2}, {"a": 1, 7: 2}, {"a": 1, "b": [1]}, {"a": 1}, {}])
def test_the_short_path_of_usual_attributes_and_its_end(rec, attributes):
    given = dict(attributes)
    with tracing.span("s", attributes=attributes) as span:
        span.set_attribute("own", 1)
    assert attributes == given
    expected = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    expected = {key: value for key, value in expected.items() if key and isinstance(key, str)}
    assert rec.span("s").attributes == {**expected, "own": 1}


def test_the_end_of_a_lifespan_without_threads(rec, monkeypatch):
    async def app(scope, receive, send):
        await send({"type": "lifespan.shutdown.complete"})

    async def call():
        def refuse(*_args):
            raise RuntimeError("cannot schedule new futures after shutdown")

        monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", refuse)
        sent = []

        async def send(message):
            sent.append(message["type"])

        await tracing.TracingMiddleware(app)({"type": "lifespan"}, None, send)
        return sent

    assert asyncio.run(call()) == ["lifespan.shutdown.complete"]


@pytest.mark.parametrize("moment", ["exit", "exec"])
def test_a_fault_at_the_end_of_the_process_is_logged(rec, monkeypatch, caplog, moment):
    def fail(*_args):
        raise OSError("broken")

    monkeypatch.setattr(rec.tracing, "shutdown" if moment == "exit" else "force_flush", fail)
    if moment == "exit":
        rec.tracing._at_exit()
    else:
        assert ending._delivering(lambda path: path)(sys.executable) == sys.executable
    monkeypatch.undo()
    assert "cannot export spans" in caplog.text
