"""Frozen dataclasses as JSON values and back, with every value checked against its field's type."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Value = TypeVar("Value", bound="DataclassInstance")

_WORDS: Mapping[type, str] = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}


class MalformedMessage(ValueError):
    """A JSON value that does not have the shape of its dataclass; the message has place, found and expected."""


def encode(value: DataclassInstance) -> dict[str, Any]:
    """Return a dataclass as a JSON object."""
    return asdict(value)


def decode(kind: type[Value], data: object, where: str) -> Value:
    """Return ``data``, as parsed from JSON, as a ``kind``.

    Fields may be strings, numbers, booleans, enumerations, literals, dataclasses, optional values, and tuples and
    mappings of these; ``Any`` is not checked.

    Args:
        kind: a dataclass.
        data: what :func:`json.loads` returned.
        where: name of the value, for the error.

    Raises:
        MalformedMessage: If a field is missing, is unknown, or has a value of another type.
    """
    if not isinstance(data, dict):
        raise _unlike(where, data, "an object")
    hints = _hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise MalformedMessage(f"{where}: unknown field {unknown[0]!r}")
    values: dict[str, Any] = {}
    for field in fields(kind):
        if field.name in data:
            values[field.name] = _decoded(hints[field.name], data[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise MalformedMessage(f"{where}: field {field.name!r} is missing")
    return kind(**values)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _decoded(hint: Any, data: object, where: str) -> Any:
    if hint is Any:
        return data
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return None if data is None else _decoded(inner, data, where)
    if origin is Literal:
        if data not in arguments:
            raise _unlike(where, data, " or ".join(map(repr, arguments)))
        return data
    if origin is tuple:
        return _sequence(arguments, data, where)
    if origin is Mapping:
        if not isinstance(data, dict):
            raise _unlike(where, data, "an object")
        return {str(key): _decoded(arguments[1], item, f"{where}.{key}") for key, item in data.items()}
    if is_dataclass(hint):
        return decode(cast("type[DataclassInstance]", hint), data, where)
    return _plain(hint, data, where)


def _plain(hint: type, data: object, where: str) -> Any:
    if issubclass(hint, Enum):
        try:
            return hint(data)
        except ValueError:
            raise _unlike(where, data, " or ".join(repr(item.value) for item in hint)) from None
    if hint is float and type(data) is int:
        return float(data)
    if type(data) is not hint:
        raise _unlike(where, data, _WORDS[hint])
    return data


def _sequence(arguments: tuple[Any, ...], data: object, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _unlike(where, data, "an array")
    each = arguments[:1] * len(data) if arguments[-1] is Ellipsis else arguments
    if len(each) != len(data):
        raise _unlike(where, data, f"an array of {len(each)}")
    return tuple(
        _decoded(hint, item, f"{where}[{position}]")
        for position, (hint, item) in enumerate(zip(each, data, strict=True))
    )


def _unlike(where: str, found: object, expected: str) -> MalformedMessage:
    text = repr(found)
    return MalformedMessage(f"{where}: found {text if len(text) <= 60 else text[:57] + '…'}, expected {expected}")
