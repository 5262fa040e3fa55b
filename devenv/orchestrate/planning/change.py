"""Plans a ``start`` or ``restart`` of existing instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model.state import RUNS
from devenv.orchestrate.planning.calls import InstanceRef
from devenv.orchestrate.planning.graph import Action, Plan
from devenv.orchestrate.planning.graph_builder import GraphBuilder, ServiceSteps
from devenv.orchestrate.selection import in_dependency_order, one_shots

if TYPE_CHECKING:
    from devenv.model.identity import Project
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedInstance, ObservedState


def plan_change(
    project: Project, stack: Stack, observed: ObservedState, services: tuple[str, ...], *, restarts: bool
) -> Plan:
    """Return the plan that starts what is stopped.

    Args:
        project: owner of the instances.
        stack: with the trace backend and the tracing variables.
        observed: the instances.
        services: names of those in question, in the stack's order.
        restarts: running instances are restarted, else they are kept.
    """
    ends = one_shots(stack)
    actions = {
        name: [_action(instance, restarts=restarts, ends=name in ends) for instance in observed.of(name)]
        for name in services
    }
    graph = GraphBuilder()
    planned = ServiceSteps(graph, project, stack, observed)
    for name in in_dependency_order(stack, services):
        planned.add(stack.services[name], [(action, InstanceRef(action.object_id), ()) for action in actions[name]])
    return Plan(actions=tuple(action for name in services for action in actions[name]), steps=tuple(graph.steps))


def with_dependents(stack: Stack, observed: ObservedState, services: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``services`` and the existing dependents that restart with them, in the stack's order."""
    wanted = set(services)
    grown = True
    while grown:
        more = {
            service.name
            for service in stack.services.values()
            if observed.of(service.name) and any(d.restart and d.service in wanted for d in service.depends_on)
        } - wanted
        grown = bool(more)
        wanted |= more
    return tuple(name for name in stack.services if name in wanted)


def _action(instance: ObservedInstance, *, restarts: bool, ends: bool) -> Action:
    runs = instance.state in RUNS
    completed = not runs and ends and instance.exit_code == 0
    keep = completed or (runs and not restarts)
    return Action(
        kind="keep" if keep else "restart" if runs else "start",
        target=instance.name,
        service=instance.service,
        index=instance.index,
        object_id=instance.id,
        reason="completed" if completed else "",
        completed=completed,
    )
