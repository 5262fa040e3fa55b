"""Python services of many images in one plain stack: each is traced, and starts exactly as without devenv."""

from __future__ import annotations

import os
import re
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from devenv_cli import ROOT, Devenv, find_trace

from devenv.model.identity import LABEL_SERVICE

STACK = ROOT / "tests" / "fixtures" / "stacks" / "pythons" / "compose.yaml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(STACK.read_text())["services"]
SILENT = {"queue", "worker", "job"}
"""They answer no request."""

SPANS = {**{name: {name: 1} for name in SERVICES}, "sender": {"sender": 2, "worker": 1}}
"""Of one request to a service, by the service that they are of; those of Redis' commands vary with Celery's version."""

EXIT_CODES = dict.fromkeys(("py39", "py310", "py312", "py313", "musl", "old-otel"), 7)
PROGRAMS_OWN = ("own-sdk", "own-old-sdk")
# What differs from one start to the next: times, process IDs, the ID and the address of the container.
VARYING = re.compile(
    r"""
    \d{4}-\d\d-\d\d\s\d\d:\d\d:\d\d(?:,\d+)?(?:\s[+-]\d{4})? | \d\d[/\s]\w{3}[/\s]\d{4}\s\d\d:\d\d:\d\d(?:\.\d+)?
    | \w+\s\d\d,\s\d{4}\s-\s\d\d:\d\d:\d\d | \b\d+\.\d+s\b
    | \[\d+\] | process\s\d+ | pid[:=]\s?\d+ | ForkPoolWorker-\d+
    | \b[0-9a-f]{12}\b | 0x[0-9a-f]+ | \b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b
    | \b(?:172|192|10)\.\d+\.\d+\.\d+(?::\d+)?
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Run:
    """How a container ran from its start to its end."""

    answer: str
    stdout: list[str]
    stderr: list[str]
    exit_code: int
    command: list[str]
    directory: str


@dataclass(frozen=True)
class Stack:
    document: Any
    traces: dict[str, str]
    runs: dict[str, Run]
    found: dict[str, Any]
    incomplete: dict[str, Any]


def counted(trace: Any) -> dict[str, int]:
    """The number of spans of each service, without those of Redis' commands."""
    spans = [span for span in trace["spans"] if not any(tag["key"].startswith("db.") for tag in span["tags"])]
    return dict(Counter(trace["processes"][span["processID"]]["serviceName"] for span in spans))


def skip_without(image: str, images: frozenset[str]) -> None:
    if image not in images:
        pytest.skip(f"the engine has no image {image}; `.ci/images pythons` creates it from pyenv's Python")


def asked(url: str, trace_id: str) -> str:
    headers = {"traceparent": f"00-{trace_id}-{os.urandom(8).hex()}-01"}
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as response:
                return str(response.read().decode())
        except (urllib.error.URLError, ConnectionError):  # it does not listen yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def lines(logs: bytes) -> list[str]:
    """In the order of the alphabet: workers of a server write at the same time."""
    return sorted(VARYING.sub("…", line) for line in logs.decode().splitlines())


def run_of(client: Any, project: str, name: str, answer: str) -> Run:
    (container,) = client.containers.list(
        all=True, filters={"label": [f"{LABEL_SERVICE}={name}", f"devenv.project={project}"]}
    )
    config = container.attrs["Config"]
    return Run(
        answer=answer,
        stdout=lines(container.logs(stdout=True, stderr=False)),
        stderr=lines(container.logs(stdout=False, stderr=True)),
        exit_code=container.attrs["State"]["ExitCode"],
        command=[*(config["Entrypoint"] or []), *(config["Cmd"] or [])],
        directory=config["WorkingDir"],
    )


def ran(tool: Devenv, client: Any, services: set[str], *options: str) -> Stack:
    """Start the services, ask each once, look for its trace, and stop them."""
    document = tool.json("up", "--no-canary", *options, *sorted(services))
    urls = {
        service["name"]: f"http://127.0.0.1:{service['ports'][0]['host']}"
        for service in document["services"]
        if service["name"] in services - SILENT
    }
    traces = {name: os.urandom(16).hex() for name in urls}
    answers = {name: asked(f"{url}/hello/{name}", traces[name]) for name, url in urls.items()}
    found: dict[str, Any] = {}
    incomplete: dict[str, Any] = {}
    deadline = time.monotonic() + (20 if not options else 0)
    query = document["trace_backend"]["query_url"]
    while time.monotonic() < deadline and found.keys() != traces.keys() - set(PROGRAMS_OWN):
        for name in traces.keys() - found.keys() - set(PROGRAMS_OWN):
            trace = find_trace(query, traces[name])
            if trace is not None and counted(trace) == SPANS[name]:
                found[name] = trace
            elif trace is not None:
                incomplete[name] = counted(trace)
    tool.json("stop", *sorted(services))
    runs = {name: run_of(client, document["project"], name, answers.get(name, "")) for name in services}
    return Stack(document, traces, runs, found, incomplete)


@pytest.fixture(scope="module")
def services(python_images: frozenset[str]) -> set[str]:
    """Those whose images the engine has, and Redis, which `up` brings if the engine has it not."""
    return {name for name, service in SERVICES.items() if service["image"] in python_images} | {"queue"}


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devenv]:
    found = Devenv(tmp_path_factory.mktemp("pythons"), "docker", files=(STACK,))
    yield found
    found.down()


@pytest.fixture(scope="module")
def plain(tool: Devenv, docker_client: Any, services: set[str]) -> Stack:
    found = ran(tool, docker_client, services, "--no-instrument")
    tool.down()
    return found


@pytest.fixture(scope="module")
def traced(plain: Stack, tool: Devenv, docker_client: Any, services: set[str]) -> Stack:
    """After the plain run: each has the machine for itself."""
    return ran(tool, docker_client, services)


@pytest.mark.pythons
@pytest.mark.docker
@pytest.mark.parametrize("name", [name for name in SERVICES if name != "queue"])
def test_a_service_starts_answers_and_ends_as_without_devenv(
    name: str, python_images: frozenset[str], plain: Stack, traced: Stack
) -> None:
    skip_without(SERVICES[name]["image"], python_images)
    before, after = plain.runs[name], traced.runs[name]
    assert before.exit_code == EXIT_CODES.get(name, 0)
    if name in PROGRAMS_OWN:
        said = [line for line in after.stderr if "the program has installed a tracer provider" in line]
        assert len(said) == 1
        after = replace(after, stderr=[line for line in after.stderr if line not in said])
        # The spans of the libraries go to the program's own provider, too.
        after = replace(after, stdout=[line for line in after.stdout if line != "own span GET /hello/<name>"])
    assert after == before


@pytest.mark.pythons
@pytest.mark.docker
@pytest.mark.parametrize("name", [name for name in SERVICES if name not in SILENT])
def test_a_request_is_traced(name: str, python_images: frozenset[str], traced: Stack) -> None:
    skip_without(SERVICES[name]["image"], python_images)
    tracing = next(each["tracing"] for each in traced.document["services"] if each["name"] == name)
    assert (tracing["by"], tracing["language"]) == ("devenv", "python")
    if name in PROGRAMS_OWN:  # its spans go where the program sends them
        assert name not in traced.found
    else:
        assert name in traced.found, traced.incomplete
