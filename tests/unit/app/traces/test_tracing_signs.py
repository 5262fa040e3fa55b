"""Signs of tracing: in the stack file, and in the files of a service."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from devenv.app.traces.first_tracing import first_tracing
from devenv.app.traces.tracing_signs import find_tracing_sign, look
from devenv.contract.answers import ExecResult
from devenv.contract.capabilities import Capabilities
from devenv.contract.specification import InstanceSpec
from devenv.engine.docker.engine import CAPABILITIES as DOCKER
from devenv.engine.process.engine import CAPABILITIES as PROCESS
from devenv.errors import EngineRefused
from devenv.model.identity import LABEL_PROJECT
from devenv.model.stack import Stack
from devenv.stack import load_stack
from devenv.testing import FakeClock, FakeEngine, FakeImage, Script, make_project

PLAIN = """
services:
  web:
    image: python:3.12-slim
    command: python -m http.server 8000
    ports: ["8000:8000"]
    x-devenv: {process: {command: "python3 app.py"}}
  db: {image: "postgres:17"}
"""


def loaded(tmp_path: Path, text: str = PLAIN) -> Stack:
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    return load_stack([file], environ={})


async def found(stack: Stack, answer: ExecResult | EngineRefused | None, capabilities: Capabilities = DOCKER) -> str:
    """The sign in ``stack`` whose running `web` answers every command with ``answer``; ``None``: never."""
    engine = FakeEngine(FakeClock(), capabilities=capabilities)

    async def answered(command: Sequence[str]) -> ExecResult:
        if isinstance(answer, EngineRefused):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        assert command[0] == "/bin/sh"
        assert isinstance(answer, ExecResult)
        return answer

    engine.scripts = {"web": Script(exec=answered)}
    engine.images = {"python:3.12-slim": FakeImage("sha256:1")}
    project = make_project(stack.directory)
    service = stack.services["web"]
    spec = InstanceSpec(
        project=project, service=service, index=1, name="web-1", image=service.image or "", labels={LABEL_PROJECT: "p"}
    )
    await engine.start(await engine.create(spec))
    return await find_tracing_sign(stack, await engine.observe(None), engine)


NONE = ExecResult(exit_code=0, output=b"devenv: none\n")


@pytest.mark.parametrize("capabilities", [DOCKER, PROCESS])
async def test_a_plain_stack_shows_none(tmp_path: Path, capabilities: Capabilities) -> None:
    assert await found(loaded(tmp_path), NONE, capabilities) == ""


@pytest.mark.parametrize(
    "changed",
    [
        PLAIN.replace("ports:", "environment: {OTEL_BSP_SCHEDULE_DELAY: 5000}\n    ports:"),
        PLAIN.replace("ports:", "environment: {EXPORT_TO: 'http://jaeger:4318'}\n    ports:"),
        PLAIN.replace("python -m http.server", "opentelemetry-instrument python -m http.server"),
        PLAIN.replace("python3 app.py", "devenv run -- python3 app.py"),
        PLAIN + "  jaeger: {image: 'jaegertracing/jaeger:2.13.0'}\n",
        PLAIN + "x-devenv: {canary: {services: [web]}}\n",
    ],
)
async def test_a_setting_in_the_file_is_a_sign(tmp_path: Path, changed: str) -> None:
    assert await found(loaded(tmp_path, changed), NONE)


@pytest.mark.parametrize(
    "answer",
    [
        ExecResult(exit_code=0, output=b"/usr/lib/python3/site-packages/opentelemetry\n"),
        ExecResult(exit_code=127, output=b""),  # no shell or no grep: nothing is known
        ExecResult(exit_code=0, output=b""),
        EngineRefused("the container has ended"),
    ],
)
async def test_what_cannot_be_looked_into_counts_as_a_sign(tmp_path: Path, answer: ExecResult | EngineRefused) -> None:
    assert (await found(loaded(tmp_path), answer)).startswith("web: ")


async def test_a_look_that_does_not_end_counts_as_a_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devenv.app.traces.tracing_signs.LOOK_SECONDS", 0.01)
    assert "cannot be looked into: timeout" in await found(loaded(tmp_path), None)


@pytest.mark.parametrize(
    ("name", "text", "sign"),
    [
        ("app.py", b"print('hello')", False),
        ("README.md", b"see opentelemetry.io", False),
        (".devenv/logs/web-1.log", b"opentelemetry", False),
        ("app.py", b"from opentelemetry import trace", True),
        ("server", b"\x7fELF\x00\xff\x00go.opentelemetry.io/otel/sdk\x00", True),
        ("lib/app.jar", b"PK\x03\x04\x00\xffBOOT-INF/lib/opentelemetry-sdk-1.40.0.jar\x00", True),
        ("node_modules/@opentelemetry/api/index.js", b"", True),
        ("node_modules/left-pad/index.js", b"// works with opentelemetry", False),
        (".venv/lib/site-packages/opentelemetry/__init__.py", b"", True),
        ("appsettings.json", b'{"Endpoint": "http://collector:4318"}', True),
    ],
)
def test_files_are_read_for_libraries_and_for_code_that_names_one(
    tmp_path: Path, name: str, text: bytes, sign: bool
) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text)
    command = look("python3", ("./",), containers=False)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True)
    assert (done.stdout != "devenv: none\n") == sign, done.stdout


def test_the_advice_is_lines_to_paste(tmp_path: Path) -> None:
    stack = loaded(tmp_path)
    assert first_tracing(stack, DOCKER) == [
        "devenv init --from compose.yaml --library",
        "# compose.yaml:3: services.web",
        'command: "python -m devenv.tracing -- python -m http.server 8000"',
        "devenv run --service-name web -- python -m http.server 8000",
    ]
    assert first_tracing(stack, PROCESS)[1:] == [
        "# compose.yaml:3: services.web.x-devenv.process",
        'command: "devenv run -- python3 app.py"',
    ]
