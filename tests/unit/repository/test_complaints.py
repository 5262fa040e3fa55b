"""What users of orchestrators complain of again and again: each complaint has tests here, and they exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "decisions" / "nothing-untrue.md"
HEADING = "## What users of orchestrators ask for again and again"

REPORTS = """
compose#10461 compose#12782 compose#9273 compose#11808 compose#9122 compose#11030 compose#12416 compose#4950
compose#9117 tilt#3434 process-compose#68 aspire#17872 aspire#16727 tilt#5239 quarkus#38448 compose#6857 tilt#2427
aspire#16202
aspire#19250 process-compose#354 compose#3573 compose#13027 compose#13211 compose#11062 tilt#3875 aspire#10494
opentelemetry-js#1556 jaeger#1535 jaeger#6209 jaeger#5735 aspire#4173 aspire#4706 jaeger-ui#462 zipkin#1933
aspire#14820 aspire#4256
"""


def rows() -> list[list[str]]:
    section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def reports(cell: str) -> list[str]:
    """`compose#1`, `compose#2` of `compose#1, #2`."""
    found, tool = [], ""
    for name, number in re.findall(r"([\w-]*)#(\d+)", cell):
        tool = name or tool
        found.append(f"{tool}#{number}")
    return found


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text())
    found = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(name for name in found if name.startswith("test_"))


def test_every_complaint_is_listed_once() -> None:
    assert sorted(report for row in rows() for report in reports(row[0])) == sorted(REPORTS.split())


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_its_tests_exist(row: list[str]) -> None:
    named = re.findall(r"`([^`]+)`", row[3])
    assert named
    for test in named:
        path, _, name = test.partition("::")
        assert name in names_in(path), test
