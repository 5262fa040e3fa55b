"""OTLP over gRPC: what SDKs send with their defaults, on the same way as over HTTP."""

from __future__ import annotations

import asyncio
import gzip
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from otlp_build import make_span, one, trace_id
from raw_http import PROTOBUF, Client, running

from devenv.backend import Backend
from devenv.backend.rpc import export_server
from devenv.backend.rpc.export_server import encoding_of
from devenv.http.server import Limits
from devenv.otlp import messages

COLLECTOR = "opentelemetry.proto.collector"
TRACES = f"/{COLLECTOR}.trace.v1.TraceService/Export"
LOGS = f"/{COLLECTOR}.logs.v1.LogsService/Export"
METRICS = f"/{COLLECTOR}.metrics.v1.MetricsService/Export"
MIB = 1024 * 1024


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running(grpc_port=0) as found:
        yield found


@asynccontextmanager
async def channel(backend: Backend, **options: int) -> AsyncIterator[grpc.aio.Channel]:
    pairs = [(name.replace("__", "."), value) for name, value in options.items()]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{backend.grpc_port}", options=pairs) as found:
        yield found


async def export(
    backend: Backend, body: bytes, method: str = TRACES, compression: grpc.Compression | None = None
) -> bytes:
    async with channel(backend) as connected:
        return bytes(await connected.unary_unary(method)(body, compression=compression, timeout=20))


async def refusal(backend: Backend, body: bytes, **options: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await export(backend, body, **options)
    return caught.value.code(), caught.value.details() or ""


async def test_a_span_arrives(backend: Backend) -> None:
    trace = trace_id()
    assert await export(backend, one("a", make_span(trace))) == b""
    found = backend.store.get(trace)
    assert found is not None
    assert found.spans == 1


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_compressed(backend: Backend, compression: grpc.Compression) -> None:
    trace = trace_id()
    body = one("a", *(make_span(trace) for _ in range(200)))
    assert await export(backend, body, compression=compression) == b""
    found = backend.store.get(trace)
    assert found is not None
    assert found.spans == 200


async def test_logs_and_metrics_are_taken_as_over_http(backend: Backend) -> None:
    assert await export(backend, b"", LOGS) == b""
    assert await export(backend, b"", METRICS) == b""
    posts = backend.stats()["posts"]
    assert (posts["logs"], posts["metrics"]) == (1, 1)


async def test_a_span_without_an_id_is_told_as_a_partial_success_as_over_http(backend: Backend) -> None:
    body = one("a", make_span(bytes(16)), make_span(trace_id()))
    answer = await export(backend, body)
    told = messages.ExportResponse.FromString(answer).partial_success
    assert told.rejected_spans == 1
    _, _, over_http = await (await Client.to(backend.otlp_port)).post(body, PROTOBUF)
    assert answer == over_http


async def test_what_is_no_request_is_an_invalid_argument_with_the_text_of_http(backend: Backend) -> None:
    code, text = await refusal(backend, b"\xff\xff")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    _, _, over_http = await (await Client.to(backend.otlp_port)).post(b"\xff\xff", PROTOBUF)
    assert text == messages.RpcStatus.FromString(over_http).message.decode()
    assert (await refusal(backend, b"\x1f\x8bnothing"))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_above_the_limit_is_refused_and_the_next_one_taken() -> None:
    async with running(grpc_port=0, limits=Limits(body_bytes=100_000)) as backend, channel(backend) as connected:
        call = connected.unary_unary(TRACES)
        for body, compression in ((bytes(200_000), None), (bytes(MIB), grpc.Compression.Gzip)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call(body, compression=compression, timeout=20)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert "larger than" in (caught.value.details() or "")
        assert await call(one("a", make_span(trace_id())), timeout=20) == b""


async def test_a_large_message_is_stored_in_turns(backend: Backend) -> None:
    trace = trace_id()
    body = one("a", *(make_span(trace, name="x" * 1000) for _ in range(1500)))
    assert len(body) > 1.4 * MIB
    assert await export(backend, body) == b""
    found = backend.store.get(trace)
    assert found is not None
    assert found.spans == 1500


async def test_no_memory_for_bodies_is_unavailable_so_that_the_client_tries_again() -> None:
    async with running(grpc_port=0, limits=Limits(buffered=1000)) as backend:
        code, text = await refusal(backend, one("a", *(make_span(trace_id()) for _ in range(50))))
        assert (code, text) == (grpc.StatusCode.UNAVAILABLE, "too many request bodies at the same time")
        assert await export(backend, one("a", make_span(trace_id()))) == b""


async def test_an_unknown_method(backend: Backend) -> None:
    assert (await refusal(backend, b"", method="/a.B/Export"))[0] is grpc.StatusCode.UNIMPLEMENTED


async def test_a_call_without_a_message(backend: Backend) -> None:
    async with channel(backend) as connected:
        call = connected.stream_unary(TRACES)(timeout=20)
        await call.done_writing()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_many_clients_at_once_and_the_first_ones_before_the_server_has_started(backend: Backend) -> None:
    traces = [trace_id() for _ in range(40)]
    answers = await asyncio.gather(*(export(backend, one("a", make_span(each))) for each in traces))
    assert answers == [b""] * 40
    assert all(backend.store.get(each) for each in traces)


async def test_pings_as_often_as_a_client_likes(backend: Backend) -> None:
    often = {"grpc__keepalive_time_ms": 100, "grpc__http2__max_pings_without_data": 0}
    async with channel(backend, **often, grpc__keepalive_permit_without_calls=1) as connected:
        call = connected.unary_unary(TRACES)
        assert await call(one("a", make_span(trace_id())), timeout=20) == b""
        await asyncio.sleep(1)  # real pings: a server that minds them closes with ENHANCE_YOUR_CALM
        assert connected.get_state() is grpc.ChannelConnectivity.READY


async def test_a_client_of_http_is_told_the_other_port(backend: Backend) -> None:
    client = await Client.to(backend.grpc_port)
    status, _, text = await client.post(one("a", make_span(trace_id())), PROTOBUF)
    assert status == 400
    assert text.decode() == (
        f"400 this port takes OTLP over gRPC; OTLP over HTTP is taken on port {backend.otlp_port}\n"
    )


async def test_it_listens_on_both_loopbacks_and_frees_the_port() -> None:
    async with running(grpc_port=0) as backend:
        port = backend.grpc_port
        async with grpc.aio.insecure_channel(f"localhost:{port}") as connected:
            assert await connected.unary_unary(TRACES)(b"", timeout=20) == b""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    server.close()


def content_and_mode(folder: Path) -> tuple[list[str], int] | None:
    return ([each.name for each in folder.iterdir()], folder.stat().st_mode & 0o777) if folder.exists() else None


async def test_where_sockets_need_a_file_it_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_server, "ABSTRACT", False)
    async with running(grpc_port=0) as backend:
        assert await export(backend, b"") == b""
        folder = backend._exports._folder
        assert folder is not None
        assert content_and_mode(folder) == (["grpc.sock"], 0o700)
    assert content_and_mode(folder) is None


async def test_the_end_of_the_backend_is_unavailable_to_its_clients(backend: Backend) -> None:
    async with channel(backend) as connected:
        call = connected.unary_unary(TRACES)
        assert await call(b"", timeout=20) == b""
        await backend.close()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_nothing_is_imported_before_a_client_of_grpc_comes() -> None:
    code = """
import asyncio, sys
from devenv.backend import EmbeddedSettings, serve
async def main():
    backend = await serve(EmbeddedSettings(otlp_port=0, grpc_port=0, query_port=0, health_port=0))
    for first in (b"", b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n", b"\\x16\\x03\\x01", b"PRI * HTT"):
        reader, writer = await asyncio.open_connection("127.0.0.1", backend.grpc_port)
        writer.write(first)
        if len(first) not in (0, 9):
            await reader.read()
        writer.close()
    print("grpc" in sys.modules)
    await backend.close()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"False\n"


def test_a_message_tells_its_encoding() -> None:
    assert encoding_of(gzip.compress(b"")) == "gzip"
    assert encoding_of(one("a", make_span(trace_id()))) == ""
    assert encoding_of(b"") == ""
