"""Where each value of a resolved stack came from, for ``devenv config --origin``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from devenv.stack.nodes import ListNode, MapNode, Node, ScalarNode

DEFAULT = "default"
_LAST_STEP = re.compile(r"(\.[^.\[\]]*|\[\d+\])$")


@dataclass(frozen=True, slots=True)
class Origins:
    """Origins by key, such as ``services.web.ports[0].target``: ``compose.yaml:4:9 ($PORT from .env:1:1)``."""

    by_key: Mapping[str, str] = field(default_factory=dict)

    def of(self, key: str) -> str:
        """Origin of the value at ``key``: its own, or that of the short form that it was written in, or ``default``."""
        while key:
            if key in self.by_key:
                return self.by_key[key]
            shorter = _LAST_STEP.sub("", key)
            key = "" if shorter == key else shorter
        return DEFAULT


def collect_origins(document: MapNode, others: Mapping[str, str]) -> Origins:
    """The origins of all values of the merged ``document``, and of ``others`` that stand in no stack file."""
    return Origins({**dict(_walk(document, "")), **dict(_tmpfs(document)), **others})


def _tmpfs(document: MapNode) -> Iterator[tuple[str, str]]:
    """Entries of ``tmpfs`` stand behind those of ``volumes`` in the resolved service."""
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
        yield key, origin_of(node)


def origin_of(node: ScalarNode) -> str:
    """The place of a value, with the variables that went into it."""
    return f"{node.place} ({', '.join(node.origins)})" if node.origins else str(node.place)
