"""Turns errors of the YAML scanner into messages for the author of the file."""

from __future__ import annotations

import yaml

from devenv.errors import Location, StackFileError

MAXIMUM_DEPTH = 50
"""Levels of nesting; the parser has its own limit, which it may reach before it returns the first value."""

_INDENTATION = "indent with spaces, and align the keys of one mapping in one column"
_MEANINGS = (
    (
        "mapping values are not allowed",
        "bad indentation, or a second ': ' in the line",
        "quote values with ': '",
    ),
    ("did not find expected key", "bad indentation, or text after the end of a value", _INDENTATION),
    ("did not find expected '-' indicator", "bad indentation in a list", _INDENTATION),
    ("expected <block end>", "bad indentation, or text after the end of a value", _INDENTATION),
    ("could not find expected ':'", "a key without ':'", "write `key: value`"),
    ("did not find expected ',' or", "a [list] or {mapping} in brackets is not closed", "close it, or add a comma"),
    ("expected ',' or", "a [list] or {mapping} in brackets is not closed", "close it, or add a comma"),
    ("unexpected end of stream", "unclosed quote", "close the quotes"),
    ("node content", "a value is missing", "write the value; quote text that starts with a bracket or comma"),
    ("document start", "text after the end of the document", _INDENTATION),
    ("alphabetic or numeric character", "an anchor or alias without a name", "quote text that starts with & or *"),
    ("unknown escape character", "an unknown escape sequence in double quotes", r"double the backslash: \\"),
    ("undefined tag handle", "an undefined tag handle", "quote text that starts with !"),
    ("maximum nesting depth", f"nested more than {MAXIMUM_DEPTH} levels deep", "nest less deeply"),
    ("that cannot start any token", "a character that cannot start a value", "quote the value"),
)


def syntax_error(error: yaml.YAMLError, text: str, file: str) -> StackFileError:
    """Return the error for text that is not YAML, at the place where the parser stopped."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return StackFileError(f"not YAML: {error}", location=Location(file))
    lines = text.split("\n")
    opening = getattr(error, "context_mark", None)
    if opening is not None and not any(lines[mark.line :]):
        mark = opening  # not closed: its start is more useful than the end of the file
    at_the_end = mark.line >= len(lines)  # the parser counts one more line if the last one has no line end
    line = lines[-1] if at_the_end else lines[mark.line]
    column = len(line) if at_the_end else mark.column
    place = Location(file, min(mark.line + 1, len(lines)), column + 1)
    complaint = str(getattr(error, "problem", None) or error)
    if "\t" in line[: column + 1] and not line[:column].strip():
        return StackFileError("a tab in the indentation", location=place, expected="spaces", hint=_INDENTATION)
    for words, meaning, hint in _MEANINGS:
        if words in complaint:
            return StackFileError(f"not YAML: {meaning}", location=place, found=line.strip()[:60], hint=hint)
    return StackFileError(f"not YAML: {complaint}", location=place, found=line.strip()[:60])
