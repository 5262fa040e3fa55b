"""Flask with PostgreSQL, Express and Java call each other in every order; nothing in their files is about tracing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from compose.program import compose_command
from devenv_cli import ROOT, Devenv, wait_for_trace

CHAIN = ROOT / "tests" / "fixtures" / "stacks" / "chain"
SERVICES = ("flask", "express", "java")
BUILDING = {"BUILD_NETWORK": "host"}
URL = "http://127.0.0.1:8420"
pytestmark = [pytest.mark.node, pytest.mark.java]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """The files, which nothing may have changed afterwards."""
    folder = tmp_path / "chain"
    shutil.copytree(CHAIN, folder)
    yield folder
    for file in CHAIN.rglob("*.*"):
        assert (folder / file.relative_to(CHAIN)).read_bytes() == file.read_bytes()


@pytest.mark.docker
def test_in_containers_and_the_same_files_with_compose(
    project: Path, agents: dict[str, str], docker_engine: str
) -> None:
    check(Devenv(project, "docker", files=(), environ={**BUILDING, **agents}))
    compose = compose_command()
    environ = {**os.environ, **BUILDING, "DOCKER_BUILDKIT": "0", "DOCKER_HOST": docker_engine}

    def run(*arguments: str) -> None:
        done = subprocess.run(
            [*compose, *arguments], cwd=project, env=environ, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr

    try:
        run("up", "--detach", "--wait")
        for order in permutations(SERVICES):
            assert answer(order, {}) == f"flask {' '.join(order)}"
    finally:
        run("down", "--volumes", "--timeout", "0", "--rmi", "local")


@pytest.mark.postgres
def test_as_processes(project: Path, agents: dict[str, str], installed_packages: Path) -> None:
    (project / "flask" / ".venv").symlink_to(installed_packages / ".venv")
    (project / "express" / "node_modules").symlink_to(installed_packages / "node_modules")
    check(Devenv(project, "process", files=(), environ=agents))


def check(tool: Devenv) -> None:
    try:
        document = tool.json("up")
        assert document["canary"]["verdict"] == "complete", document["canary"]
        assert set(document["canary"]["services"]) == set(SERVICES)
        assert document["entrypoint_url"] == URL
        traced = {service["name"]: service["tracing"]["by"] for service in document["services"]}
        assert traced == {**dict.fromkeys(SERVICES, "devenv"), "database": "not needed", "jaeger": "not needed"}
        query_url = document["trace_backend"]["query_url"]
        canary = wait_for_trace(query_url, document["canary"]["trace_id"], set(SERVICES))
        assert {tags.get("db.system.name") for _, tags in spans_of(canary)} >= {"postgresql"}
        ids = {order: os.urandom(16).hex() for order in permutations(SERVICES)}
        for order, trace_id in ids.items():
            assert answer(order, {"traceparent": f"00-{trace_id}-{'6' * 16}-01"}) == f"flask {' '.join(order)}"
        for order, trace_id in ids.items():
            trace = complete_trace(query_url, trace_id)
            assert served(trace) == ["flask", *order]
            statements = [service for service, tags in spans_of(trace) if tags.get("db.system.name") == "postgresql"]
            assert set(statements) == {"flask"}
            assert len(statements) >= 2, "the entry point and the place of Flask in the order write to the database"
        run = tool.json("load", "--rps", "10", "--duration", "5s", "--fail", "traced==100%")
        assert (run["sent"], run["traces"]["complete"] + run["traces"]["late"]) == (50, 50)
    finally:
        tool.down()


def answer(order: tuple[str, ...], headers: Mapping[str, str], seconds: float = 30) -> str:
    """What the entry point answers, which by Compose's measure may be up before the others listen."""
    request = urllib.request.Request(f"{URL}/chain/{'/'.join(order)}", headers=dict(headers))
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                return str(response.read().decode())
        except (urllib.error.HTTPError, ConnectionError):
            if headers or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def complete_trace(query_url: str, trace_id: str) -> dict[str, Any]:
    """The trace with the four requests that were served: from each service, what it had to send."""
    deadline = time.monotonic() + 20
    while True:
        trace = wait_for_trace(query_url, trace_id, set(SERVICES), seconds=20)
        if len(served(trace)) == 4 or time.monotonic() > deadline:
            return trace
        time.sleep(0.1)


def spans_of(trace: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each span's service and attributes, in the order of their start."""
    return [
        (trace["processes"][span["processID"]]["serviceName"], {tag["key"]: tag["value"] for tag in span["tags"]})
        for span in sorted(trace["spans"], key=lambda span: span["startTime"])
    ]


def served(trace: dict[str, Any]) -> list[str]:
    """The services of the server spans, each below the one before it."""
    by_id = {span["spanID"]: span for span in trace["spans"]}
    depths = []
    for span in trace["spans"]:
        tags = {tag["key"]: tag["value"] for tag in span["tags"]}
        if tags.get("span.kind") != "server":
            continue
        depth, at = 0, span
        while at["references"] and at["references"][0]["spanID"] in by_id:
            depth, at = depth + 1, by_id[at["references"][0]["spanID"]]
        depths.append((depth, trace["processes"][span["processID"]]["serviceName"]))
    return [service for _, service in sorted(depths)]
