"""What the analysis of a running project's traces needs beside them: trace backend, stack, and addresses."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.app.invocation import read_stack_in_background
from devenv.app.session import running
from devenv.app.traces.called_services import find_callees, named_services, traced_services
from devenv.app.urls import require_backend
from devenv.errors import StackFileError, UsageError
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.app.invocation import Invocation
    from devenv.app.urls import BackendAddress
    from devenv.contract.answers import EngineEvent
    from devenv.contract.capabilities import Capabilities
    from devenv.model.identity import Project
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState


@immutable(kw_only=True)
class TracedProject:
    """A running project, without the engine.

    Attributes:
        stack: ``None`` if the project's stack file is not here.
        names: of the services in traces, by service.
        traced: names of the services that have spans if they are called.
        callees: all services by their addresses.
        events: what the engine still knows of what happened, oldest first.
        capabilities: of the engine; ``None`` without a stack file.
    """

    backend: BackendAddress
    observed: ObservedState
    stack: Stack | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    traced: frozenset[str] = frozenset()
    callees: Callees = NO_CALLEES
    events: Sequence[EngineEvent] = ()
    capabilities: Capabilities | None = None


async def traced_project(invocation: Invocation, *, events_since: float | None = None) -> TracedProject:
    """Look at the running project; the engine is not held while its traces are read.

    Args:
        invocation: which project.
        events_since: also ask for the engine's events from then on, seconds since the epoch.

    Raises:
        NotUp: If the project is not running.
        BackendUnavailable: If it has no trace backend.
        StackFileError: If its stack file is not valid.
    """
    async with running(invocation) as project:
        backend = await require_backend(project)
        events: Sequence[EngineEvent] = ()
        if events_since is not None:
            events = await project.engine.history(project.project, since=events_since)
        stack = await _stack_of(invocation, project.project)
        if stack is None:
            return TracedProject(backend=backend, observed=project.observed, events=events)
        names = named_services(stack)
        return TracedProject(
            backend=backend,
            observed=project.observed,
            stack=stack,
            names=names,
            traced=frozenset(traced_services(stack).values()),
            callees=await find_callees(stack, project.observed, project.engine, names),
            capabilities=project.engine.capabilities,
            events=events,
        )


async def _stack_of(invocation: Invocation, project: Project) -> Stack | None:
    """The stack that a project runs; ``None`` if there is no file, or only that of another one."""
    try:
        loaded = await read_stack_in_background(invocation)
    except StackFileError:
        raise
    except UsageError:
        return None
    return loaded.stack if loaded.project.id == project.id else None
