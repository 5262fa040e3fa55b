"""What goes wrong on the process engine, and what Compose means there: the counterpart of `test_failure_docker.py`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv, get_json

SERVER = f"{sys.executable} -m http.server --bind 127.0.0.1"


class Project:
    """One directory with one stack file that a test writes."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "compose.yaml"
        self.tool = Devenv(directory, "process", files=(self.file,))

    def up(self, services: str, *options: str, code: int = 0, **environ: str) -> Any:
        self.file.write_text(f"services:\n{services}")
        return self.tool.json("up", "--no-canary", "--isolated", *options, code=code, **environ)

    def failure(self, services: str, *options: str, code: int = 1) -> dict[str, Any]:
        """The one failure block of an `up` whose verdict is negative."""
        (found,) = self.up(services, *options, code=code)["failures"]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    made.tool.down()


def service(name: str, command: str, more: str = "") -> str:
    return f"  {name}:\n    x-devenv: {{process: {{command: {command!r}}}}}\n{more}"


def test_a_service_without_a_process_is_refused_by_name(project: Project) -> None:
    error = project.up("  web: {image: 'acme/shop:7'}\n", code=2)["error"]
    assert "web has no x-devenv.process" in error["message"]
    assert error["details"]["line"] == 2


def test_a_service_that_exits_at_once(project: Project) -> None:
    failure = project.failure(
        service("web", "sleep 60", "    depends_on: {db: {condition: service_healthy}}\n")
        + service("db", "sh -c 'echo no space for tables; exit 5'", "    healthcheck: {test: [CMD, 'true']}\n")
    )
    assert (failure["service"], failure["exit_code"]) == ("db", 5)
    assert failure["log_tail"] == ["no space for tables"]
    assert failure["waited_for_by"] == ["web"]


def test_a_healthcheck_that_never_passes(project: Project) -> None:
    check = "    healthcheck: {test: [CMD-SHELL, 'echo not yet; exit 1'], interval: 1s, retries: 2}\n"
    failure = project.failure(service("web", "sleep 60", check))
    assert failure["service"] == "web"
    assert "not yet" in failure["last_answer"]


def test_what_is_not_ready_in_time(project: Project) -> None:
    failure = project.failure(
        "  web:\n    x-devenv: {process: {command: sleep 60}, ready: {tcp: 9}}\n    expose: ['9']\n",
        "--timeout",
        "2s",
        code=4,
    )
    assert "2 s" in failure["reason"]


def test_a_program_that_is_not_there(project: Project) -> None:
    failure = project.failure(service("web", "/no/such/program"))
    assert "/no/such/program" in failure["reason"]


def test_a_working_directory_that_is_not_there_is_named_with_its_place(project: Project) -> None:
    services = "  web:\n    x-devenv:\n      process:\n        command: python3 app.py\n        cwd: srv\n"
    failure = project.failure(services)
    where = project.file.parent / "srv"
    assert failure["reason"] == (f"could not start: {project.file}:6:9: the working directory {where} does not exist")


def test_hooks_run_beside_the_process(project: Project) -> None:
    log = project.file.parent / "hooks"
    hooks = (
        f"    post_start: [{{command: sh -c 'echo started $$A >> {log}', environment: {{A: with}}}}]\n"
        f"    pre_stop: [{{command: sh -c 'echo left >> {log}'}}]\n"
    )
    (project.file.parent / "web.sh").write_text(
        f'trap "echo ended >> {log}; exit" TERM; while :; do sleep 0.05; done\n'
    )
    project.up(service("web", "sh web.sh", hooks))
    assert log.read_text().split("\n")[:-1] == ["started with"]
    project.tool.json("down")
    assert log.read_text().split("\n")[:-1] == ["started with", "left", "ended"]


def test_a_hook_that_fails_is_told_with_its_output(project: Project) -> None:
    hook = "    post_start: [{command: sh -c 'echo no table; exit 3'}]\n"
    failure = project.failure(service("web", "sleep 60", hook))
    assert failure["service"] == "web"
    assert failure["reason"].endswith("exited with code 3")
    assert failure["log_tail"] == ["no table"]


def test_wait_follows_what_becomes_of_a_service(project: Project) -> None:
    project.up(service("web", "sleep 60") + service("job", "true"))
    document = project.tool.json("wait", "--timeout", "10s")
    assert {row["name"] for row in document["services"]} == {"web", "job", "jaeger"}
    project.tool.json("stop", "web")
    ended = project.tool.run("wait", "web")
    assert ended.returncode == 1
    assert "devenv: web (exited) will not be ready" in ended.stderr


def test_rollback_leaves_nothing(project: Project) -> None:
    project.failure(service("web", "/no/such/program"), "--rollback")
    document = project.tool.json("down")
    assert document["removed"] == {"containers": [], "networks": [], "volumes": [], "processes": []}
    assert not (project.file.parent / ".devenv" / "daemon.sock").exists()


def test_conditions_order_what_starts(project: Project) -> None:
    log = project.file.parent / "order"
    project.up(
        service(
            "web",
            f"sh -c 'echo web >> {log}; sleep 60'",
            "    depends_on: {job: {condition: service_completed_successfully}}\n",
        )
        + service("job", f"sh -c 'echo job >> {log}; exit 0'", "    depends_on: {db: {condition: service_healthy}}\n")
        + service(
            "db",
            f"sh -c 'sleep 0.3; echo db >> {log}; touch {log}.ready; sleep 60'",
            f"    healthcheck: {{test: [CMD, test, -e, {log}.ready]}}\n",
        )
    )
    assert log.read_text().split() == ["db", "job", "web"]
    states = {row["name"]: (row["state"], row["health"]) for row in project.tool.json("status")["services"]}
    assert states["job"] == ("exited", "completed")
    assert states["web"][0] == "running"


def test_output_is_shown_while_waiting_where_asked(project: Project) -> None:
    slow = f"sh -c 'echo warming up; sleep 0.5; exec {SERVER} $$PORT'"
    project.file.write_text(
        f"services:\n  web:\n    expose: ['8000']\n    x-devenv:\n      process: {{command: {slow!r}}}\n"
        "      ready: {http: /}\n"
    )
    told = project.tool.run("up", "--no-canary", "--isolated", "--verbose")
    assert told.returncode == 0, told.stderr
    lines = told.stderr.splitlines()
    ready = next(number for number, line in enumerate(lines) if line.startswith("web: ready"))
    assert "web | warming up" in lines[:ready]
    quiet = project.tool.run("up", "--no-canary", "--isolated").stderr
    assert "warming up" not in quiet


def test_a_job_that_fails_stops_what_waits_for_it(project: Project) -> None:
    failure = project.failure(
        service("web", "sleep 60", "    depends_on: {job: {condition: service_completed_successfully}}\n")
        + service("job", "sh -c 'echo cannot migrate; exit 3'")
    )
    assert (failure["service"], failure["exit_code"]) == ("job", 3)
    assert failure["waited_for_by"] == ["web"]


def test_environment_profiles_and_addresses(project: Project) -> None:
    (project.file.parent / ".env").write_text("GREETING=hello from .env\n")
    up = project.up(
        "  web:\n    x-devenv: {process: {command: [sh, -c, 'echo $$SAYS $$WHERE; sleep 60']}}\n"
        "    environment: {SAYS: '${GREETING}', WHERE: 'http://files:8000/x'}\n"
        "  files:\n    expose: ['8000']\n"
        f'    x-devenv: {{process: {{command: sh -c "exec {SERVER} $$PORT"}}, ready: {{http: /}}}}\n'
        "  extra:\n    profiles: [more]\n    x-devenv: {process: {command: sleep 60}}\n"
    )
    assert {row["name"] for row in up["services"]} == {"web", "files", "jaeger"}
    said = project.tool.run("logs", "web").stdout.split("|", 1)[1].strip()
    assert said.startswith("hello from .env http://127.0.0.1:")
    assert said.endswith("/x")
    with_extra = project.tool.json("up", "--no-canary", "--isolated", COMPOSE_PROFILES="more")
    assert "extra" in {row["name"] for row in with_extra["services"]}


def test_what_changes_is_replaced_and_what_is_gone_is_removed(project: Project) -> None:
    first = project.up(service("web", "sleep 60") + service("old", "sleep 60"))
    ids = {row["name"]: row["instances"][0]["uptime_s"] for row in first["services"]}
    assert set(ids) == {"web", "old", "jaeger"}
    backend = first["trace_backend"]["query_url"]
    second = project.up(service("web", "sleep 61"))
    assert {row["name"] for row in second["services"]} == {"web", "jaeger"}
    assert get_json(f"{backend}/api/services")["data"] is not None
    third = project.tool.json("up", "--no-canary", "--isolated", "--dry-run")
    assert {action["action"] for action in third["actions"]} <= {"keep"}


def test_a_restart_loop_ends_the_wait_and_is_shown_by_status(project: Project) -> None:
    loop = "sh -c 'echo cannot bind; exit 1'"
    failure = project.failure(service("web", loop, "    restart: unless-stopped\n"))
    assert failure["reason"].startswith("is restarting in a loop: ")
    assert failure["exit_code"] == 1
    assert failure["log_tail"][-1] == "cannot bind"
    for _ in range(20):  # in the moment in which it runs it is in the loop too, and has no exit code
        shown = project.tool.run("status")
        assert shown.returncode == 1
        assert re.search(r"restarting \(\d+ times", shown.stdout)
        if "times, last exit 1)" in shown.stdout:
            break
    else:
        pytest.fail("no exit code is shown")


def test_a_service_that_dies_after_its_start_is_not_up(project: Project) -> None:
    failure = project.failure(service("web", "sh -c 'echo no table; sleep 0.7; exit 3'"))
    assert (failure["service"], failure["exit_code"], failure["log_tail"]) == ("web", 3, ["no table"])


def test_a_restart_of_a_service_that_dies_is_a_failure(project: Project, tmp_path: Path) -> None:
    project.up(service("web", "sh -c 'test -e broken && sleep 0.5 && exit 4; sleep 60'"))
    (tmp_path / "broken").touch()
    (failure,) = project.tool.json("restart", "web", code=1)["failures"]
    assert failure["exit_code"] == 4
