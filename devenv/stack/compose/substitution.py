"""Substitutes variables in the values of a document, and reports each problem at the place of its ``$``."""

from __future__ import annotations

from dataclasses import replace

from devenv.errors import Location
from devenv.stack.env.interpolation import ExpansionBudget, Lookup, Substitution, TemplateError, Use, substitute
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, Node, ScalarNode

_MAXIMUM_WARNINGS = 100


def interpolate(
    node: Node, lookup: Lookup, problems: Problems, key: str = "", *, budget: ExpansionBudget | None = None
) -> Node:
    """Return ``node`` with the variables in its values (not in its keys) replaced; a value that fails becomes null.

    ``budget`` is what variables may add, if several documents share it.
    """
    return _Interpolation(lookup, problems, budget or ExpansionBudget()).node(node, key)


class _Interpolation:
    """The interpolation of one document; a node with several aliases is interpolated once."""

    def __init__(self, lookup: Lookup, problems: Problems, budget: ExpansionBudget) -> None:
        self._lookup = lookup
        self._problems = problems
        self._budget = budget
        self._warnings = 0
        self._done: dict[int, tuple[Node, Node]] = {}

    def node(self, node: Node, key: str) -> Node:
        """The interpolated node at ``key``."""
        known = self._done.get(id(node))
        if known is None:
            known = self._done[id(node)] = node, self._interpolated(node, key)  # the node is kept: its id stays its own
        return known[1]

    def _interpolated(self, node: Node, key: str) -> Node:
        if isinstance(node, ScalarNode):
            return self._scalar(node, key)
        if isinstance(node, ListNode):
            items = tuple(self.node(item, f"{key}[{index}]") for index, item in enumerate(node.items))
            return ListNode(items=items, place=node.place, directive=node.directive, size=node.size)
        entries = {
            name: Entry(key_place=entry.key_place, node=self.node(entry.node, f"{key}.{name}" if key else name))
            for name, entry in node.entries.items()
        }
        return MapNode(entries=entries, place=node.place, directive=node.directive, size=node.size)

    def _scalar(self, node: ScalarNode, key: str) -> ScalarNode:
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        if self._budget.spent:
            return replace(node, value=None)  # reported at the value that spent it
        try:
            result = substitute(node.value, self._lookup, self._budget)
        except TemplateError as error:
            self._problems.add(
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
                self._warn(use, node)
        return ScalarNode(
            value=result.text, place=node.place, directive=node.directive, plain=node.plain, origins=_origins(result)
        )

    def _warn(self, use: Use, node: ScalarNode) -> None:
        """Note a variable that is not set; the place of each costs a search in the text, so there is a limit."""
        self._warnings += 1
        if self._warnings <= _MAXIMUM_WARNINGS:
            message = f"variable {use.name} is not set; using an empty string"
            self._problems.warn(message, _place(node, use.offset))
        elif self._warnings == _MAXIMUM_WARNINGS + 1:
            message = f"variable {use.name} and others are not set; using empty strings"
            self._problems.warn(message, node.place)


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
