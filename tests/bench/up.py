"""`devenv up` beside `docker compose up -d --wait`, on the sample stack, with the images present.

Run: `make bench-up [ARGS='--rounds 7 --json']`. Each round measures, in turn: compose, devenv without its canary, and
devenv with it; wall time of the whole command, its start included. The ratio of the medians (devenv without the canary
to compose) is to be at most 0.8; above it the exit code is 1.

The floor beside it is the slowest chain of what no orchestrator can save: along `depends_on`, the engine's time from
creating to starting each container, and the service's own boot until its probe passes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from datetime import datetime
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


def devenv_up(*options: str) -> tuple[float, dict[str, Any], dict[str, float]]:
    """Gives wall milliseconds, the command's document, and milliseconds from create to start of each service."""
    try:
        elapsed, output = run([*DEVENV, "up", *options])
        document = json.loads(output)
        return elapsed, document, start_times()
    finally:
        run([*DEVENV, "down"])


def start_times() -> dict[str, float]:
    client = docker.from_env()
    times = {}
    for container in client.containers.list(filters={"label": f"devenv.directory={STACK}"}):
        created, started = (
            datetime.fromisoformat(text) for text in (container.attrs["Created"], container.attrs["State"]["StartedAt"])
        )
        times[container.labels["devenv.service"]] = (started - created).total_seconds() * 1000
    client.close()
    return times


def slowest_chain(document: dict[str, Any], starts: dict[str, float]) -> tuple[float, list[str]]:
    """The longest way through `depends_on`, in milliseconds, and the services on it.

    A dependency that need only be started adds its start; one that must be healthy adds its boot as well.
    """
    ready = {service["name"]: float(service["ready_ms"] or 0) for service in document["services"]}
    services = yaml.safe_load((STACK / "compose.yaml").read_text())["services"]

    def started(name: str) -> tuple[float, list[str]]:
        needs = services.get(name, {}).get("depends_on", {})
        before: tuple[float, list[str]] = (0.0, [])
        for other in needs:
            condition = needs[other]["condition"] if isinstance(needs, dict) else "service_started"
            cost, path = started(other)
            before = max(before, (cost + (ready[other] if condition != "service_started" else 0), path))
        return before[0] + starts.get(name, 0.0), [*before[1], name]

    chains = [(started(name)[0] + ready[name], started(name)[1]) for name in ready]
    return max(chains)


def measure(rounds: int) -> dict[str, Any]:
    compose, plain, canary, floors = [], [], [], []
    for number in range(rounds):
        compose.append(compose_up())
        elapsed, document, starts = devenv_up("--no-canary")
        plain.append(elapsed)
        floors.append(slowest_chain(document, starts))
        with_canary, document, _ = devenv_up()
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
