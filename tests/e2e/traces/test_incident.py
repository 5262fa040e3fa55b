"""`devenv report --incident` after a service of the sample was killed in the middle of a load, and restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from devenv_cli import Devenv

RESTARTING = "services:\n  user: {restart: always}\n  gateway: {restart: always}\n"


@pytest.fixture(scope="module")
def stack(devenv: Devenv) -> Any:
    override = devenv.directory / "restart.yaml"
    override.write_text(RESTARTING)
    devenv.files = (*devenv.files, override)
    return devenv.json("up")


def kill(devenv: Devenv, engine: str, service: str) -> None:
    """End a service's process with SIGKILL, past its engine."""
    if engine == "docker":
        row = next(row for row in devenv.json("status")["services"] if row["name"] == service)
        found = subprocess.check_output(["docker", "inspect", row["instances"][0]["id"], "-f", "{{.State.Pid}}"])
        pid = int(found)
    else:
        instances = json.loads((devenv.directory / ".devenv" / "daemon.json").read_text())["instances"]
        pid = next(row["pid"] for row in instances if row["service"] == service)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(("service", "seen_by"), [("user", {"auth", "gateway"}), ("gateway", {"devenv"})])
def test_a_killed_service_is_first(devenv: Devenv, stack: Any, engine: str, service: str, seen_by: set[str]) -> None:
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with ThreadPoolExecutor(1) as beside:
        load = beside.submit(devenv.run, "load", "--rps", "30", "--duration", "10s", "--no-verify")
        deadline = time.monotonic() + 9
        while devenv.json("report", "--since", before)["requests"] < 20:
            assert time.monotonic() < deadline
        kill(devenv, engine, service)
        load.result(60)
    document = devenv.json("report", "--incident", "--since", before)
    first = document["incident"]["components"][0]
    assert (first["service"], first["kind"], first["caused_by"]) == (service, "crash", None)
    assert first["seen_by"] in seen_by
    assert first["requests"] >= 1
    changes = [(change["service"], change["what"]) for change in document["incident"]["changes"]]
    assert (service, "exited with 137") in changes
    assert (service, "was restarted") in changes
    said = devenv.run("report", "--incident", "--since", before).stdout.splitlines()[0]
    assert f"{service} " in said
    assert "exited with 137" in said
