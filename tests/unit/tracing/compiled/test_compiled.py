"""The compiled part beside the pure library: built here, and asked in further processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
START = """
import asyncio, importlib.util, inspect, json, os, sys
os.environ.pop("DEVENV_TRACING_PURE", None)
if sys.argv[1]:
    spec = importlib.util.spec_from_file_location("devenv.tracing._speed", sys.argv[1])
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
else:
    os.environ["DEVENV_TRACING_PURE"] = "1"
from opentelemetry.trace import get_current_span
from devenv import tracing
from devenv.tracing.light.native import speed
from devenv.tracing.testing import recording

assert (speed is not None) == bool(sys.argv[1])
said = []

async def receive():
    return {"type": "http.request"}

async def send(message):
    said.append([message["type"], sorted(name.decode() for name, _ in message.get("headers", ()))])

def scope(*headers, **more):
    return {"type": "http", "method": "GET", "path": "/", "headers": [*headers], **more}

async def answer(scope, receive, send):
    await asyncio.sleep(0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body"})

PARENT = (b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00")
NONE = {"sampler": {"ratio": 0}}
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the compiled module."""
    folder = tmp_path_factory.mktemp("compiled")
    command = [sys.executable, str(ROOT / ".ci" / "compile.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0 and "No such file" in done.stderr:
        pytest.skip(f"no C compiler or headers: {done.stderr[:200]}")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    return done.stdout.strip()


def both(compiled: str, program: str) -> object:
    """What a program prints as JSON, which is the same with the compiled part and without."""
    found = []
    for path in (compiled, ""):
        command = [sys.executable, "-c", START + textwrap.dedent(program), path]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    return found[0]


def test_requests_that_are_not_recorded(compiled: str) -> None:
    program = """
    seen = []
    async def app(scope, receive, send):
        headers = {}
        outer, inner = tracing.client_span("GET", "http://x/", headers), tracing.span("work", attributes={"a": 1})
        with outer as call, inner as span:
            span.set_attribute("a", 1)
            tracing.set_attributes({"a": 1})
            tracing.add_event("e")
        ids = tracing.current_ids()
        parent = headers["traceparent"]
        seen.append([type(span).__name__, call is span is get_current_span(), parent[:3] + parent[35:36] + parent[52:],
                     ids[0] == parent[3:35], ids[1], ids[0] == "a" * 32, len(scope["headers"])])
        await answer(scope, receive, send)
    with recording(NONE):
        wrong, state = (b"traceparent", b"wrong"), (b"tracestate", b"a=1")
        for headers in ((), (PARENT,), (PARENT, PARENT), (wrong,), (PARENT, state)):
            asyncio.run(tracing.TracingMiddleware(app, trace_response=True)(scope(*headers), receive, send))
        left = tracing.current_ids()
    print(json.dumps([seen, said, left]))
    """
    seen, said, left = both(compiled, program)  # type: ignore[misc]
    assert [row[5] for row in seen] == [False, True, False, False, True]
    assert all(row[:2] == ["UnsampledSpan", True] for row in seen)
    assert all(row[2] in {"00---02", "00---00"} for row in seen)
    assert said[::2] == [["http.response.start", ["traceresponse"]]] * 5
    assert left == ["", ""]


def test_what_is_switched_off_does_nothing(compiled: str) -> None:
    program = """
    active = tracing.setup({"service_name": "x"}, environ={"OTEL_SDK_DISABLED": "true"})
    headers = {}
    async def app(scope, receive, send):
        with tracing.client_span("GET", "http://x/", headers) as span, tracing.span("work") as other:
            tracing.set_attributes({"a": 1})
        said.append([span.get_span_context().is_valid, other.is_recording(), tracing.current_ids()])
    asyncio.run(tracing.TracingMiddleware(app)(scope(), receive, send))
    asyncio.run(tracing.TracingMiddleware(app)(scope(PARENT), receive, send))
    print(json.dumps([said, headers.get("traceparent", "")[3:35]]))
    """
    assert both(compiled, program) == [[[False, False, ["", ""]], [True, False, ["a" * 32, "b" * 16]]], "a" * 32]


def test_the_coroutine_of_a_request(compiled: str) -> None:
    """In another task, with an exception, with a cancellation, `throw`, `close`, and one that is never awaited."""
    program = """
    async def failing(scope, receive, send):
        await asyncio.sleep(0)
        raise KeyError("x")
    async def waiting(scope, receive, send):
        try:
            await asyncio.sleep(60)
        finally:
            said.append("ended")
    async def main():
        serve = tracing.TracingMiddleware(answer)
        said.append(inspect.iscoroutinefunction(serve.__call__))
        await asyncio.create_task(serve(scope(), receive, send))
        await serve.__call__(scope(), receive, send)
        for app in (failing, None, lambda *_: 3):
            try:
                await tracing.TracingMiddleware(app)(scope(), receive, send)
            except Exception as error:
                said.append(type(error).__name__)
        task = asyncio.create_task(tracing.TracingMiddleware(waiting)(scope=scope(), receive=receive, send=send))
        await asyncio.sleep(0.01)
        task.cancel()
        said.append([type(each).__name__ for each in await asyncio.gather(task, return_exceptions=True)])
        said.append(list(tracing.current_ids()))
        one = tracing.TracingMiddleware(waiting)(scope(), receive, send)
        one.send(None)
        one.close()
        one.close()
        two = tracing.TracingMiddleware(waiting)(scope(), receive, send)
        try:
            two.throw(ValueError("x"))
        except ValueError as error:
            said.append(str(error))
        try:
            two.send(None)
        except RuntimeError as error:
            said.append(str(error))
        three = tracing.TracingMiddleware(waiting)(scope(), receive, send)
        three.send(None)
        del three
        said.append(list(tracing.current_ids()))
        four = tracing.TracingMiddleware(waiting)(scope(), receive, send)
        four.close()
    with recording(NONE):
        asyncio.run(main())
    print(json.dumps(said))
    """
    said = both(compiled, program)
    assert said[-3:] == ["cannot reuse already awaited coroutine", "ended", ["", ""]]  # type: ignore[index]


def test_ids_differ_after_a_fork(compiled: str) -> None:
    program = """
    def new():
        headers = {}
        async def app(scope, receive, send):
            with tracing.client_span("GET", "http://x/", headers):
                pass
        asyncio.run(tracing.TracingMiddleware(app)(scope(), receive, send))
        return headers["traceparent"]
    with recording(NONE):
        new()
        reading, writing = os.pipe()
        if not os.fork():
            os.write(writing, new().encode())
            os._exit(0)
        there = os.read(reading, 100).decode()
        os.wait()
        here = new()
    print(json.dumps([there[3:35] != here[3:35], there[36:52] != here[36:52], len(there)]))
    """
    assert both(compiled, program) == [True, True, 55]


def test_functions_keep_their_names_and_signatures(compiled: str) -> None:
    program = """
    names = ("span", "client_span", "current_ids", "set_attributes", "add_event")
    found = [getattr(tracing, name) for name in names]
    print(json.dumps([[f.__name__, f.__module__, f.__doc__, str(inspect.signature(f))] for f in found]))
    """
    assert both(compiled, program)


def test_recorded_spans_and_what_is_exported_of_them(compiled: str) -> None:
    """Attributes of every type, events, links, failures and limits, in bytes; IDs and times are replaced."""
    program = """
    from devenv.tracing.active import state
    from devenv.tracing.export.encoding import Encoder
    from devenv.tracing.export.redaction import Redactor

    spans = []

    async def app(scope, receive, send):
        headers = {}
        with tracing.client_span("GET", "http://u:p@x:81/a?token=1", headers) as call:
            for key, value in {"http.response.status_code": 503, "f": 1.5, "t": True, "password": "x", "list": ["a", 2],
                               "": 1, 5: 5, "big": 1 << 70, "below": -1, "bytes": b"b", "none": None}.items():
                call.set_attribute(key, value)
        call.set_attribute("late", 1)
        call.end()
        said.append(headers["traceparent"][36:52] == call.span_id.to_bytes(8, "big").hex())
        for number in range(40):
            get_current_span().set_attribute(f"many.{number}", number)
        with tracing.span("work", attributes={"a": 1}, links=[call]) as span:
            tracing.add_event("happened", {"b": "c"})
            said.append([span.is_recording(), *tracing.current_ids()] == [True, span.trace.hex, f"{span.span_id:016x}"])
        if scope["path"] == "/fails":
            await send({"type": "http.response.start", "status": 201})
            raise KeyError("x")
        await answer(scope, receive, send)

    PARENTS = [(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")], []
    with recording():
        state.light.provider.sink = spans.append
        for path in ("/", "/fails"):
            for headers in PARENTS:
                serve = tracing.TracingMiddleware(app, trace_response=True)
                asked = scope(*headers, (b"host", b"y:80"), path=path, query_string=b"q=1")
                try:
                    asyncio.run(serve(asked, receive, send))
                except KeyError as error:
                    said.append([str(error), list(tracing.current_ids())])
    encoder = Encoder(Redactor())
    shown = []
    for number, span in enumerate(spans):
        named = [span.name, span.kind.name, len(span.trace.hex), span.parent_id != 0, span.end_time >= span.start_time]
        span.span_id, span.start_time, span.end_time = number + 1, 10**18, 10**18 + 5
        span.parent_id = 7 * bool(span.parent_id)
        span.trace.hex = "c" * 32
        for rows in (span.raw_events, span.raw_links):
            rows and rows.clear()
        shown.append([*named, encoder.encode(span).hex(), encoder.encode(span) == encoder.encode(span)])
    print(json.dumps([said, shown]))
    """
    said, shown = both(compiled, program)  # type: ignore[misc]
    assert [row[1] for row in shown] == ["CLIENT", "INTERNAL", "SERVER"] * 4
    assert all(row[3] or row[0] == "GET" for row in shown)
    assert said.count(True) == 8
    assert ["'x'", ["", ""]] in said
