"""The conformance suite's second half, for both providers: limits, samplers, processors, threads, flush, shutdown."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, StatusCode, TraceFlags

from devenv import tracing
from devenv.tracing import testing
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


def test_limits_of_counts(make):
    rec = make(
        limits={"span_attributes": 2, "span_events": 3, "span_links": 1, "event_attributes": 1, "link_attributes": 1}
    )
    two = {"a": 1, "b": 2}
    span = rec.tracing.tracer("t").start_span("s", attributes={"a": 1, "b": 2, "c": 3})
    span.set_attribute("d", 4)
    for _ in range(5):
        span.add_event("e", two)
    for number in range(1, 4):
        span.add_link(SpanContext(number, 1, False), two)
    span.end()
    found = rec.span("s")
    assert (len(found.attributes), found.dropped_attributes) == (2, 2)
    assert (len(found.events), found.dropped_events) == (3, 2)
    assert (len(found.links), found.dropped_links) == (1, 2)
    assert all(len(said) == 1 for _, said in found.events)


def test_limits_of_lengths(make):
    rec = make(limits={"span_attribute_length": 4, "attribute_length": 2})
    span = rec.tracing.tracer("t").start_span("s", attributes={"k": "abcdef", "l": ["abcdef", "x"], "n": 123456})
    span.add_event("e", {"k": "abcdef"})
    span.end()
    found = rec.span("s")
    assert found.attributes == {"k": "abcd", "l": ("abcd", "x"), "n": 123456}
    assert found.events == (("e", {"k": "ab"}),)


def test_limit_of_a_trace_leaves_no_orphans_and_counts(make):
    rec = make(limits={"trace_spans": 4})

    def request():
        with tracing.span("request"):
            for _ in range(3):
                with tracing.span("outer"), tracing.span("inner"):
                    pass

    request()
    request()
    spans = rec.spans()
    assert len(spans) == 8
    assert len({span.trace_id for span in spans}) == 2
    ids = {span.span_id for span in spans}
    assert all(span.parent_id in ids | {""} for span in spans)
    assert rec.tracing.stats().dropped == 6


def test_no_limit_of_a_trace(make):
    rec = make(limits={"trace_spans": 0})
    with tracing.span("request"):
        for _ in range(1500):
            with tracing.span("inner"):
                pass
    assert (rec.tracing.stats().dropped, len(rec.spans())) == (0, 1501)


@pytest.mark.parametrize(
    ("sampler", "root", "sampled_parent", "unsampled_parent"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
    ],
)
def test_samplers(make, sampler, root, sampled_parent, unsampled_parent):
    rec = make(sampler={"type": sampler})
    tracer = rec.tracing.tracer("t")
    for context, expected in ((Context(), root), (below(REMOTE), sampled_parent), (below(UNSAMPLED), unsampled_parent)):
        span = tracer.start_span("s", context)
        assert span.is_recording() is expected
        assert span.get_span_context().trace_flags.sampled is expected
        with trace.use_span(span, end_on_exit=True):
            child = tracer.start_span("c")
            assert child.is_recording() is expected
            child.end()


@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
def test_ratio_goes_by_the_low_bits_of_the_trace_id(make, sampler):
    rec = make(sampler={"type": sampler, "ratio": 0.25})
    tracer = rec.tracing.tracer("t")
    kept = sum(tracer.start_span("s", Context()).is_recording() for _ in range(2000))
    assert 380 < kept < 620
    low = SpanContext(0x3FFF_FFFF_FFFF_FFFF, 1, True, TraceFlags(0))
    high = SpanContext(0x4000_0000_0000_0000, 1, True, TraceFlags(1))
    follows_parent = sampler.startswith("parentbased")
    assert tracer.start_span("s", below(low)).is_recording() is not follows_parent
    assert tracer.start_span("s", below(high)).is_recording() is follows_parent


def test_tracestate_and_random_flag_reach_children(rec, tracer):
    from devenv.tracing.context.tracestate import LevelTwoState

    state = LevelTwoState([("1rojo", "x"), ("b", "2")])
    parent = SpanContext(0xABC, 0xDEF, True, TraceFlags(3), state)
    with tracer.start_as_current_span("s", below(parent)), tracer.start_as_current_span("c") as child:
        assert child.get_span_context().trace_flags == 3
        assert child.get_span_context().trace_state.to_header() == "1rojo=x,b=2"
    assert {span.trace_state for span in rec.spans()} == {"1rojo=x,b=2"}


class Watcher(SpanProcessor):
    def __init__(self):
        self.started, self.ended, self.flushed, self.stopped = [], [], False, False

    def on_start(self, span, parent_context=None):
        span.set_attribute("by.watcher", True)
        self.started.append((span.name, span.get_span_context().span_id, dict(span.attributes)))

    def on_end(self, span):
        assert isinstance(span, ReadableSpan)
        self.ended.append(span)

    def force_flush(self, timeout_millis=30000):
        self.flushed = True
        return True

    def shutdown(self):
        self.stopped = True


def test_third_party_processors_and_exporters(rec, tracer):
    watcher, memory = Watcher(), InMemorySpanExporter()
    rec.tracing.provider.add_span_processor(watcher)
    rec.tracing.provider.add_span_processor(SimpleSpanProcessor(memory))
    with tracer.start_as_current_span("p"), tracer.start_as_current_span("s", attributes={"a": 1}) as span:
        span.add_event("e", {"k": 1})
        span.add_link(REMOTE, {"l": 1})
        span.set_status(StatusCode.ERROR, "x")
    assert [name for name, _, _ in watcher.started] == ["p", "s"]
    child, parent = watcher.ended
    assert child.attributes == {"a": 1, "by.watcher": True}
    assert child.parent.span_id == parent.context.span_id
    assert (child.events[0].name, child.events[0].attributes) == ("e", {"k": 1})
    assert (child.links[0].context, child.links[0].attributes) == (REMOTE, {"l": 1})
    assert (child.status.status_code, child.status.description) == (StatusCode.ERROR, "x")
    assert child.instrumentation_scope.name == "tests"
    assert child.resource.attributes["service.name"] == "test"
    assert "service.instance.id" in child.resource.attributes
    assert '"name": "s"' in child.to_json()
    assert [span.name for span in memory.get_finished_spans()] == ["s", "p"]
    assert rec.span("s").attributes["by.watcher"] is True
    assert rec.tracing.force_flush(5)
    assert watcher.flushed
    rec.tracing.shutdown(5)
    assert watcher.stopped


def test_an_older_sdk_flushes_what_comes_after_our_processor(monkeypatch):
    """Up to 1.41, `SpanProcessor.force_flush` returns None, at which the SDK's provider stops."""
    monkeypatch.setattr(SpanProcessor, "force_flush", lambda self, timeout_millis=30000: None)
    with recording({"provider": "sdk"}) as rec:
        watcher = Watcher()
        rec.tracing.provider.add_span_processor(watcher)
        assert rec.tracing.force_flush(5)
        assert watcher.flushed


def test_tracer_of_a_scope_with_everything(rec):
    tracer = rec.tracing.provider.get_tracer("lib", "1.2", "https://schema", {"k": "v"})
    tracer.start_span("s").end()
    assert rec.span("s").scope == "lib"
    assert trace.get_tracer("lib").start_span("x").is_recording()


def test_our_scope_states_the_version_of_its_conventions(rec, monkeypatch):
    bodies = []
    decode = testing.decode
    monkeypatch.setattr(testing, "decode", lambda body: bodies.append(body) or decode(body))
    watcher = Watcher()
    rec.tracing.provider.add_span_processor(watcher)
    with tracing.span("s"), tracing.client_span("GET", "http://u/x", {}), tracing.db_span("sqlite", "SELECT 1"):
        pass
    scopes = [span.instrumentation_scope for span in watcher.ended]
    assert {(scope.name, scope.schema_url) for scope in scopes} == {
        ("devenv.tracing", "https://opentelemetry.io/schemas/1.44.0")
    }
    rec.tracing.force_flush()
    assert bodies
    assert all(b"https://opentelemetry.io/schemas/1.44.0" in body for body in bodies)


def test_spans_from_many_threads_all_arrive(rec, tracer):
    def work(number):
        for index in range(50):
            with tracer.start_as_current_span(f"t{number}", attributes={"i": index}):
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rec.spans()) == 400
    assert len({span.span_id for span in rec.spans()}) == 400


def test_context_of_tasks_is_their_own(rec, tracer):
    async def one(name):
        with tracer.start_as_current_span(name):
            await asyncio.sleep(0)
            with tracer.start_as_current_span(f"{name} child"):
                await asyncio.sleep(0)

    async def main():
        with tracer.start_as_current_span("root"):
            await asyncio.gather(one("a"), one("b"))

    asyncio.run(main())
    root = rec.span("root")
    for name in "ab":
        assert rec.span(name).parent_id == root.span_id
        assert rec.span(f"{name} child").parent_id == rec.span(name).span_id


def test_flush_and_shutdown(make):
    rec = make(batch={"schedule_delay_ms": 60_000})
    tracer = rec.tracing.tracer("t")
    tracer.start_span("a").end()
    assert rec.tracing.stats().exported + rec.tracing.stats().queued == 1
    assert rec.tracing.force_flush(5)
    assert rec.tracing.stats().exported == 1
    tracer.start_span("b").end()
    assert rec.tracing.shutdown(5)
    assert rec.tracing.stats().exported == 2
    tracer.start_span("c").end()
    assert rec.tracing.stats().dropped == 1
    assert rec.tracing.shutdown(5)


def test_disabled_records_nothing_but_still_carries_the_context(make):
    from devenv.tracing import extract, inject

    rec = make(enabled=False)
    tracer = rec.tracing.tracer("t")
    token = otel_context.attach(extract({"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01", "baggage": "a=1"}))
    try:
        with tracer.start_as_current_span("s") as span:
            assert not span.is_recording()
            headers: dict[str, str] = {}
            inject(headers)
    finally:
        otel_context.detach(token)
    assert headers["traceparent"].startswith(f"00-{0xABC:032x}-")
    assert headers["baggage"] == "a=1"
    assert rec.tracing.stats().exported == 0


def test_a_waiting_span_takes_at_most_2_kib(make):
    rec = make(batch={"max_queue_size": 5000, "max_export_batch_size": 5000, "schedule_delay_ms": 60_000})
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "server": ("127.0.0.1", 8080),
        "query_string": b"",
    }

    async def app(scope, receive, send):
        url = f"http://user:8082/accounts/{scope['path']}"
        with tracing.span("business", attributes={"account.id": 17}), tracing.client_span("GET", url, {}) as call:
            call.set_attribute("http.response.status_code", 200)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def requests(count):
        middleware = tracing.TracingMiddleware(app)
        for number in range(count):
            headers = [(b"user-agent", b"agent %d" % number), (b"traceparent", b"00-%032x-%016x-01" % (number + 1, 1))]
            request = {**scope, "path": f"/items/{number}", "headers": headers, "client": ("10.0.0.1", number)}
            await middleware(request, None, ignore)

    async def ignore(message):
        return None

    asyncio.run(requests(10))
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    asyncio.run(requests(1000))
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert rec.tracing.stats().queued == 3030
    assert grown / 3000 <= (2048 if rec.tracing.settings.provider == "light" else 6144)
