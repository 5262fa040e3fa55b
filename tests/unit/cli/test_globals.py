"""Global options before and after the verb, errors as messages and as JSON, exit codes."""

from __future__ import annotations

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
