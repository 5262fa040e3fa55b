"""What devenv's tracing adds to the start of a Python container, beside the same container without it.

Run: `make bench-start [ARGS='--rounds 15 --json']`. Each round creates and starts every program twice, in turn: as it
is, and with what `devenv up` adds. Measured are the creation of the container, with the copy of the files, and the time
from its start to the program's first own line; for Flask that is when its socket listens. All are first starts: no
interpreter has compiled anything in the container. The median of the pairs' differences is to be at most 250 ms for
each program; above it the exit code is 1. Engine and this program have to be on one machine: they share a clock.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import statistics
import sys
import time
from dataclasses import replace
from functools import cache
from importlib.util import MAGIC_NUMBER
from typing import Any

import docker

from devenv.app.engines import connect
from devenv.contract.engine import Engine
from devenv.contract.specification import FileTree, InstanceSpec
from devenv.model.identity import LABEL_PROJECT
from devenv.orchestrate.instrumentation.injection import Surroundings, python_injection
from devenv.orchestrate.instrumentation.python_library import python_library
from devenv.testing import make_project, make_service
from devenv.testing.builders import make_labels

LIMIT_MS = 250.0
IMAGE = "devenv-bench-start"
DOCKERFILE = "FROM python:3.12-slim\nRUN pip install --no-cache-dir flask\n"
SAID = "the program says: "
SAY = f"import time; print({SAID!r} + repr(time.time()), flush=True)\n"
PROGRAMS = {
    "plain": SAY,
    "standard library": "import argparse, json, logging, pathlib, threading, urllib.parse\n" + SAY,
    "flask": (
        "from flask import Flask\nfrom werkzeug.serving import make_server\n"
        "app = Flask(__name__)\nserver = make_server('127.0.0.1', 8000, app)\n" + SAY
    ),
}
PROJECT = make_project(name="bench-start")
SETTINGS = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",  # no receiver: the export is not measured
    "OTEL_EXPORTER_OTLP_TIMEOUT": "100",
    "OTEL_SERVICE_NAME": "web",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


def specification(
    program: str, number: int, *, added: bool, options: dict[str, Any], byte_code: bool = True
) -> InstanceSpec:
    """The container of a program, as it is or with tracing."""
    service = make_service("web", image=IMAGE, command=("python", "-c", PROGRAMS[program]), **options)
    spec = InstanceSpec(
        name=f"{PROJECT.id}-web-{number}",
        project=PROJECT,
        service=service,
        index=number,
        labels=make_labels(PROJECT, "web", number),
        image=IMAGE,
    )
    if not added:
        return spec
    injection = python_injection(Surroundings(own={}), python_library())
    environment = {**SETTINGS, **injection.environment}
    trees = injection.files if byte_code else tuple(without_byte_code(tree) for tree in injection.files)
    return replace(spec, service=replace(service, environment=environment), trees=trees)


@cache
def without_byte_code(tree: FileTree) -> FileTree:
    """What an interpreter of another version than devenv's can use of the files."""
    files = []
    for name, file in tree.files:
        content = file if isinstance(file, bytes) else file.read_bytes()
        files.append((name, content.replace(MAGIC_NUMBER, b"\0\0\r\n")))  # of no version
    return replace(tree, files=tuple(files))


async def first_start(engine: Engine, client: docker.APIClient, spec: InstanceSpec) -> tuple[float, float]:
    """Milliseconds of the creation, and from the start to the program's first line."""
    begun = time.perf_counter()
    instance = await engine.create(spec)
    created = time.perf_counter()
    started = time.time()
    try:
        await engine.start(instance)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            output = client.logs(instance).decode()
            if SAID in output:
                said = float(output.partition(SAID)[2].splitlines()[0])
                return (created - begun) * 1000, (said - started) * 1000
            await asyncio.sleep(0.05)
        raise SystemExit(f"the program has said nothing: {client.logs(instance).decode()}")
    finally:
        await engine.remove(instance)


async def measure(engine: Engine, client: docker.APIClient, rounds: int, **options: Any) -> Any:
    """Figures of each program: creation and start, as it is and with tracing, and what tracing adds in a pair."""
    number = 0
    pairs: dict[str, list[tuple[float, float, float, float]]] = {program: [] for program in PROGRAMS}
    for turn in range(rounds + 1):
        for program, times in pairs.items():
            found = {}
            for added in (False, True) if turn % 2 else (True, False):
                number += 1
                spec = specification(program, number, added=added, **options)
                found[added] = await first_start(engine, client, spec)
            if turn:  # the first one warms caches
                times.append((*found[False], *found[True]))
        print(f"round {turn} of {rounds}", file=sys.stderr)
    return {program: figures(times) for program, times in pairs.items()}


def figures(times: list[tuple[float, float, float, float]]) -> dict[str, int]:
    bare_create, bare_start, create, start = (round(statistics.median(column)) for column in zip(*times, strict=True))
    copied = round(statistics.median(with_create - without for without, _, with_create, _ in times))
    started = round(statistics.median(with_start - without for _, without, _, with_start in times))
    both = round(statistics.median(c + d - a - b for a, b, c, d in times))
    return {
        "create_ms": bare_create,
        "start_ms": bare_start,
        "create_traced_ms": create,
        "start_traced_ms": start,
        "copy_adds_ms": copied,
        "start_adds_ms": started,
        "adds_ms": both,
    }


def sweep(client: docker.APIClient) -> None:
    """Remove what a round that was ended early has left."""
    for found in client.containers(all=True, filters={"label": f"{LABEL_PROJECT}={PROJECT.id}"}):
        client.remove_container(found["Id"], v=True, force=True)


async def run(rounds: int, **options: Any) -> Any:
    client = docker.APIClient(version="auto")
    for line in client.build(fileobj=io.BytesIO(DOCKERFILE.encode()), tag=IMAGE, decode=True):
        if "error" in line:
            raise SystemExit(line["error"])
    engine = await connect("docker", PROJECT, os.environ)
    try:
        return await measure(engine, client, rounds, **options)
    finally:
        sweep(client)
        await engine.close()
        client.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--read-only", action="store_true", help="with a read-only root file system")
    parser.add_argument("--user", help="the user of the program, such as 1000")
    parser.add_argument(
        "--other-version",
        action="store_true",
        help="as for a Python of another version, which cannot use the byte code",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    arguments = parser.parse_args()
    options = {"read_only": arguments.read_only, "user": arguments.user}
    result = asyncio.run(run(arguments.rounds, options=options, byte_code=not arguments.other_version))
    if arguments.json:
        print(json.dumps({"limit_ms": LIMIT_MS, "rounds": arguments.rounds, "programs": result}))
    else:
        for program, found in result.items():
            print(
                f"{program:<17} {found['start_ms']:>5} ms from start to first line, traced "
                f"{found['start_traced_ms']:>5} ms; tracing adds {found['copy_adds_ms']:>4} ms of copy, "
                f"{found['start_adds_ms']:>4} ms of start, together {found['adds_ms']:>4} ms (limit {LIMIT_MS:.0f})"
            )
    return int(any(found["adds_ms"] > LIMIT_MS for found in result.values()))


if __name__ == "__main__":
    sys.exit(main())
