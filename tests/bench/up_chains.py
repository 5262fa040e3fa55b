"""`devenv up` of 20 services in four chains, on both engines, beside `docker compose up -d --wait` on the same file.

Run: `make bench-up` (or this module by itself, `--rounds 5 --json`). Each service takes a known time to boot, and
starts once the one before it in its chain is healthy. The floor is the slowest chain, measured in the same round:
containers that exist are started by the SDK, and processes by fork, without tracing, each after the one before it.
`up` is to take at most 1.3 times as long; above it the exit code is 1. Each service is Python's, and devenv adds
tracing to it. Images are present; wall time of the whole command, its start included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import yaml

LIMIT = 1.3
CHAINS = {"slow": (2.5,) * 6, "steady": (1.5,) * 6, "quick": (0.3,) * 5, "late": (0.1, 4.0, 0.1)}
"""Seconds that each service of a chain takes until it is healthy, the first one first."""
NAME = "devenv-bench-chains"
NAMES = ("docker_chain", "compose", "docker", "process_chain", "process")
IMAGE = "python:3.12-slim"
PROGRAM = """\
import os, sys, time
from http.server import HTTPServer, SimpleHTTPRequestHandler

boot, sign = float(sys.argv[1]), sys.argv[2]
time.sleep(boot)
server = HTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8000"))), SimpleHTTPRequestHandler)
open(sign, "w").close()
server.serve_forever()
"""


def stack() -> dict[str, Any]:
    """The stack file: a service is healthy once its program has written a file.

    Compose sees that when the engine asks, a little after a slow service has booted. To ask all more often would
    keep the processors busy.
    """
    services: dict[str, Any] = {}
    for chain, boots in CHAINS.items():
        for number, boot in enumerate(boots):
            name = f"{chain}-{number}"
            arguments = [str(boot), f"{name}.ready"]
            service: dict[str, Any] = {
                "image": IMAGE,
                "command": ["python3", "/srv/service.py", *arguments],
                "working_dir": "/signs",
                "init": True,
                "volumes": ["./service.py:/srv/service.py:ro", "./signs:/signs"],
                "healthcheck": {"test": ["CMD", "test", "-e", f"{name}.ready"], "interval": "3s", "retries": 99},
                "expose": ["8000"],
                "x-devenv": {"process": {"command": ["python3", "../service.py", *arguments], "cwd": "signs"}},
            }
            if number:
                service["depends_on"] = {f"{chain}-{number - 1}": {"condition": "service_healthy"}}
            services[name] = service
    return {"name": NAME, "services": services}


def run(command: list[str], folder: Path) -> tuple[float, str]:
    """Run a command in the stack's folder; gives wall milliseconds and what it wrote to stdout."""
    if "up" in command:
        remove_signs(folder)
    begun = time.perf_counter()
    ended = subprocess.run(
        command, cwd=folder, env={**os.environ, "CI": "true"}, capture_output=True, text=True, timeout=300
    )
    elapsed = (time.perf_counter() - begun) * 1000
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return elapsed, ended.stdout


def remove_signs(folder: Path) -> None:
    for sign in (folder / "signs").iterdir():
        sign.unlink()


def compose_up(folder: Path) -> tuple[float, float]:
    """Gives milliseconds of Compose's ``up``, and of the slowest chain of the same containers."""
    try:
        elapsed, _ = run(["docker", "compose", "up", "-d", "--wait"], folder)
        run(["docker", "compose", "stop", "--timeout", "0"], folder)
        client = docker.from_env()
        found = client.containers.list(all=True, filters={"label": f"com.docker.compose.project={NAME}"})
        by_service = {each.labels["com.docker.compose.service"]: each for each in found}
        floor = slowest_chain(folder, lambda name, _: by_service[name].start())
        client.close()
        return elapsed, floor
    finally:
        run(["docker", "compose", "down", "--timeout", "0"], folder)


def process_floor(folder: Path) -> float:
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, boot: float) -> None:
        command = ["python3", "../service.py", str(boot), f"{name}.ready"]
        environ = {**os.environ, "PORT": "0"}
        started.append(subprocess.Popen(command, cwd=folder / "signs", env=environ, stderr=subprocess.DEVNULL))

    try:
        return slowest_chain(folder, start)
    finally:
        for each in started:
            each.kill()
            each.wait()


def slowest_chain(folder: Path, start: Callable[[str, float], object]) -> float:
    """Milliseconds until the last service is ready, if all that is done is to start each after the one before it."""
    remove_signs(folder)

    def chain(name: str) -> None:
        for number, boot in enumerate(CHAINS[name]):
            start(f"{name}-{number}", boot)
            while not (folder / "signs" / f"{name}-{number}.ready").exists():
                time.sleep(0.01)

    begun = time.perf_counter()
    with ThreadPoolExecutor(len(CHAINS)) as threads:
        for _ in threads.map(chain, CHAINS):
            pass
    return (time.perf_counter() - begun) * 1000


def devenv_up(folder: Path, engine: str) -> float:
    devenv = [sys.executable, "-m", "devenv", "--engine", engine, "--json"]
    try:
        elapsed, output = run([*devenv, "up", "--no-canary", "--isolated"], folder)
        services = [each for each in json.loads(output)["services"] if each["name"] != "jaeger"]
        untraced = [each["name"] for each in services if each["tracing"]["by"] != "devenv"]
        if len(services) != 20 or untraced:
            raise SystemExit(f"{len(services)} services; not traced by devenv: {', '.join(untraced)}")
        return elapsed
    finally:
        run([*devenv, "down"], folder)


def measure(rounds: int) -> dict[str, Any]:
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory(prefix="devenv-bench-") as place:
        folder = Path(place)
        (folder / "signs").mkdir()
        (folder / "service.py").write_text(PROGRAM)
        (folder / "compose.yaml").write_text(yaml.safe_dump(stack(), sort_keys=False))
        for number in range(rounds):
            compose, floor = compose_up(folder)
            found = (floor, compose, devenv_up(folder, "docker"), process_floor(folder), devenv_up(folder, "process"))
            for name, elapsed in zip(NAMES, found, strict=True):
                times[name].append(elapsed)
            now = ", ".join(f"{name} {elapsed:.0f} ms" for name, elapsed in zip(NAMES, found, strict=True))
            print(f"round {number + 1}: {now}", file=sys.stderr)
    medians = {f"{name}_ms": round(statistics.median(found)) for name, found in times.items()}
    return {
        "rounds": rounds,
        "services": 20,
        "limit": LIMIT,
        "boot_ms": round(max(sum(boots) for boots in CHAINS.values()) * 1000),
        **medians,
        "compose_ratio": round(medians["compose_ms"] / medians["docker_chain_ms"], 3),
        "docker_ratio": round(medians["docker_ms"] / medians["docker_chain_ms"], 3),
        "process_ratio": round(medians["process_ms"] / medians["process_chain_ms"], 3),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    arguments = parser.parse_args()
    result = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"slowest chain of containers     {result['docker_chain_ms']:>6} ms, {result['boot_ms']} ms of it boot")
        for name, words in (("compose", "docker compose up -d --wait"), ("docker", "devenv up, in containers")):
            print(f"{words:<31} {result[f'{name}_ms']:>6} ms = {result[f'{name}_ratio']} of it, limit {LIMIT}")
        print(f"slowest chain of processes      {result['process_chain_ms']:>6} ms")
        print(f"devenv up, as processes         {result['process_ms']:>6} ms = {result['process_ratio']} of it")
    return int(max(result["docker_ratio"], result["process_ratio"]) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
