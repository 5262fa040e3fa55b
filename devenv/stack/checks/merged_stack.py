"""The merged stack as the checks see it: its document, its services, and its problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from devenv.errors import Location
from devenv.immutable import immutable
from devenv.model.extension import StackExtension
from devenv.model.stack import Service
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, Node, ScalarNode
from devenv.suggestions import suggest


@immutable()
class MergedStack:
    """A merged stack before it is checked.

    Attributes:
        document: the merged document, for places.
        active: the services that would run.
        inactive: names of the services without an active profile.
        x: the stack's ``x-devenv``.
        problems: receives what is wrong.
    """

    document: MapNode
    active: Mapping[str, Service]
    inactive: Sequence[str]
    x: StackExtension
    problems: Problems

    def defined(self, section: str) -> tuple[str, ...]:
        """Return the keys of a top-level section."""
        node = self.document.get(section)
        return tuple(node.entries) if isinstance(node, MapNode) else ()

    def node(self, *path: str | int) -> Node:
        """Return the node at ``path``, or an empty one if there is none."""
        node: Node = self.document
        for step in path:
            entry = _step(node, step)
            if entry is None:
                return ScalarNode(value=None, place=node.place)
            node = entry.node
        return node

    def place(self, *path: str | int) -> Location:
        """Return the place of the value at ``path``: the scalar's, else its key's, else that of the nearest parent."""
        node: Node = self.document
        place = node.place
        for step in path:
            entry = _step(node, step)
            if entry is None:
                break
            node, place = entry.node, entry.key_place
        return node.place if isinstance(node, ScalarNode) and node.value is not None else place

    def add(self, message: str, *path: str | int, found: str = "", expected: str = "", hint: str = "") -> None:
        """Note a problem with the value at ``path``."""
        key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        self.problems.add(message, self.place(*path), key=key, found=found, expected=expected, hint=hint)

    def unknown(self, kind: str, name: str, known: Iterable[str], path: tuple[str | int, ...], hint: str) -> None:
        """Note that ``name`` at ``path`` is not one of ``known``; ``hint`` is used if none is similar."""
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
