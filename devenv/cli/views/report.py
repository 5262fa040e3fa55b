"""A report for people: the answer, figures by service and operation, objectives, and what fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.analysis.percentiles import settled_samples_needed
from devenv.cli.table import Column, Styled
from devenv.cli.views.incident import show_incident
from devenv.cli.views.marks import (
    BAD,
    GOOD,
    colours_of,
    error_share,
    marks_of,
    milliseconds,
    right,
    share,
    show_looked_at,
)
from devenv.drawing.words import counted, show_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.cli.output import Output
    from devenv.cli.table import Cell
    from devenv.cli.views.marks import TerminalMarks
    from devenv.model.analysis.report_document import (
        ObjectivePart,
        OperationPart,
        ReportDocument,
        ServiceFiguresPart,
    )

LEAST_SHARE = 0.01
"""Operations that receive no requests are shown from this part of the time on critical paths."""

_TITLES = ("REQ/S", "ERRORS", "P50", "P90", "P99", "N", "PATH")
_RECEIVED = {"server", "consumer"}


def show_report(document: ReportDocument, output: Output, *, incident: bool) -> None:
    """The answer first; with ``incident`` what fails, else figures, objectives and thresholds."""
    marks = marks_of(output)
    if incident:
        show_incident(document, output, marks)
    else:
        output.line(_answer(document))
        if document.services:
            output.line()
            _show_figures(document, output, marks)
    for number, objective in enumerate(() if incident else document.slo):
        output.line("OBJECTIVES  " if number == 0 else " " * 12, *_objective(objective, document.slo, marks))
    for threshold in document.thresholds:
        mark = Styled(marks.good, GOOD) if threshold.ok else Styled(marks.bad, BAD)
        missing = "no objectives with requests" if threshold.expr.lstrip().startswith("budget") else "too few requests"
        value = f"no value: {missing}" if threshold.value is None else f"measured {threshold.value:.4g}"
        output.line("THRESHOLD   ", mark, f" {threshold.expr}  {value}")
    if not incident:
        _show_notes(document, output, marks)


def _answer(document: ReportDocument) -> str:
    """What is broken, and where the time goes."""
    if not document.requests:
        return f"No requests: {counted(document.looked_at, 'trace')} found."
    broken = [objective for objective in document.slo if not objective.ok]
    said = []
    if broken:
        verb = "is" if len(broken) == 1 else "are"
        said.append(f"{counted(len(broken), 'objective')} {verb} broken.")
    errors = f"{share(document.errors / document.requests)} failed" if document.errors else "none failed"
    said.append(f"{counted(document.requests, 'request')}, {errors}.")
    if document.bottlenecks:
        first = document.bottlenecks[0]
        said.append(f"{share(first.critical_share)} of the time is in {first.service} {first.operation}.")
    return " ".join(said)


def _show_figures(document: ReportDocument, output: Output, marks: TerminalMarks) -> None:
    colours = colours_of(part.name for part in document.services) if output.colour else {}
    rows = list(_rows(document, colours, marks))
    columns = list(zip(*(figures for _, figures in rows), strict=True))
    aligned = [right(cells, title) for cells, title in zip(columns, _TITLES, strict=True)]
    shape = (
        Column(title="SERVICE / OPERATION", least=19),
        *(Column(title=title.rjust(_width(cells))) for title, cells in zip(_TITLES, aligned, strict=True)),
    )
    output.table(shape, [(name, *cells) for (name, _), *cells in zip(rows, *aligned, strict=True)])


def _rows(
    document: ReportDocument, colours: dict[str, str], marks: TerminalMarks
) -> Iterator[tuple[Cell, tuple[Cell, ...]]]:
    """Services, the one with most time on critical paths first, each with its operations."""
    for part in sorted(document.services, key=lambda part: (-part.critical_share, part.name)):
        operations = [each for each in part.operations if _is_shown(each)]
        stripe = f"{marks.stripe}{part.name}"
        alone = len(operations) == 1 and operations[0].requests == part.requests
        name = f"{stripe} {operations[0].name}" if alone else stripe
        yield Styled(name, colours[part.name]) if part.name in colours else name, _figures(part, marks)
        for operation in () if alone else operations:
            yield f"  {operation.name}", _figures(operation, marks)


def _is_shown(operation: OperationPart) -> bool:
    return operation.kind in _RECEIVED or operation.critical_share >= LEAST_SHARE or operation.errors > 0


def _figures(part: ServiceFiguresPart | OperationPart, marks: TerminalMarks) -> tuple[Cell, ...]:
    return (
        f"{part.rate:.1f}" if part.rate >= 0.05 else f"{part.rate:.2g}",
        error_share(part.errors, part.requests, marks),
        *(milliseconds(value, marks) for value in (part.p50_ms, part.p90_ms, part.p99_ms)),
        show_count(part.requests),
        share(part.critical_share),
    )


def _objective(objective: ObjectivePart, everything: list[ObjectivePart], marks: TerminalMarks) -> Iterator[Cell]:
    width = max(len(each.name) for each in everything)
    yield Styled(marks.good, GOOD) if objective.ok else Styled(marks.bad, BAD)
    if objective.value is None:
        yield f" {objective.name:<{width}}  no requests  ({objective.target})"
        return
    burn = "" if objective.burn is None else f"  burn {objective.burn:g}"
    recent = "" if objective.burn_5m is None else f" (5 min: {objective.burn_5m:g})"
    value = f"{objective.value * 100:.4g}% of {objective.target}"
    yield f" {objective.name:<{width}}  {value}  budget {share(objective.budget_left)}{burn}{recent}"


def _show_notes(document: ReportDocument, output: Output, marks: TerminalMarks) -> None:
    """What is not shown, and how much was looked at."""
    parts = [part for service in document.services for part in (service, *service.operations)]
    few = [
        name
        for name, quantile in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        if any(getattr(part, f"{name}_ms") is None for part in parts)
    ]
    if few:
        needs = ", ".join(f"{name} {settled_samples_needed(int(name[1:]) / 100):,}" for name in few)
        output.line(f"{marks.none}: too few samples; needed are {needs}")
    show_looked_at(output, document.looked_at, older_left_out=document.older_left_out, missing=document.missing)
    _show_examples(document, output)


def _show_examples(document: ReportDocument, output: Output) -> None:
    """Where to look next: the slowest trace of the operation with most of the time, and one that failed."""
    operations = [(service.name, each) for service in document.services for each in service.operations]
    if not operations:
        return
    service, slow = max(operations, key=lambda item: item[1].critical_share)
    output.line(f"Slowest {service} {slow.name}: devenv traces show {slow.slowest_trace}")
    failed = [(name, each) for name, each in operations if each.failed_trace]
    if failed:
        service, worst = max(failed, key=lambda item: item[1].errors)
        output.line(f"Failed {service} {worst.name}: devenv traces show {worst.failed_trace}")


def _width(cells: list[Cell]) -> int:
    return max((len(cell.text if isinstance(cell, Styled) else cell) for cell in cells), default=0)
