"""Checks of tracing for people: devenv's own findings, and apart from them the Instrumentation Score."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from devenv.cli.table import Column, Styled
from devenv.cli.views.marks import BAD, GOOD, WARN, colours_of, marks_of, right, show_looked_at
from devenv.drawing.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.cli.output import Output
    from devenv.cli.table import Cell
    from devenv.cli.views.marks import TerminalMarks
    from devenv.model.analysis.check_document import CheckDocument, FindingPart, ScorePart

NAMED = 5
"""Services whose scores the first line names; of more, the lowest one."""
LEAST_WIDTH = 20
"""Columns in which a text is wrapped at least."""

_SCORES = (Column(title="SERVICE", least=14), Column(title="SCORE"), Column(title="KEPT"))
_BROKEN = Column(title="BROKEN")


def show_checks(document: CheckDocument, output: Output) -> None:
    """The answer, the findings, the scores, and what was not judged."""
    marks = marks_of(output)
    output.line(_answer(document))
    for number, finding in enumerate(document.findings, 1):
        output.line()
        _show_finding(number, finding, output, marks)
    if document.services:
        output.line()
        output.line(f"INSTRUMENTATION SCORE (published rules, version {document.score_version})")
        _show_scores(document.services, output, marks)
        _show_rules(document.services, output)
    for threshold in document.thresholds:
        mark = Styled(marks.good, GOOD) if threshold.ok else Styled(marks.bad, BAD)
        value = "no value: no traces" if threshold.value is None else f"measured {threshold.value:.4g}"
        output.line("THRESHOLD   ", mark, f" {threshold.expr}  {value}")
    _show_notes(document, output)


def _answer(document: CheckDocument) -> str:
    """How many findings, and how the services score."""
    if not document.looked_at:
        found = f"{counted(len(document.findings), 'finding')}. " if document.findings else ""
        return f"{found}No traces to check: send requests, such as with `devenv load`."
    number = len(document.findings)
    said = f"{counted(number, 'finding')}." if number else "No findings."
    scores = [each for each in document.services if each.score is not None]
    if scores and len(scores) <= NAMED:
        said += f" Scores: {', '.join(f'{each.name} {each.score}' for each in scores)}"
    elif scores:
        lowest = min(scores, key=lambda each: each.score or 0)
        said += f" {len(scores)} scores, the lowest {lowest.name} {lowest.score}"
    else:
        return f"{said} No scores."
    unjudged = {rule for each in document.services for rule in each.not_judged}
    verb = "is" if len(unjudged) == 1 else "are"
    return f"{said}; {counted(len(unjudged), 'rule')} {verb} not judged."


def _show_finding(number: int, finding: FindingPart, output: Output, marks: TerminalMarks) -> None:
    bad = finding.severity == "bad"
    output.line(f"{number} ", Styled(marks.bad if bad else marks.warn, BAD if bad else WARN), f" {finding.title}")
    _show_text(output, "Evidence  ", f"{finding.evidence}.")
    _show_text(output, "Change    ", f"{finding.advice}.")
    if finding.example_traces:
        _show_text(output, "Traces    ", " ".join(trace_id[:8] for trace_id in finding.example_traces))


def _show_text(output: Output, label: str, text: str) -> None:
    """A text with a label before it, wrapped at the width of the terminal."""
    head = f"    {label}"
    lines = [text]
    if output.width is not None:
        room = max(output.width - len(head), LEAST_WIDTH)
        lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    for line in lines:
        output.line(f"{head}{line}")
        head = " " * len(head)


def _show_scores(services: list[ScorePart], output: Output, marks: TerminalMarks) -> None:
    colours = colours_of(each.name for each in services) if output.colour else {}
    scores = right((marks.none if each.score is None else str(each.score) for each in services), "SCORE")
    rows: list[tuple[Cell, ...]] = []
    for each, score in zip(services, scores, strict=True):
        judged = [rule for rule in each.rules if rule.ok is not None]
        broken = [rule for rule in judged if not rule.ok]
        name = f"{marks.stripe}{each.name}"
        rows.append(
            (
                Styled(name, colours[each.name]) if each.name in colours else name,
                score,
                f"{len(judged) - len(broken)} of {len(judged)}",
                Styled(f"{marks.bad} {', '.join(rule.id for rule in broken)}", BAD) if broken else "",
            )
        )
    any_broken = any(broken for *_, broken in rows)
    output.table((*_SCORES, _BROKEN) if any_broken else _SCORES, rows if any_broken else [row[:-1] for row in rows])


def _show_rules(services: list[ScorePart], output: Output) -> None:
    """What the broken rules ask for, and which rules are not judged and why."""
    for each in services:
        for rule in each.rules:
            if rule.ok is False:
                traces = " ".join(trace_id[:8] for trace_id in rule.example_traces)
                text = f"{rule.title}: not so in {counted(rule.affected, 'trace')} of {each.name}, such as {traces}"
                _show_text(output, f"{rule.id}  ", text)
    output.line("Not judged:")
    for reason, rules in _unjudged(services):
        _show_text(output, f"{', '.join(rules)}  ", reason)


def _unjudged(services: list[ScorePart]) -> Iterator[tuple[str, list[str]]]:
    """The rules that are not judged by reason; the reason says of which services, if not of all."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in services:
        for rule in each.rules:
            if rule.ok is None:
                found.setdefault((rule.id, rule.reason), []).append(each.name)
    by_reason: dict[str, list[str]] = {}
    for (rule_id, reason), names in found.items():
        of = "" if len(names) == len(services) else f" ({', '.join(names)})"
        by_reason.setdefault(f"{reason}{of}", []).append(rule_id)
    yield from by_reason.items()


def _show_notes(document: CheckDocument, output: Output) -> None:
    show_looked_at(output, document.looked_at, older_left_out=document.older_left_out, missing=document.missing)
    if not document.stack_known:
        output.line("The stack file of this project was not found: services without spans are not known.")
    examples = [trace_id for finding in document.findings for trace_id in finding.example_traces]
    if examples:
        output.line(f"See: devenv traces show {examples[0]}")
