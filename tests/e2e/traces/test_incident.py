"""`devenv report --incident` after a service of the sample was killed between requests, and restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
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


def ask(up: Any, times: int) -> list[int]:
    """Statuses of some requests; 0 without a response."""
    found = []
    request = urllib.request.Request(f"{up['entrypoint_url']}/api/profile", headers={"x-api-key": "devenv-demo-key"})
    for _ in range(times):
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                found.append(answer.status)
        except urllib.error.HTTPError as error:
            found.append(error.code)
        except OSError:
            found.append(0)
    return found


def arrived(devenv: Devenv, before: str, requests: int) -> bool:
    deadline = time.monotonic() + 20
    while devenv.json("report", "--since", before)["looked_at"] < requests:
        if time.monotonic() > deadline:
            return False
    return True


@pytest.mark.parametrize("service", ["user", "gateway"])
def test_a_killed_service_is_first(devenv: Devenv, stack: Any, engine: str, service: str) -> None:
    assert devenv.run("wait", "gateway", "auth", "user").returncode == 0
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    assert set(ask(stack, 20)) == {200}
    assert arrived(devenv, before, 20)
    kill(devenv, engine, service)
    failed = [status for status in ask(stack, 5) if status != 200]
    assert failed
    assert arrived(devenv, before, 20 + (len(failed) if service == "user" else 0))
    document = devenv.json("report", "--incident", "--since", before)
    first = document["incident"]["components"][0]
    assert (first["service"], first["kind"], first["caused_by"]) == (service, "crash", None)
    if service == "user":
        assert (first["seen_by"], first["requests"] >= 1) == ("auth", True)
    changes = [(change["service"], change["what"]) for change in document["incident"]["changes"]]
    assert (service, "exited with 137") in changes
    assert (service, "was restarted") in changes
    said = devenv.run("report", "--incident", "--since", before).stdout.splitlines()[0]
    assert said.startswith((f"✘ {service} ", f"ERR {service} "))
    assert "exited with 137" in said
