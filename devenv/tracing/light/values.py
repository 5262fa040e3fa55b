"""The attribute values that OpenTelemetry allows (https://opentelemetry.io/docs/specs/otel/common/#attribute)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

_log = logging.getLogger(__name__)

PLAIN = frozenset({str, int, bool, float, bytes})


def clean(value: Any) -> Any:
    """Return a value that is independent of the caller's objects: sequences as tuples, mappings copied.

    A value of another type than OpenTelemetry's becomes text, with a warning.
    """
    if type(value) in PLAIN or value is None:
        return value
    if isinstance(value, (str, bool, int, float, bytes)):
        return value
    if isinstance(value, Mapping):
        return {str(key): clean(item) for key, item in value.items() if key}
    if isinstance(value, Sequence):
        return tuple(clean(item) for item in value)
    _log.warning("attribute value of unsupported type %s recorded as text", type(value).__name__)
    return str(value)


def shorten(value: Any, limit: int | None) -> Any:
    """Return a value with each text cut to `limit` characters (None: not cut)."""
    if limit is None:
        return value
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, tuple):
        return tuple(shorten(item, limit) for item in value)
    if isinstance(value, dict):
        return {key: shorten(item, limit) for key, item in value.items()}
    return value


def bounded(attributes: Mapping[str, Any] | None, limit: int) -> tuple[dict[str, Any], int]:
    """Return the first `limit` attributes, cleaned, and the number of the others."""
    if not attributes:
        return {}, 0
    kept: dict[str, Any] = {}
    for key, value in attributes.items():
        if len(kept) >= limit:
            break
        if key and isinstance(key, str):
            kept[key] = clean(value)
    return kept, len(attributes) - len(kept)
