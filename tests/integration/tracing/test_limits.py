"""Limits and batches as the receiver sees them, and the memory of requests that are in flight."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import Link, SpanContext, TraceFlags

from devenv import tracing
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.runtime import Tracing
from devenv.tracing.testing import decode, recording


@pytest.fixture
def trace_to(collector):
    """Builds a Tracing towards the collector; shut down at the end."""
    made = []

    def build(environ=None, **config):
        config = {"service_name": "s", "exporter": {"endpoint": f"{collector.url}/v1/traces"}, **config}
        made.append(Tracing(resolve(config, environ=environ or {})))
        return made[-1]

    yield build
    for each in made:
        each.shutdown(1)


def only_span(collector):
    ((_, body, _),) = collector.requests
    ((scope,),) = [each.scope_spans for each in ExportTraceServiceRequest.FromString(body).resource_spans]
    (span,) = scope.spans
    return span


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_every_limit_of_a_span_and_what_it_left_out_arrive(collector, trace_to, provider):
    limits = {
        "span_attributes": 3,
        "span_events": 2,
        "span_links": 1,
        "event_attributes": 2,
        "link_attributes": 1,
        "span_attribute_length": 5,
        "attribute_length": 4,
    }
    active = trace_to(provider=provider, limits=limits)
    many = {f"key{number}": "x" * 10 for number in range(6)}
    links = [Link(SpanContext(number, 1, False, TraceFlags(1)), many) for number in (1, 2, 3)]
    span = active.tracer("t").start_span("s", attributes=many, links=links)
    for _ in range(6):
        span.add_event("e", many)
    span.end()
    assert active.force_flush(5)
    found = only_span(collector)
    assert [pair.value.string_value for pair in found.attributes] == ["xxxxx"] * 3
    assert found.dropped_attributes_count == 3
    assert [[pair.value.string_value for pair in event.attributes] for event in found.events] == [["xxxx"] * 2] * 2
    assert [event.dropped_attributes_count for event in found.events] == [4, 4]
    assert found.dropped_events_count == 4
    assert [[pair.value.string_value for pair in link.attributes] for link in found.links] == [["xxxx"]]
    assert [link.dropped_attributes_count for link in found.links] == [5]
    assert found.dropped_links_count == 2


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_the_limits_that_hold_unless_set(collector, trace_to, provider):
    active = trace_to(provider=provider)
    many = {f"key{number}": number for number in range(200)}
    links = [Link(SpanContext(number, 1, False, TraceFlags(1)), many) for number in range(1, 201)]
    span = active.tracer("t").start_span("s", attributes=many, links=links)
    for _ in range(200):
        span.add_event("e", many)
    span.end()
    assert active.force_flush(5)
    found = only_span(collector)
    assert (len(found.attributes), len(found.events), len(found.links)) == (128, 128, 128)
    assert {len(event.attributes) for event in found.events} == {len(link.attributes) for link in found.links} == {128}


@pytest.mark.parametrize(
    ("environ", "rate"),
    [
        ({"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production"}, 1000),
        ({"OTEL_BSP_SCHEDULE_DELAY": "200"}, 1500),  # what `devenv up` and `devenv run` set, for traces within a second
    ],
)
def test_a_post_under_load_has_at_least_100_spans(collector, trace_to, environ, rate):
    """Spans end at a rate, from several threads, for two seconds; nothing flushes."""
    active = trace_to({**environ, "OTEL_TRACES_SAMPLER": "always_on"}, batch={"max_queue_size": 8192})
    tracer = active.tracer("t")
    until = time.monotonic() + 2

    def load():
        begun, made = time.monotonic(), 0
        while (now := time.monotonic()) < until:
            while made < (now - begun) * rate / 4:
                tracer.start_span("s", attributes={"n": made}).end()
                made += 1
            threading.Event().wait(0.005)
        counts.append(made)

    counts = []
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert active.shutdown(5)
    sizes = [len(decode(body)) for _, body, _ in collector.requests]
    assert sum(sizes) == sum(counts) > 1.5 * rate
    assert all(100 <= size <= 512 for size in sizes[:-1]), sizes  # the last is what was left at the end
    assert len(sizes) > 2


@pytest.mark.parametrize("depth", [3, 10])
def test_a_request_in_flight_takes_at_most_2_kib_a_span(depth):
    """Requests that are held inside their innermost span, against the same requests with no span."""

    async def held(count, traced, release):
        async def app(scope, receive, send):
            await nested(depth - 1 if traced else 0)

        async def nested(left):
            if left:
                with tracing.span("business", attributes={"account.id": left}):
                    await nested(left - 1)
            else:
                await release.wait()

        async def ignore(message):
            return None

        served = tracing.TracingMiddleware(app) if traced else app
        base = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "query_string": b"a=1"}
        tasks = []
        for number in range(count):
            headers = [(b"user-agent", b"agent %d" % number), (b"traceparent", b"00-%032x-%016x-01" % (number + 1, 1))]
            scope = {**base, "server": ("127.0.0.1", 8080), "path": f"/items/{number}", "headers": headers}
            tasks.append(asyncio.create_task(served({**scope, "client": ("10.0.0.1", number)}, None, ignore)))
        for _ in range(depth + 2):
            await asyncio.sleep(0)
        return tasks

    async def measured(count, traced):
        release = asyncio.Event()
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tasks = await held(count, traced, release)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        release.set()
        await asyncio.gather(*tasks)
        return grown

    batch = {"max_queue_size": 100_000, "max_export_batch_size": 512, "schedule_delay_ms": 60_000}
    with recording({"batch": batch}) as rec:
        asyncio.run(measured(10, traced=True))
        without = asyncio.run(measured(300, traced=False))
        grown = asyncio.run(measured(300, traced=True)) - without
        assert len(rec.spans()) == 310 * depth
    assert 0 < grown / (300 * depth) <= 2048
