"""Replaces a method of another library's class, at most once, and restores it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_replaced: dict[tuple[Any, str], Any] = {}


def replace(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a class's or module's `name` by `make(original)`; a second call for the same name does nothing."""
    if (owner, name) not in _replaced:
        original = getattr(owner, name)
        _replaced[owner, name] = original
        setattr(owner, name, make(original))


def restore_all() -> None:
    """Restore every replaced method."""
    while _replaced:
        (owner, name), original = _replaced.popitem()
        setattr(owner, name, original)
