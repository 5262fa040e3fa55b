"""The stack as far as it is known when it is checked as a merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from devenv.errors import Location
from devenv.model.extension import StackExtension
from devenv.model.stack import Service
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from devenv.suggestions import suggest


@dataclass(frozen=True, slots=True)
class MergedStack:
    """The stack as far as it is known when it is checked; ``active`` are the services that would run."""

    document: MapNode
    active: Mapping[str, Service]
    inactive: Sequence[str]
    x: StackExtension
    problems: Problems

    def defined(self, section: str) -> tuple[str, ...]:
        """Keys of a top-level section."""
        node = self.document.get(section)
        return tuple(node.entries) if isinstance(node, MapNode) else ()

    def node(self, *path: str | int) -> Node:
        """The node at ``path``; an empty one where there is none."""
        node: Node = self.document
        for step in path:
            entry = _step(node, step)
            if entry is None:
                return ScalarNode(value=None, place=node.place)
            node = entry.node
        return node

    def place(self, *path: str | int) -> Location:
        """Place of the value at ``path``, of the key where that is a name itself, or of what is nearest above it."""
        node: Node = self.document
        place = node.place
        for step in path:
            entry = _step(node, step)
            if entry is None:
                break
            node, place = entry.node, entry.key_place
        return node.place if isinstance(node, ScalarNode) and node.value is not None else place

    def add(self, message: str, *path: str | int, found: str = "", expected: str = "", hint: str = "") -> None:
        """Notes a problem with what stands at ``path``."""
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        self.problems.add(message, self.place(*path), key=key, found=found, expected=expected, hint=hint)

    def unknown(self, kind: str, name: str, known: Iterable[str], path: tuple[str | int, ...], hint: str) -> None:
        """Notes that ``name`` at ``path`` is none of the ``known``; ``hint`` is for where none is near."""
        known = tuple(known)
        self.add(
            f"{kind} {name!r} is not defined",
            *path,
            found=name,
            expected=", ".join(known) or f"no {kind} is defined",
            hint=suggest(name, known) or hint,
        )


def _step(node: Node, step: str | int) -> Entry | None:
    if isinstance(node, MapNode):
        return node.entries.get(str(step))
    if isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
        item = node.items[step]
        return Entry(key_place=item.place, node=item)
    return None
