"""Plans what stops and removes: ``stop``, ``down``, and the rollback of an ``up``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from devenv.model.state import RUNS
from devenv.orchestrate.hook_labels import pre_stop_of
from devenv.orchestrate.naming import dependencies_of
from devenv.orchestrate.planning.calls import (
    CreateInstance,
    CreateNetwork,
    InstanceRef,
    RemoveInstance,
    RemoveNetwork,
    RemoveVolume,
    StopInstance,
)
from devenv.orchestrate.planning.graph import Action, Plan
from devenv.orchestrate.planning.graph_builder import GraphBuilder

if TYPE_CHECKING:
    from devenv.model.state import ObservedInstance, ObservedObject, ObservedState
    from devenv.orchestrate.planning.graph import ActionKind


def plan_stop(observed: ObservedState, services: tuple[str, ...], *, grace: float | None) -> Plan:
    """Return the plan that stops running instances, dependents before what they depend on.

    Args:
        observed: the instances with their labels.
        services: instances of these alone; empty: all.
        grace: seconds that each has to end; ``None``: as it was created with.
    """
    running = [i for i in observed.instances if i.state in RUNS and (not services or i.service in services)]
    graph = GraphBuilder()
    actions = {instance.id: _action("stop", instance) for instance in running}
    _add_stops(graph, running, actions, grace)
    return Plan(actions=tuple(actions.values()), steps=tuple(graph.steps))


def plan_down(
    instances: Iterable[ObservedInstance],
    networks: Iterable[ObservedObject],
    volumes: Iterable[ObservedObject],
    *,
    grace: float | None,
) -> Plan:
    """Return the plan that removes all of these; instances go first, dependents before what they depend on.

    Args:
        instances: with their labels, which hold the dependencies.
        networks: are removed after all instances.
        volumes: likewise.
        grace: seconds that an instance has to end; ``None``: as it was created with.
    """
    instances = list(instances)
    graph = GraphBuilder()
    actions = {instance.id: _action("remove", instance) for instance in instances}
    stopped = _add_stops(graph, instances, actions, grace)
    removed = [
        graph.add(RemoveInstance(InstanceRef(key)), action, after=[stopped[key]]) for key, action in actions.items()
    ]
    objects = []
    for item in networks:
        objects.append(Action(kind="remove-network", target=item.name, key=item.key, object_id=item.id))
        graph.add(RemoveNetwork(item.id), objects[-1], after=removed)
    for item in volumes:
        objects.append(Action(kind="remove-volume", target=item.name, key=item.key, object_id=item.id))
        graph.add(RemoveVolume(item.name), objects[-1], after=removed)
    return Plan(actions=(*actions.values(), *objects), steps=tuple(graph.steps))


def plan_rollback(plan: Plan, created: Mapping[int, str]) -> Plan:
    """Return the plan that removes the instances and networks that ``plan`` added; volumes hold data and stay.

    Args:
        plan: the plan that was carried out, at least in part.
        created: the engine's IDs by the step that created the object.
    """
    graph = GraphBuilder()
    actions: list[Action] = []
    removed: list[int] = []
    for step in plan.calls(CreateInstance):
        if object_id := created.get(step.id):
            actions.append(_undo("remove", step.action, object_id))
            instance = InstanceRef(object_id)
            stopped = graph.add(StopInstance(instance), actions[-1])
            removed.append(graph.add(RemoveInstance(instance), actions[-1], after=[stopped]))
    for step in plan.calls(CreateNetwork):
        object_id = created.get(step.id)
        if object_id and step.action.kind == "create-network":
            actions.append(_undo("remove-network", step.action, object_id))
            graph.add(RemoveNetwork(object_id), actions[-1], after=removed)
    return Plan(actions=tuple(actions), steps=tuple(graph.steps))


def removal_order(instances: Iterable[ObservedInstance]) -> dict[str, frozenset[str]]:
    """Return by instance ID the IDs of its dependents, which have to stop before it.

    Labels that contradict one another (a cycle) put nothing in order for the services concerned.
    """
    instances = list(instances)
    needs: dict[str, set[str]] = {}
    for instance in instances:
        needs.setdefault(instance.service, set()).update(dependencies_of(instance.labels))
    cyclic = {name for name in needs if name in _reach(name, needs)}
    order: dict[str, frozenset[str]] = {}
    for instance in instances:
        dependents = {
            name
            for name, needed in needs.items()
            if instance.service in needed and not {name, instance.service} & cyclic
        }
        order[instance.id] = frozenset(other.id for other in instances if other.service in dependents)
    return order


def _reach(name: str, needs: Mapping[str, set[str]]) -> set[str]:
    """Services that ``name`` depends on, directly or not; itself among them if it is in a cycle."""
    reached: set[str] = set()
    pending = list(needs.get(name, ()))
    while pending:
        other = pending.pop()
        if other not in reached:
            reached.add(other)
            pending += needs.get(other, ())
    return reached


def _add_stops(
    graph: GraphBuilder, instances: Iterable[ObservedInstance], actions: Mapping[str, Action], grace: float | None
) -> dict[str, int]:
    """Add the stops, those of dependents first; return the steps by instance ID."""
    instances = list(instances)
    order = removal_order(instances)
    hooks = {instance.id: pre_stop_of(instance) for instance in instances}
    stopped: dict[str, int] = {}
    while len(stopped) < len(order):
        free = [key for key, dependents in order.items() if key not in stopped and dependents <= stopped.keys()]
        for key in free:
            stopped[key] = graph.add_stop(
                InstanceRef(key),
                actions[key],
                hooks[key],
                grace=grace,
                after=[stopped[other] for other in order[key]],
            )
    return stopped


def _action(kind: ActionKind, instance: ObservedInstance) -> Action:
    return Action(
        kind=kind, target=instance.name, service=instance.service, index=instance.index, object_id=instance.id
    )


def _undo(kind: ActionKind, action: Action, object_id: str) -> Action:
    return Action(
        kind=kind,
        target=action.target,
        service=action.service,
        index=action.index,
        key=action.key,
        object_id=object_id,
    )
