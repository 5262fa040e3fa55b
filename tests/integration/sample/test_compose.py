"""Plain `docker compose` runs the sample and the polyglot stack unchanged, and their traces reach the real Jaeger."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "stacks" / "sample"
POLYGLOT = ROOT / "tests" / "fixtures" / "stacks" / "polyglot"
GATEWAY, JAEGER = "http://127.0.0.1:8080", "http://127.0.0.1:16686"
PROJECT = "devenv-test-compose"

pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Compose:
    directory: Path

    def __call__(self, *arguments: str) -> str:
        """Run `docker compose`; its output.

        Raises:
            AssertionError: it failed.
        """
        command = ["docker", "compose", "--project-name", PROJECT, *arguments]
        environment = {**os.environ, "DOCKER_BUILDKIT": "0"}  # the Dockerfiles need no BuildKit
        ended = subprocess.run(
            command, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=280
        )
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout


@pytest.fixture
def compose(docker_client: DockerClient) -> Iterator[Callable[[Path], Compose]]:
    """Brings a stack up with `docker compose`, and takes it down with its anonymous volumes."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("docker has no compose plugin; `.ci/go-build compose` makes it")
    running: list[Compose] = []

    def up(directory: Path) -> Compose:
        stack = Compose(directory)
        running.append(stack)
        stack("up", "--detach", "--build")
        return stack

    yield up
    for stack in running:
        stack("down", "--volumes", "--timeout", "1")


def eventually(ask: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true result of `ask`, or the last failure."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := ask():
                return found
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def request(path: str, **headers: str) -> httpx.Response:
    """A request that gets through, once all services are there."""

    def ask() -> httpx.Response | None:
        answer = httpx.get(GATEWAY + path, headers=headers)
        return answer if answer.status_code == 200 else None

    found: httpx.Response = eventually(ask)
    return found


def spans_by_service(trace_id: str, services: set[str]) -> dict[str, list[dict[str, Any]]]:
    """A trace's spans by service, as Jaeger has them once spans of all the services are there."""

    def ask() -> dict[str, list[dict[str, Any]]] | None:
        answer = httpx.get(f"{JAEGER}/api/traces/{trace_id}")
        if answer.status_code != 200:
            return None
        trace = answer.json()["data"][0]
        found: dict[str, list[dict[str, Any]]] = {}
        for span in trace["spans"]:
            found.setdefault(trace["processes"][span["processID"]]["serviceName"], []).append(span)
        return found if set(found) == services else None

    found: dict[str, list[dict[str, Any]]] = eventually(ask)
    return found


@pytest.mark.parametrize(
    ("directory", "path", "services"),
    [
        pytest.param(SAMPLE, "/api/profile", {"gateway", "auth", "user"}, id="sample"),
        pytest.param(POLYGLOT, "/api/items/1", {"gateway", "inventory", "user"}, id="polyglot"),
    ],
)
def test_compose_runs_the_file_unchanged_and_traces_reach_jaeger(
    compose: Callable[[Path], Compose], docker_client: DockerClient, directory: Path, path: str, services: set[str]
) -> None:
    stack = compose(directory)
    answer = request(path, **{"x-api-key": "devenv-demo-key"})
    trace_id = answer.headers["traceresponse"].split("-")[1]
    found = spans_by_service(trace_id, services)
    spans = [span for group in found.values() for span in group]
    roots = [span for span in spans if not span["references"]]
    assert roots == [span for span in found["gateway"] if not span["references"]]
    assert len(roots) == 1
    ids = {span["spanID"] for span in spans}
    assert all(reference["spanID"] in ids for span in spans for reference in span["references"])
    assert int(stack("exec", "-T", "gateway", "python", "-c", "import os; print(os.getuid())")) > 0
    labels = {"label": [f"com.docker.compose.project={PROJECT}"]}
    stack("stop", "--timeout", "8", *sorted(services))
    stopped = docker_client.containers.list(all=True, filters=labels)
    codes = {each.labels["com.docker.compose.service"]: each.attrs["State"]["ExitCode"] for each in stopped}
    assert {name: codes[name] for name in services} == dict.fromkeys(services, 0)
