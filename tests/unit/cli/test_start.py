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
