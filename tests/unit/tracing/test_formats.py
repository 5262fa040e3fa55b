"""Context formats beside W3C's: B3 in one header and in several, Jaeger's, and those of installed packages."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from devenv import tracing
from devenv.tracing import mixed_propagation
from devenv.tracing.testing import recording

TRACE, SPAN = f"{0xABCDEF0123456789:032x}", "00000000000000f1"
SHORT = TRACE[16:]


@pytest.fixture
def rec(request):
    names = getattr(request, "param", "b3")
    environ = {"OTEL_PROPAGATORS": names, "OTEL_TRACES_SAMPLER": "parentbased_always_on"}
    with recording(environ=environ) as opened:
        yield opened


def using(names):
    return pytest.mark.parametrize("rec", [names], indirect=True, ids=[names])


def served(headers, *, sampled=True):
    """The ids of a server span of the ASGI middleware for a request with these headers."""
    seen = []

    async def app(scope, receive, send):
        seen.append(trace.get_current_span().get_span_context())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def call():
        pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "GET", "path": "/", "headers": pairs, "scheme": "http"}
        await tracing.TracingMiddleware(app)(scope, None, lambda message: asyncio.sleep(0))

    asyncio.run(call())
    assert seen[0].trace_flags.sampled is sampled
    return seen[0]


CASES = [
    ("b3", {"b3": f"{TRACE}-{SPAN}-1"}, True),
    ("b3", {"b3": f"{SHORT}-{SPAN}-d-{SPAN}"}, True),
    ("b3", {"b3": f"{TRACE}-{SPAN}-0"}, False),
    ("b3", {"b3": f"{TRACE.upper()}-{SPAN}"}, True),  # the decision is ours
    ("b3", {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "1"}, True),
    ("b3multi", {"X-B3-TraceId": SHORT, "X-B3-SpanId": SPAN, "X-B3-Sampled": "true"}, True),
    ("b3multi", {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Flags": "1"}, True),
    ("b3multi", {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "0"}, False),
    ("jaeger", {"uber-trace-id": f"{TRACE}:{SPAN}:0:1"}, True),
    ("jaeger", {"uber-trace-id": f"{SHORT.lstrip('0')}%3Af1%3A0%3A3"}, True),
    ("jaeger", {"uber-trace-id": f"{TRACE}:{SPAN}:0:0"}, False),
]


@pytest.mark.parametrize(("rec", "headers", "sampled"), CASES, indirect=["rec"])
def test_a_received_context_is_continued(rec, headers, sampled):
    assert f"{served(headers, sampled=sampled).trace_id:032x}" == TRACE
    if sampled:
        (found,) = rec.spans()
        assert (found.trace_id, found.parent_id) == (TRACE, SPAN)
    with tracing.attached(headers):
        assert f"{trace.get_current_span().get_span_context().trace_id:032x}" == TRACE
    assert f"{trace.get_current_span(propagate.extract(dict(headers))).get_span_context().trace_id:032x}" in {
        TRACE, "0" * 32  # a plain dict's keys are compared exactly, which HTTP libraries' mappings do not do
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rec", "headers"),
    [
        ("b3", {"b3": "x"}),
        ("b3", {"b3": f"{'0' * 32}-{SPAN}-1"}),
        ("b3", {"b3": f"{TRACE}-{'0' * 16}-1"}),
        ("b3", {"b3": f"{TRACE}-{SPAN}-2"}),
        ("b3multi", {"X-B3-TraceId": TRACE}),
        ("b3multi", {"X-B3-TraceId": "z" * 32, "X-B3-SpanId": SPAN}),
        ("jaeger", {"uber-trace-id": f"{TRACE}:{SPAN}:0"}),
        ("jaeger", {"uber-trace-id": f"{TRACE}0:{SPAN}:0:1"}),
        ("b3", {"traceparent": f"00-{TRACE}-{SPAN}-01"}),
    ],
    indirect=["rec"],
)
def test_an_invalid_or_another_format_begins_a_trace(rec, headers):
    assert f"{served(headers).trace_id:032x}" != TRACE
    assert rec.spans()[0].parent_id == ""


@pytest.mark.parametrize("headers", [{"b3": "0"}, {"X-B3-Sampled": "0"}])
def test_b3_alone_can_refuse_sampling(rec, headers):
    served(headers, sampled=False)
    assert rec.spans() == []


def sent(span_context, **entries):
    context = trace.set_span_in_context(NonRecordingSpan(span_context), Context())
    for key, value in entries.items():
        context = baggage.set_baggage(key, value, context)
    headers: dict[str, str] = {}
    tracing.inject(headers, context)
    through_the_api: dict[str, str] = {}
    propagate.inject(through_the_api, context)
    assert through_the_api == headers
    assert set(headers) - {"uberctx-k"} <= propagate.get_global_textmap().fields
    return headers


@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize(
    ("rec", "expected"),
    [
        ("b3", lambda on: {"b3": f"{TRACE}-{SPAN}-{on}"}),
        ("b3multi", lambda on: {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN, "x-b3-sampled": f"{on}"}),
        ("jaeger", lambda on: {"uber-trace-id": f"{TRACE}:{SPAN}:0:0{on}", "uberctx-k": "v%20w"}),
    ],
    indirect=["rec"],
)
def test_the_context_is_sent(rec, expected, sampled):
    context = SpanContext(int(TRACE, 16), int(SPAN, 16), False, TraceFlags(int(sampled)))
    assert sent(context, k="v w") == expected(int(sampled))


@using("tracecontext,baggage,b3multi,jaeger")
def test_several_formats_are_sent_and_the_last_that_is_received_wins(rec):
    with tracing.client_span("GET", "http://h/", headers := {}):
        pass
    assert {"traceparent", "x-b3-traceid", "uber-trace-id"} <= headers.keys()
    other = "1" * 32
    context = served({"traceparent": f"00-{other}-{SPAN}-01", "uber-trace-id": f"{TRACE}:{SPAN}:0:1"})
    assert f"{context.trace_id:032x}" == TRACE
    assert f"{served({'traceparent': f'00-{other}-{SPAN}-01'}).trace_id:032x}" == other


@using("jaeger")
def test_jaegers_baggage_is_received(rec):
    with tracing.attached({"uber-trace-id": f"{TRACE}:{SPAN}:0:1", "uberctx-k": "v%20w"}):
        assert baggage.get_baggage("k") == "v w"


@using("b3")
def test_an_unsampled_call_carries_the_format(rec):
    with tracing.attached({"b3": f"{TRACE}-{SPAN}-0"}), tracing.span("s"):
        headers: dict[str, str] = {}
        with tracing.client_span("GET", "http://h/", headers):
            pass
    assert headers["b3"].startswith(f"{TRACE}-")
    assert headers["b3"].endswith("-0")


@pytest.mark.parametrize("framework", ["wsgi", "aiohttp"])
@using("b3multi")
def test_every_server_reads_the_formats(rec, framework):
    headers = {"X-B3-TraceId": TRACE, "X-B3-SpanId": SPAN, "X-B3-Sampled": "1"}
    if framework == "wsgi":

        def app(environ, start_response):
            start_response("200 OK", [])
            return [b""]

        fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        list(tracing.WSGIMiddleware(app)({"REQUEST_METHOD": "GET", "PATH_INFO": "/", **fields}, lambda *_: None))
    else:
        from aiohttp import web
        from aiohttp.test_utils import make_mocked_request

        async def handler(request):
            return web.Response()

        async def call():
            await tracing.aiohttp_middleware()(make_mocked_request("GET", "/", headers=headers), handler)

        asyncio.run(call())
    (found,) = rec.spans()
    assert (found.trace_id, found.parent_id) == (TRACE, SPAN)


class Point:
    def __init__(self, propagator):
        self._propagator = propagator

    def load(self):
        return lambda: self._propagator


class XRay:
    fields = frozenset({"x-amzn-trace-id"})

    def extract(self, carrier, context=None, **_):
        if "x-amzn-trace-id" not in carrier:
            return context
        found = SpanContext(int(TRACE, 16), int(SPAN, 16), True, TraceFlags(1))
        return trace.set_span_in_context(NonRecordingSpan(found), context)

    def inject(self, carrier, context=None, **_):
        carrier["x-amzn-trace-id"] = f"{trace.get_current_span(context).get_span_context().trace_id:x}"


class Broken:
    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("__") else OSError(name)


@pytest.mark.parametrize("propagator", [XRay(), Broken()])
def test_installed_propagators_and_their_faults(monkeypatch, propagator):
    monkeypatch.setattr(mixed_propagation, "installed", lambda name: Point(propagator))
    works = isinstance(propagator, XRay)
    with recording({"propagators": ["tracecontext"]}) as rec:
        made = mixed_propagation.MixedPropagator(("tracecontext", "xray"), lambda _: True)
        context = made.read([("X-Amzn-Trace-Id", "anything")])
        assert trace.get_current_span(context).get_span_context().is_valid is works
        with tracing.span("s"):
            headers: dict[str, str] = {}
            made.inject(headers)
        assert "traceparent" in headers
        assert ("x-amzn-trace-id" in headers) is works
        assert ("x-amzn-trace-id" in made.fields) is works
        assert len(rec.spans()) == 1
