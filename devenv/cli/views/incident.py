"""An incident, for people: causes, each followed by what they caused, and what changed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from devenv.cli.table import Column, Styled
from devenv.cli.views.marks import BAD, milliseconds, share
from devenv.drawing.words import counted, show_count

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.cli.views.marks import TerminalMarks
    from devenv.model.analysis.report_document import ChangePart, ComponentPart, IncidentPart, ReportDocument

SEEN_LATE_S = 2.0
"""Seconds by which an engine may report a change later than the traces show it."""

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
        rest = f"{show_count(document.requests)}, and nothing is slower than before ({looked} looked at)."
        output.line(f"No incident: {failed} of {rest}")
        return
    output.line(Styled(f"{marks.bad} ", BAD), _answer(incident.components[0], incident, marks))
    output.line()
    output.table(_COLUMNS, [_row(number, part, marks) for number, part in enumerate(incident.components, 1)])
    if incident.changes:
        output.line()
        output.line("CHANGES")
        for change in incident.changes:
            output.line(f"  {_clock(change.time)}  {change.service} {change.what}")
    output.line(f"{looked} looked at.")


def _answer(first: ComponentPart, incident: IncidentPart, marks: TerminalMarks) -> str:
    """Which operation is the cause, since when, how often, and what changed before or at that time."""
    total = round(first.requests / first.share) if first.share else first.requests
    what = "call" if first.kind == "lost context" else "request"
    said = f"{_fault(first, marks)}, {show_count(first.requests)} of {counted(total, what)} ({share(first.share)})."
    if not first.requests:
        said = f"{first.service} {first.error} at {_clock(first.since)}, no request is known to have failed."
    latest = datetime.fromisoformat(first.since) + timedelta(seconds=SEEN_LATE_S)
    is_crash = first.kind == "crash"
    before = [change for change in incident.changes if datetime.fromisoformat(change.time) <= latest]
    before.sort(key=lambda change: (change.service == first.service, _is_end(change) and is_crash, change.time))
    if not before or (not first.requests and before[-1].time == first.since):
        return said
    last = before[-1]
    when = "Before that" if last.time <= first.since else "At that time"
    return f"{said} {when}, {last.service} {last.what} ({_clock(last.time)})."


def _is_end(change: ChangePart) -> bool:
    return change.what.startswith(("exited", "was killed"))


def _fault(part: ComponentPart, marks: TerminalMarks) -> str:
    where = f"{part.service} {part.operation}"
    since = f"since {_clock(part.since)}" + (f" (seen by {part.seen_by})" if part.seen_by else "")
    if part.kind == "latency":
        return f"{where} is slower {since}: {_times(part, marks)}"
    if part.kind == "lost context":
        own = part.error.startswith(("no longer", "does not"))
        return f"{where} {part.error} {since}" if own else f"{where}: {part.error} {since}"
    return f'{where} fails {since}: "{part.error}"'


def _times(part: ComponentPart, marks: TerminalMarks) -> str:
    return f"{milliseconds(part.before_ms, marks)} {marks.becomes} {milliseconds(part.after_ms, marks)}"


def _row(number: int, part: ComponentPart, marks: TerminalMarks) -> tuple[str, ...]:
    indent = "" if part.caused_by is None else "  "
    error = _times(part, marks) if part.kind == "latency" else part.error
    error = error if part.caused_by is None else f"caused by {part.caused_by + 1}"
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
