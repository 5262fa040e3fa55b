"""Every page of docs/ and every README does what it says: files are written, commands run, output is compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from documentation import read_page
from documentation_run import run_page

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
STACKS = sorted((ROOT / "stacks").glob("*/README.md"))
READ_ONLY = {"architecture", "overview", "wording"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_page_does_what_it_says(path: Path, tmp_path: Path) -> None:
    commands = run_page(read_page(path), ROOT, tmp_path)
    assert (commands == 0) is (path.stem in READ_ONLY)


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.parent.name)
def test_the_readme_of_a_stack_does_what_it_says(path: Path, tmp_path: Path) -> None:
    page = read_page(path, start=str(path.parent.relative_to(ROOT)))
    assert run_page(page, ROOT, tmp_path) > 0
