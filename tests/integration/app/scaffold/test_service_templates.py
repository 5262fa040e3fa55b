"""Both templates, rendered: linted, type-checked, tested by their own tests, which can fail, and served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from otlp_receiver import OtlpReceiver
from sample_processes import SampleProcesses, free_port

from devenv.app.invocation import Invocation
from devenv.app.scaffold.new_service import ServiceWish, new_service

ROOT = Path(__file__).parents[4]
TEMPLATES = ["python/starlette", "python/fastapi"]


@pytest.fixture(scope="module", params=TEMPLATES)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a service of the template, which asks another one."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "compose.yaml").write_text("services:\n  catalog:\n    image: catalog\n    expose: [8080]\n")
    wish = ServiceWish(name="order-items", template=request.param, upstreams=("catalog",))
    new_service(Invocation(directory=folder, environ={}), wish)
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MYPYPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )


def test_it_is_clean(project: Path) -> None:
    rules = ["--isolated", "--line-length=120"]
    select = "--select=A,ARG,ASYNC,B,BLE,C4,D1,E,ERA,F,I,N,PERF,PIE,PT,RET,RUF,SIM,T20,TRY,UP,W"
    ignore = ["--ignore=TRY003,D105,D107", "--per-file-ignores=**/tests/*.py:D,**/tests/*.py:ARG"]
    checked = run(project, "ruff", "check", *rules, select, *ignore, ".")
    assert checked.returncode == 0, checked.stdout
    formatted = run(project, "ruff", "format", *rules, "--check", ".")
    assert formatted.returncode == 0, formatted.stdout


def test_its_types_are_right(project: Path) -> None:
    checked = run(project, "mypy", "--config-file=", "--strict", "--explicit-package-bases", "order_items")
    assert checked.returncode == 0, checked.stdout


def test_its_own_tests_pass(project: Path) -> None:
    tested = run(project, "pytest", "-q", "-p", "no:cacheprovider", "order_items")
    assert tested.returncode == 0, tested.stdout
    assert "11 passed" in tested.stdout


@pytest.mark.parametrize(
    ("file", "found", "instead"),
    [
        ("upstreams.py", "traced = [tracing.aiohttp_trace_config()]", "traced = []"),
        ("upstreams.py", "headers=passed_on()", "headers={}"),
        ("app.py", 'with tracing.span("compose answer"', 'with tracing.span("something else"'),
        ("problems.py", "HTTPStatus.BAD_GATEWAY", "HTTPStatus.NOT_FOUND"),
        ("serving.py", 'line |= {"trace_id": trace_id, "span_id": span_id}', "pass"),
    ],
)
def test_its_own_tests_fail_once_something_is_broken(project: Path, file: str, found: str, instead: str) -> None:
    path = project / "order_items" / file
    text = path.read_text()
    assert found in text
    path.write_text(text.replace(found, instead))
    try:
        assert run(project, "pytest", "-q", "-x", "-p", "no:cacheprovider", "order_items").returncode == 1
    finally:
        path.write_text(text)


@pytest.fixture
def service(project: Path, receiver: OtlpReceiver, tmp_path: Path) -> Iterator[SampleProcesses]:
    """The service as a process, with an upstream that does not exist."""
    processes = SampleProcesses(receiver.endpoint, tmp_path, ports={"order-items": free_port()})
    nobody = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "order_items.app"]
    processes.start("order-items", command=command, cwd=project, CATALOG_URL=nobody, OTEL_BSP_SCHEDULE_DELAY="60000")
    yield processes
    processes.kill_all()


def test_it_sends_its_spans_before_it_ends_and_its_log_names_the_trace(
    service: SampleProcesses, receiver: OtlpReceiver
) -> None:
    answer = httpx.get(service.url("order-items", "/?token=secret"))
    assert (answer.status_code, answer.json()["detail"]) == (
        502,
        "catalog cannot be reached: ClientConnectorError",
    )
    assert "traceresponse" not in answer.headers
    assert not receiver.spans
    assert service.stop("order-items") == 0
    trace = answer.json()["trace_id"]
    found = {span.name: span for span in receiver.spans if span.trace_id == trace}
    assert set(found) == {"GET /", "compose answer", "GET"}
    assert all(span.error for span in found.values())
    assert not [span for span in receiver.spans if span.trace_id != trace]  # health checks are not traced
    lines = [json.loads(line) for line in service.log("order-items").splitlines()]
    of_the_request = [line for line in lines if line.get("trace_id") == trace]
    assert [line["message"] for line in of_the_request] == [answer.json()["detail"], "GET / 502"]
    assert {line["span_id"] for line in of_the_request} == {found["GET /"].span_id}
    assert not [line for line in lines if "/readyz" in line["message"] or "secret" in line["message"]]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CATALOG_URL": "catalog:8080"}, "upstreams.catalog (CATALOG_URL): found 'catalog:8080'"),
        ({"PORT": "http"}, "config.yaml: server.port (PORT): found 'http', expected a number"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(project: Path, environment: dict[str, str], said: str) -> None:
    command = [sys.executable, "-m", "order_items.app"]
    ended = subprocess.run(
        command, cwd=project, env={**os.environ, **environment}, capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert said in ended.stderr
