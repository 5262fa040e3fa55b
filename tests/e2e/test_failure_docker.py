"""What goes wrong on the Docker engine: each with its own message and exit code, and what runs left to look at."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv

pytestmark = pytest.mark.docker

BASE = "image: python:3.12-slim, init: true, command: [sleep, infinity]"


class Project:
    """One directory with one stack file that a test writes."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "compose.yaml"
        self.tool = Devenv(directory, "docker", files=(self.file,))

    def up(self, services: str, *options: str, code: int) -> Any:
        self.file.write_text(f"services:\n{services}")
        return self.tool.json("up", "--no-canary", "--isolated", *options, code=code)

    def failure(self, services: str, *options: str, code: int = 1) -> dict[str, Any]:
        """The one failure block of an `up` whose verdict is negative."""
        document = self.up(services, *options, code=code)
        assert document["schema"] == "devenv.up/1"
        (found,) = document["failures"]
        assert isinstance(found, dict)
        return found

    def error(self, services: str, *options: str, code: int = 3) -> dict[str, Any]:
        document = self.up(services, *options, code=code)
        assert document["schema"] == "devenv.error/1"
        error: dict[str, Any] = document["error"]
        return error


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.tool.down()


def test_an_image_that_nobody_has(project: Project) -> None:
    error = project.error("  web: {image: 'nosuch-devenv-image:1'}\n")
    # Without a way to the registry behind the mirror, the engine cannot find out that the image does not exist.
    assert error["kind"] in {"ImageMissing", "PullFailed"}
    assert "nosuch-devenv-image:1" in error["message"]


def test_an_image_that_may_not_be_pulled(project: Project) -> None:
    error = project.error("  web: {image: 'nosuch-devenv-image:1', pull_policy: never}\n")
    assert error["kind"] == "ImageMissing"
    assert "pull_policy" in error["message"]


def test_a_build_that_fails(project: Project) -> None:
    dockerfile = "FROM python:3.12-slim\\nRUN echo about to fail && exit 7\\n"
    error = project.error(f'  web: {{build: {{context: ., dockerfile_inline: "{dockerfile}"}}}}\n')
    assert error["kind"] == "BuildFailed"
    assert "about to fail" in str(error["details"])


def test_a_port_in_use_names_its_owner(project: Project) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        project.file.write_text(
            f"services:\n  jaeger: {{{BASE}, ports: ['127.0.0.1:{port}:80'], x-devenv: {{role: trace-backend}}}}\n"
        )
        document = project.tool.json("up", "--no-canary", code=3)
    assert document["error"]["kind"] == "PortTaken"
    assert f"port {port} of jaeger is in use by" in document["error"]["message"]
    assert "pid" in document["error"]["message"]


def test_a_service_that_exits_at_once(project: Project) -> None:
    failure = project.failure(
        f"  web: {{{BASE}, depends_on: {{db: {{condition: service_healthy}}}}}}\n"
        "  db:\n    image: python:3.12-slim\n    command: [sh, -c, 'echo no space for tables; exit 5']\n"
        "    healthcheck: {test: [CMD, 'true']}\n"
    )
    assert (failure["service"], failure["exit_code"]) == ("db", 5)
    assert failure["log_tail"] == ["no space for tables"]
    assert failure["waited_for_by"] == ["web"]


def test_a_healthcheck_that_never_passes(project: Project) -> None:
    failure = project.failure(
        f"  web: {{{BASE}, healthcheck: {{test: [CMD-SHELL, 'echo not yet; exit 1'], interval: 1s, retries: 2}}}}\n"
    )
    assert failure["service"] == "web"
    assert "not yet" in failure["last_answer"]
    states = {service["name"]: service["state"] for service in project.tool.json("status", code=1)["services"]}
    assert states == {"web": "running", "jaeger": "running"}


def test_what_is_not_ready_in_time(project: Project) -> None:
    failure = project.failure(f"  web: {{{BASE}, x-devenv: {{ready: {{tcp: 9}}}}}}\n", "--timeout", "8s", code=4)
    assert "8 s" in failure["reason"]
    assert failure["probe"]


def test_a_program_that_is_not_there(project: Project) -> None:
    failure = project.failure("  web: {image: 'python:3.12-slim', command: [/no/such/program]}\n")
    assert "/no/such/program" in failure["reason"]


def test_rollback_leaves_nothing(project: Project) -> None:
    project.failure("  web: {image: 'python:3.12-slim', command: ['/no/such/program']}\n", "--rollback")
    document = project.tool.json("down")
    assert document["removed"] == {"containers": [], "networks": [], "volumes": [], "processes": []}


def test_a_restart_loop_ends_the_wait_and_is_shown_by_status(project: Project) -> None:
    image = "image: python:3.12-slim"
    command = "command: [sh, -c, 'echo cannot bind; exit 1']"
    failure = project.failure(f"  web: {{{image}, {command}, restart: unless-stopped}}\n")
    assert failure["reason"].startswith("is restarting in a loop: ")
    assert failure["exit_code"] == 1
    assert failure["log_tail"][-1] == "cannot bind"
    shown = project.tool.run("status")
    assert shown.returncode == 1
    assert re.search(r"restarting \(\d times, last exit 1\)", shown.stdout)


def test_a_service_that_dies_after_its_start_is_not_up(project: Project) -> None:
    command = "command: [sh, -c, 'echo no table; sleep 0.7; exit 3']"
    failure = project.failure(f"  web: {{image: 'python:3.12-slim', {command}}}\n")
    assert (failure["service"], failure["exit_code"], failure["log_tail"]) == ("web", 3, ["no table"])
