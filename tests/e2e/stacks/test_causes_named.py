"""Faults of a service's name and of its receiver are named on both engines, and no other cause with them."""

from __future__ import annotations

from typing import Any

import yaml
from devenv_cli import ROOT, Devenv

DEAF = "import socket, time; s = socket.create_server(('127.0.0.1', 4399)); time.sleep(600)"
REFUSED = {
    "docker": "which refuses connections (no receiver, or one bound to its own 127.0.0.1)",
    "process": "but nothing listens there (no receiver, or wrong port)",
}


def override(devenv: Devenv, services: dict[str, Any]) -> None:
    path = devenv.directory / "override.yaml"
    path.write_text(yaml.safe_dump({"services": services}))
    if path not in devenv.files:
        devenv.files = (*devenv.files, path)


def test_a_service_without_a_name(devenv: Devenv) -> None:
    command = "env OTEL_SERVICE_NAME=unknown_service:python python -m user.app"
    process = {"command": command, "cwd": str(ROOT / "stacks" / "sample")}
    override(devenv, {"user": {"command": command.split(), "x-devenv": {"process": process}}})
    canary = devenv.json("up", code=1)["canary"]
    assert canary["missing"] == ["user"]
    expected = "user sends its spans as unknown_service:python: it has no service name (set OTEL_SERVICE_NAME)"
    assert canary["cause"] == expected


def test_a_receiver_that_refuses_connections(devenv: Devenv, engine: str) -> None:
    """A container's receiver may be bound to its own loopback interface; processes share theirs, so none listens."""
    collector = {
        "image": "devenv-sample:latest",
        "command": ["python", "-c", DEAF],
        "expose": ["4399"],
        "x-devenv": {"instrument": False, "process": {"command": "sleep 600"}},
    }
    user = {"environment": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4399"}}
    override(devenv, {"collector": collector, "user": user})
    expected = f"user exports to http://collector:4399, {REFUSED[engine]}"
    canary = devenv.json("up", code=1)["canary"]
    assert (canary["missing"], canary["cause"]) == (["user"], expected)
