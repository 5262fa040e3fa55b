"""A configuration as plain values with the line and column of every key and value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from devenv.tracing.process.versions import SLOTS

Path_ = tuple[str, ...]


@dataclass(frozen=True, **SLOTS)
class Place:
    """A position in the file: 1-based line and column, zeros without a file."""

    line: int = 0
    column: int = 0


@dataclass(**SLOTS)
class Document:
    """A configuration: its name, its values, and the places of its keys and values by path."""

    source: str
    values: dict[str, Any]
    keys: dict[Path_, Place] = field(default_factory=dict)
    places: dict[Path_, Place] = field(default_factory=dict)
    substitute: Callable[[str], str] | None = None

    def key_place(self, path: Path_) -> Place:
        """Return the place of a key, zeros if the document is not from a file."""
        return self.keys.get(path, Place())

    def place(self, path: Path_) -> Place:
        """Return the place of a value, zeros if the document is not from a file."""
        return self.places.get(path, Place())
