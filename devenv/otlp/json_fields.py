"""The fields of OTLP's messages in JSON, read as protobuf has them.

Format: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (IDs in hexadecimal, enums as integers,
64-bit integers as decimal strings or numbers, unknown fields ignored, names in lowerCamelCase).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from devenv.otlp.deep_values import MAX_DEPTH, STORED_DEPTH, TooDeep
from devenv.otlp.wire import TooLarge, Undecodable

Document = dict[str, Any]


@contextmanager
def checked() -> Iterator[None]:
    """Raise Undecodable for what the functions of this module raise."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
        if isinstance(error, Undecodable | TooLarge):
            raise
        raise Undecodable(f"OTLP JSON: {error}") from error


def set_attributes(target: Any, document: Document) -> None:
    """Add the attributes of a resource, a scope, a span or a part of one to a repeated ``KeyValue``."""
    for pair in objects(document, "attributes"):
        set_value(target.add(key=text_of(pair, "key")).value, an_object(pair, "value"))


def set_value(target: Any, document: Document, depth: int = 0) -> None:
    """Write an ``AnyValue``; from a depth on, values become the text of their JSON.

    Raises:
        TooDeep: If it is nested deeper than a value may be.
    """
    nested = ("arrayValue", "array_value", "kvlistValue", "kvlist_value")
    if depth >= STORED_DEPTH and any(document.get(name) is not None for name in nested):
        target.string_value = json.dumps(_plain(document, depth), ensure_ascii=False).encode("utf-8", "replace")
        return
    for name, given in document.items():
        if given is None:
            continue
        if name in _SCALARS:
            field, convert = _SCALARS[name]
            setattr(target, field, convert(given))
        elif name in {"arrayValue", "array_value"}:
            target.array_value.SetInParent()
            for item in objects(given, "values"):
                set_value(target.array_value.values.add(), item, depth + 1)
        elif name in {"kvlistValue", "kvlist_value"}:
            target.kvlist_value.SetInParent()
            for pair in objects(given, "values"):
                entry = target.kvlist_value.values.add(key=text_of(pair, "key"))
                set_value(entry.value, an_object(pair, "value"), depth + 1)


def _plain(document: Document, depth: int) -> Any:
    # The value as ordinary JSON has it; bytes stay in base64.
    if depth > MAX_DEPTH:
        raise TooDeep(f"values are nested more than {MAX_DEPTH} deep")
    found: Any = None
    for name, given in document.items():
        if given is None:
            continue
        if name in {"arrayValue", "array_value"}:
            found = [_plain(item, depth + 1) for item in objects(given, "values")]
        elif name in {"kvlistValue", "kvlist_value"}:
            pairs = objects(given, "values")
            found = {str(pair.get("key", "")): _plain(an_object(pair, "value"), depth + 1) for pair in pairs}
        elif name in _SCALARS:
            converted = _SCALARS[name][1](given)
            found = given if isinstance(converted, bytes) else converted
    return found


def value_of(document: Document, *names: str) -> Any:
    """Return the value under the first of ``names`` that the document has; None if it has none."""
    for name in names:
        value = document.get(name)
        if value is not None:
            return value
    return None


def an_object(document: Document, name: str) -> Document:
    """Return the object under a name; an empty one if there is none."""
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{name} is not an object")
    return value


def objects(document: Document, *names: str) -> list[Document]:
    """Return a list of objects under the first of ``names`` that the document has.

    Raises:
        TypeError: If it is something else.
    """
    value = value_of(document, *names)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError(f"{names[0]} is not a list of objects")
    return value


def text_of(document: Document, *names: str) -> bytes:
    """Return the text under the first of ``names`` that the document has, as UTF-8."""
    value = value_of(document, *names)
    return b"" if value is None else _utf8(value)


def _utf8(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is not a string")
    return value.encode("utf-8", "replace")


def integer(document: Document, *names: str) -> int:
    """Return the integer under the first of ``names`` that the document has, else 0."""
    value = value_of(document, *names)
    return 0 if value is None else whole(value)


def whole(value: Any) -> int:
    """Return a number or a decimal string as an integer.

    Raises:
        TypeError, ValueError: If it is not one.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int | str | float)
        or (isinstance(value, str) and len(value) > 24)
    ):
        raise TypeError(f"{str(value)[:40]!r} is not an integer")
    number = int(value)
    if number != (value if isinstance(value, int | float) else number):
        raise ValueError(f"{value!r} is not an integer")
    return number


def enum(document: Document, prefix: str, words: tuple[str, ...], *names: str) -> int:
    """Return an enumeration's value, which is given as a number or as ``prefix`` and one of ``words``."""
    value = value_of(document, *names)
    if isinstance(value, str) and value.startswith(prefix) and value.removeprefix(prefix) in words:
        return words.index(value.removeprefix(prefix))
    return 0 if value is None else whole(value)


def identifier(document: Document, size: int, *names: str) -> bytes:
    """Return an ID of ``size`` bytes, given in hexadecimal; empty if there is none."""
    value = value_of(document, *names)
    if value is None or value == "":
        return b""
    if not isinstance(value, str) or len(value) != 2 * size:
        raise ValueError(f"{names[0]} has {2 * size} hexadecimal digits, not {str(value)[:40]!r}")
    try:
        return binascii.unhexlify(value)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{names[0]}: {error}") from error


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{str(value)[:40]!r} is not a boolean")
    return value


def _base64(value: Any) -> bytes:
    return base64.b64decode(value, validate=True)


_SCALARS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    name: (field, convert)
    for field, camel, convert in (
        ("string_value", "stringValue", _utf8),
        ("bool_value", "boolValue", _boolean),
        ("int_value", "intValue", whole),
        ("double_value", "doubleValue", float),
        ("bytes_value", "bytesValue", _base64),
    )
    for name in (field, camel)
}
