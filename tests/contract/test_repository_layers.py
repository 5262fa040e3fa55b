"""The layers of the packages: import-linter's contract in pyproject.toml, and the packages next to the layers."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]


@cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph("devenv", include_external_packages=True, cache_dir=None)


def importers(package: str) -> set[str]:
    """Modules of devenv that import the external `package` themselves."""
    graph = import_graph()
    return graph.find_modules_that_directly_import(package) if package in graph.modules else set()


def test_imports_go_downward_only() -> None:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "kept, 0 broken" in result.stdout


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other in a circle (strongly connected, more than one module each)."""
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        circle = error.args[1][1:]
        rest = {module: imported - set(circle) for module, imported in graph.items() if module not in circle}
        return [sorted(circle), *circles(rest)]
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for type checking count as well: they hide a circle, they do not undo it."""
    graph = import_graph()
    modules = {name for name in graph.modules if name.startswith("devenv.") or name == "devenv"}
    imported = {name: graph.find_modules_directly_imported_by(name) & modules for name in modules}
    assert circles(imported) == []


def test_the_check_of_circles_finds_one() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_tracing_library_stands_alone() -> None:
    graph = import_graph()
    above = graph.find_upstream_modules("devenv.tracing", as_package=True)
    assert {name for name in above if name.startswith("devenv.") and not name.startswith("devenv.tracing.")} == set()


def test_nothing_of_the_product_imports_what_is_for_tests() -> None:
    graph = import_graph()
    if "devenv.testing" in graph.modules:
        assert graph.find_downstream_modules("devenv.testing", as_package=True) == set()


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("docker", "devenv.engine.docker"),
        ("typer", "devenv.cli"),
        ("rich", "devenv.cli"),
    ],
)
def test_a_library_is_imported_in_one_place(package: str, allowed: str) -> None:
    assert {name for name in importers(package) if not name.startswith(allowed)} == set()


def test_yaml_is_read_in_one_place() -> None:
    """Stack files have one parser; the tracing library, which stands alone, reads its own settings."""
    reading = re.compile(r"\b(safe_load|full_load|load|load_all|safe_load_all|compose|parse)\(")
    modules = {name: ROOT / (name.replace(".", "/") + ".py") for name in importers("yaml")}
    assert {
        name
        for name, path in modules.items()
        if not name.startswith(("devenv.stack", "devenv.tracing"))
        and path.exists()
        and reading.search(path.read_text().replace("json.load", ""))
    } == set()
    assert any(name.startswith("devenv.stack") for name in modules), "the check looks at the wrong modules"
