"""Parses YAML 1.2 text into nodes with their places; resolves anchors, merge keys and tags.

PyYAML scans and parses (in C if its extension is installed). This module decides what differs from YAML 1.1: scalar
values (:mod:`devenv.stack.yaml.scalars`), duplicate keys (an error) and merge keys. It limits depth and expansion, so
that no text can exhaust the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from devenv.errors import Location, StackFileError
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import Directive, Entry, ListNode, MapNode, Node, ScalarNode, describe, text_of
from devenv.stack.yaml.scalars import resolve
from devenv.stack.yaml.syntax_errors import MAXIMUM_DEPTH, syntax_error

MAXIMUM_NODES = 50_000
"""Counted with aliases expanded; it stops ten nested levels of ten aliases each."""

MAXIMUM_TEXT = 16 * 1024 * 1024
"""Characters of all values, counted with aliases expanded."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DIRECTIVES: dict[str, Directive] = {"!reset": "reset", "!override": "override"}
_STANDARD = "tag:yaml.org,2002:"


def parse(text: str, file: str, problems: Problems) -> list[Node]:
    """Return the documents of ``text``; duplicate keys and misplaced tags go to ``problems``.

    Raises:
        StackFileError: If the text is not YAML, or too deep or too large.
    """
    builder = _Builder(text, file, problems)
    try:
        return list(builder.documents())
    except yaml.YAMLError as error:
        raise syntax_error(error, text, file) from error


class _Builder:
    """Builds nodes from parser events."""

    def __init__(self, text: str, file: str, problems: Problems) -> None:
        self._text = text
        self._file = file
        self._problems = problems
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
        self._anchors: dict[str, Node | None] = {}

    def documents(self) -> Iterator[Node]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                yield self._node(next(self._events), 0)

    def _node(self, event: Any, depth: int) -> Node:
        if depth > MAXIMUM_DEPTH:
            raise StackFileError(f"nested more than {MAXIMUM_DEPTH} levels deep", location=self._place(event))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.anchor:
            self._anchors[event.anchor] = None  # being built: an alias to it from inside is a cycle
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(event, depth)
        else:
            node = self._mapping(event, depth)
        if node.size > MAXIMUM_NODES:
            raise StackFileError(f"expands to more than {MAXIMUM_NODES} values", location=node.place)
        if text_of(node) > MAXIMUM_TEXT:
            raise StackFileError(
                f"aliases expand to more than {MAXIMUM_TEXT // 2**20} MiB of text", location=node.place
            )
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise StackFileError(
                f"alias *{event.anchor} has no anchor &{event.anchor} before it", location=self._place(event)
            )
        node = self._anchors[event.anchor]
        if node is None:
            raise StackFileError(
                f"alias *{event.anchor} refers to the value that contains it", location=self._place(event)
            )
        return node

    def _scalar(self, event: Any) -> ScalarNode:
        place = self._place(event)
        directive = self._directive(event)
        plain = event.style is None or event.style == ""
        text: str = event.value
        raw = self._text[event.start_mark.index : event.end_mark.index] if "$" in text else ""
        tag = (event.tag or "").removeprefix(_STANDARD)
        untagged = plain and event.implicit[0] and not event.tag
        typed = untagged or directive is not None or tag in {"int", "float", "bool", "null"}
        value = resolve(text) if typed and (plain or tag) else text
        written = "" if isinstance(value, str) else text
        return ScalarNode(value=value, place=place, directive=directive, plain=plain, written=written, raw=raw)

    def _list(self, event: Any, depth: int) -> ListNode:
        directive = self._directive(event)
        items: list[Node] = []
        while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(item, depth + 1))
        size = 1 + sum(item.size for item in items)
        text = sum(text_of(item) for item in items)
        return ListNode(items=tuple(items), place=self._place(event), directive=directive, size=size, text=text)

    def _mapping(self, event: Any, depth: int) -> MapNode:
        directive = self._directive(event)
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        seen: dict[str, Location] = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            name = self._key(key, depth)
            node = self._node(next(self._events), depth + 1)
            entry = Entry(key_place=self._place(key), node=node)
            if name in seen:
                message = f"duplicate key {name!r}: first used in line {seen[name].line}"
                self._problems.add(message, entry.key_place, key=name, found=name)
            elif name == "<<" and getattr(key, "style", None) in (None, ""):
                merged = self._merge(node)
            else:
                own[name] = entry
            seen.setdefault(name, entry.key_place)
        entries = merged | own
        size = 1 + sum(entry.node.size for entry in entries.values())
        text = sum(text_of(entry.node) for entry in entries.values())
        return MapNode(entries=entries, place=self._place(event), directive=directive, size=size, text=text)

    def _merge(self, node: Node) -> dict[str, Entry]:
        """Entries of a merge key; of several mappings the earlier ones take precedence."""
        sources = node.items if isinstance(node, ListNode) else (node,)
        entries: dict[str, Entry] = {}
        for source in reversed(sources):
            if isinstance(source, MapNode):
                entries.update(source.entries)
            else:
                self._problems.add(
                    "the value of a merge key must be a mapping or a list of mappings",
                    node.place,
                    key="<<",
                    found=describe(source),
                )
        return entries

    def _key(self, event: Any, depth: int) -> str:
        node = self._node(event, depth + 1)
        if isinstance(node, ScalarNode):
            if isinstance(event, yaml.ScalarEvent):
                return str(event.value)
            return str(node.value)
        raise StackFileError(
            "a key must be a string", location=self._place(event), found=describe(node), hint="quote it if it is text"
        )

    def _directive(self, event: Any) -> Directive | None:
        tag: str | None = event.tag
        if not tag or tag == "!" or tag.startswith(_STANDARD):
            return None
        if tag not in _DIRECTIVES:
            self._problems.add(
                f"unknown tag {tag}", self._place(event), found=tag, expected="!reset, !override or a standard tag"
            )
        return _DIRECTIVES.get(tag)

    def _place(self, event: Any) -> Location:
        mark = event.start_mark
        return Location(self._file, mark.line + 1, mark.column + 1)
