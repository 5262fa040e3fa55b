"""Which versions of its runtime an SDK supports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from devenv.model.span import Value

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")

_Version = tuple[int, ...]

# Language; the SDK's version from which the row holds; the oldest runtime; which runtimes.
_OLDEST: tuple[tuple[str, _Version, _Version, frozenset[str]], ...] = (
    # `requires-python` of opentelemetry-sdk
    ("python", (1, 34), (3, 9), frozenset({"cpython", "pypy"})),
    ("python", (1, 22), (3, 8), frozenset({"cpython", "pypy"})),
    # `engines` of @opentelemetry/sdk-trace-base
    ("nodejs", (2,), (18, 19), frozenset({"nodejs"})),
    ("nodejs", (1,), (14,), frozenset({"nodejs"})),
    # VERSIONING.md of opentelemetry-java
    ("java", (1,), (1, 8), frozenset()),
)


def is_supported(resource: Mapping[str, Value]) -> bool | None:
    """Whether the SDK of a resource supports its runtime; ``None`` if either is not known."""
    runtime, sdk = _version(resource.get("process.runtime.version")), _version(resource.get("telemetry.sdk.version"))
    if not runtime or not sdk or resource.get("telemetry.sdk.name") != "opentelemetry":
        return None
    language, name = resource.get("telemetry.sdk.language"), str(resource.get("process.runtime.name", "")).lower()
    for wanted, since, oldest, names in _OLDEST:
        if language == wanted and sdk >= since and (not names or name in names):
            return runtime >= oldest
    return None


def _version(value: Value) -> _Version:
    return _numbers(value) if isinstance(value, str) else ()


@lru_cache(1024)
def _numbers(text: str) -> _Version:
    found = _NUMBERS.search(text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()
