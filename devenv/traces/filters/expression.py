"""A filter as a tree, in the terms of Jaeger's RFC 0005, with what devenv adds for whole traces.

A filter is a :class:`Call`. A trace matches if one of its spans meets all of it; ``some`` asks for one element of a
collection instead. docs/decisions/filters.md lists what is Jaeger's and what is devenv's.
"""

from __future__ import annotations

from collections.abc import Iterator

from devenv.immutable import immutable

MAX_DEPTH = 20
"""Calls inside each other, as in Jaeger."""

MAX_CALLS = 500
"""Calls in one filter."""

MAX_LENGTH = 16 * 1024
"""Characters of a filter, as text or as JSON."""

ORDERED = frozenset({"gt", "lt", "gte", "lte"})
COMPARISONS = frozenset({"eq", "ne"}) | ORDERED
MEMBERSHIPS = frozenset({"in", "not_in"})
JOINS = frozenset({"and", "or"})
OPERATORS = ("and", "or", "not", "eq", "ne", "gt", "lt", "gte", "lte", "regex", "exists", "in", "not_in", "some")
TYPES = ("string", "int", "double", "bool")

SPAN_LEVELS = ("span", "resource", "scope", "event", "link")
"""The levels of Jaeger."""

ATTRIBUTE_LEVELS = (*SPAN_LEVELS, "root")
"""Levels that have attributes. The attributes of ``root`` are those of the root span and its resource."""

COLLECTIONS = ("event", "link", "span", "child")
"""What ``some`` quantifies: a span's events, links and children, and all spans of its trace."""


class FilterError(ValueError):
    """A filter is malformed; the message says what was found and what is expected.

    Args:
        message: without the place.
        column: of the text form, from 1; 0 for JSON.
        path: of the part in the JSON form, such as ``args[1].call``; empty for text.
        hint: what to do.
    """

    def __init__(self, message: str, *, column: int = 0, path: str = "", hint: str = "") -> None:
        place = f"column {column}: " if column else f"{path}: " if path else ""
        super().__init__(place + message)
        self.message = message
        self.column = column
        self.path = path
        self.hint = hint


@immutable()
class Attribute:
    """An entry of an attribute map; without a level, of the span or of its resource."""

    key: str
    level: str = ""


@immutable()
class Field:
    """A built-in field (:mod:`devenv.traces.filters.fields`)."""

    level: str
    name: str


@immutable()
class Collection:
    """One of :data:`COLLECTIONS`, the first argument of ``some``."""

    level: str


@immutable()
class Scalar:
    """A constant as text; without a type, it matches a value of any type."""

    value: str
    type: str = ""


@immutable()
class Values:
    """The constants of ``in`` and ``not_in``; their type is given, or the field's."""

    values: tuple[str, ...]
    type: str = ""


@immutable()
class Call:
    """An operator with its arguments."""

    op: str
    args: tuple[Expression, ...]


Reference = Attribute | Field
Expression = Attribute | Field | Collection | Scalar | Values | Call


def size(filter_: Call) -> int:
    """The number of calls in a filter."""
    return 1 + sum(size(argument) for argument in filter_.args if isinstance(argument, Call))


def conjuncts(filter_: Call) -> Iterator[Call]:
    """Yield the conditions that a matching span meets all: those joined by ``and`` at the top."""
    if filter_.op != "and":
        yield filter_
        return
    for argument in filter_.args:
        if isinstance(argument, Call):
            yield from conjuncts(argument)
