"""Reads settings from OTEL_* and DEVENV_TRACING_* variables.

Rules: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. As these require,
an empty variable counts as unset, and an invalid one is ignored with a warning.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from devenv.tracing.configuration.validation import check_value
from devenv.tracing.settings import KEYS, Key

_log = logging.getLogger(__name__)

_MILLISECONDS = {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"}


def read_environment(environ: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Return the settings in the environment: field name to (value, variable)."""
    found: dict[str, tuple[Any, str]] = {}
    for name, key in KEYS.items():
        for variable in key.variables:
            text = environ.get(variable, "").strip()
            if not text:
                continue
            try:
                found[name] = (_parse(variable, key, text), variable)
            except ValueError as error:
                _log.warning("ignoring %s=%r: expected %s", variable, text, error)
                continue
            break
    return found


def parse_pairs(text: str) -> dict[str, str]:
    """Parse `a=1,b=2%20c` to a mapping; values are percent-decoded.

    Raises:
        ValueError: If a member has no `=` or no name.
    """
    pairs: dict[str, str] = {}
    for member in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = member.partition("=")
        if not equals or not name.strip():
            raise ValueError("name=value pairs separated by commas")
        pairs[unquote(name.strip())] = unquote(value.strip())
    return pairs


def _parse(variable: str, key: Key, text: str) -> Any:
    special = _SPECIAL.get(variable)
    if special is not None:
        return check_value(key, special(text))
    return check_value(key, _BY_KIND[key.kind](text))


def _boolean(text: str) -> bool:
    return text.lower() in {"true", "1", "yes", "on"}


def _not_disabled(text: str) -> bool:
    return text.lower() != "true"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _seconds(text: str) -> float:
    return _number(text) / 1000.0


def _base_endpoint(text: str) -> str:
    return text.rstrip("/") + "/v1/traces"


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))


def _optional_integer(text: str) -> int | None:
    return None if text.lower() in {"none", "unlimited"} else _integer(text)


_BY_KIND: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "bool": _boolean,
    "int": _integer,
    "float": _number,
    "list": _list,
    "map": parse_pairs,
}
_SPECIAL: Mapping[str, Callable[[str], Any]] = {
    "OTEL_SDK_DISABLED": _not_disabled,
    "OTEL_TRACES_SAMPLER": str.lower,
    "OTEL_TRACES_EXPORTER": str.lower,
    "OTEL_EXPORTER_OTLP_ENDPOINT": _base_endpoint,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": _optional_integer,
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": _optional_integer,
    **dict.fromkeys(_MILLISECONDS, _seconds),
}
