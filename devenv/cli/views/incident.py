"""What fails, for people: causes, each followed by what failed because of it, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cli.table import Column, Styled
from devenv.cli.views.marks import BAD, share
from devenv.drawing.words import counted, show_count

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.cli.views.marks import TerminalMarks
    from devenv.model.analysis.report_document import ComponentPart, IncidentPart, ReportDocument

_COLUMNS = (
    Column(title=""),
    Column(title="COMPONENT", least=14),
    Column(title="ERROR", least=10),
    Column(title="SINCE"),
    Column(title="REQUESTS"),
    Column(title="EXAMPLES", drop=1),
)


def show_incident(document: ReportDocument, output: Output, marks: TerminalMarks) -> None:
    """The answer, the components, the changes."""
    incident = document.incident
    looked = counted(document.looked_at, "trace")
    if document.older_left_out:
        looked += ", the newest ones"
    if incident is None:
        failed = f"{counted(document.errors, 'request')} failed" if document.errors else "no request failed"
        output.line(f"Nothing fails: {failed} of {show_count(document.requests)} ({looked} looked at).")
        return
    output.line(Styled(f"{marks.bad} ", BAD), _answer(incident.components[0], incident))
    output.line()
    output.table(_COLUMNS, [_row(number, part) for number, part in enumerate(incident.components, 1)])
    if incident.changes:
        output.line()
        output.line("CHANGES")
        for change in incident.changes:
            output.line(f"  {_clock(change.time)}  {change.service} {change.what}")
    output.line(f"{looked} looked at.")


def _answer(first: ComponentPart, incident: IncidentPart) -> str:
    """Which operation failed first, since when, how often, and what changed before."""
    where = f"{first.service} {first.operation}"
    seen = f" (seen by {first.seen_by})" if first.seen_by else ""
    total = round(first.requests / first.share) if first.share else first.requests
    said = f'{where} fails since {_clock(first.since)}{seen}: "{first.error}", '
    said += f"{show_count(first.requests)} of {counted(total, 'request')} ({share(first.share)})."
    before = [change for change in incident.changes if change.time <= first.since]
    before.sort(key=lambda change: (change.service == first.service, change.time))
    return (
        f"{said} Before that, {before[-1].service} {before[-1].what} ({_clock(before[-1].time)})." if before else said
    )


def _row(number: int, part: ComponentPart) -> tuple[str, ...]:
    indent = "" if part.caused_by is None else "  "
    error = part.error if part.caused_by is None else f"caused by {part.caused_by + 1}"
    examples = " ".join(trace_id[:8] for trace_id in part.example_traces)
    return (
        str(number),
        f"{indent}{part.service} {part.operation}",
        error,
        _clock(part.since),
        show_count(part.requests),
        examples,
    )


def _clock(time: str) -> str:
    """The time of day (UTC) of an RFC 3339 time, with milliseconds."""
    return time.partition("T")[2][:12]
