"""docs/tools.md against pyproject.toml, in both directions: every dependency, its extra and its least version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `([\w-]+)` \| (none|sample|cli) \| ([\d.]+) \|", re.MULTILINE)


def declared() -> set[tuple[str, str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    weights = {"none": project["dependencies"], **project["optional-dependencies"]}
    found = set()
    for extra in ("none", "sample", "cli"):
        for requirement in weights[extra]:
            if not requirement.startswith("devenv-otel["):
                name, version = re.match(r"([\w-]+)>=([\d.]+)", requirement).groups()  # type: ignore[union-attr]
                found.add((name, extra, version))
    return found


def test_the_dependencies_are_those_of_the_project() -> None:
    page = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
    assert {(name, extra, version) for name, extra, version in ROW.findall(page)} == declared()


def test_the_extras_are_those_of_the_project() -> None:
    page = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")
    section = page.partition("\n## Extras\n")[2].partition("\n## ")[0]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(project["optional-dependencies"])
