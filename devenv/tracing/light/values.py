"""The attribute values that OpenTelemetry allows (https://opentelemetry.io/docs/specs/otel/common/#attribute).

Names, values and times come from programs, also wrong ones. No function here raises: what cannot be used as it is
becomes text, or the time of the call, with one warning.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import index
from time import time_ns
from typing import Any

from devenv.tracing.light.notices import warn_once

_log = logging.getLogger(__name__)

PLAIN = frozenset({str, int, bool, float, bytes})

# Containers within one value; a list that contains itself, or shares its parts many times, ends here.
_MOST_CONTAINERS = 256
_DEEPEST = 32
_ELLIPSIS = "..."
# Nanoseconds below this are 1970: the caller passed seconds.
_SURELY_SECONDS = 1e11
_LATEST_NS = (1 << 63) - 1


def as_text(value: Any) -> str:
    """Return `str(value)`; a placeholder with the type's name if that fails."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - the value's own code failed
        return f"<unprintable {type(value).__name__} object>"


def clean(value: Any) -> Any:
    """Return a value that is independent of the caller's objects: sequences as tuples, mappings copied.

    A value of another type than OpenTelemetry's becomes text, with a warning, or None if its class does not say how.
    """
    if type(value) in PLAIN or value is None:
        return value
    if isinstance(value, (str, bool, int, float, bytes)):
        return value
    try:
        return _Cleaning().clean(value, 0)
    except Exception:  # noqa: BLE001 - the value's own code failed, or another thread changes it
        warn_once(_log, "attribute value of type %s cannot be read; recorded as text", type(value).__name__)
        return as_text(value)


class _Cleaning:
    """Copies one value with a bound on its containers."""

    def __init__(self) -> None:
        self._containers = 0

    def clean(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, (str, bool, int, float, bytes)):
            return value
        is_mapping = isinstance(value, Mapping)
        if is_mapping or isinstance(value, Sequence):
            self._containers += 1
            if depth >= _DEEPEST or self._containers > _MOST_CONTAINERS:
                warn_once(_log, "attribute value is nested too deeply, or contains itself; cut")
                return _ELLIPSIS
            if is_mapping:
                return {as_text(key): self.clean(item, depth + 1) for key, item in value.items() if key}
            return tuple(self.clean(item, depth + 1) for item in value)
        kind: Any = type(value)
        if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:  # an address, another one each time
            warn_once(
                _log, "attribute value of unsupported type %s, which has no text, recorded as empty", kind.__name__
            )
            return None
        warn_once(_log, "attribute value of unsupported type %s recorded as text", kind.__name__)
        return as_text(value)


def nanoseconds(moment: Any) -> int:
    """Return a time as whole nanoseconds since the epoch.

    Seconds (`time.time()`) and `datetime` are converted; what is not a time is replaced by now. Both with a warning.
    """
    if type(moment) is int and 0 <= moment <= _LATEST_NS:
        return moment
    try:
        if hasattr(moment, "__index__") and 0 <= index(moment) <= _LATEST_NS:
            return index(moment)
        stamp = moment.timestamp() if isinstance(moment, datetime) else float(moment)
    except Exception:  # noqa: BLE001 - the value's own code failed, or it is not a number
        stamp = math.nan
    if isinstance(moment, float) and stamp >= _SURELY_SECONDS:  # nanoseconds, with the precision of a float
        return int(min(stamp, _LATEST_NS))
    if not 0 <= stamp < _SURELY_SECONDS:
        warn_once(_log, "ignored a time that is not in nanoseconds since the epoch: %s", type(moment).__name__)
        return time_ns()
    warn_once(_log, "a time was given as %s; taken as seconds, not nanoseconds", type(moment).__name__)
    return int(stamp * 1e9)


def pairs(attributes: Any) -> Iterable[tuple[Any, Any]]:
    """Return the items of attributes as they are now; none, with a warning, if they are not a mapping."""
    if attributes is None:
        return ()
    try:
        return tuple(attributes.items())
    except Exception:  # noqa: BLE001 - not a mapping, its own code failed, or another thread changes it
        warn_once(_log, "ignored attributes of type %s, which cannot be read", type(attributes).__name__)
        return ()


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


def copied(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return all attributes, cleaned; a short path for the usual ones, which need no cleaning."""
    try:
        if attributes.__class__ is dict:
            for key, value in attributes.items():
                if value.__class__ not in PLAIN or key.__class__ is not str or not key:
                    break
            else:
                return dict(attributes)
    except RuntimeError:  # another thread changes them
        warn_once(_log, "attributes are changed while they are read")
    return bounded(attributes, sys.maxsize)[0]


def bounded(attributes: Mapping[str, Any] | None, limit: int) -> tuple[dict[str, Any], int]:
    """Return the first `limit` attributes, cleaned, and the number of the others."""
    if attributes is None:
        return {}, 0
    kept: dict[str, Any] = {}
    given = tuple(pairs(attributes))
    for key, value in given:
        if len(kept) >= limit:
            warn_once(_log, "more than %d attributes; the others are dropped", limit)
            break
        if isinstance(key, str) and key:
            kept[key] = clean(value)
        else:
            warn_once(_log, "dropped an attribute without a name: %s", as_text(key))
    return kept, len(given) - len(kept)
