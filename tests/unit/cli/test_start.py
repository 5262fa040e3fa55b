"""The start of the command, before there is an output to report to."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from devenv import __main__ as start


def test_an_interrupt_while_modules_are_imported_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["devenv", "status"])
    monkeypatch.setattr(importlib.util, "find_spec", interrupted)
    assert start.main() == 130
    assert capsys.readouterr().err == "devenv: interrupted\n"


def test_an_interrupt_before_the_event_loop_runs_is_told_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """typer turns it into an exit that prints nothing."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("devenv.cli.commands.environment.run_async", interrupted)
    monkeypatch.setattr(sys, "argv", ["devenv", "status"])
    assert start.main() == 130
    assert capsys.readouterr().err == "devenv: interrupted\n"


@pytest.fixture
def old_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))


@pytest.mark.usefixtures("old_python")
@pytest.mark.parametrize("arguments", [[], ["up"], ["load", "--json"], ["--help"]])
def test_a_python_that_is_too_old_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["devenv", *arguments])
    assert start.main() == 3
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert "requires Python 3.11 or later" in line
    assert f"{sys.executable} is Python 3.9.18" in line
    assert said.out == ""


@pytest.mark.usefixtures("old_python")
def test_an_old_python_still_prints_the_version_and_runs_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["devenv", "--version"])
    assert start.main() == 0
    assert capsys.readouterr().out.startswith("devenv ")
    monkeypatch.setattr(sys, "argv", ["devenv", "run"])
    assert start.main() == 2
    assert "no command given" in capsys.readouterr().err
