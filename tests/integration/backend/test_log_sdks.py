"""Log records of OpenTelemetry's SDK for Python, sent over HTTP and gRPC, and read back by devenv's client."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import httpx
import pytest
from embedded.log_build import logged, make_record
from otlp_build import PROTOBUF, trace_id
from raw_http import running

from devenv.backend import Backend, EmbeddedSettings, serve
from devenv.traces.client import TraceClient
from devenv.traces.logs.source import LogQuery

PROGRAM = """
import logging, sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.{protocol}._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

tracer = TracerProvider().get_tracer("t")
provider = LoggerProvider(Resource({{"service.name": "shop"}}))
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
logging.getLogger().addHandler(LoggingHandler(logger_provider=provider))
logging.getLogger().setLevel("INFO")
with tracer.start_as_current_span("order") as span:
    for number in range(600):
        logging.info("größe %d", number, extra={{"order": number}})
    try:
        raise ValueError("no stock")
    except ValueError:
        logging.exception("charging failed")
provider.shutdown()
print(format(span.get_span_context().trace_id, "032x"), format(span.get_span_context().span_id, "016x"))
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_records_are_read_back_as_they_were_made(tmp_path: Path, protocol: str) -> None:
    async with running(grpc_port=0) as backend:
        port = backend.grpc_port if protocol == "grpc" else backend.otlp_port
        environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.format(protocol=protocol))
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(program), env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        trace, span = output.decode().split()
        async with TraceClient(f"http://127.0.0.1:{backend.query_port}") as client:
            found = (await client.logs(LogQuery(trace_id=trace, span_id=span))).records
            failed = (await client.logs(LogQuery(services=("shop",), severity=17))).records
            one = (await client.logs(LogQuery(text="GRÖSSE 17", attributes={"order": "17"}))).records
            first = await client.logs(LogQuery(limit=400))
            rest = await client.logs(LogQuery(limit=400, before=first.before))
    assert [record.body for record in found] == [*(f"größe {number}" for number in range(600)), "charging failed"]
    assert {(record.service, record.trace_id, record.span_id) for record in found} == {("shop", trace, span)}
    [record] = failed
    assert (record.body, record.severity, record.severity_text) == ("charging failed", 17, "ERROR")
    assert record.attributes["exception.message"] == "no stock"
    assert one == []  # sharp s is not ss: letters are compared as they are, only without their case
    assert [record.body for record in (*rest.records, *first.records)] == [record.body for record in found]
    assert rest.before == ""


async def test_a_closed_backend_wants_its_token_for_log_records() -> None:
    settings = EmbeddedSettings(otlp_port=0, query_port=0, health_port=None, token="secret")
    backend: Backend = await serve(settings)
    try:
        trace = trace_id()
        url = f"http://127.0.0.1:{backend.query_port}"
        async with httpx.AsyncClient() as http:
            body = logged("shop", make_record("x", trace=trace))
            sent = await http.post(f"http://127.0.0.1:{backend.otlp_port}/v1/logs", content=body, headers=PROTOBUF)
            assert sent.status_code == 200
            assert (await http.get(f"{url}/api/devenv/logs")).status_code == 401
        async with TraceClient(url, token="secret") as client:
            assert len((await client.logs(LogQuery(trace_id=trace.hex()))).records) == 1
    finally:
        await backend.close()
