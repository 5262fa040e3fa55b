"""devenv.tracing beside the stock instrumentations: the tables in this folder, as they would be written now."""

from __future__ import annotations

import difflib
import os
import re

import pytest
from side_by_side.table import rules
from side_by_side.tables import CLIENTS, FOLDER, SERVERS, table

if not os.environ.get("DEVENV_TEST_REQUIRE"):  # never skipped in CI
    pytest.importorskip("opentelemetry.instrumentation.flask", reason="the stock instrumentations are not installed")

HOW = "if the change is meant: PYTHONPATH=tests/support python -m side_by_side.tables"


@pytest.mark.parametrize("subject", [*SERVERS, *CLIENTS])
def test_the_spans_are_those_of_the_table(subject):
    text, undecided = table(subject)
    assert undecided == [], "differences without a rule in rules.yaml"
    written = (FOLDER / f"{subject}.txt").read_text()
    changes = difflib.unified_diff(written.splitlines(), text.splitlines(), f"{subject}.txt", "now", lineterm="", n=8)
    assert text == written, "\n".join([*changes, HOW])


def test_each_rule_decides_something_and_says_by_what():
    text = "".join(path.read_text() for path in FOLDER.glob("*.txt"))
    for rule in rules(FOLDER / "rules.yaml"):
        assert rule.for_ in {"ours", "stock", "both", "fault"}
        assert rule.section
        assert rule.words
        assert re.search(rf" {re.escape(rule.name)}: {rule.for_}$", text, re.MULTILINE), rule.name
