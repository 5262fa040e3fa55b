"""The service map as text for Graphviz and for Mermaid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devenv.analysis.service_map.service_map import Edge, Node, ServiceMap
from devenv.model.counts import plural

_DOT_SHAPES = {"service": "box", "database": "cylinder", "messaging": "cds", "external": "ellipse"}
_MERMAID_SHAPES = {"service": ("[", "]"), "database": ("[(", ")]"), "messaging": ("[[", "]]"), "external": ("([", "])")}


def dot(found: ServiceMap) -> str:
    """The map in Graphviz's DOT language: edges not called are dashed, edges not declared dotted, failing ones red."""

    def lines() -> Iterator[str]:
        yield "digraph services {"
        yield "  rankdir=LR;"
        for node in found.nodes:
            yield f"  {_dot_text(node.name)} [shape={_DOT_SHAPES[node.kind]}];"
        for edge in found.edges:
            style = "dashed" if edge.is_lost else "dotted" if edge.is_added else "solid"
            colour = ", color=red" if edge.errors else ""
            label = _dot_text(_label(edge))
            yield f"  {_dot_text(edge.caller)} -> {_dot_text(edge.callee)} [label={label}, style={style}{colour}];"
        yield "}"

    return "\n".join(lines()) + "\n"


def mermaid(found: ServiceMap) -> str:
    """The map as a Mermaid flow chart: edges not called are dotted lines, edges not declared dotted arrows."""
    ids = {node.name: f"n{number}" for number, node in enumerate(found.nodes)}

    def lines() -> Iterator[str]:
        yield "flowchart LR"
        for node in found.nodes:
            yield f"  {ids[node.name]}{_mermaid_node(node)}"
        for edge in found.edges:
            arrow = "-.-" if edge.is_lost else "-.->" if edge.is_added else "-->"
            yield f'  {ids[edge.caller]} {arrow}|"{_mermaid_text(_label(edge))}"| {ids[edge.callee]}'

    return "\n".join(lines()) + "\n"


DIAGRAMS: dict[str, Callable[[ServiceMap], str]] = {"dot": dot, "mermaid": mermaid}


def _label(edge: Edge) -> str:
    if edge.is_lost:
        return "declared, not called"
    errors = f", {plural(edge.errors, 'error')}" if edge.errors else ""
    added = ", not declared" if edge.is_added else ""
    cut = f", {edge.not_continued} not continued" if edge.not_continued else ""
    return f"{plural(edge.calls, 'call')}{errors}{cut}{added}"


def _dot_text(text: str) -> str:
    """A quoted string: DOT knows the escape of the quote; a backslash before anything else is an escape of labels."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    return f'"{escaped}"'


def _mermaid_node(node: Node) -> str:
    left, right = _MERMAID_SHAPES[node.kind]
    return f'{left}"{_mermaid_text(node.name)}"{right}'


def _mermaid_text(text: str) -> str:
    """Text in quotes; Mermaid reads HTML's entities, and ``#`` begins its own."""
    for found, written in (("&", "&amp;"), ("#", "&num;"), ('"', "&quot;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(found, written)
    return " ".join(text.split())
