"""The check of wording finds what the guide refuses, in text only, and lets true English pass."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wording_check", ROOT / ".ci" / "wording.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


check = load()


def found(text: str, name: str = "page.md") -> list[tuple[int, int, str]]:
    return [(line, column, words) for line, column, words, _ in check.findings(Path(name), text)]


@pytest.mark.parametrize(
    "text",
    [
        "all where none is named",
        "``None`` where the file is absent",
        "the container comes anew",
        "images can be had",
        "stopped for want of memory",
        "Nobody reads it",
        "what stands in the file",
        "it is no directory",
        "it takes no -f",
        "it is there already",
        "there is a service 'auth' already",
        "the run goes on",
        "the backend lets it go",
        "a trace of its own",
        "50 requests a second",
        "one module a verb",
        "lower-case letters",
        "1 errors",
        "error(s)",
        "failed to read",
        "a torn trace",
        "it lends its library",
    ],
)
def test_each_fault_is_found(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "the directory where it is",
        "it says where it listens",
        "it is no longer needed",
        "there is no trace",
        "a fake stands in for the engine",
        "11 errors",
        "its own trace",
        "50 requests per second",
        "SELECT name FROM t WHERE id = 1",
    ],
)
def test_what_is_right_passes(text: str) -> None:
    assert found(text) == []


def test_every_rule_has_a_fault_above() -> None:
    texts = test_each_fault_is_found.pytestmark[0].args[1]  # type: ignore[attr-defined]
    refused = [rule for rule in check.RULES if any(rule.pattern.search(text) for text in texts)]
    assert refused == list(check.RULES)


@pytest.mark.parametrize("rule", check.RULES, ids=lambda rule: rule.keys[0])
def test_the_keys_of_a_rule_are_in_whatever_it_refuses(rule: object) -> None:
    texts = test_each_fault_is_found.pytestmark[0].args[1]  # type: ignore[attr-defined]
    hits = [text for text in texts if rule.pattern.search(text)]  # type: ignore[attr-defined]
    assert all(any(key in text.lower() for key in rule.keys) for text in hits)  # type: ignore[attr-defined]


def test_only_comments_and_strings_of_python_are_text() -> None:
    source = 'anew = where + none\nx = "made anew"  # comes anew\n'
    assert found(source, "module.py") == [(2, 11, "anew"), (2, 26, "anew")]


def test_strings_of_tests_are_data_and_their_docstrings_are_text() -> None:
    source = '"""Made anew."""\n\n\ndef test() -> None:\n    """Made anew."""\n    assert "anew"  # anew\n'
    path = str(ROOT / "tests" / "unit" / "test_something.py")
    assert found(source, path) == [(1, 9, "anew"), (5, 13, "anew"), (6, 22, "anew")]


def test_code_inside_a_formatted_string_is_not_text() -> None:
    assert found('x = f"{torn} and {anew!r}"\n', "module.py") == []


def test_a_sentence_is_read_over_lines_and_literals() -> None:
    assert found('x = (\n    "all where "\n    f"none is named"\n)\n', "module.py") == [(2, 10, "where none")]
    assert found("# all where\n# none is named\n", "compose.yaml") == [(1, 7, "where none")]


def test_the_program_names_the_place_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("A page.\nIt is made anew.\n")
    assert check.main([str(page)]) == 1
    assert f"{page}:2:12: 'anew': " in capsys.readouterr().out
    page.write_text("A page.\n")
    assert check.main([str(page)]) == 0
