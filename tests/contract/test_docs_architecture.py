"""CONTRIBUTING.md, docs/architecture.md and docs/implementation.md against the tree: files, names, layers, calls."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "devenv"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = [ROOT / "CONTRIBUTING.md", ARCHITECTURE, ROOT / "docs" / "implementation.md"]
CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
SUFFIXES = (".py", ".md", ".toml", ".yaml", ".sh", ".json")
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def prose(page: Path) -> str:
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def sections(page: Path) -> list[list[str]]:
    """The code spans of each section of a page."""
    return [CODE.findall(section) for section in prose(page).split("\n## ")]


# --- files ------------------------------------------------------------------------------------------------------------


def is_path(text: str) -> bool:
    if re.search(r"[\s:$<>=…]|^[/~(]|^\.devenv", text):
        return False
    if text.endswith(SUFFIXES):
        return True
    return "/" in text and bool(re.fullmatch(r"[\w.*/-]+", text))


def is_there(text: str, folders: list[Path]) -> bool:
    return any(list(folder.glob(text.rstrip("/"))) for folder in folders)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_exists(page: Path) -> None:
    missing = []
    for spans in sections(page):
        folders = [ROOT, PACKAGE]
        for span in spans:  # short names are those of a file or a folder that the section has named before
            if is_path(span) and not is_there(span, folders):
                missing.append(span)
            named = [found for folder in folders[:] for found in folder.glob(span.rstrip("/")) if is_path(span)]
            folders += [path if path.is_dir() else path.parent for path in named if PACKAGE in path.parents]
    assert missing == []


# --- names ------------------------------------------------------------------------------------------------------------


@cache
def module(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def definitions(path: str) -> dict[str, Definition]:
    """Classes and functions of a module by their dotted names in it."""
    found: dict[str, Definition] = {}

    def walk(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Definition):
                found[prefix + child.name] = child
                walk(child, f"{prefix}{child.name}.")

    walk(module(path), "")
    return found


@cache
def defined_names() -> frozenset[str]:
    """Names of all classes, functions, attributes and variables that `devenv/` defines."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Definition):
                found.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_name_of_a_module_is_defined_in_it(page: Path) -> None:
    spans = [
        span.partition("::") for span in CODE.findall(prose(page)) if "::" in span and not span.startswith("test_")
    ]
    missing = [
        f"{path}::{name}"
        for path, _, name in spans
        if not (ROOT / path).is_file() or (path.startswith("devenv/") and name not in definitions(path))
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_function_and_class_exists(page: Path) -> None:
    """Code spans such as `setup()` and `LightSpan`."""
    spans = CODE.findall(prose(page))
    functions = {found[1] for span in spans if (found := re.fullmatch(r"(?:\w+\.)*(\w+)\(\)", span))}
    classes = {span for span in spans if re.fullmatch(r"(?:[A-Z][a-z0-9]+){2,}", span)}
    assert (functions | classes) - defined_names() == set()


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    assert named - targets == set()


# --- layers -----------------------------------------------------------------------------------------------------------


def contract() -> tuple[list[set[str]], set[str]]:
    """The layers of pyproject.toml from above, and the packages next to them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each for each in contracts if each["type"] == "layers" and each["containers"] == ["devenv"])
    return [set(re.findall(r"\w+", layer)) for layer in layers["layers"]], set(layers["exhaustive_ignores"])


def table() -> list[set[str]]:
    """The packages of each row of the table of layers."""
    found = re.search(
        r"^\| package \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found, "no table of packages"
    return [set(CODE.findall(row.split("|")[1])) for row in found[1].splitlines()]


def test_the_table_of_layers_is_that_of_import_linter() -> None:
    layers, beside = contract()
    rows = table()
    assert rows[: len(layers)] == layers
    assert set().union(*rows[len(layers) :]) == beside


def test_every_package_is_in_the_table() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert set().union(*table()) == packages | modules


# --- walks ------------------------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """A row of a walk. `caller` is the number of the step that calls it; 0 if something else does, such as a socket."""

    number: int
    path: str
    name: str
    caller: int


def walks() -> dict[str, list[Step]]:
    found = {}
    for section in ARCHITECTURE.read_text(encoding="utf-8").split("\n## "):
        rows = re.findall(r"^\| (\d+) \| `([\w/.]+)::([\w.]+)` \| ([^|]+) \|", section, re.MULTILINE)
        if rows:
            found[section.splitlines()[0]] = [
                Step(int(number), path, name, int(by.strip()) if by.strip().isdigit() else 0)
                for number, path, name, by in rows
            ]
    return found


WALKS = walks()


def mentions(path: str, name: str) -> set[str]:
    """Names that a function or class mentions, itself or in the definitions of its module that it reaches."""
    known: dict[str, list[Definition]] = {}
    for node in definitions(path).values():
        known.setdefault(node.name, []).append(node)
    found: set[str] = set()
    left: list[ast.AST] = [definitions(path)[name]]
    while left:
        for node in ast.walk(left.pop()):
            text = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if text and text not in found:
                found.add(text)
                left += known.get(text, [])
    return found


def test_the_walks_are_those_of_up_load_ingest_and_tracing() -> None:
    titles = " ".join(WALKS).lower()
    assert all(word in titles for word in ("devenv up", "devenv load", "ingest", "tracing"))
    assert all([step.number for step in walk] == list(range(1, len(walk) + 1)) for walk in WALKS.values())


@pytest.mark.parametrize("title", WALKS)
def test_every_step_exists_and_is_called_by_the_one_that_is_named(title: str) -> None:
    walk = WALKS[title]
    undefined = [f"{step.path}::{step.name}" for step in walk if step.name not in definitions(step.path)]
    assert undefined == []
    uncalled = [
        (step.number, step.name)
        for step in walk
        if step.caller and step.name.split(".")[-1] not in mentions(*walk[step.caller - 1][1:3])
    ]
    assert uncalled == []
