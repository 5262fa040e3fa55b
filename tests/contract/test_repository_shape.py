"""The shape that the repository keeps: module sizes, names, reasons for exceptions, no registry's host."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 400
FULLEST_FOLDER = 20
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
LOCK_FILES = {"uv.lock", "poetry.lock", "Pipfile.lock", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "go.sum"}


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository as git lists them (an sdist has no git: the tree itself then)."""
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        return [path for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts]
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).exists()]


def product_modules() -> list[Path]:
    return [path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] in {"devenv", "stacks"}]


def test_no_module_is_longer_than_the_limit() -> None:
    """Of the tests, only shared code counts; a long list of cases is not a module."""
    modules = [path for path in tracked("*.py") if not path.name.startswith("test_")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules}
    assert lengths, "no module found"
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_folder_holds_more_modules_than_a_reader_takes_in() -> None:
    folders = Counter(str(path.parent.relative_to(ROOT)) for path in tracked("*.py"))
    assert {folder: count for folder, count in folders.items() if count > FULLEST_FOLDER} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in product_modules() if VAGUE_NAMES & {path.stem, *path.relative_to(ROOT).parts}] == []


def test_a_class_name_stands_for_one_thing() -> None:
    """Without the tracing library, which is imported alone, and what serves tests."""
    names = Counter(
        node.name
        for path in tracked("devenv/*.py")
        if not {"tracing", "testing"} & set(path.relative_to(ROOT).parts)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert names["Span"] == 1
    assert {name: count for name, count in names.items() if count > 1} == {}


def holds_logic(source: str) -> bool:
    """Whether a module's top level does more than imports, assignments and a docstring.

    `if TYPE_CHECKING:` and a module's lazy `__getattr__` (PEP 562) are ways of re-exporting.
    """
    plain = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr, ast.If)
    return not all(
        isinstance(node, plain) or (isinstance(node, ast.FunctionDef) and node.name in {"__getattr__", "__dir__"})
        for node in ast.parse(source).body
    )


def test_package_files_only_re_export() -> None:
    packages = [path for path in product_modules() if path.name == "__init__.py"]
    assert [str(path.relative_to(ROOT)) for path in packages if holds_logic(path.read_text())] == []


def test_the_check_of_package_files_tells_logic() -> None:
    assert holds_logic("import os\ndef run(): ...")
    assert holds_logic("for each in (): pass")
    assert not holds_logic("'for and def'\nfrom os import path\n__all__ = ['path']")


def registry_host_pattern() -> re.Pattern[str]:
    """Hosts of the public package and image registries, spelled so that this file does not hold them."""
    hosts = (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
        ("crates", "io"),
        ("maven", "apache", "org"),
        ("hub", "docker", "com"),
        ("index", "docker", "io"),
        (r"registry-1", "docker", "io"),
    )
    return re.compile("|".join(r"(?<![\w-])" + r"\.".join(host) + r"\b" for host in hosts), re.IGNORECASE)


def test_no_file_names_a_package_registrys_host() -> None:
    pattern = registry_host_pattern()
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_the_registry_check_finds_a_host() -> None:
    """The check above can fail."""
    assert registry_host_pattern().search("https://" + "pypi" + ".org/simple")
    assert not registry_host_pattern().search("an entry on PyPI, found by pypi.Organisation or go.opentelemetry.io")


def test_there_is_no_lock_file() -> None:
    assert [path.name for path in tracked() if path.name in LOCK_FILES] == []


def test_every_lint_exception_of_the_project_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    block = re.search(r"^ignore = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    lines = block[1].splitlines()
    assert len(lines) == len(lint["ignore"]), "one ignored rule a line"
    assert [line for line in lines if "# " not in line] == []
    per_file = re.search(r"^\[tool\.ruff\.lint\.per-file-ignores\]\n(.*?)(?=^\[)", text, re.MULTILINE | re.DOTALL)
    assert per_file is not None
    rules = [line for line in per_file[1].splitlines() if re.search(r'"[A-Z]+\d*"', line)]
    assert rules
    assert [line for line in rules if "# " not in line] == []


# `noqa: CODE` or `type: ignore[code]` followed by nothing but the end of the line.
BARE_EXCEPTION = re.compile(
    r"# (?:noqa(?!: [A-Z]+\d+)|type: ignore(?!\[))|# (?:noqa: [A-Z0-9, ]+|type: ignore\[[\w, -]+\])\s*$", re.MULTILINE
)


@pytest.mark.parametrize(
    ("line", "bare"),
    [
        ("x  # noqa: S603", True),
        ("x  # noqa", True),
        ("x  # type: ignore[no-any-return]", True),
        ("x  # type: ignore", True),
        ("x  # noqa: BLE001 - the plugin boundary", False),
        ("x  # type: ignore[arg-type]  # the stubs lag behind", False),
    ],
)
def test_the_check_of_reasons_tells_bare_exceptions(line: str, bare: bool) -> None:
    assert bool(BARE_EXCEPTION.search(line)) is bare


def bare_exceptions(path: Path, marks: tuple[str, ...]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BARE_EXCEPTION.search(line) and any(mark in line for mark in marks)
    ]


def test_every_exception_in_the_code_has_its_reason() -> None:
    """In tests only the linter's exceptions are looked at: mypy is not run on them."""
    found = [each for path in product_modules() for each in bare_exceptions(path, ("noqa", "type: ignore"))]
    tests = [path for path in tracked("tests/*.py") if path != Path(__file__)]
    found += [each for path in tests for each in bare_exceptions(path, ("noqa",))]
    assert found == []
