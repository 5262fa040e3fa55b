"""Constants of a filter as values: numbers, durations in Go's syntax, times in RFC 3339, words."""

from __future__ import annotations

import re

from devenv.traces.filters.fields import WORDS, Kind
from devenv.traces.times import parse_duration, parse_rfc3339

_INTEGER = re.compile(r"[+-]?\d{1,40}\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][+-]?\d{1,3})?\Z", re.ASCII)
_TIMES = {"NaN": "nan", "+Inf": "inf", "Inf": "inf", "-Inf": "-inf"}

EXPECTED: dict[Kind, str] = {
    "duration": "a duration with a unit such as 200ms or 1.5s",
    "time": "a time in RFC 3339 such as 2026-01-31T12:00:00Z",
    "number": "a whole number",
    **{kind: f"one of {', '.join(words)}" for kind, words in WORDS.items()},
    "int": "a whole number",
    "double": "a number",
    "bool": "true or false",
}


def number(text: str) -> int | float | None:
    """The number that a text is; ``None`` if it is none."""
    if _INTEGER.match(text):
        return int(text)
    if _NUMBER.match(text) or text in _TIMES:
        return float(_TIMES.get(text, text))
    return None


def field_value(kind: Kind, text: str) -> int | str:
    """A constant as a field of this kind holds it: durations and times in ns.

    Raises:
        ValueError: If it cannot hold it; the message is what is expected.
    """
    try:
        if kind == "duration":
            return parse_duration(text)
        if kind == "time":
            return parse_rfc3339(text)
        if kind == "number":
            return _whole(text)
    except ValueError as error:
        raise ValueError(EXPECTED[kind]) from error
    if kind in WORDS and text not in WORDS[kind]:
        raise ValueError(EXPECTED[kind])
    return text.lower() if kind == "id" else text


def typed_value(type_: str, text: str) -> int | float | str | bool:
    """A constant of a declared type.

    Raises:
        ValueError: If it is not of that type; the message is what is expected.
    """
    if type_ == "int":
        return _whole(text)
    if type_ == "double":
        found = number(text)
        if found is None:
            raise ValueError(EXPECTED["double"])
        return float(found)
    if type_ == "bool":
        if text not in {"true", "false"}:
            raise ValueError(EXPECTED["bool"])
        return text == "true"
    return text


def _whole(text: str) -> int:
    found = number(text)
    if not isinstance(found, int) or abs(found) >= 1 << 63:
        raise ValueError(EXPECTED["int"])
    return found
