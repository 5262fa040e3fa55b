"""A statement as it is recorded: its text without values, its summary, its operation and table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from devenv.tracing.databases.summary import summarize
from devenv.tracing.process.versions import SLOTS

_NUMBER = r"(?<![\w$:@?.\"])[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\b"
# Comments, quoted names and literals are found in one pass, so that a quote in one of them does not begin another.
# A literal without an end (of a text that was cut) goes to the end of the text.
_STANDARD = re.compile(
    rf"""(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<name>"[^"]*"|`[^`]*`)
    |\bE'(?:[^'\\]|\\.|'')*(?:'|\Z)
    |(?:\b[XBN])?'[^']*(?:''[^']*)*(?:'|\Z)
    |(?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
    |{_NUMBER}""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
# MySQL has texts in double quotes too, and backslashes in them; its `--` begins a comment before a space only.
_MYSQL = re.compile(
    rf"""(?P<comment>--(?=\s|\Z)[^\n]*|\#[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<name>`[^`]*`)
    |(?:\b[XBN])?'(?:[^'\\]|\\.|'')*(?:'|\Z)
    |"(?:[^"\\]|\\.|"")*(?:"|\Z)
    |{_NUMBER}""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_MYSQL_SYSTEMS = frozenset({"mysql", "mariadb"})
_SPACE = re.compile(r"\s+")
_LONGEST = 2048
LONGEST_READ = 8192
"""The characters of a statement that are read; what follows them is neither recorded nor kept."""


@dataclass(frozen=True, **SLOTS)
class Statement:
    """A statement as it is recorded in spans.

    Attributes:
        text: The text; its literals are replaced by `?`.
        summary: `db.query.summary`: operations and their targets, in their order.
        operation: The operation, empty if there are several.
        target: The table or procedure, empty if there is none or several.
    """

    text: str
    summary: str
    operation: str
    target: str


def describe(sql: str, system: str = "") -> Statement:
    """Describe a statement; its literals are replaced by `?`, so that no value is recorded.

    Args:
        sql: The statement.
        system: `db.system.name`, which decides what a literal is.
    """
    found = (_MYSQL if system in _MYSQL_SYSTEMS else _STANDARD).sub(_replacement, sql[:LONGEST_READ])
    text = _SPACE.sub(" ", found).strip()
    summary = summarize(text)
    return Statement(text[:_LONGEST], summary.text, summary.operation, summary.target)


def _replacement(found: re.Match[str]) -> str:
    if found["comment"] is not None:
        return " "
    return found["name"] or "?"
