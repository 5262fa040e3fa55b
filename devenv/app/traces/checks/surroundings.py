"""What the checks need beside the traces: the stack, the services that are silent, and what services log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.analysis.causes import fault_of
from devenv.analysis.checks.checks import KnownStack
from devenv.app.session import running
from devenv.app.traces.called_services import services_without_spans
from devenv.app.traces.export_trouble import export_trouble, troubles
from devenv.app.traces.setups import name_in_spans, names_in_spans, tracing_setups
from devenv.orchestrate.naming import entrypoint_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from devenv.app.invocation import Invocation
    from devenv.app.traces.traced_project import TracedProject
    from devenv.traces.source import TraceSource

_PROPAGATORS = "OTEL_PROPAGATORS"


def surroundings(around: TracedProject) -> KnownStack:
    """What is known of a project beside its traces; without its stack file, nothing."""
    stack = around.stack
    if stack is None:
        return KnownStack()
    services = stack.services
    entrypoint = services.get(entrypoint_of(stack) or "")
    return KnownStack(
        callees=around.callees,
        traced=around.traced,
        entrypoint=name_in_spans(entrypoint) if entrypoint else "",
        propagators={
            name: found
            for service, name in around.names.items()
            if (found := services[service].environment.get(_PROPAGATORS))
        },
    )


async def silent_services(
    client: TraceSource, around: TracedProject, *, now: float, seen: Collection[str]
) -> Mapping[str, str]:
    """The running services that have sent no span since they started, with the fault in their settings if one is found.

    Args:
        client: of the trace backend.
        around: the project.
        now: seconds since the epoch.
        seen: service names whose spans are known.
    """
    if around.stack is None:
        return {}
    silent = await services_without_spans(client, around.stack, around.observed, now=now, seen=seen)
    setups = tracing_setups(around.stack, around.capabilities) if around.capabilities else {}
    return {name: fault_of(setups.get(name)) for name in silent}


async def logged_losses(
    invocation: Invocation, around: TracedProject, names: Sequence[str], *, now: float
) -> Mapping[str, str]:
    """The last line that each of some services logged about an export that failed, by service name in traces.

    Args:
        invocation: the global options.
        around: the project.
        names: service names in traces.
        now: seconds since the epoch.
    """
    if around.stack is None or not names:
        return {}
    async with running(invocation) as project:
        said = await troubles(project.engine, project.observed, names_in_spans(around.stack), names, now=now)
    return {around.names.get(line.service, line.service): line.text for line in said if export_trouble(line.text)}
