"""Substitutes variables in the values of a document, and reports each problem at the place of its ``$``."""

from __future__ import annotations

from dataclasses import replace

from devenv.errors import Location
from devenv.stack.env.interpolation import Lookup, Substitution, TemplateError, substitute
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, Node, ScalarNode


def interpolate(node: Node, lookup: Lookup, problems: Problems, key: str = "") -> Node:
    """Return ``node`` with the variables in its values (not in its keys) replaced; a value that fails becomes null."""
    if isinstance(node, ScalarNode):
        return _scalar(node, lookup, problems, key)
    if isinstance(node, ListNode):
        items = tuple(interpolate(item, lookup, problems, f"{key}[{i}]") for i, item in enumerate(node.items))
        return ListNode(items=items, place=node.place, directive=node.directive, size=node.size)
    entries = {
        name: Entry(
            key_place=entry.key_place,
            node=interpolate(entry.node, lookup, problems, f"{key}.{name}" if key else name),
        )
        for name, entry in node.entries.items()
    }
    return MapNode(entries=entries, place=node.place, directive=node.directive, size=node.size)


def _scalar(node: ScalarNode, lookup: Lookup, problems: Problems, key: str) -> ScalarNode:
    if not isinstance(node.value, str) or "$" not in node.value:
        return node
    try:
        result = substitute(node.value, lookup)
    except TemplateError as error:
        problems.add(
            error.message,
            _place(node, error.offset),
            key=key,
            found=node.value,
            expected=error.expected,
            hint=error.hint,
        )
        return replace(node, value=None)  # counts as absent from here on, so that it is reported once
    for use in result.uses:
        if use.variable is None and not use.defaulted:
            problems.warn(f"variable {use.name} is not set; using an empty string", _place(node, use.offset))
    return ScalarNode(
        value=result.text, place=node.place, directive=node.directive, plain=node.plain, origins=_origins(result)
    )


def _origins(result: Substitution) -> tuple[str, ...]:
    return tuple(
        f"${use.name} from {use.variable.origin}" if use.variable else f"${use.name} is not set" for use in result.uses
    )


def _place(node: ScalarNode, offset: int) -> Location:
    """Place in the file of the ``$`` at ``offset`` of the value: value and file have the same dollar signs in order."""
    value = node.value if isinstance(node.value, str) else ""
    ordinal = value.count("$", 0, offset)
    raw = node.raw
    # The header line of a block scalar (| or >) may contain a comment with a dollar sign.
    position = raw.find("\n") if raw.startswith(("|", ">")) else -1
    for _ in range(ordinal + 1):
        position = raw.find("$", position + 1)
        if position < 0:
            return node.place
    line = raw.count("\n", 0, position)
    start = raw.rfind("\n", 0, position) + 1
    column = position - start + (node.place.column if line == 0 else 1)
    return Location(node.place.file, node.place.line + line, column)
