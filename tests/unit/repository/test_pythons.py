"""Which Pythons the parts of the distribution are for: the tracing library from 3.9, the tool from 3.11."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from devenv import __main__ as start

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OLDEST = (3, 9)
# What runs before the command line refuses an old Python, and the library.
LIBRARY = [
    *(ROOT / "devenv" / name for name in ("__init__.py", "__main__.py", "installation.py")),
    *sorted((ROOT / "devenv" / "tracing").rglob("*.py")),
]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_is_in_the_grammar_of_the_oldest_python(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=OLDEST)
    newer = [node for node in ast.walk(tree) if isinstance(node, (ast.Match, getattr(ast, "TryStar", ast.Match)))]
    assert newer == []


def test_the_distribution_and_the_command_line_say_their_oldest_python() -> None:
    required = SpecifierSet(PROJECT["project"]["requires-python"])
    assert "3.9.0" in required
    assert "3.8.18" not in required
    assert tuple(map(int, PROJECT["tool"]["mypy"]["python_version"].split("."))) == start.OLDEST


def test_dataclasses_keep_their_slots_where_python_has_them() -> None:
    from devenv.tracing.databases.statement import Statement
    from devenv.tracing.export.exporter import ExportStats
    from devenv.tracing.export.transport import Outcome
    from devenv.tracing.settings import Key, Settings

    assert [kind for kind in (ExportStats, Outcome, Key, Settings, Statement) if "__slots__" not in vars(kind)] == []


def test_linting_holds_the_library_to_its_oldest_python() -> None:
    versions = PROJECT["tool"]["ruff"]["per-file-target-version"]
    assert versions["devenv/tracing/**"] == "py39"
    assert PROJECT["tool"]["ruff"]["target-version"] == "py311"
