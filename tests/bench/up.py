"""`devenv up` beside `docker compose up -d --wait`, on the sample stack, with the images present.

Run: `make bench-up [ARGS='--rounds 7 --json']`. Each round measures, in turn: compose, devenv without its canary, and
devenv with it; wall time of the whole command, its start included. The ratio of the medians (devenv without the canary
to compose) is to be at most 0.8; above it the exit code is 1.

The floor next to it is the slowest chain of container starts and service boot, measured by starting existing containers
with nothing but the SDK; the time of `up` is given in milliseconds above it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docker
import yaml

ROOT = Path(__file__).parents[2]
STACK = ROOT / "stacks" / "sample"
LIMIT = 0.8
COMPOSE = ["docker", "compose", "-p", "devenv-bench-up"]
DEVENV = [sys.executable, "-m", "devenv", "--engine", "docker", "--json"]
ENVIRONMENT = {**os.environ, "DOCKER_BUILDKIT": "0", "CI": "true"}


def run(command: list[str]) -> tuple[float, str]:
    """Run a command in the stack's folder; gives wall milliseconds and what it wrote to stdout."""
    begun = time.perf_counter()
    ended = subprocess.run(command, cwd=STACK, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    elapsed = (time.perf_counter() - begun) * 1000
    if ended.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return elapsed, ended.stdout


def compose_up() -> float:
    try:
        elapsed, _ = run([*COMPOSE, "up", "-d", "--wait"])
    finally:
        run([*COMPOSE, "down", "--volumes", "--timeout", "1"])
    return elapsed


def devenv_up(*options: str) -> tuple[float, dict[str, Any]]:
    """Gives wall milliseconds and the command's document."""
    try:
        elapsed, output = run([*DEVENV, "up", *options])
        return elapsed, json.loads(output)
    finally:
        run([*DEVENV, "down"])


def slowest_chain() -> tuple[float, list[str]]:
    """Milliseconds until the last service answers when its containers, all made before, are only started.

    That is the floor for any orchestrator: `depends_on` in order, each service as soon as those before it are started
    (the sample asks for no more), its probe asked all the time. Gives also the way to the service that was last.
    """
    services = yaml.safe_load((STACK / "compose.yaml").read_text())["services"]
    assert all(
        need["condition"] == "service_started"
        for service in services.values()
        for need in service.get("depends_on", {}).values()
    )
    try:
        run([*DEVENV, "up", "--no-canary"])
        run([*DEVENV, "stop"])
        client = docker.from_env()
        filters = {"label": f"devenv.directory={STACK}"}
        found = {each.labels["devenv.service"]: each for each in client.containers.list(all=True, filters=filters)}
        begun = time.perf_counter()
        with ThreadPoolExecutor(len(found)) as threads:
            started: dict[str, Future[None]] = {}
            ready = {}
            for name in in_order(services):
                before = [started[other] for other in services[name].get("depends_on", {})]
                started[name] = threads.submit(start_after, before, found[name])
            for name, service in services.items():
                ready[name] = threads.submit(ready_at, started[name], found[name], service["x-devenv"]["ready"])
            times = {name: (future.result() - begun) * 1000 for name, future in ready.items()}
        client.close()
    finally:
        run([*DEVENV, "down"])
    last = max(times, key=times.__getitem__)
    return times[last], way_to(last, services)


def in_order(services: dict[str, Any]) -> list[str]:
    """Names, each after those that it depends on."""
    order: list[str] = []
    while len(order) < len(services):
        order += [n for n in services if n not in order and all(o in order for o in services[n].get("depends_on", {}))]
    return order


def way_to(name: str, services: dict[str, Any]) -> list[str]:
    """The longest line of dependencies that ends in a service."""
    ways = [way_to(other, services) for other in services[name].get("depends_on", {})]
    return [*max(ways, key=len, default=[]), name]


def start_after(before: list[Future[None]], container: Any) -> None:
    for each in before:
        each.result()
    container.start()


def ready_at(started: Future[None], container: Any, probe: dict[str, Any]) -> float:
    """The moment at which a service's HTTP probe passes."""
    started.result()
    container.reload()
    address = next(iter(container.attrs["NetworkSettings"]["Networks"].values()))["IPAddress"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://{address}:{probe['port']}{probe['http']}", timeout=5):
                return time.perf_counter()
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"{container.name} does not become ready")


def measure(rounds: int) -> dict[str, Any]:
    compose, plain, canary, floors = [], [], [], []
    for number in range(rounds):
        compose.append(compose_up())
        plain.append(devenv_up("--no-canary")[0])
        floors.append(slowest_chain())
        with_canary, document = devenv_up()
        canary.append(with_canary)
        print(
            f"round {number + 1}: compose {compose[-1]:.0f} ms, devenv {plain[-1]:.0f} ms, with canary "
            f"{canary[-1]:.0f} ms ({document['canary']['verdict']}), slowest chain {floors[-1][0]:.0f} ms",
            file=sys.stderr,
        )
    compose_ms, plain_ms, canary_ms = (statistics.median(times) for times in (compose, plain, canary))
    floor_ms = statistics.median(floor for floor, _ in floors)
    return {
        "rounds": rounds,
        "compose_ms": round(compose_ms),
        "devenv_ms": round(plain_ms),
        "devenv_with_canary_ms": round(canary_ms),
        "ratio": round(plain_ms / compose_ms, 3),
        "ratio_with_canary": round(canary_ms / compose_ms, 3),
        "limit": LIMIT,
        "slowest_chain_ms": round(floor_ms),
        "slowest_chain": floors[-1][1],
        "over_slowest_chain_ms": round(plain_ms - floor_ms),
        "compose_over_slowest_chain_ms": round(compose_ms - floor_ms),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    parser.add_argument("--as-built", action="store_true", help="take the images as they are; build nothing")
    arguments = parser.parse_args()
    # Images and build caches of both are warm before anything is measured.
    if not arguments.as_built:
        run([*COMPOSE, "build"])
    devenv_up("--no-canary")
    result = measure(arguments.rounds)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"docker compose up -d --wait   {result['compose_ms']:>6} ms (median of {result['rounds']})")
        print(f"devenv up --no-canary         {result['devenv_ms']:>6} ms = {result['ratio']} of it, limit {LIMIT}")
        print(f"devenv up                     {result['devenv_with_canary_ms']:>6} ms = {result['ratio_with_canary']}")
        print(
            f"slowest chain                 {result['slowest_chain_ms']:>6} ms: {' -> '.join(result['slowest_chain'])}"
        )
        over, compose_over = result["over_slowest_chain_ms"], result["compose_over_slowest_chain_ms"]
        print(f"  over it: devenv {over} ms, compose {compose_over} ms")
    return int(result["ratio"] > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
