"""The compiled part of the library, `_speed`, if it was built for this Python; everything works without it.

It has the short paths of the usual cases. `DEVENV_TRACING_PURE=1` leaves it out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

_COPIED = ("__doc__", "__module__", "__name__", "__qualname__")


def _load() -> Any:
    if os.environ.get("DEVENV_TRACING_PURE", "").strip().lower() in {"1", "true", "yes", "on"}:
        return None
    try:
        found = import_module("devenv.tracing._speed")
    except ImportError:  # not built, or for another Python
        return None

    def reseed() -> None:
        found.seed(os.urandom(32))

    reseed()
    os.register_at_fork(after_in_child=reseed)
    return found


speed: Any = _load()
"""The compiled module, None without one."""


def quick(function: F) -> F:
    """Decorate a function that has a compiled short path, by its name."""
    made: Any = function if speed is None else speed.quick(function.__name__, function)
    if made is not function:
        for name in _COPIED:
            setattr(made, name, getattr(function, name))
        made.__wrapped__ = function
    return made  # type: ignore[no-any-return] # it has the same signature
