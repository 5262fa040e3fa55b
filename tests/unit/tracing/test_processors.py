"""What span processors get, and tracers and warnings as the specification wants them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, NoOpTracer, Span, SpanContext, SpanKind, StatusCode, TraceFlags

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.light.started import StartedSpan
from devenv.tracing.runtime import Tracing
from devenv.tracing.testing import recording

REMOTE = SpanContext(0xABC, 0xDEF, True, TraceFlags(1))


class Watching(SpanProcessor):
    def __init__(self):
        self.seen = {}

    def on_start(self, span, parent_context=None):
        self.seen["start"] = (
            span.resource,
            span.instrumentation_scope,
            span.links,
            span.events,
            json.loads(span.to_json()),
        )
        self.seen["ended at start"] = span.end_time

    def on_ending(self, span):
        span.set_attribute("late", span.is_recording())
        span.add_event("ending")
        span.update_name(f"{span.name} renamed")
        self.seen["ending"] = (span.end_time, span.status, span.kind, span.parent, span.dropped_attributes)

    def on_end(self, span):
        self.seen["end"] = span


class Keeping(SpanProcessor):
    def on_start(self, span, parent_context=None):
        self.span = span

    def on_ending(self, span):
        self.ending = span


def test_an_open_span_is_of_the_sdks_classes_and_whole(light):
    keeping = Keeping()
    light.tracing.provider.add_span_processor(keeping)
    with light.tracing.provider.get_tracer("lib", "1").start_as_current_span("s", attributes={"a": 1}) as opened:
        span = keeping.span
        assert isinstance(span, ReadableSpan)
        assert isinstance(span, SdkSpan)
        assert isinstance(span, Span)
        assert span == opened
        assert (span.name, span.kind, span.parent, dict(span.attributes)) == ("s", SpanKind.INTERNAL, None, {"a": 1})
        assert span.get_span_context() == span.context == opened.get_span_context()
        assert (span.end_time, span.is_recording()) == (None, True)
        span.set_attribute("b", 2)
        span.set_attributes({"c": 3})
        span.add_event("e", {"k": 1})
        span.add_link(REMOTE)
        span.update_name("renamed")
        span.set_status(StatusCode.ERROR, "bad")
        span.record_exception(ValueError("x"))
        assert [event.name for event in span.events] == ["e", "exception"]
        assert [link.context for link in span.links] == [REMOTE]
        assert span.instrumentation_scope.name == "lib"
        assert (span.dropped_attributes, span.dropped_events, span.dropped_links) == (0, 0, 0)
        assert span._attributes["c"] == 3  # what is private in the SDK is read by some processors
        assert json.loads(span.to_json())["name"] == "renamed"
        assert "renamed" in repr(span)
        span.end()
    assert {keeping.ending, span} == {span}
    found = light.span("renamed")
    assert (found.attributes, found.status) == ({"a": 1, "b": 2, "c": 3}, "error")


def test_tracer_and_span_pass_as_the_sdks_classes(light):
    tracer = light.tracing.provider.get_tracer("lib", "1", "https://schema")
    with tracer.start_as_current_span("s") as span:
        assert (isinstance(tracer, SdkTracer), isinstance(span, SdkSpan)) == (True, True)
        with pytest.warns(DeprecationWarning, match=r"1\.11\.1"):
            info = span.instrumentation_info
    assert (info.name, info.version, info.schema_url) == ("lib", "1", "https://schema")


def test_the_sdk_may_be_imported_later_and_is_not_imported_for_it(tmp_path):
    code = """
        import sys
        from devenv import tracing
        tracer = tracing.setup(environ={"OTEL_TRACES_EXPORTER": "none"}).provider.get_tracer("t")
        assert "opentelemetry.sdk.trace" not in sys.modules
        from opentelemetry.sdk.trace import Span, Tracer
        print(isinstance(tracer, Tracer), isinstance(tracer.start_span("s"), Span))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True True\n", "")


def test_public_names_of_the_sdks_provider_and_of_the_api(light):
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
    from opentelemetry.trace import NonRecordingSpan

    provider = light.tracing.provider
    assert isinstance(provider.sampler, ParentBased)
    assert isinstance(provider.id_generator, RandomIdGenerator)
    generator = RandomIdGenerator()
    settings = resolve(None, environ={"OTEL_TRACES_EXPORTER": "none"})
    given = Tracing(settings, sampler=ALWAYS_OFF, id_generator=generator)
    assert given.provider.sampler is ALWAYS_OFF
    assert given.provider.id_generator is generator
    assert isinstance(given.tracer("t").start_span("s"), NonRecordingSpan)


def test_an_attribute_is_read_within_its_limit_of_length():
    with recording({"provider": "light", "limits": {"span_attribute_length": 3}}) as opened:
        span = opened.tracing.tracer("t").start_span("s", attributes={"a": "long", "b": ["long", "x"]})
        assert span.attributes == {"a": "lon", "b": ("lon", "x")}
        span.end()
    assert opened.span("s").attributes == {"a": "lon", "b": ("lon", "x")}


def test_no_method_of_the_sdks_span_is_left_to_fields_that_do_not_exist(light):
    """What changes a span must reach it; what only reads is computed from its present state."""
    changing = {
        name for name, member in vars(SdkSpan).items()
        if callable(member) and name not in {"__init__", "__new__", "__repr__"} and not name.startswith("_")
    }  # fmt: skip
    assert changing - vars(StartedSpan).keys() == set()


class Experimental(SpanProcessor):
    def _on_ending(self, span):
        span.set_attribute("experimental", True)


class EndingAgain(SpanProcessor):
    def _on_ending(self, span):
        span.end()


@pytest.fixture(params=["light", "sdk"])
def rec(request):
    with recording({"provider": request.param, "resource": {"team": "a"}}) as opened:
        yield opened


@pytest.fixture
def light():
    """Of the light provider alone: the SDK has no public `on_ending`."""
    with recording({"provider": "light", "resource": {"team": "a"}}) as opened:
        yield opened


def test_each_moment_has_the_whole_span(light):
    watching = Watching()
    light.tracing.provider.add_span_processor(watching)
    tracer = light.tracing.provider.get_tracer("lib", "1.2", "https://schema/1", {"k": "v"})
    with tracer.start_as_current_span(
        "s", links=[Link(REMOTE, {"l": 1})], kind=SpanKind.CLIENT, attributes={"a": 1}
    ) as s:
        s.add_event("e")
        s.set_status(StatusCode.ERROR, "bad")
    resource, scope, links, events, document = watching.seen["start"]
    assert isinstance(resource, Resource)
    assert resource.attributes["team"] == "a"
    assert (scope.name, scope.version, scope.schema_url, dict(scope.attributes)) == (
        "lib", "1.2", "https://schema/1", {"k": "v"}
    )  # fmt: skip
    assert (links[0].context, links[0].attributes["l"], list(events)) == (REMOTE, 1, [])
    assert (document["name"], document["kind"], document["attributes"]) == ("s", "SpanKind.CLIENT", {"a": 1})
    assert watching.seen["ended at start"] is None
    end_time, status, kind, parent, dropped = watching.seen["ending"]
    assert (end_time, status.description, kind, parent, dropped) == (None, "bad", SpanKind.CLIENT, None, 0)
    finished = watching.seen["end"]
    assert finished.name == "s renamed"
    assert finished.attributes["late"] is True
    assert [event.name for event in finished.events] == ["e", "ending"]
    assert finished.instrumentation_scope == scope
    assert json.loads(finished.to_json())["resource"]["attributes"]["team"] == "a"
    exported = light.span("s renamed")
    assert (exported.attributes["late"], [name for name, _ in exported.events]) == (True, ["e", "ending"])


def test_the_time_in_on_ending_is_not_the_spans(light, monkeypatch):
    watching = Watching()
    light.tracing.provider.add_span_processor(watching)
    monkeypatch.setattr(watching, "on_ending", lambda span: monkeypatch.setattr("time.time_ns", lambda: 1 << 62))
    light.tracing.tracer("t").start_span("s").end(end_time=1 << 61)
    assert watching.seen["end"].end_time == 1 << 61


def test_the_experimental_name_and_a_processor_that_ends_the_span(light):
    light.tracing.provider.add_span_processor(Experimental())
    light.tracing.provider.add_span_processor(EndingAgain())
    light.tracing.tracer("t").start_span("s").end()
    assert light.span("s").attributes["experimental"] is True


def test_a_stock_exporter_behind_a_stock_processor(rec):
    memory = InMemorySpanExporter()
    rec.tracing.provider.add_span_processor(SimpleSpanProcessor(memory))
    with rec.tracing.tracer("t").start_as_current_span("s"):
        pass
    (found,) = memory.get_finished_spans()
    assert (found.name, found.resource.attributes["team"]) == ("s", "a")


def test_tracers_that_differ_in_anything_are_not_merged(rec):
    provider = rec.tracing.provider
    scopes = [
        ("a",), ("a", "1"), ("a", "1", "u"), ("a", "1", "v"), ("a", "1", "v", {"k": 1}), ("a", "1", "v", {"k": "1"}),
        ("a", "1", "v", {"k": [1, 2]}), ("a", "1", "v", {"k": 1, "l": 2}),
    ]  # fmt: skip
    for number, scope in enumerate(scopes):
        provider.get_tracer(*scope).start_span(f"{number}").end()
    rec.spans()
    if rec.tracing.settings.provider == "light":
        made = {id(provider.get_tracer(*scope)) for scope in scopes}
        assert len(made) == len(scopes)
        assert provider.get_tracer("a", "1", "v", {"l": 2, "k": 1}) is provider.get_tracer(*scopes[-1])
        assert provider.get_tracer(*scopes[-2]).scope[3] == {"k": (1, 2)}


def test_a_tracer_without_a_name_works_and_is_warned_about_once(caplog):
    with recording() as rec:
        for name in (None, "", None):
            rec.tracing.provider.get_tracer(name).start_span("s").end()
        rec.tracing.provider.get_tracer("t", 1.5, None, 7).start_span("s").end()
        assert len(rec.spans()) == 4
    assert caplog.text.count("a tracer has no valid name") == 2


def test_each_change_after_the_end_is_a_warning(caplog):
    with recording() as rec:
        span = rec.tracing.tracer("t").start_span("s")
        span.end()
        changes = [
            lambda: span.set_attribute("a", 1), lambda: span.add_event("e"), lambda: span.add_link(REMOTE),
            lambda: span.update_name("x"), lambda: span.set_status(StatusCode.ERROR), span.end,
        ]  # fmt: skip
        for change in changes:
            caplog.clear()
            change()
            assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("what", ["attributes", "events", "links"])
def test_what_is_beyond_a_limit_is_counted_and_warned_about_once(what, caplog):
    with recording({"limits": {"span_attributes": 2, "span_events": 2, "span_links": 2}}) as rec:
        for _ in range(3):
            span = rec.tracing.tracer("t").start_span("s")
            for number in range(4):
                if what == "attributes":
                    span.set_attribute(f"{number}", 1)
                elif what == "events":
                    span.add_event("e")
                else:
                    span.add_link(REMOTE)
            span.end()
        assert [getattr(found, f"dropped_{what}") for found in rec.spans()] == [2, 2, 2]
    assert len([record for record in caplog.records if f"more than 2 {what}" in record.getMessage()]) == 1


def test_off_gives_tracers_that_do_nothing():
    with recording({"enabled": False}) as rec:
        assert isinstance(rec.tracing.provider.get_tracer("t"), NoOpTracer)
