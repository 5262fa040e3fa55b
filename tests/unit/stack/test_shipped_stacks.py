"""The stacks that devenv ships: which there are, and that the faults of `broken` are told at their places."""

from __future__ import annotations

from pathlib import Path

import yaml

from devenv.app.traces.setup_warnings import setup_warnings
from devenv.stack import load_stack
from devenv.stack.discovery import discover, shipped_stacks

BROKEN = shipped_stacks() / "broken"
WARNED = ("catalog", "prices", "stock", "cart", "payment", "reviews")


def test_the_sample_is_the_default_of_several(tmp_path: Path) -> None:
    assert {path.name for path in shipped_stacks().iterdir()} >= {"sample", "minimal", "broken"}
    assert discover(tmp_path).name == "sample"
    assert discover(shipped_stacks().parent).name == "sample"
    assert discover(tmp_path, stack_name="minimal").source == "packaged"


def rows() -> dict[str, str]:
    """What `up` says about each service, as the README has it."""
    lines = (BROKEN / "README.md").read_text().splitlines()
    cells = [[cell.strip(" `") for cell in line.split("|")] for line in lines if line.startswith("| `")]
    return {row[1]: row[2] for row in cells}


def test_each_setting_that_is_wrong_is_told_with_file_and_line() -> None:
    stack = load_stack([BROKEN / "compose.yaml"], environ={})
    lines = (BROKEN / "compose.yaml").read_text().splitlines()
    found = setup_warnings(stack, None)
    assert [warning.message.split()[0] for warning in found] == [*WARNED]
    assert [*rows()] == [*WARNED, "shipping", "mail"]
    for warning in found:
        assert rows()[warning.message.split()[0]] in warning.message
        assert warning.location is not None
        assert "OTEL_" in lines[warning.location.line - 1]


def test_the_answers_have_no_fault_and_name_each_service() -> None:
    answers = BROKEN / "answers.yaml"
    assert set(yaml.safe_load(answers.read_text())["services"]) == set(rows())
    stack = load_stack([BROKEN / "compose.yaml", answers], environ={})
    assert setup_warnings(stack, None) == ()
