"""Remote samplers, and samplers and ID generators of the program or of installed packages."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, Sampler, SamplingResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from devenv import tracing
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.light import choice, ids, remote_sampling
from devenv.tracing.light.remote_sampling import RemoteSampler, parse
from devenv.tracing.light.shared import Shared
from devenv.tracing.runtime import Tracing
from devenv.tracing.testing import MemorySender, recording

LOW, HIGH = "0" * 32, "f" * 32


def answer(**document):
    return json.dumps(document).encode()


PROBABILISTIC = answer(strategyType="PROBABILISTIC", probabilisticSampling={"samplingRate": 0.5})


def test_strategies():
    half = parse(PROBABILISTIC)
    assert (half(LOW, "a"), half(HIGH, "a")) == (True, False)
    assert parse(answer(strategyType=0, probabilisticSampling={"samplingRate": 1}))(HIGH, "a")
    assert not parse(answer(probabilisticSampling={}))(HIGH, "a")
    operations = {
        "defaultSamplingProbability": 0.0,
        "defaultLowerBoundTracesPerSecond": 1.0,
        "perOperationStrategies": [{"operation": "GET /a", "probabilisticSampling": {"samplingRate": 1.0}}],
    }
    each = parse(answer(strategyType="PROBABILISTIC", operationSampling=operations))
    assert [each(HIGH, "GET /a") for _ in range(3)] == [True] * 3
    assert [each(HIGH, "GET /b") for _ in range(3)] == [True, False, False]  # the lower bound


def test_rate_limiting(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(remote_sampling, "monotonic", lambda: now[0])
    limited = parse(answer(strategyType=1, rateLimitingSampling={"maxTracesPerSecond": 2}))
    assert [limited(HIGH, "a") for _ in range(4)] == [True, True, False, False]
    now[0] += 0.5
    assert [limited(HIGH, "a") for _ in range(2)] == [True, False]
    now[0] += 100
    assert [limited(HIGH, "a") for _ in range(3)] == [True, True, False]
    nothing = parse(answer(strategyType="RATE_LIMITING", rateLimitingSampling={"maxTracesPerSecond": 0}))
    assert not nothing(HIGH, "a")


@pytest.mark.parametrize("wrong", [b"", b"[]", b"{}", b'{"strategyType": 1}', b"not json"])
def test_what_is_not_a_strategy(wrong):
    with pytest.raises((ValueError, KeyError)):
        parse(wrong)


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            body = self.server.answer
            self.send_response(200 if body else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    opened = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    opened.paths, opened.answer = [], PROBABILISTIC
    threading.Thread(target=opened.serve_forever, daemon=True).start()
    yield opened
    opened.shutdown()
    opened.server_close()


def test_the_service_is_asked_for_and_a_failure_keeps_the_last_strategy(server, monkeypatch, caplog):
    monkeypatch.setattr(RemoteSampler, "_refresh", lambda _self: None)
    sampler = RemoteSampler(f"http://127.0.0.1:{server.server_port}/sampling", "a shop", 60, 1.0)
    assert sampler.sampled(HIGH, "x")
    sampler.fetch()
    assert server.paths == ["/sampling?service=a%20shop"]
    assert not sampler.sampled(HIGH, "x")
    server.answer = b""
    for _ in range(2):
        sampler.fetch()
    assert not sampler.sampled(HIGH, "x")
    assert caplog.text.count("HTTP 404") == 1


def test_a_strategy_is_fetched_again_only_after_the_interval(monkeypatch):
    now, asked = [100.0], []
    monkeypatch.setattr(remote_sampling, "monotonic", lambda: now[0])

    class Immediate:
        def __init__(self, target, **_):
            self.start = target

    monkeypatch.setattr(remote_sampling.threading, "Thread", Immediate)
    monkeypatch.setattr(RemoteSampler, "fetch", lambda self: asked.append(now[0]))
    sampler = RemoteSampler("http://h/sampling", "s", 60, 1.0)
    for now[0] in (110.0, 159.0, 161.0, 200.0):
        sampler.sampled(HIGH, "x")
    assert asked == [100.0, 161.0]


@pytest.mark.parametrize(
    ("argument", "url"),
    [
        ("", "http://localhost:5778/sampling"),
        ("endpoint=http://j:14250,pollingIntervalMs=5", "http://j:5778/sampling"),
        ("endpoint=http://j:5778", "http://j:5778/sampling"),
        ("endpoint=https://j/api/sampling", "https://j/api/sampling"),
    ],
)
def test_the_address_of_the_strategies(monkeypatch, argument, url):
    made = []
    monkeypatch.setattr(remote_sampling, "RemoteSampler", lambda *args: made.append(args) or ALWAYS_ON)
    environ = {"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": argument, "OTEL_SERVICE_NAME": "s"}
    choice.choose(resolve(None, environ=environ))
    assert made[0][:2] == (url, "s")


@pytest.mark.parametrize("provider", ["light", "sdk"])
@pytest.mark.parametrize(("name", "below_unsampled"), [("jaeger_remote", True), ("parentbased_jaeger_remote", False)])
def test_the_remote_sampler_decides_roots_and_by_its_name_children(monkeypatch, provider, name, below_unsampled):
    monkeypatch.setattr(RemoteSampler, "_refresh", lambda _self: None)
    with recording({"provider": provider, "sampler": {"type": name, "ratio": 1.0}}) as rec:
        with tracing.span("root"), tracing.span("child"):
            pass
        above = NonRecordingSpan(SpanContext(5, 6, True, TraceFlags(0)))
        context = trace.set_span_in_context(above, Context())
        with tracing.attached(context), tracing.span("below"):
            pass
        assert [span.name for span in rec.spans()] == ["root", "child"] + (["below"] if below_unsampled else [])
        assert rec.span("child").parent_id == rec.span("root").span_id
    with recording({"provider": provider, "sampler": {"type": name, "ratio": 0.0}}) as rec:
        with tracing.span("root"), tracing.span("child"):
            pass
        assert rec.spans() == []


class ByName(Sampler):
    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        decision = Decision.DROP if name == "quiet" else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, {"by": "name"})

    def get_description(self):
        return "ByName"


class Counting:
    def __init__(self):
        self.number = 0

    def generate_trace_id(self):
        self.number += 1
        return self.number

    def generate_span_id(self):
        self.number += 1
        return self.number


class Failing:
    def generate_trace_id(self):
        raise OSError("no trace")

    def generate_span_id(self):
        return 1 << 64


def made(provider, **options):
    memory = MemorySender()
    opened = Tracing(resolve({"provider": provider}, environ={}), sender=lambda _pause: memory, **options)
    return opened, memory


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_a_sampler_of_the_program(provider):
    opened, memory = made(provider, sampler=ByName())
    tracer = opened.tracer("t")
    for name in ("quiet", "loud"):
        tracer.start_span(name).end()
    opened.shutdown(5)
    assert [(span.name, span.attributes["by"]) for span in memory.spans] == [("loud", "name")]


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_an_id_generator_of_the_program(provider):
    opened, memory = made(provider, id_generator=Counting())
    with opened.tracer("t").start_as_current_span("a"):
        opened.tracer("t").start_span("b").end()
    opened.shutdown(5)
    by_name = {span.name: span for span in memory.spans}
    assert by_name["a"].trace_id == by_name["b"].trace_id == f"{1:032x}"
    assert int(by_name["b"].parent_id, 16) == int(by_name["a"].span_id, 16) <= 3
    assert by_name["a"].flags & 2 == 0  # not known to be random


def test_the_servers_use_the_programs_ids_too():
    opened, memory = made("light", id_generator=Counting())
    side = tracing.TracingMiddleware(None, tracing=opened)._side
    assert not side.plain
    span, _ = side.begin({}, "/", "GET", [], None, None, lambda _: (Shared({}), {}))
    span.end()
    opened.shutdown(5)
    assert memory.spans[0].trace_id == f"{1:032x}"


def test_random_ids_of_a_generator_are_marked_as_random_and_wrong_ones_replaced(caplog):
    said = hasattr(RandomIdGenerator, "is_trace_id_random")  # not by the newest SDK for Python 3.9
    assert ids.CustomIds(RandomIdGenerator()).random == (2 if said else 0)
    failing = ids.CustomIds(Failing())
    assert len({failing.trace_hex() for _ in range(3)} | {f"{failing.span_id():x}" for _ in range(3)}) == 6
    assert len(caplog.records) == 2


class Point:
    def __init__(self, loaded):
        self._loaded = loaded

    def load(self):
        return self._loaded


@pytest.fixture
def installed(monkeypatch):
    """Entry points that a package would have: name to what they load."""
    found = {}
    monkeypatch.setattr("devenv.tracing.process.entry_points.entry_points", lambda group, name=None: (
        [Point(found[group, name])] if (group, name) in found else []
    ))  # fmt: skip
    return found


def test_installed_samplers_and_generators_by_their_names(installed, caplog):
    arguments = []
    installed["opentelemetry_traces_sampler", "mine"] = lambda argument: arguments.append(argument) or ALWAYS_OFF
    installed["opentelemetry_id_generator", "counting"] = Counting
    environ = {
        "OTEL_TRACES_SAMPLER": "mine", "OTEL_TRACES_SAMPLER_ARG": "a=b", "OTEL_PYTHON_ID_GENERATOR": "counting",
    }  # fmt: skip
    opened = Tracing(resolve(None, environ={"OTEL_TRACES_EXPORTER": "none", **environ}))
    span = opened.tracer("t").start_span("s")
    assert not span.is_recording()
    assert (arguments, span.get_span_context().trace_id) == (["a=b"], 1)
    assert caplog.records == []


def test_an_installed_sampler_that_fails_is_a_warning(installed, caplog):
    installed["opentelemetry_traces_sampler", "mine"] = lambda argument: 1 / 0
    opened = Tracing(resolve(None, environ={"OTEL_TRACES_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "mine"}))
    assert opened.tracer("t").start_span("s").is_recording()
    assert "cannot load the sampler mine: ZeroDivisionError" in caplog.text
