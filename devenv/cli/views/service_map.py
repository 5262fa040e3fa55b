"""The service map for people: one line for each edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.analysis.percentiles import settled_samples_needed
from devenv.cli.table import Column, Styled
from devenv.cli.views.marks import WARN, colours_of, error_share, marks_of, milliseconds, right
from devenv.drawing.words import counted, show_count

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.cli.table import Cell
    from devenv.cli.views.marks import TerminalMarks
    from devenv.model.analysis.map_document import EdgePart, MapDocument

_TITLES = ("CALLS", "ERRORS", "P50", "P99")


def show_map(document: MapDocument, output: Output) -> None:
    """The answer, and one line for each edge: who calls, who is called, and how that goes."""
    marks = marks_of(output)
    output.line(_answer(document))
    if document.edges:
        output.line()
        _show_edges(document, output, marks)
    if any(edge.not_continued for edge in document.edges):
        output.line("not continued: no span of the called service below; `devenv check` says why")
    few = any(edge.calls and edge.p99_ms is None for edge in document.edges)
    if few:
        output.line(
            f"{marks.none}: p50 needs {settled_samples_needed(0.5)} calls, p99 {settled_samples_needed(0.99):,}"
        )
    if not document.declared_known:
        output.line("The stack file of this project was not found: declared calls are not known.")
    if document.older_left_out:
        output.line(f"The newest {counted(document.looked_at, 'trace')} were looked at; --limit sets how many.")
    output.line(document.ui_url)


def _show_edges(document: MapDocument, output: Output, marks: TerminalMarks) -> None:
    kinds = {node.name: node.kind for node in document.nodes}
    services = [name for name, kind in kinds.items() if kind == "service"]
    colours = colours_of(services) if output.colour else {}

    def named(name: str) -> Cell:
        text = name if kinds[name] == "service" else f"{name} ({kinds[name]})"
        return Styled(f"{marks.stripe}{text}", colours[name]) if name in colours else text

    callers: list[Cell] = []
    before = ""
    for edge in document.edges:
        callers.append(named(edge.caller) if edge.caller != before else "")
        before = edge.caller
    known = document.declared_known
    figures = [
        right((show_count(edge.calls) for edge in document.edges), "CALLS"),
        right((_errors(edge, marks) for edge in document.edges), "ERRORS"),
        right((milliseconds(edge.p50_ms, marks) if edge.calls else "" for edge in document.edges), "P50"),
        right((milliseconds(edge.p99_ms, marks) if edge.calls else "" for edge in document.edges), "P99"),
    ]
    columns = (
        Column(title="CALLER", least=10),
        Column(title=""),
        Column(title="CALLED", least=10),
        *(Column(title=title.rjust(len(_plain(cells[0])))) for title, cells in zip(_TITLES, figures, strict=True)),
        Column(title=""),
    )
    rows = [
        (caller, _arrow(edge, marks, known=known), named(edge.callee), *cells, _remark(edge, marks, known=known))
        for edge, caller, *cells in zip(document.edges, callers, *figures, strict=True)
    ]
    output.table(columns, rows)


def _answer(document: MapDocument) -> str:
    """The first line: how much there is, and what differs from the stack."""
    services = sum(node.kind == "service" for node in document.nodes)
    others = len(document.nodes) - services
    sizes = [counted(services, "service"), *([counted(others, "other system")] if others else [])]
    text = f"{', '.join(sizes)}, {counted(len(document.edges), 'edge')} from {counted(document.looked_at, 'trace')}"
    if not document.declared_known:
        return f"{text}."
    lost = [f"{edge.caller} → {edge.callee}" for edge in document.edges if edge.declared and not edge.observed]
    cut = [f"{edge.caller} → {edge.callee}" for edge in document.edges if edge.not_continued]
    added = [f"{edge.caller} → {edge.callee}" for edge in document.edges if _is_added(edge)]
    said = [f"{counted(len(lost), 'declared call')} not made"] if lost else []
    said += [f"{counted(len(added), 'call')} seen and not declared"] if added else []
    said += [f"{counted(len(cut), 'call')} not continued"] if cut else []
    return f"{text}; {', '.join(said)}." if said else f"{text}."


def _errors(edge: EdgePart, marks: TerminalMarks) -> Cell:
    return error_share(edge.errors, edge.calls, marks) if edge.calls else ""


def _arrow(edge: EdgePart, marks: TerminalMarks, *, known: bool) -> str:
    if not edge.observed:
        return marks.lost
    return marks.added if known and _is_added(edge) else marks.calls


def _remark(edge: EdgePart, marks: TerminalMarks, *, known: bool) -> Cell:
    if not edge.observed:
        return "declared, not called"
    if edge.not_continued:
        return Styled(f"{show_count(edge.not_continued)} not continued {marks.warn}", WARN)
    return Styled(f"seen, not declared {marks.warn}", WARN) if known and _is_added(edge) else ""


def _is_added(edge: EdgePart) -> bool:
    return edge.observed and not edge.declared and not edge.in_process


def _plain(cell: Cell) -> str:
    return cell.text if isinstance(cell, Styled) else cell
