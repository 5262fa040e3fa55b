"""The origin of each value of a resolved stack, for ``devenv config --origin``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from devenv.immutable import immutable
from devenv.stack.yaml.nodes import ListNode, MapNode, Node

DEFAULT = "default"
_LAST_STEP = re.compile(r"(\.[^.\[\]]*|\[\d+\])$")


@immutable()
class Origins:
    """Origins by key, such as ``services.web.ports[0].target``: ``compose.yaml:4:9 ($PORT from .env:1:1)``."""

    by_key: Mapping[str, str] = field(default_factory=dict)

    def of(self, key: str) -> str:
        """Return the origin of the value at ``key``: its own, else that of its other forms, else ``default``.

        Other forms are a list of this one value and the short form.
        """
        while key:
            for form in (key, f"{key}[0]"):
                if form in self.by_key:
                    return self.by_key[form]
            shorter = _LAST_STEP.sub("", key)
            key = "" if shorter == key else shorter
        return DEFAULT

    def of_leaves(self, document: Mapping[str, Any]) -> dict[str, str]:
        """Return the origin of each leaf of a dumped stack, by key."""
        return {key: self.of(key) for key in _leaves(document, "")}


def collect_origins(document: MapNode, others: Mapping[str, str]) -> Origins:
    """Return the origins of all values of the merged ``document``, and ``others`` from outside of the stack files."""
    return Origins({**dict(_walk(document, "")), **dict(_tmpfs(document)), **others})


def _leaves(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from _leaves(member, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{key}[{index}]")
    else:
        yield key


def _tmpfs(document: MapNode) -> Iterator[tuple[str, str]]:
    """Entries of ``tmpfs`` come after those of ``volumes`` in the resolved service."""
    services = document.get("services")
    for name, entry in services.entries.items() if isinstance(services, MapNode) else ():
        service = entry.node
        if not isinstance(service, MapNode):
            continue
        volumes, tmpfs = service.get("volumes"), service.get("tmpfs")
        before = len(volumes.items) if isinstance(volumes, ListNode) else 0
        for index, item in enumerate(tmpfs.items if isinstance(tmpfs, ListNode) else ()):
            yield from _walk(item, f"services.{name}.volumes[{before + index}]")


def _walk(node: Node, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, MapNode):
        for name, entry in node.entries.items():
            yield from _walk(entry.node, f"{key}.{name}" if key else name)
    elif isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from _walk(item, f"{key}[{index}]")
    else:
        yield key, node.origin
