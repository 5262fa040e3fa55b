"""The libraries that `auto` traces, wherever they are listed: each list has them all, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from devenv.tracing import automatic

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "developer-guide.md"
COMPARISON = ROOT / "docs" / "tracing-or-stock.md"
FAULTS = ROOT / "tests" / "integration" / "tracing" / "test_own_faults.py"
INTEGRATIONS = ROOT / "devenv" / "tracing" / "integrations"

NAMES = {name for name, *_ in automatic.INTEGRATIONS}
LIBRARIES = {name: {library for other, library, *_ in automatic.INTEGRATIONS if other == name} for name in NAMES}
# What the pages call a library, if it is not the name in `leave_out`.
CALLED = {
    "aio_pika": "aio-pika",
    "confluent_kafka": "confluent-kafka",
    "grpc": "gRPC",
    "jinja2": "Jinja2",
    "kafka": "kafka-python",
    "pymysql": "PyMySQL",
    "redis": "Redis",
    "celery": "Celery",
    "rq": "RQ",
    "graphql": "GraphQL",
    "botocore": "botocore (boto3)",
}
# Where a fault cannot reach the program, and why there is none to plant.
WITHOUT_FAULTS = {
    "integrations.supported": "a table",
    "integrations.on_import": "imports go through it; it catches what the actions raise",
    "integrations.rpc.grpc": "has `instrument` alone, whose faults `auto` logs",
    "integrations.starlette_routes": "called within the guard of `asgi`",
}


def differences(found: set[str], expected: set[str], place: str) -> list[str]:
    """One line for each name that only one side has."""
    missing = [f"{place} lacks '{name}', which auto traces" for name in sorted(expected - found)]
    return [*missing, *(f"{place} has '{name}', which auto does not trace" for name in sorted(found - expected))]


def section(page: Path, heading: str) -> str:
    """The text of a section, its deeper headings included."""
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{page.name} has no section {heading}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of each row of the tables in a text."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def examples() -> tuple[set[str], dict[str, str]]:
    """The modules that the programs of the page import, and the files of the other examples by what they are called."""
    text = section(COMPARISON, "## Every integration, in a program")
    imported: set[str] = set()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
                imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    listed = {}
    for library, link, *_ in rows(text):
        if found := re.search(r"\]\(\.\./(tests/[^)]+\.py)\)", link):
            listed |= {name.strip(): found[1] for name in library.split(",")}
    return imported, listed


def imports(name: str, modules: set[str]) -> bool:
    """Whether one of the modules brings a library that is hooked under this name."""
    tops = {library.partition(".")[0] for library in LIBRARIES[name]}
    return any(module.partition(".")[0] in tops for module in modules)


def test_the_guide_has_a_row_for_each_name() -> None:
    names = {name for row in rows(section(GUIDE, "## Libraries"))[2:] for name in re.findall(r"`(\w+)`", row[2])}
    assert differences(names, NAMES, "the table of docs/developer-guide.md") == []


def test_the_docstring_of_auto_names_each() -> None:
    text = (automatic.auto.__doc__ or "").partition("Supported are")[2].partition("Args:")[0]
    names = set(re.findall(r"`(\w+)`", text))
    assert differences(names, NAMES, "the docstring of auto") == []


def test_the_comparison_with_stock_names_each() -> None:
    table = {row[0]: row[1] for row in rows(section(COMPARISON, "## Libraries"))}
    imported, _ = examples()
    of_examples = {name for name in NAMES if imports(name, imported)}
    known = {CALLED.get(name, name): name for name in NAMES}
    both = {part.strip() for part in table["both"].partition("of the examples below,")[2].split(",")}
    ours = {part.strip() for part in re.split("[;,]", re.sub(r" \([^)]*\)", "", table["devenv.tracing only"]))}
    unknown = sorted(both - known.keys())
    assert [f"the row 'both' has '{name}', which auto does not trace" for name in unknown] == []
    covered = {known[found] for found in both | ours if found in known} | of_examples
    assert differences(covered, NAMES, "docs/tracing-or-stock.md#libraries") == []


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_has_an_example_that_a_test_runs(name: str) -> None:
    imported, listed = examples()
    if imports(name, imported):
        return
    called = CALLED.get(name, name)
    assert called in listed, f"docs/tracing-or-stock.md has neither a program with '{called}' nor a row with its test"
    file = ROOT / listed[called]
    assert file.is_file(), f"{listed[called]}, the example of '{called}', does not exist"
    tops = "|".join(re.escape(library.partition(".")[0]) for library in LIBRARIES[name])
    assert re.search(rf"\b({tops})\b", file.read_text()), f"{listed[called]} does not use '{called}'"


def test_every_example_is_of_an_integration() -> None:
    _, listed = examples()
    known = {CALLED.get(name, name) for name in NAMES}
    assert [f"the example of '{name}', which auto does not trace" for name in sorted(listed.keys() - known)] == []


def test_faults_are_planted_in_every_module() -> None:
    (found,) = [
        node.value
        for node in ast.parse(FAULTS.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "MODULES"
    ]
    modules = {name for name in ast.literal_eval(found) if name.startswith("integrations.")}
    files = {
        "integrations." + ".".join(path.relative_to(INTEGRATIONS).with_suffix("").parts)
        for path in INTEGRATIONS.rglob("*.py")
        if path.stem != "__init__"
    }
    hooked = {f"integrations.{module}" for _, _, module, _ in automatic.INTEGRATIONS}
    assert sorted(hooked - files) == []
    assert sorted(files - modules - WITHOUT_FAULTS.keys()) == [], "missing in MODULES of test_own_faults.py"
    assert sorted(modules - files) == []
    assert sorted(WITHOUT_FAULTS.keys() & modules | WITHOUT_FAULTS.keys() - files) == []
