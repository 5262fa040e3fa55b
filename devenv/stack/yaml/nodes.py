"""A YAML document as a tree of nodes with their places: the input of all later steps.

Nodes are frozen: an alias and its anchor share one node, and each step (interpolation, canonical form, merging)
returns a new tree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from typing import Any, Literal

from devenv.errors import Location
from devenv.immutable import immutable

Directive = Literal["reset", "override"]
Atom = str | int | float | bool | None


@immutable(kw_only=True)
class ScalarNode:
    """A single value.

    Attributes:
        value: by YAML's core schema, or the text after interpolation.
        plain: written without quotes, so that interpolated text may be read as a number or a boolean.
        written: the text of a plain value that is not a string, as in the file (``0440``).
        raw: the text as in the file, quotes included; kept only if it contains a ``$``.
        origins: origins of interpolated parts, such as ``$PORT from the environment``.
    """

    value: Atom
    place: Location
    directive: Directive | None = None
    plain: bool = True
    written: str = ""
    raw: str = ""
    origins: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Number of nodes below and including this one."""
        return 1

    @property
    def origin(self) -> str:
        """The value's place, with the variables used in it."""
        return f"{self.place} ({', '.join(self.origins)})" if self.origins else str(self.place)


@immutable(kw_only=True)
class ListNode:
    """A sequence; ``size`` and ``text`` count values and characters with aliases expanded, as parsed."""

    items: tuple[Node, ...]
    place: Location
    directive: Directive | None = None
    size: int = 1
    text: int = 0


@immutable(kw_only=True)
class Entry:
    """A value of a mapping, with the place of its key."""

    key_place: Location
    node: Node


@immutable(kw_only=True)
class MapNode:
    """A mapping, in the order of the file; merge keys are resolved; ``size`` and ``text`` as in a sequence."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    place: Location
    directive: Directive | None = None
    size: int = 1
    text: int = 0

    def get(self, key: str) -> Node | None:
        """Return the value of ``key``, or ``None``."""
        entry = self.entries.get(key)
        return entry.node if entry else None


Node = ScalarNode | ListNode | MapNode


def text_of(node: Node) -> int:
    """Return the number of characters of all values of ``node``, with aliases expanded."""
    if isinstance(node, ScalarNode):
        return len(node.value) if isinstance(node.value, str) else 0
    return node.text


def is_null(node: Node | None) -> bool:
    """Return whether a value is absent or null."""
    return node is None or (isinstance(node, ScalarNode) and node.value is None)


def is_failed(node: Node) -> bool:
    """Return whether interpolation of this value failed, which is already noted."""
    return isinstance(node, ScalarNode) and node.value is None and bool(node.raw)


def describe(node: Node) -> str:
    """Return a description of the value, for the ``found`` of an error."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if node.value is None:
        return "nothing"
    return repr(node.value) if isinstance(node.value, str) else atom_text(node.value)


def atom_text(value: Atom) -> str:
    """Return the text that Compose makes of a value in ``environment`` or ``labels``: ``true``, ``1.5``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float_text(value)
    return str(value)


def _float_text(value: float) -> str:
    """A float as Compose prints it: the shortest digits, with an exponent below 1e-4 and at least 1e6 (Go's ``%v``)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    shortest = Decimal(repr(value)).normalize()
    power = shortest.adjusted() if value else 0
    if -4 <= power < 6:
        return f"{shortest:f}"
    return f"{shortest.scaleb(-power):f}e{power:+03d}"


def plain(node: Node) -> Any:
    """Return the values of ``node`` as plain Python data, for validation by models without places."""
    if isinstance(node, MapNode):
        return {key: plain(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.value
