"""gRPC's clients and servers, synchronous and asynchronous, on a loopback port: a call has one span on each side."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from types import ModuleType, SimpleNamespace

import grpc
import grpc.aio
import pytest
from opentelemetry import context as otel

from devenv import tracing
from devenv.tracing.export.grpc_transport import GrpcTransport
from devenv.tracing.integrations.rpc import grpc as integration
from devenv.tracing.integrations.rpc.grpc_spans import target_of
from devenv.tracing.testing import recording

SERVICE = "test.Echo"


def answer(request, servicer):
    if request == b"abort":
        servicer.abort(grpc.StatusCode.NOT_FOUND, "nothing here")
    if request == b"internal":
        servicer.abort(grpc.StatusCode.INTERNAL, "broken")
    if request == b"raise":
        raise ValueError("own")
    if request == b"code":
        servicer.set_code(grpc.StatusCode.FAILED_PRECONDITION)
    with tracing.span("business"):
        return dict(servicer.invocation_metadata()).get("traceparent", "none").encode()


def answers(request, servicer):
    for number in range(3):
        if request == b"raise" and number == 1:
            raise ValueError("own")
        with tracing.span("part"):
            yield b"%d" % number


async def async_answer(request, servicer):
    if request == b"abort":
        await servicer.abort(grpc.StatusCode.NOT_FOUND, "nothing here")
    if request == b"internal":
        await servicer.abort(grpc.StatusCode.INTERNAL, "broken")
    if request == b"raise":
        raise ValueError("own")
    if request == b"code":
        servicer.set_code(grpc.StatusCode.FAILED_PRECONDITION)
    with tracing.span("business"):
        return dict(servicer.invocation_metadata()).get("traceparent", "none").encode()


async def async_answers(request, servicer):
    for number in range(3):
        if request == b"raise" and number == 1:
            raise ValueError("own")
        with tracing.span("part"):
            yield b"%d" % number


async def async_writes(requests, servicer):
    async for request in requests:
        await servicer.write(request)


def handlers(one, several, joined, echoed):
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "One": grpc.unary_unary_rpc_method_handler(one),
            "Several": grpc.unary_stream_rpc_method_handler(several),
            "Join": grpc.stream_unary_rpc_method_handler(joined),
            "Echo": grpc.stream_stream_rpc_method_handler(echoed),
        },
    )


@pytest.fixture
def port(rec, patched):
    integration.instrument()
    server = grpc.server(ThreadPoolExecutor(4))
    joined = lambda requests, servicer: b"".join(requests)  # noqa: E731 - a handler as programs write it
    echoed = lambda requests, servicer: (request for request in requests)  # noqa: E731 - as above
    server.add_generic_rpc_handlers([handlers(answer, answers, joined, echoed)])
    found = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield found
    server.stop(0).wait(5)


@pytest.fixture
async def async_port(rec, patched):
    integration.instrument()
    server = grpc.aio.server()
    joined = lambda requests, servicer: b"joined"  # noqa: E731 - gRPC runs it in a thread
    server.add_generic_rpc_handlers([handlers(async_answer, async_answers, joined, async_writes)])
    found = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield found
    await server.stop(0)


def settled(rec, count):
    """All spans: those of a server end after the client has its response."""
    until = monotonic() + 5
    while len(rec.spans()) < count and monotonic() < until:
        pass
    return rec.spans()


def pair(spans, parent):
    (client,) = [span for span in spans if span.kind == "client" and span.parent_id == parent.span_id]
    (server,) = [span for span in spans if span.kind == "server" and span.parent_id == client.span_id]
    return client, server


def called(rec, name, count):
    """The two spans of the call in the block `name`."""
    spans = settled(rec, count)
    return pair(spans, next(span for span in spans if span.name == name))


CODES = {
    b"fine": ("OK", None, None, 0),
    b"abort": ("NOT_FOUND", "NOT_FOUND", None, 0),
    b"internal": ("INTERNAL", "INTERNAL", "INTERNAL", 0),
    b"raise": ("UNKNOWN", "UNKNOWN", "UNKNOWN", 1),
    b"code": ("FAILED_PRECONDITION", "FAILED_PRECONDITION", None, 0),
}


def check_codes(rec, name, request, port):
    code, client_error, server_error, events = CODES[request]
    client, server = called(rec, name, 3 + (request in {b"fine", b"code"}))
    assert client.name == server.name == f"{SERVICE}/One"
    for span in (client, server):
        assert span.attributes["rpc.system.name"] == "grpc"
        assert span.attributes["rpc.method"] == f"{SERVICE}/One"
        assert span.attributes["rpc.response.status_code"] == code
    assert client.attributes["server.address"] == "127.0.0.1"
    assert client.attributes["server.port"] == port
    assert server.attributes["network.peer.address"] == "127.0.0.1"
    assert server.attributes["network.peer.port"] > 0
    assert client.attributes.get("error.type") == client_error
    assert server.attributes.get("error.type") == server_error
    assert (client.events, len(server.events)) == ((), events)
    assert (client.status == "error", server.status == "error") == (client_error is not None, server_error is not None)


@pytest.mark.parametrize("request_", CODES)
def test_the_codes_of_a_synchronous_call(rec, port, request_):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, tracing.span("caller"):
        try:
            got = channel.unary_unary(f"/{SERVICE}/One")(request_, metadata=(("x", "y"),))
        except grpc.RpcError as error:
            code = error.code().name
        else:
            code = CODES[request_][0] if request_ == b"fine" else "none"
            client = next(span for span in settled(rec, 3) if span.kind == "client")
            assert got.decode().startswith(f"00-{client.trace_id}-{client.span_id}-")
    assert code == CODES[request_][0]
    check_codes(rec, "caller", request_, port)


@pytest.mark.parametrize("request_", CODES)
async def test_the_codes_of_an_asynchronous_call(rec, async_port, request_):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{async_port}") as channel:
        with tracing.span("caller"):
            try:
                await channel.unary_unary(f"/{SERVICE}/One")(request_, metadata=(("x", "y"),))
                code = "OK"
            except grpc.RpcError as error:
                code = error.code().name
            await asyncio.sleep(0.05)
    assert code == CODES[request_][0]
    check_codes(rec, "caller", request_, async_port)


def test_streams_of_a_synchronous_call_end_with_their_last_response(rec, port):
    with grpc.insecure_channel(f"dns:///127.0.0.1:{port}") as channel:
        with tracing.span("several"):
            assert list(channel.unary_stream(f"/{SERVICE}/Several")(b"")) == [b"0", b"1", b"2"]
        with tracing.span("broken"), pytest.raises(grpc.RpcError):
            list(channel.unary_stream(f"/{SERVICE}/Several")(b"raise"))
        with tracing.span("join"):
            assert channel.stream_unary(f"/{SERVICE}/Join")(iter([b"a", b"b"])) == b"ab"
        with tracing.span("echo"):
            assert list(channel.stream_stream(f"/{SERVICE}/Echo")(iter([b"a", b"b"]))) == [b"a", b"b"]
        with tracing.span("future"):
            assert channel.unary_unary(f"/{SERVICE}/One").future(b"").result(5).startswith(b"00-")
    client, server = called(rec, "several", 19)
    parts = [span for span in rec.spans("part") if span.parent_id == server.span_id]
    assert len(parts) == 3
    assert max(span.end_ns for span in parts) <= server.end_ns
    client, server = called(rec, "broken", 19)
    assert server.attributes["error.type"] == "UNKNOWN"
    assert server.events[0][1]["exception.type"] == "ValueError"
    assert client.attributes["rpc.response.status_code"] == "UNKNOWN"
    for name, method in (("join", "Join"), ("echo", "Echo"), ("future", "One")):
        client, server = called(rec, name, 19)
        assert client.name == server.name == f"{SERVICE}/{method}"
        assert client.attributes["rpc.response.status_code"] == "OK"


async def test_streams_of_an_asynchronous_call_end_with_their_last_response(rec, async_port):
    async def requests():
        yield b"a"
        yield b"b"

    async with grpc.aio.insecure_channel(f"127.0.0.1:{async_port}") as channel:
        with tracing.span("several"):
            assert [part async for part in channel.unary_stream(f"/{SERVICE}/Several")(b"")] == [b"0", b"1", b"2"]
        with tracing.span("broken"), pytest.raises(grpc.RpcError):
            [part async for part in channel.unary_stream(f"/{SERVICE}/Several")(b"raise")]
        with tracing.span("join"):
            assert await channel.stream_unary(f"/{SERVICE}/Join")(requests()) == b"joined"
        with tracing.span("echo"):
            assert [part async for part in channel.stream_stream(f"/{SERVICE}/Echo")(requests())] == [b"a", b"b"]
        await asyncio.sleep(0.05)
    client, server = called(rec, "several", 15)
    assert len([span for span in rec.spans("part") if span.parent_id == server.span_id]) == 3
    client, server = called(rec, "broken", 15)
    assert server.attributes["error.type"] == "UNKNOWN"
    assert server.events[0][1]["exception.type"] == "ValueError"
    for name, method in (("join", "Join"), ("echo", "Echo")):
        client, server = called(rec, name, 15)
        assert client.name == server.name == f"{SERVICE}/{method}"
        assert server.attributes["rpc.response.status_code"] == "OK"


def test_a_server_that_is_not_there_and_a_cancelled_call(rec, port):
    with grpc.insecure_channel("127.0.0.1:1") as channel, pytest.raises(grpc.RpcError):
        channel.unary_unary(f"/{SERVICE}/One")(b"")
    (span,) = settled(rec, 1)
    assert (span.attributes["rpc.response.status_code"], span.status) == ("UNAVAILABLE", "error")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = channel.unary_stream(f"/{SERVICE}/Several")(b"")
        stream.cancel()
        with pytest.raises(grpc.RpcError):
            list(stream)
    last = [span for span in settled(rec, 2) if span.kind == "client"][-1]
    assert last.attributes["rpc.response.status_code"] == "CANCELLED"


def test_an_unsampled_caller_and_a_suppressed_call_have_no_spans(rec, port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/One")
        unsampled = tracing.extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"})
        token = otel.attach(unsampled)
        assert call(b"").decode().startswith("00-0af7651916cd43dd8448eb211c80319c-")
        otel.detach(token)
        token = otel.attach(otel.set_value("suppress_instrumentation", True))
        assert call(b"") != b""
        otel.detach(token)
    assert [span.kind for span in settled(rec, 2)] == ["server", "internal"]


def test_an_active_stock_instrumentation_takes_it(rec, patched, monkeypatch):
    stock = ModuleType("opentelemetry.instrumentation.grpc")
    stock.GrpcInstrumentorClient = lambda: SimpleNamespace(is_instrumented_by_opentelemetry=True)
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.grpc", stock)
    before = grpc.insecure_channel, grpc.server
    integration.instrument()
    assert grpc.insecure_channel is before[0]
    assert grpc.server is not before[1]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("localhost:50051", ("localhost", 50051)),
        ("dns:///example.com:443", ("example.com", 443)),
        ("dns://8.8.8.8/example.com:443", ("example.com", 443)),
        ("ipv4:10.0.0.1:80", ("10.0.0.1", 80)),
        ("ipv6:[::1]:80", ("::1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("unix:/run/x.sock", ("/run/x.sock", 0)),
        ("example.com", ("example.com", 0)),
    ],
)
def test_targets(target, expected):
    assert target_of(target) == expected


def test_auto_traces_both_sides_and_not_its_own_exporter(tmp_path):
    code = """
        from devenv import tracing
        tracing.auto(service_name="grpc")
        import grpc, grpc.aio
        from concurrent.futures import ThreadPoolExecutor
        server = grpc.server(ThreadPoolExecutor(1))
        handler = grpc.unary_unary_rpc_method_handler(lambda request, servicer: request)
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("a.B", {"C": handler})])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        print(grpc.insecure_channel(f"127.0.0.1:{port}").unary_unary("/a.B/C")(b"x"))
        server.stop(0).wait(5)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={"OTEL_TRACES_EXPORTER": "console", "PATH": "/usr/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, "b'x'\n"), ran.stderr
    assert ran.stderr.count('"name":"a.B/C"') == 2


async def test_the_program_s_own_interceptor_leaves_the_code_of_a_call_known(rec, async_port):
    class Passing(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            return await continuation(details, request)

    async with grpc.aio.insecure_channel(f"127.0.0.1:{async_port}", interceptors=[Passing()]) as channel:
        for request in (b"fine", b"abort"):
            await asyncio.gather(channel.unary_unary(f"/{SERVICE}/One")(request), return_exceptions=True)
        await asyncio.sleep(0.05)
    found = [span.attributes["rpc.response.status_code"] for span in rec.spans() if span.kind == "client"]
    assert found == ["OK", "NOT_FOUND"]


def test_the_calls_of_the_exporter_have_no_span(rec, patched):
    integration.instrument()
    transport = GrpcTransport(rec.tracing.settings, lambda _pause: True)
    assert transport.send(b"", 1, monotonic() + 5).rejected == 1
    transport.close()
    assert rec.spans() == []


def check_unknown(rec):
    client = rec.span("test.Echo/Missing")
    server = next(span for span in settled(rec, 2) if span.kind == "server")
    assert (server.name, server.parent_id, server.status) == ("grpc", client.span_id, "error")
    assert server.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": "_OTHER",
        "rpc.method_original": "test.Echo/Missing",
        "rpc.response.status_code": "UNIMPLEMENTED",
        "error.type": "UNIMPLEMENTED",
    }


def test_a_method_without_a_handler_has_a_span(rec, port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/test.Echo/Missing")(b"")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
    check_unknown(rec)


async def test_a_method_without_a_handler_has_a_span_in_the_asynchronous_server(rec, async_port):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{async_port}") as channel:
        with pytest.raises(grpc.RpcError) as caught:
            await channel.unary_unary("/test.Echo/Missing")(b"")
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    check_unknown(rec)


EXCLUDED = {"OTEL_PYTHON_GRPC_EXCLUDED_SERVICES": "other.Service, test.Echo"}


def test_calls_of_excluded_services_have_neither_span_nor_headers(port):
    with recording(environ=EXCLUDED) as rec, grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        with tracing.span("request"):
            assert channel.unary_unary("/test.Echo/One")(b"") == b"none"
            assert list(channel.unary_stream("/test.Echo/Several")(b"")) == [b"0", b"1", b"2"]
        for missing in ("/test.Echo/Missing", "/test.Echoes/Missing"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(missing)(b"")
        settled(rec, 6)
        kinds = sorted((span.name, span.kind) for span in rec.spans())
    own = [("business", "internal"), *[("part", "internal")] * 3, ("request", "internal")]
    assert kinds == sorted([*own, ("grpc", "server"), ("test.Echoes/Missing", "client")])


async def test_calls_of_excluded_services_in_the_asynchronous_interface(async_port):
    with recording(environ=EXCLUDED) as rec:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{async_port}") as channel:
            with tracing.span("request"):
                assert await channel.unary_unary("/test.Echo/One")(b"") == b"none"
                assert [part async for part in channel.unary_stream("/test.Echo/Several")(b"")] == [b"0", b"1", b"2"]
        kinds = {span.kind for span in rec.spans()}
    assert kinds == {"internal"}
