"""Checks the `tracing` section of a configuration against the table of settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from devenv.tracing.configuration.document import Document, Path_, Place
from devenv.tracing.configuration.endpoints import check_url, is_header
from devenv.tracing.errors import ConfigError
from devenv.tracing.settings import KEYS, PATHS, Key

_KINDS = {
    "str": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "list": "a list of texts",
    "map": "a mapping of names to texts",
}
_GROUPS = {path.partition(".")[0] for path in PATHS if "." in path}


def read_section(document: Document, base: Path_) -> Iterator[tuple[Key, Any, Place]]:
    """Yield each setting of a section with its checked value and place; `read_profiles` reads `profiles`.

    Raises:
        ConfigError: If a key is unknown, or a value is of the wrong kind or out of range.
    """
    for path, value in _leaves(document, _section(document, base), base):
        key = _known(document, path, base)
        yield key, _checked(document, path, key, value), document.place(path)


def read_profiles(document: Document, base: Path_) -> Mapping[str, list[tuple[Key, Any, Place]]]:
    """Return the user's profiles: settings by profile name.

    Raises:
        ConfigError: As for `read_section`.
    """
    profiles = _section(document, base).get("profiles") or {}
    path = (*base, "profiles")
    if not isinstance(profiles, dict):
        raise _fault(document, path, repr(profiles), "a mapping of profile names to settings")
    return {name: list(read_section(document, (*path, name))) for name in profiles}


def check_value(key: Key, value: Any) -> Any:
    """Convert a value to the type of its setting.

    Raises:
        ValueError: If the value is not allowed; the message names the allowed values.
    """
    if value is None and key.optional:
        return None
    checked = _of_kind(key, value)
    if key.choices:
        for item in checked if isinstance(checked, tuple) else (checked,):
            if item not in key.choices:
                raise ValueError(f"one of {', '.join(key.choices)}")
    if key.path == "exporter.headers" and not all(is_header(name, item) for name, item in checked.items()):
        raise ValueError("a mapping of header names to texts without control characters")
    if key.path.endswith("endpoint") and checked:
        check_url(checked)
    if isinstance(checked, (int, float)) and not _in_range(key, checked):
        raise ValueError(_range_text(key))
    return checked


def _section(document: Document, base: Path_) -> dict[str, Any]:
    node: Any = document.values
    for part in base:
        node = node.get(part) if isinstance(node, dict) else None
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise _fault(document, base, repr(node), "a mapping of settings")
    return node


def _leaves(document: Document, section: Mapping[str, Any], base: Path_) -> Iterator[tuple[Path_, Any]]:
    for name, value in section.items():
        path = (*base, str(name))
        if name == "profiles" and "profiles" not in base:
            continue
        if name not in _GROUPS:
            yield path, value
        elif isinstance(value, dict):
            yield from (((*path, str(inner)), item) for inner, item in value.items())
        elif value is not None:
            raise _fault(document, path, repr(value), "a mapping of settings")


def _known(document: Document, path: Path_, base: Path_) -> Key:
    dotted = ".".join(path[len(base) :])
    if dotted in PATHS:
        return KEYS[PATHS[dotted]]
    allowed = [*PATHS, "profiles"] if "profiles" not in base else list(PATHS)
    group, _, leaf = dotted.rpartition(".")
    siblings = sorted(
        {
            p[len(group) + 1 :].partition(".")[0] if group else p.partition(".")[0]
            for p in allowed
            if p.startswith(f"{group}." if group else "")
        }
    )
    from difflib import get_close_matches

    near = get_close_matches(leaf, siblings, n=1) or get_close_matches(dotted, allowed, n=1)
    place = document.key_place(path)
    raise ConfigError(
        source=document.source,
        key=".".join(path),
        found="an unknown key",
        expected=f"one of {', '.join(siblings)}",
        line=place.line,
        column=place.column,
        suggestion=near[0] if near else "",
    )


def _checked(document: Document, path: Path_, key: Key, value: Any) -> Any:
    try:
        return check_value(key, value)
    except ValueError as error:
        from difflib import get_close_matches

        near = get_close_matches(str(value), key.choices, n=1)
        # Headers are secrets: the message names them, without their values.
        shown = repr(value) if key.kind != "map" else _names(value)
        raise _fault(document, path, shown, str(error), near[0] if near else "") from error


def _fault(document: Document, path: Path_, found: str, expected: str, suggestion: str = "") -> ConfigError:
    place = document.place(path)
    return ConfigError(
        source=document.source,
        key=".".join(path),
        found=found,
        expected=expected,
        line=place.line,
        column=place.column,
        suggestion=suggestion,
    )


def _of_kind(key: Key, value: Any) -> Any:
    if key.kind == "str" and isinstance(value, str):
        return value
    if key.kind == "bool" and isinstance(value, bool):
        return value
    if key.kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if key.kind == "float" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if key.kind == "list" and isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if key.kind == "map" and isinstance(value, Mapping) and all(_is_scalar(item) for item in value.values()):
        return {str(name): _text(item) for name, item in value.items()}
    raise ValueError(_KINDS[key.kind])


def _names(value: Any) -> str:
    return f"the names {', '.join(map(str, value))}" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _in_range(key: Key, value: float) -> bool:
    if math.isnan(value):
        return False
    return (key.minimum is None or value >= key.minimum) and (key.maximum is None or value <= key.maximum)


def _range_text(key: Key) -> str:
    kind = _KINDS[key.kind]
    if key.maximum is not None:
        return f"{kind} from {key.minimum:g} to {key.maximum:g}"
    return f"{kind} of at least {key.minimum:g}" if key.minimum is not None else kind
