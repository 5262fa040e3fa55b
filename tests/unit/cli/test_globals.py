"""Global options before and after the verb, errors as messages and as JSON, exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devenv.cli.globals import hoist
from devenv.cli.main import run


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["up", "--json"], ["--json", "up"]),
        (["up", "--engine", "docker", "-v"], ["--engine", "docker", "-v", "up"]),
        (["up", "--engine=docker"], ["--engine=docker", "up"]),
        (
            ["-C", "x", "up", "web", "-f", "a.yaml", "-f", "b.yaml"],
            ["-C", "x", "-f", "a.yaml", "-f", "b.yaml", "up", "web"],
        ),
        (["exec", "web", "--", "ls", "--json", "-v"], ["exec", "web", "--", "ls", "--json", "-v"]),
        (["run", "-q", "--", "pytest", "-q"], ["-q", "run", "--", "pytest", "-q"]),
        (["run", "--config", "c", "-q", "pytest", "-q"], ["-q", "run", "--config", "c", "pytest", "-q"]),
        (["up", "--engine"], ["--engine", "up"]),
        (["up", "--profile", "a", "--env-file=b"], ["--profile", "a", "--env-file=b", "up"]),
        ([], []),
    ],
)
def test_hoist_moves_global_options_to_the_front(given: list[str], expected: list[str]) -> None:
    assert hoist(given) == expected


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["frobnicate"], 2, "frobnicate"),
        (["up", "--tiemout", "3s"], 2, "--timeout"),
        (["load", "--rps", "many"], 2, "--rps"),
        (["load", "--duration", "5 parsecs"], 2, "--duration: found '5 parsecs', expected a duration"),
        (["load", "--arrivals", "sometimes"], 2, "expected uniform or poisson"),
        (["status", "--engine", "podman"], 2, "unknown engine 'podman'"),
        (["-C", "/does/not/exist", "status"], 2, "/does/not/exist is not a directory"),
        (["logs", "--grep", "("], 2, "not a valid regular expression"),
        (["traces", "search", "--tag", "novalue"], 2, "expected key=value"),
    ],
)
def test_bad_usage_is_one_message_and_code_2(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.out == ""
    assert "Traceback" not in printed.err


def test_errors_are_one_json_document_where_json_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["load", "--duration", "soon", "--json"]) == 2
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["schema"] == "devenv.error/1"
    assert document["error"]["code"] == 2
    assert document["error"]["kind"] == "UsageError"
    assert printed.err == ""


def test_a_bug_is_code_70_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("unexpected")

    monkeypatch.setattr("devenv.app.environment.stacks.list_stacks", broken)
    assert run(["stacks", "list"]) == 70
    printed = capsys.readouterr()
    assert "ZeroDivisionError: unexpected" in printed.err
    assert "Traceback" not in printed.err
    assert run(["stacks", "list", "--debug"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_version_and_help_are_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("devenv ")
    assert run(["up", "--help"]) == 0
    assert "Example:" in capsys.readouterr().out


def test_the_shell_completes_commands() -> None:
    asked = {"_DEVENV_COMPLETE": "complete_bash", "COMP_WORDS": "devenv tra", "COMP_CWORD": "1"}
    done = subprocess.run(
        [Path(sys.executable).with_name("devenv")],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["traces"]


STACK = "services: {web: {image: 'x:${TAG:-none}'}, debug: {image: y, profiles: [debug]}}\n"


def config(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """Images by service, as `config` resolves them."""
    assert run([*arguments, "config", "--json"]) == 0
    services = json.loads(capsys.readouterr().out)["config"]["services"]
    return {name: service["image"] for name, service in services.items()}


def test_profiles_and_env_files_take_precedence_over_their_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"compose.yaml": STACK, ".env": "TAG=no\n", "1.env": "TAG=1\n", "2.env": "TAG=${TAG}2\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COMPOSE_PROFILES", "other")
    monkeypatch.setenv("COMPOSE_ENV_FILES", ".env")
    assert config(capsys) == {"web": "x:no"}
    assert config(capsys, "--profile", "debug") == {"debug": "y", "web": "x:no"}
    assert config(capsys, "--profile", "*") == {"debug": "y", "web": "x:no"}
    assert config(capsys, "--env-file", "1.env", "--env-file", "2.env") == {"web": "x:12"}
    assert run(["--env-file", "missing", "config"]) == 2
    assert "--env-file missing: no such file" in capsys.readouterr().err


def test_a_dash_is_the_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def give(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    monkeypatch.chdir(tmp_path)
    (tmp_path / "over.yaml").write_text("services: {web: {image: other}}\n")
    give(STACK)
    assert config(capsys, "-f", "-", "-f", "over.yaml") == {"web": "other"}
    give("services: {web: {image: x, imagee: y}}\n")
    assert run(["-f", "-", "config"]) == 2
    assert "-:1:28: unknown key 'imagee' in services.web" in capsys.readouterr().err
    give(STACK)
    assert run(["-f", "-", "new", "service", "extra"]) == 2
    assert "cannot change the standard input" in capsys.readouterr().err
