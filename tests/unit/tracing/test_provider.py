"""One conformance suite for both providers: OpenTelemetry's rules for spans, as far as a receiver sees them."""

from __future__ import annotations

import asyncio
import threading

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from devenv.tracing.testing import recording

REMOTE = SpanContext(0xABC, 0xDEF, True, TraceFlags(1))
UNSAMPLED = SpanContext(0xABC, 0xDEF, True, TraceFlags(0))


def below(context: SpanContext) -> Context:
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


@pytest.fixture(params=["light", "sdk"])
def provider(request):
    return request.param


@pytest.fixture
def make(provider):
    """Makes a recording with settings; closed at the end."""
    opened = []

    def open_recording(**config):
        context = recording({"provider": provider, **config})
        opened.append(context)
        return context.__enter__()

    yield open_recording
    for context in reversed(opened):
        context.__exit__(None, None, None)


@pytest.fixture
def rec(make):
    return make()


@pytest.fixture
def tracer(rec):
    return rec.tracing.tracer("tests")


def test_root_and_child(rec, tracer):
    with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child", kind=SpanKind.CLIENT):
        assert trace.get_current_span() is not root
    assert not trace.get_current_span().get_span_context().is_valid
    root, child = rec.span("root"), rec.span("child")
    assert (root.parent_id, child.parent_id, child.trace_id) == ("", root.span_id, root.trace_id)
    assert (root.kind, child.kind) == ("internal", "client")
    assert root.start_ns <= child.start_ns <= child.end_ns <= root.end_ns
    assert root.scope == "tests"
    assert root.flags & 0xFF == 3  # sampled, and the id is random
    assert rec.tracing.provider.resource.attributes["service.name"] == "test"


def test_remote_parent(rec, tracer):
    tracer.start_span("server", below(REMOTE), SpanKind.SERVER).end()
    found = rec.span("server")
    assert (found.trace_id, found.parent_id) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert found.flags & 0x300 == 0x300
    assert found.flags & 0xFF == 1


def test_remote_parent_that_is_not_sampled(rec, tracer):
    span = tracer.start_span("server", below(UNSAMPLED))
    assert not span.is_recording()
    assert span.get_span_context().trace_id == 0xABC
    assert not span.get_span_context().trace_flags.sampled
    span.set_attribute("a", 1)
    span.add_event("e")
    span.record_exception(ValueError())
    span.set_status(StatusCode.ERROR)
    span.update_name("n")
    span.add_link(REMOTE)
    span.set_attributes({"a": 1})
    with trace.use_span(span, end_on_exit=True):
        below_it = tracer.start_span("below")
        assert below_it.get_span_context().trace_id == 0xABC
        assert not below_it.is_recording()
    assert rec.spans() == []


def test_explicit_context_and_times(rec, tracer):
    with tracer.start_as_current_span("unrelated"):
        tracer.start_span("root", Context(), start_time=1_000).end(end_time=3_000)
    found = rec.span("root")
    assert (found.parent_id, found.start_ns, found.end_ns) == ("", 1_000, 3_000)


def test_attributes_of_every_type(rec, tracer):
    mutable = [1, 2]
    span = tracer.start_span("s", attributes={"t": "x", "i": 1, "f": 1.5, "b": True, "l": mutable, "y": b"z"})
    mutable.append(3)
    span.set_attribute("i", 2)
    span.set_attributes({"more": ("a", "b"), "map": {"k": "v"}})
    span.end()
    assert rec.span("s").attributes == {
        "t": "x",
        "i": 2,
        "f": 1.5,
        "b": True,
        "l": (1, 2),
        "y": b"z",
        "more": ("a", "b"),
        "map": {"k": "v"},
    }


def test_attribute_without_a_name_and_of_another_type(rec, tracer):
    span = tracer.start_span("s")
    span.set_attribute("", "x")
    span.set_attribute("p", threading)
    span.set_attribute("q", object())  # has no text but its address
    span.end()
    found = rec.span("s")
    assert "" not in found.attributes
    assert "module" in found.attributes["p"]
    assert found.attributes["q"] is None


def test_nothing_changes_after_the_end(rec, tracer):
    span = tracer.start_span("s")
    span.end()
    assert not span.is_recording()
    span.set_attribute("a", 1)
    span.add_event("e")
    span.update_name("other")
    span.set_status(StatusCode.ERROR)
    span.add_link(REMOTE)
    span.end()
    (found,) = rec.spans()
    assert (found.name, found.attributes, found.events, found.links, found.status) == ("s", {}, (), (), "unset")


def test_events_links_and_exceptions(rec, tracer):
    span = tracer.start_span("s", links=[Link(REMOTE, {"k": 1}), Link(SpanContext(0, 0, False))])
    span.add_link(SpanContext(5, 6, False), {"z": 1})
    span.add_event("e", {"k": "v"}, timestamp=5)
    try:
        raise ValueError("bad")
    except ValueError as error:
        span.record_exception(error, {"more": 1})
    span.end()
    found = rec.span("s")
    assert found.links == ((f"{0xABC:032x}", f"{0xDEF:016x}"), (f"{5:032x}", f"{6:016x}"))
    assert found.events[0] == ("e", {"k": "v"})
    name, said = found.events[1]
    assert (name, said["exception.type"], said["exception.message"], said["more"]) == (
        "exception",
        "ValueError",
        "bad",
        1,
    )
    assert 'raise ValueError("bad")' in said["exception.stacktrace"]
    assert said["exception.escaped"] == "False"


def test_exception_that_leaves_a_block_is_recorded_and_fails_the_span(rec, tracer):
    with pytest.raises(KeyError), tracer.start_as_current_span("s"):
        raise KeyError("k")
    found = rec.span("s")
    assert (found.status, found.status_message) == ("error", "KeyError: 'k'")
    assert found.events[0][1]["exception.type"] == "KeyError"


def test_cancellation_is_no_error(rec, tracer):
    with pytest.raises(asyncio.CancelledError), tracer.start_as_current_span("s"):
        raise asyncio.CancelledError
    assert rec.span("s").status == "unset"


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([(StatusCode.ERROR, "a")], ("error", "a")),
        ([(StatusCode.OK, None), (StatusCode.ERROR, "late")], ("ok", "")),
        ([(StatusCode.ERROR, "a"), (StatusCode.OK, None)], ("ok", "")),
        ([(StatusCode.ERROR, "a"), (StatusCode.UNSET, None)], ("error", "a")),
        ([(StatusCode.ERROR, "a"), (StatusCode.ERROR, "b")], ("error", "b")),
    ],
)
def test_status_rules(rec, tracer, statuses, expected):
    span = tracer.start_span("s")
    for code, text in statuses:
        span.set_status(code, text)
    span.end()
    found = rec.span("s")
    assert (found.status, found.status_message) == expected


def test_status_object_and_new_name(rec, tracer):
    span = tracer.start_span("old")
    span.set_status(Status(StatusCode.ERROR, "why"))
    span.update_name("new")
    span.end()
    assert rec.span("new").status_message == "why"
