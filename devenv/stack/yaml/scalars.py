"""Values of plain YAML scalars by the 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema)."""

from __future__ import annotations

import re

from devenv.stack.yaml.nodes import Atom

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NOT_A_NUMBER = frozenset({".nan", ".NaN", ".NAN"})
_LONGEST_NUMBER = 64
"""Longer digit strings are text: no number in a stack file is that long, and converting them is slow."""


def resolve(text: str) -> Atom:
    """Return the value of the plain scalar ``text``; ``22:22``, ``on``, ``yes`` and dates are strings."""
    if text in _NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    number = integer(text)
    return number if number is not None else _float_or_text(text)


def integer(text: str) -> int | None:
    """Return ``text`` as an integer of the core schema, or ``None`` if it is not one."""
    if len(text) > _LONGEST_NUMBER:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 0)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    return None


def number(text: str) -> float | None:
    """Return ``text`` as a finite number of the core schema, or ``None`` if it is not one."""
    whole = integer(text)
    if whole is not None:
        return float(whole)
    if len(text) <= _LONGEST_NUMBER and _FLOAT.fullmatch(text):
        return float(text)
    return None


def _float_or_text(text: str) -> float | str:
    if _INFINITY.fullmatch(text):
        return float(text.replace(".", ""))
    if text in _NOT_A_NUMBER:
        return float("nan")
    value = number(text)
    return text if value is None else value
