"""Node.js programs with OpenTelemetry's real agent, as `up` starts them: traced, or exactly as without it."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from otlp_receiver import OtlpReceiver

from devenv.orchestrate.agents.catalogue import NODE
from devenv.orchestrate.agents.store import AgentStore

pytestmark = pytest.mark.node

SERVER = """
http.createServer(async (request, response) => {
  if (request.url === '/inner') return response.end('inner');
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/inner`);
  response.end(await answer.text());
})"""
COMMON = (
    f"const http = require('http');\nconst server = {SERVER}.listen(0, () => console.log(server.address().port));\n"
)
MODULE = COMMON.replace("const http = require('http');", "import http from 'http';")
TRACED = "console.log(Object.getOwnPropertySymbols(globalThis).some((each) => String(each).includes('opentelemetry')))"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    one = OtlpReceiver().start()
    yield one
    one.stop()


def environment(store: Path, endpoint: str, **more: str) -> dict[str, str]:
    agent = AgentStore(store).find(NODE)
    assert agent is not None
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "NODE_"))}
    settings = {
        "NODE_OPTIONS": f"--require {agent.entry}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_NODE_RESOURCE_DETECTORS": "env,host",
        "OTEL_SERVICE_NAME": "web",
        "OTEL_BSP_SCHEDULE_DELAY": "60000",  # only the end of the program sends what is left
    }
    return {**inherited, **settings, **more}


@contextmanager
def running(file: Path, env: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program, and the port that it prints."""
    with subprocess.Popen(
        ["node", str(file)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as one:
        try:
            assert one.stdout is not None
            yield one, int(one.stdout.readline())
        finally:
            one.kill()


def get(port: int) -> str:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/", headers=headers)) as response:
        return str(response.read().decode())


def run(file: Path, env: dict[str, str], *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", *before, str(file)], env=env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(("name", "text"), [("server.js", COMMON), ("server.mjs", MODULE)])
def test_a_server_and_its_call_are_one_trace_which_a_stop_does_not_lose(
    tmp_path: Path, node_agent: Path, receiver: OtlpReceiver, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    with running(tmp_path / name, environment(node_agent, receiver.endpoint)) as (program, port):
        assert get(port) == "inner"
        program.terminate()
        assert program.wait(timeout=20) == -15
        assert program.stderr is not None
        assert program.stderr.read() == ""
    by_id = {span.span_id: span for span in receiver.spans}
    assert {span.trace_id for span in receiver.spans} == {TRACE}
    assert sorted(span.kind for span in receiver.spans) == ["client", "server", "server"]
    assert all(span.parent_id in by_id or span.parent_id == PARENT for span in receiver.spans)
    assert {span.service for span in receiver.spans} == {"web"}


def test_a_library_is_traced_when_the_program_requires_it(
    tmp_path: Path, node_agent: Path, receiver: OtlpReceiver
) -> None:
    """Generic-pool's instrumentation needs no server: a stand-in with its name and the method that is patched."""
    library = tmp_path / "node_modules" / "generic-pool"
    library.mkdir(parents=True)
    (library / "package.json").write_text('{"name": "generic-pool", "version": "3.9.0"}')
    (library / "index.js").write_text(
        "class Pool { acquire() { return Promise.resolve(1); } }\nexports.createPool = () => new Pool();\n"
        "exports.Pool = Pool;\n"
    )
    (tmp_path / "main.js").write_text("require('generic-pool').createPool().acquire().then(console.log)")
    done = run(tmp_path / "main.js", environment(node_agent, receiver.endpoint))
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert [span.name for span in receiver.spans] == ["generic-pool.acquire"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"package.json": {"dependencies": {"@opentelemetry/sdk-node": "1"}}},
            "package.json has @opentelemetry/sdk-node",
        ),
        ({"package.json": {"dependencies": {"@opentelemetry/api": "1"}}}, ""),
    ],
)
def test_a_program_that_traces_itself_is_left_alone(
    tmp_path: Path, node_agent: Path, receiver: OtlpReceiver, files: dict[str, object], expected: str
) -> None:
    for name, value in files.items():
        (tmp_path / name).write_text(json.dumps(value))
    (tmp_path / "main.js").write_text(TRACED)
    done = run(tmp_path / "main.js", environment(node_agent, receiver.endpoint))
    assert (done.returncode, done.stdout) == (0, "false\n" if expected else "true\n")
    assert expected in done.stderr


def test_a_program_that_starts_others_does_not_load_the_agent(
    tmp_path: Path, node_agent: Path, receiver: OtlpReceiver
) -> None:
    (tmp_path / "npm-cli.js").write_text(TRACED)
    done = run(tmp_path / "npm-cli.js", environment(node_agent, receiver.endpoint))
    assert (done.stdout, done.stderr) == ("false\n", "")


def test_an_old_version_of_node_is_told_and_runs_on(tmp_path: Path, node_agent: Path, receiver: OtlpReceiver) -> None:
    (tmp_path / "old.cjs").write_text("Object.defineProperty(process.versions, 'node', {value: '16.20.2'});")
    (tmp_path / "main.js").write_text("console.log('runs')")
    env = environment(node_agent, receiver.endpoint)
    env["NODE_OPTIONS"] = f"--require {tmp_path}/old.cjs {env['NODE_OPTIONS']}"
    done = run(tmp_path / "main.js", env)
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.startswith("devenv: not traced: the agent needs Node.js 18.19 or 20.6")


def test_a_damaged_agent_is_told_and_the_program_runs_on(
    tmp_path: Path, node_agent: Path, receiver: OtlpReceiver
) -> None:
    agent = AgentStore(node_agent).find(NODE)
    assert agent is not None
    for name, path in agent.files():
        content = path.read_bytes()
        (tmp_path / "agent" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "agent" / name).write_bytes(content if name != "agent.pack" else content[: len(content) // 2])
    (tmp_path / "main.js").write_text("console.log('runs')")
    env = environment(node_agent, receiver.endpoint, NODE_OPTIONS=f"--require {tmp_path}/agent/start.cjs")
    done = run(tmp_path / "main.js", env)
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.startswith("devenv: tracing is not complete")


def test_the_agent_costs_a_start_less_than_half_of_what_the_stock_start_costs(node_agent: Path) -> None:
    """By the number of modules that are compiled: what the program does not use stays text."""
    agent = AgentStore(node_agent).find(NODE)
    assert agent is not None
    index = json.loads((agent.directory / "agent.pack").read_bytes().partition(b"\n")[0])
    counted = (
        "const vm = require('vm'); let count = 0; const compile = vm.compileFunction;"
        "vm.compileFunction = (...given) => { count += 1; return compile(...given); };"
        f"require({str(agent.entry)!r}); console.log(count); process.exit(0);"
    )
    done = subprocess.run(
        ["node", "-e", counted],
        env=environment(node_agent, "http://127.0.0.1:9", NODE_OPTIONS=""),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert 50 < int(done.stdout) < len(index["modules"]) / 2
