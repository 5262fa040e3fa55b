"""Tests of one value: whether it equals a constant, is before or after it, or matches a pattern.

An attribute's value is text, a number, a boolean, bytes, a list, a map or ``None``. A constant without a type is
compared with text as text, with numbers as a number, and with everything else as Jaeger prints it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from devenv.traces.filters.constants import field_value, number, typed_value
from devenv.traces.filters.expression import Scalar, Values
from devenv.traces.filters.fields import Kind
from devenv.traces.filters.patterns import Pattern
from devenv.traces.jaeger_text import as_text

Test = Callable[[Any], bool]

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "lt": operator.lt,
    "gte": operator.ge,
    "lte": operator.le,
}


def equals(constant: Scalar, kind: Kind) -> Test:
    """A test for equality with a constant, of a field of this kind or (empty) of an attribute."""
    if kind:
        wanted = field_value(kind, constant.value)
        return lambda value: bool(value == wanted)
    if constant.type:
        return _equals_typed(constant)
    text, as_number = constant.value, number(constant.value)

    def test(value: Any) -> bool:
        if isinstance(value, str):
            return value == text
        if isinstance(value, int | float) and not isinstance(value, bool) and value == as_number:
            return True
        return as_text(value) == text

    return test


def _equals_typed(constant: Scalar) -> Test:
    wanted = typed_value(constant.type, constant.value)
    return lambda value: type(value) is type(wanted) and bool(value == wanted)


def compares(op: str, constant: Scalar, kind: Kind) -> Test:
    """A test for ``gt``, ``lt``, ``gte`` or ``lte``: numbers with numbers, text with text, by code points."""
    compare = _ORDER[op]
    if kind:
        wanted: Any = field_value(kind, constant.value)
        return lambda value: compare(value, wanted)
    if constant.type:
        wanted = typed_value(constant.type, constant.value)
        return lambda value: type(value) is type(wanted) and compare(value, wanted)
    as_number = number(constant.value)
    if as_number is None:
        text = constant.value
        return lambda value: isinstance(value, str) and compare(value, text)
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and compare(value, as_number)


def matches(pattern: str) -> Test:
    """A test for a pattern; numbers and the rest are matched as Jaeger prints them."""
    compiled = Pattern(pattern)
    return lambda value: compiled.within(value if isinstance(value, str) else as_text(value))


def among(values: Values, kind: Kind) -> Test:
    """A test for membership."""
    tests = [equals(Scalar(value, values.type), kind) for value in values.values]
    return lambda value: any(test(value) for test in tests)


def both(op: str) -> Callable[[Sequence[Any], Sequence[Any]], bool]:
    """A test of the values of two references: of each with each, as far as they are of one kind."""
    if op == "ne":
        return lambda left, right: bool(left and right) and not any(_same(one, two) for one in left for two in right)
    if op == "eq":
        return lambda left, right: any(_same(one, two) for one in left for two in right)
    compare = _ORDER[op]
    return lambda left, right: any(_ordered(one, two) and compare(one, two) for one in left for two in right)


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    return bool(one == two)


def _ordered(one: Any, two: Any) -> bool:
    if isinstance(one, str):
        return isinstance(two, str)
    return all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, two))
