"""Entry points of installed packages, on every supported Python."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint


def entry_points(group: str, name: str | None = None) -> list[EntryPoint]:
    """Return the entry points of a group, those with a name if one is given."""
    from importlib import metadata  # takes milliseconds

    found: Iterable[EntryPoint]
    if sys.version_info >= (3, 10):
        found = metadata.entry_points(group=group)
    else:
        found = metadata.entry_points().get(group, ())
    return [point for point in found if name in {None, point.name}]
