"""Every page of docs/ does what it says: its files are written, its commands run, their output is compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from documentation import read_page
from documentation_run import run_page

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
READ_ONLY = {"architecture", "overview"}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_page_does_what_it_says(path: Path, tmp_path: Path) -> None:
    commands = run_page(read_page(path), ROOT, tmp_path)
    assert (commands == 0) is (path.stem in READ_ONLY)
