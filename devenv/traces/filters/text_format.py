"""Writes a filter in its text form: ``parse(text_of(tree))`` is the tree."""

from __future__ import annotations

from devenv.traces.filters.expression import JOINS, Attribute, Call, Collection, Expression, Field, Scalar, Values
from devenv.traces.filters.fields import ALIASES, FIELDS
from devenv.traces.filters.text_form import OPERATORS
from devenv.traces.filters.text_tokens import BARE, KEYWORDS, quoted

_SIGNS = {op: sign for sign, op in OPERATORS.items() if sign != "=="}
_SHORT = {place: alias for alias, place in ALIASES.items() if alias != "operation"}


def text_of(term: Expression) -> str:
    """A checked filter, or a part of it, as text."""
    return _text(term, "")


def _text(term: Expression, bound: str) -> str:
    """``bound`` is the level of the element, event or link, that the condition around the term is about."""
    match term:
        case Call(op, args):
            return _call(op, args, bound)
        case Field(level, name):
            short = _SHORT.get((level, name), "")
            return short if short and not (bound and short in FIELDS[bound]) else f"{level}.{name}"
        case Attribute(key, level):
            return _attribute(key, level, bound)
        case Scalar(value, type_):
            return f"{type_}({_literal(value)})" if type_ else _literal(value)
        case Values(values, type_):
            return f"{type_}({', '.join(map(_literal, values))})"
        case Collection(level):
            return level


def _call(op: str, args: tuple[Expression, ...], bound: str) -> str:
    if op in JOINS:
        return f" {op} ".join(_within(argument, bound) for argument in args)
    if op == "not":
        return f"not {_within(args[0], bound)}"
    if op == "some":
        collection = _text(args[0], "")
        return f"any {collection}({_text(args[1], collection if collection in {'event', 'link'} else '')})"
    if op == "exists":
        return f"{_text(args[0], bound)} exists"
    if op in _SIGNS:
        at = "@" if isinstance(args[1], Attribute | Field) else ""
        return f"{_text(args[0], bound)} {_SIGNS[op]} {at}{_text(args[1], bound)}"
    return f"{_text(args[0], bound)} {'not in' if op == 'not_in' else 'in'} {_text(args[1], bound)}"


def _within(term: Expression, bound: str) -> str:
    found = _text(term, bound)
    return f"({found})" if isinstance(term, Call) and term.op in JOINS else found


def _literal(value: str) -> str:
    return value if BARE.match(value) and value.lower() not in KEYWORDS else quoted(value)


def _attribute(key: str, level: str, bound: str) -> str:
    bare = bool(BARE.match(key))
    if level:
        return f"{level}.{key}" if bare and key not in FIELDS[level] else f"{level}.{quoted(key)}"
    if bound:
        return f".{key if bare else quoted(key)}"
    first, dot, _ = key.partition(".")
    named = key in ALIASES or key.lower() in KEYWORDS or (dot and first in {"", *FIELDS})
    return key if bare and not named else quoted(key)
