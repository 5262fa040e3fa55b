"""However a Node.js program ends, the spans that it has ended arrive, over HTTP and gRPC, and it ends as it would."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from raw_http import running

from devenv.backend import Backend
from devenv.backend.query.source import StoreSource
from devenv.model.span import SpanKind
from devenv.orchestrate.agents.catalogue import NODE
from devenv.orchestrate.agents.store import AgentStore

pytestmark = pytest.mark.node

PROGRAM = """
const http = require('http');
const server = http.createServer((request, response) => response.end('ok')).listen(0, async () => {
  await (await fetch(`http://127.0.0.1:${server.address().port}/x`)).text();
  ENDING
  console.log('ready');
});
"""
# Programs and libraries look at the listeners to decide who ends the program, as signal-exit does.
AS_SIGNAL_EXIT = """process.on('SIGTERM', function ended() {
  if (process.listeners('SIGTERM').length !== 1) return;
  process.removeListener('SIGTERM', ended);
  process.kill(process.pid, 'SIGTERM');
});"""
# What the program does, the signal that it gets, and its exit code.
ENDINGS = {
    "a signal": ("", signal.SIGTERM, -signal.SIGTERM),
    "an interrupt": ("", signal.SIGINT, -signal.SIGINT),
    "a signal while a batch is sent": ("await new Promise((go) => setTimeout(go, 120));", signal.SIGTERM, -15),
    "a handler that exits": ("process.on('SIGTERM', () => server.close(() => process.exit(3)));", signal.SIGTERM, 3),
    "a handler that signals again": (AS_SIGNAL_EXIT, signal.SIGTERM, -15),
    "an exit": ("setTimeout(() => process.exit(4), 20);", None, 4),
    "an exception": ("setTimeout(() => { throw new Error('told'); }, 20);", None, 1),
    "nothing to do": ("server.close(); server.closeAllConnections();", None, 0),
}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with running(grpc_port=0) as found:
        yield found


async def ended(folder: Path, agents: Path, ending: str, protocol: str, port: int) -> tuple[int, str]:
    """Exit code and stderr of the program."""
    agent = AgentStore(agents).find(NODE)
    assert agent is not None
    text, number, _ = ENDINGS[ending]
    (folder / "main.js").write_text(PROGRAM.replace("ENDING", text))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "NODE_"))}
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://localhost:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_NODE_RESOURCE_DETECTORS": "env",
        "OTEL_BSP_SCHEDULE_DELAY": "100" if "batch" in ending else "60000",  # only the end sends what is left
    }
    pipe = asyncio.subprocess.PIPE
    command = ("node", "--require", str(agent.entry), str(folder / "main.js"))
    process = await asyncio.create_subprocess_exec(*command, env={**inherited, **settings}, stdout=pipe, stderr=pipe)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        if number is not None:
            process.send_signal(number)
        _, errors = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, errors.decode()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_the_last_spans_arrive(
    tmp_path: Path, node_agent: Path, backend: Backend, ending: str, protocol: str
) -> None:
    port = backend.grpc_port if protocol == "grpc" else backend.otlp_port
    code, errors = await ended(tmp_path, node_agent, ending, protocol, port)
    assert code == ENDINGS[ending][2]
    assert ("told" in errors) if ending == "an exception" else errors == ""
    (trace,) = backend.store.traces
    found = await StoreSource(backend.store).trace(trace.hex())
    assert found is not None
    assert {span.kind for span in found.spans} == {SpanKind.SERVER, SpanKind.CLIENT}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_receiver_that_does_not_answer_holds_the_end_up_for_a_bounded_time(
    tmp_path: Path, node_agent: Path, protocol: str
) -> None:
    silent = await asyncio.start_server(lambda reader, _: reader.read(), "127.0.0.1", 0)
    started = time.monotonic()
    code, errors = await ended(tmp_path, node_agent, "an exit", protocol, silent.sockets[0].getsockname()[1])
    assert (code, errors) == (4, "")
    assert time.monotonic() - started < 12, "2 s, and the program's own start"
    silent.close()
