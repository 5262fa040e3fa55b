"""The incident in a report's document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.traces.incident.changes import change_parts, engine_changes, engine_history
from devenv.model.analysis.report_document import ComponentPart, IncidentPart
from devenv.model.span import NS_PER_MS
from devenv.traces.query import rfc3339

if TYPE_CHECKING:
    from devenv.analysis.failures.component import Component
    from devenv.analysis.failures.diagnosis import Diagnosis
    from devenv.app.traces.traced_project import TracedProject

BEFORE_S = 60.0
"""Seconds before the time of a report in which a change may be the cause of what fails in it."""


def incident_part(
    around: TracedProject, diagnosis: Diagnosis, *, start_ns: int, end_ns: int, first_ns: int
) -> IncidentPart | None:
    """What is wrong, and what changed meanwhile and shortly before; ``None`` if nothing is found.

    Args:
        around: the project.
        diagnosis: has the traces.
        start_ns: start of the time of the report, nanoseconds since the epoch.
        end_ns: its end.
        first_ns: start of the first trace.
    """
    changes = engine_changes(
        around.observed, start_ns / 1e9 - BEFORE_S, end_ns / 1e9, first=first_ns / 1e9, events=around.events
    )
    components = diagnosis.components(engine_history(changes, around.names))
    if not components:
        return None
    return IncidentPart(components=list(map(component_part, components)), changes=change_parts(changes))


def component_part(component: Component) -> ComponentPart:
    """One component of an incident."""
    slower = component.kind == "latency"
    return ComponentPart(
        service=component.service,
        operation=component.operation,
        kind=component.kind,
        error=component.error,
        since=rfc3339(component.since_ns),
        requests=component.requests,
        example_traces=list(component.examples),
        caused_by=component.caused_by,
        seen_by=component.seen_by,
        share=round(component.share, 4),
        retried=component.retried,
        before_ms=round(component.before_ns / NS_PER_MS, 3) if slower else None,
        after_ms=round(component.after_ns / NS_PER_MS, 3) if slower else None,
    )
