"""The JSON form of a filter, as Jaeger's RFC 0005 defines it: ``{"op": "eq", "args": [{"attr": …}, {"scalar": …}]}``.

It is read strictly: an unknown key, or an argument of the wrong type, is an error. Null and absent are the same, as in
protobuf's JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from devenv.suggestions import suggest
from devenv.traces.filters.expression import (
    MAX_DEPTH,
    MAX_LENGTH,
    Attribute,
    Call,
    Collection,
    Expression,
    Field,
    FilterError,
    Scalar,
    Values,
)
from devenv.traces.filters.validation import Misfit, bounded, checked, inner


def read_json(text: str) -> Call:
    """Read a filter from JSON text.

    Raises:
        FilterError: If it is malformed; it has the place in the document.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"the filter has {len(text)} characters, expected at most {MAX_LENGTH}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FilterError(f"not JSON: {error}") from error
    return from_json(document)


def from_json(document: Any) -> Call:
    """Read a filter from a JSON value.

    Raises:
        FilterError: If it is malformed.
    """
    found = _call(document, "filter", (), 1)
    try:
        bounded(found)
    except Misfit as error:
        raise FilterError(error.message, path="filter", hint=error.hint) from error
    return found


def to_json(filter_: Call) -> dict[str, Any]:
    """The JSON document of a filter."""
    return {"op": filter_.op, "args": [_written(argument) for argument in filter_.args]}


def _written(term: Expression) -> dict[str, Any]:
    match term:
        case Attribute(key, level):
            return {"attr": {"key": key, **({"level": level} if level else {})}}
        case Field(level, name):
            return {"field": {"name": name, "level": level}}
        case Collection(level):
            return {"nested": {"level": level}}
        case Scalar(value, type_):
            return {"scalar": {"value": value, **({"type": type_} if type_ else {})}}
        case Values(values, type_):
            return {"list": {"values": list(values), **({"type": type_} if type_ else {})}}
        case Call():
            return {"call": to_json(term)}


def _call(document: Any, path: str, quantified: tuple[str, ...], depth: int) -> Call:
    if depth > MAX_DEPTH:
        raise FilterError(f"the filter nests more than {MAX_DEPTH} deep", path=path)
    found = _object(document, path, ("op", "args"))
    op, given = _text(found, "op", path), found.get("args") or []
    if not isinstance(given, list):
        raise FilterError(f"found {_shown(given)}, expected a list", path=f"{path}.args")
    args: list[Expression] = []
    for index, item in enumerate(given):
        place = f"{path}.args[{index}]"
        bound = inner(args[0], quantified) if op == "some" and index and isinstance(args[0], Collection) else quantified
        args.append(_term(item, place, bound, depth))
    try:
        return checked(Call(op, tuple(args)), quantified)
    except Misfit as error:
        place = f"{path}.args[{error.argument}]" if error.argument >= 0 else path
        raise FilterError(error.message, path=place, hint=error.hint) from error


def _term(document: Any, path: str, quantified: tuple[str, ...], depth: int) -> Expression:
    found = _object(document, path, (*_TERMS, "call"))
    if len(found) != 1:
        raise FilterError(f"found {len(found)} keys, expected one of {', '.join((*_TERMS, 'call'))}", path=path)
    ((kind, content),) = found.items()
    if kind == "call":
        return _call(content, f"{path}.call", quantified, depth + 1)
    return _TERMS[kind](content, f"{path}.{kind}")


def _attribute(document: Any, path: str) -> Expression:
    found = _object(document, path, ("key", "level"))
    return Attribute(_text(found, "key", path), _text(found, "level", path))


def _field(document: Any, path: str) -> Expression:
    found = _object(document, path, ("name", "level"))
    return Field(_text(found, "level", path), _text(found, "name", path))


def _collection(document: Any, path: str) -> Expression:
    return Collection(_text(_object(document, path, ("level",)), "level", path))


def _scalar(document: Any, path: str) -> Expression:
    found = _object(document, path, ("value", "type"))
    return Scalar(_text(found, "value", path), _text(found, "type", path))


def _list(document: Any, path: str) -> Expression:
    found = _object(document, path, ("values", "type"))
    values = found.get("values") or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise FilterError("expected a list of texts", path=f"{path}.values", hint='numbers are texts, too: ["500"]')
    return Values(tuple(values), _text(found, "type", path))


_TERMS: Mapping[str, Callable[[Any, str], Expression]] = {
    "attr": _attribute,
    "field": _field,
    "nested": _collection,
    "scalar": _scalar,
    "list": _list,
}


def _object(document: Any, path: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise FilterError(f"found {_shown(document)}, expected an object with {', '.join(keys)}", path=path)
    for key in document:
        if key not in keys:
            shown = f"found the key {key[:40]!r}, expected one of {', '.join(keys)}"
            raise FilterError(shown, path=path, hint=suggest(key[:40], keys))
    return {key: value for key, value in document.items() if value is not None}


def _text(found: dict[str, Any], key: str, path: str) -> str:
    value = found.get(key, "")
    if not isinstance(value, str):
        hint = "numbers are texts, too" if isinstance(value, int | float) else ""
        raise FilterError(f"found {_shown(value)}, expected text", path=f"{path}.{key}", hint=hint)
    return value


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:39] + "…"
