"""Checks a filter: what each operator takes, and that each constant can be compared with the operand beside it."""

from __future__ import annotations

from devenv.suggestions import suggest
from devenv.traces.filters.constants import EXPECTED, field_value, typed_value
from devenv.traces.filters.expression import (
    ATTRIBUTE_LEVELS,
    COLLECTIONS,
    COMPARISONS,
    JOINS,
    MAX_CALLS,
    MAX_DEPTH,
    MEMBERSHIPS,
    OPERATORS,
    ORDERED,
    TYPES,
    Attribute,
    Call,
    Collection,
    Expression,
    Field,
    FilterError,
    Scalar,
    Values,
)
from devenv.traces.filters.fields import FIELDS, NOT_TEXT, WORDS
from devenv.traces.filters.patterns import Pattern, PatternError

_TURNED = {"gt": "lt", "lt": "gt", "gte": "lte", "lte": "gte"}
_SORTS = {"string": "text", "int": "number", "double": "number", "bool": "boolean"}


class Misfit(FilterError):
    """An argument does not fit its operator; ``argument`` is its index, -1 for the operator itself."""

    def __init__(self, message: str, argument: int = -1, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.argument = argument


def bounded(filter_: Call) -> None:
    """Check the depth and the size of a filter.

    Raises:
        Misfit: If it is too deep or too large.
    """
    calls, level, depth = 0, [filter_], 0
    while level:
        calls, depth = calls + len(level), depth + 1
        if depth > MAX_DEPTH:
            raise Misfit(f"the filter nests more than {MAX_DEPTH} deep")
        if calls > MAX_CALLS:
            raise Misfit(f"the filter has more than {MAX_CALLS} conditions")
        level = [argument for call in level for argument in call.args if isinstance(argument, Call)]


def checked(call: Call, quantified: tuple[str, ...] = ()) -> Call:
    """Return a call whose inner calls are checked already, with the reference of a comparison first.

    Args:
        call: The call.
        quantified: The collections whose ``some`` it is inside of.

    Raises:
        Misfit: If an argument does not fit.
    """
    if call.op in JOINS or call.op == "not":
        _check_join(call)
    elif call.op == "some":
        _check_some(call, quantified)
    elif call.op == "exists":
        _expect_count(call, 1)
        _reference_kind(call.args[0], 0)
    elif call.op in MEMBERSHIPS:
        _check_membership(call)
    elif call.op == "regex":
        _check_pattern(call)
    elif call.op in COMPARISONS:
        return _comparison(call)
    else:
        raise Misfit(f"found the operator {call.op!r}, expected one of {', '.join(OPERATORS)}")
    return call


def _expect_count(call: Call, count: int) -> None:
    if len(call.args) != count:
        raise Misfit(f"{call.op!r} takes {count} argument{'s' if count > 1 else ''}, found {len(call.args)}")


def _check_join(call: Call) -> None:
    if call.op == "not":
        _expect_count(call, 1)
    elif len(call.args) < 2:
        raise Misfit(f"{call.op!r} takes at least two arguments, found {len(call.args)}")
    for index, argument in enumerate(call.args):
        if not isinstance(argument, Call):
            raise Misfit(f"{call.op!r} joins conditions, found {_named(argument)}", index)


def _check_some(call: Call, quantified: tuple[str, ...]) -> None:
    _expect_count(call, 2)
    collection, condition = call.args
    if not isinstance(collection, Collection) or collection.level not in COLLECTIONS:
        raise Misfit(f"'some' takes one of the collections {', '.join(COLLECTIONS)} first", 0)
    if collection.level in {"event", "link"} and collection.level in quantified:
        raise Misfit(f"a condition on one {collection.level} is inside another one on one {collection.level}", 0)
    if not isinstance(condition, Call):
        raise Misfit(f"'some' takes a condition as its second argument, found {_named(condition)}", 1)


def inner(collection: Collection, quantified: tuple[str, ...]) -> tuple[str, ...]:
    """The collections whose ``some`` the condition of one more is inside of; those of a span end at another span."""
    return (*quantified, collection.level) if collection.level in {"event", "link"} else ()


def _check_membership(call: Call) -> None:
    _expect_count(call, 2)
    reference, values = call.args
    kind = _reference_kind(reference, 0)
    if not isinstance(values, Values) or not values.values:
        raise Misfit(f"{call.op!r} takes a list with at least one value, found {_named(values)}", 1)
    if values.type and values.type not in TYPES:
        raise Misfit(f"found the type {values.type!r}, expected one of {', '.join(TYPES)}", 1)
    if not kind and not values.type:
        raise Misfit("a list beside an attribute takes a type", 1, f"the types are {', '.join(TYPES)}")
    for value in values.values:
        _check_constant(Scalar(value, values.type), kind, 1)


def _check_pattern(call: Call) -> None:
    _expect_count(call, 2)
    reference, pattern = call.args
    kind = _reference_kind(reference, 0)
    if kind in NOT_TEXT:
        raise Misfit(f"a pattern matches text, found a field that holds a {kind}", 0)
    if not isinstance(pattern, Scalar) or pattern.type not in {"", "string"}:
        raise Misfit(f"'regex' takes a pattern as text, found {_named(pattern)}", 1)
    try:
        Pattern(pattern.value)
    except PatternError as error:
        raise Misfit(f"pattern {pattern.value[:60]!r}, character {error.position + 1}: {error}", 1) from error


def _comparison(call: Call) -> Call:
    _expect_count(call, 2)
    left, right = call.args
    if isinstance(left, Scalar) and isinstance(right, Attribute | Field):
        turned = Call(_TURNED.get(call.op, call.op), (right, left))
        try:
            return _comparison(turned)
        except Misfit as error:
            raise Misfit(error.message, 1 - error.argument if error.argument >= 0 else -1, error.hint) from error
    kind = _reference_kind(left, 0)
    if call.op in ORDERED and kind in WORDS:
        raise Misfit(f"{_named(left)} holds one of {', '.join(WORDS[kind])}, which have no order", 0, "compare with =")
    if isinstance(right, Scalar):
        if right.type and right.type not in TYPES:
            raise Misfit(f"found the type {right.type!r}, expected one of {', '.join(TYPES)}", 1)
        _check_constant(right, kind, 1)
        if call.op in ORDERED and right.type == "bool":
            raise Misfit("true and false have no order", 1, "compare with =")
        return call
    other = _reference_kind(right, 1)
    if call.op in ORDERED and other in WORDS:
        raise Misfit(f"{_named(right)} holds one of {', '.join(WORDS[other])}, which have no order", 1)
    if _sort(kind) != _sort(other) and ((kind and other) or {kind, other} & {"duration", "time"}):
        raise Misfit(f"{_named(left)} and {_named(right)} hold different kinds of value", 1)
    return call


def _check_constant(constant: Scalar, kind: str, argument: int) -> None:
    """Check that a constant is of its type, and that a field of this kind (empty: an attribute) can hold it."""
    shown = constant.value if len(constant.value) <= 60 else constant.value[:59] + "…"
    wanted = kind
    try:
        if constant.type:
            wanted = constant.type
            typed_value(constant.type, constant.value)
            if kind and _SORTS[constant.type] != _sort(kind):
                expected = EXPECTED.get(kind, "text")
                raise Misfit(f"found a constant of type {constant.type}, expected {expected}", argument)
        if kind and (not constant.type or kind in WORDS):
            wanted = kind
            field_value(kind, constant.value)
    except Misfit:
        raise
    except ValueError as error:
        hint = suggest(shown, WORDS[kind]) if kind in WORDS else ""
        raise Misfit(f"found {shown!r}, expected {EXPECTED.get(wanted, str(error))}", argument, hint) from error


def _sort(kind: str) -> str:
    return "text" if kind in WORDS or kind == "id" else kind


def _reference_kind(reference: Expression, argument: int) -> str:
    """The kind of value of a field; empty for an attribute."""
    if isinstance(reference, Field):
        fields = FIELDS.get(reference.level)
        if fields is None:
            raise Misfit(f"found the level {reference.level!r}, expected one of {', '.join(FIELDS)}", argument)
        if reference.name not in fields:
            message = f"{reference.level!r} has no field {reference.name!r}, expected one of {', '.join(fields)}"
            raise Misfit(message, argument, suggest(reference.name, fields))
        return fields[reference.name]
    if isinstance(reference, Attribute):
        if reference.level and reference.level not in ATTRIBUTE_LEVELS:
            expected = ", ".join(ATTRIBUTE_LEVELS)
            raise Misfit(f"found the level {reference.level!r}, expected one of {expected}", argument)
        if not reference.key:
            raise Misfit("an attribute has no key", argument)
        return ""
    raise Misfit(f"found {_named(reference)}, expected a field or an attribute", argument)


def _named(term: Expression) -> str:
    match term:
        case Field(level, name):
            return f"{level}.{name}"
        case Attribute(key, _):
            return f"the attribute {key!r}"
        case Collection(level):
            return f"the collection {level!r}"
        case Scalar(value, _):
            return f"the constant {value[:60]!r}"
        case Values(_, _):
            return "a list"
        case Call(op, _):
            return f"a condition with {op!r}"
