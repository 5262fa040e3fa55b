"""Decides what happens to each network, volume and instance: pure, from observed state and target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.model.state import RUNS, State
from devenv.orchestrate.naming import LABEL_PORTS, fields_of, instance_name, ports_text
from devenv.orchestrate.planning.graph import CONDITIONS, Action, ActionKind
from devenv.orchestrate.selection import in_dependency_order, one_shots, shared_parts

if TYPE_CHECKING:
    from devenv.model.stack import Dependency, Service
    from devenv.model.state import ObservedInstance, ObservedState
    from devenv.orchestrate.target import Target


def network_actions(target: Target, observed: ObservedState) -> Iterator[Action]:
    """Networks to create, and to replace if the whole project is planned."""
    existing = {item.key: item for item in observed.networks}
    for key, wanted in target.networks.items():
        found = existing.get(key)
        if found is None:
            yield Action(kind="create-network", target=wanted.name, key=key)
        elif found.config_hash != wanted.digest and target.whole:
            reason = "definition changed"
            yield Action(kind="replace-network", target=wanted.name, key=key, object_id=found.id, reason=reason)


def unused_network_actions(target: Target, observed: ObservedState) -> Iterator[Action]:
    """Networks to remove, because the stack file no longer has them."""
    if not target.whole:
        return
    for item in observed.networks:
        if item.key not in target.networks:
            reason = "removed from the stack file"
            yield Action(kind="remove-network", target=item.name, key=item.key, object_id=item.id, reason=reason)


def volume_actions(target: Target, observed: ObservedState) -> Iterator[Action]:
    """Volumes to create; an existing one holds data and is kept."""
    existing = {item.name for item in observed.volumes}
    for key, wanted in target.volumes.items():
        if wanted.name not in existing:
            yield Action(kind="create-volume", target=wanted.name, key=key)


def instance_actions(
    target: Target, observed: ObservedState, changed_networks: frozenset[str]
) -> tuple[tuple[Action, ...], tuple[Action, ...]]:
    """Actions on the instances to remove, and on the others by service in the stack's order."""
    decided: dict[str, tuple[Action, ...]] = {}
    for name in in_dependency_order(target.stack, target.services):
        service = target.stack.services[name]
        actions = tuple(_wanted(target, service, observed, changed_networks))
        decided[name] = tuple(_with_dependencies(service, action, decided, observed) for action in actions)
    instances = tuple(action for name in target.services for action in decided[name])
    removals = tuple(_removals(target, observed, instances))
    return removals, _after_removals(target, observed, instances, removals)


def _wanted(target: Target, service: Service, observed: ObservedState, changed: frozenset[str]) -> Iterator[Action]:
    ends = service.name in one_shots(target.stack)
    existing = {instance.index: instance for instance in reversed(observed.of(service.name))}
    for index in range(1, service.replicas + 1):
        action = Action(
            kind="create",
            target=instance_name(target.project, service, index),
            service=service.name,
            index=index,
            waits_for=tuple(_condition(item) for item in service.depends_on if item.service in target.services),
        )
        found = existing.get(index)
        if found is None:
            yield action
            continue
        kind, reason = _judge(target, service, found, changed, ends=ends)
        completed = kind == "keep" and found.state is State.EXITED
        reason = "completed" if completed else reason
        yield replace(action, kind=kind, reason=reason, object_id=found.id, completed=completed)


def _judge(
    target: Target, service: Service, found: ObservedInstance, changed: frozenset[str], *, ends: bool
) -> tuple[ActionKind, str]:
    """What happens to an existing instance, and why."""
    wanted = target.prints[service.name]
    if found.config_hash != wanted.digest:
        names = wanted.changed_since(fields_of(found.labels))
        return "replace", f"{', '.join(names) or 'configuration'} changed"
    if service.name in target.renewed:
        return "replace", "requested"
    if touched := sorted(changed & {attachment.network for attachment in service.networks}):
        return "replace", f"network {', '.join(touched)} changed"
    if found.state in RUNS and found.state is not State.PAUSED:  # a paused instance answers no request
        same_ports = ports_text(service) == found.labels.get(LABEL_PORTS, "")
        return ("keep", "") if same_ports else ("replace", "published ports changed")
    if found.state is State.EXITED and found.exit_code == 0 and ends:
        return "keep", ""
    return "recreate", _why_not_running(found)


def _why_not_running(found: ObservedInstance) -> str:
    match found.state:
        case State.CREATED:
            return "created but never started"
        case State.EXITED:
            return f"exited with code {found.exit_code}"
        case state:
            return f"was {state}"


def _with_dependencies(
    service: Service, action: Action, decided: Mapping[str, tuple[Action, ...]], observed: ObservedState
) -> Action:
    """``action``, or what it becomes because a dependency is recreated."""
    if action.kind not in {"keep", "recreate"}:
        return action
    for owner, what in shared_parts(service).items():
        if any(other.creates for other in decided.get(owner, ())):
            reason = f"shares the {what} of {owner}, which is recreated"
            return replace(action, kind="replace", reason=reason, completed=False)
    if action.kind != "keep" or action.completed:
        return action
    for dependency in service.depends_on:
        others = decided.get(dependency.service, ())
        newer = [other for other in others if dependency.restart and _is_newer(other, action, observed)]
        if newer:
            return replace(action, kind="restart", reason=f"{dependency.service} {_how_newer(newer)}")
    return action


def _is_newer(other: Action, action: Action, observed: ObservedState) -> bool:
    """Whether the instance of ``other`` will have started after that of ``action``.

    It is recreated or restarted now, or it was started on purpose since then: an ``up`` was killed before it restarted
    the dependents.
    """
    if other.kind != "keep":
        return True
    existing = {instance.id: instance for instance in observed.instances}
    mine, its = existing[action.object_id], existing[other.object_id]
    if its.restarts or its.started_at is None or mine.started_at is None:
        return False
    return its.started_at > mine.started_at


def _how_newer(newer: Iterable[Action]) -> str:
    """Why instances of a dependency are newer than their dependent, as the end of a sentence."""
    kinds = {action.kind for action in newer}
    if kinds == {"keep"}:
        return "is newer than this instance"
    return "is restarted" if kinds <= {"keep", "restart", "start"} else "is recreated"


def _removals(target: Target, observed: ObservedState, instances: tuple[Action, ...]) -> Iterator[Action]:
    """Instances that the stack file does not ask for: scaled down, duplicate, or of a removed service."""
    kept = {action.object_id for action in instances}
    for found in sorted(observed.instances, key=lambda item: (item.service, item.index)):
        if found.id in kept:
            continue
        service = target.stack.services.get(found.service)
        if found.service in target.services and service is not None:
            reason = f"replicas is {service.replicas}" if found.index > service.replicas else "duplicate"
        elif target.whole and service is None and found.service not in target.stack.inactive:
            reason = "removed from the stack file"
        else:
            continue
        yield Action(
            kind="remove",
            target=found.name,
            service=found.service,
            index=found.index,
            object_id=found.id,
            reason=reason,
        )


def _after_removals(
    target: Target, observed: ObservedState, instances: tuple[Action, ...], removals: tuple[Action, ...]
) -> tuple[Action, ...]:
    """``instances`` with ``after``: an instance waits until the previous user of its host ports and name is removed."""
    leaving = {action.object_id for action in (*removals, *instances) if action.removes_first}
    held: dict[tuple[int, str], ObservedInstance] = {}
    named: dict[str, ObservedInstance] = {}
    for found in observed.instances:
        if found.id in leaving:
            named[found.name] = found
            held.update({(port.host, port.protocol): found for port in found.ports if port.host})

    def completed(action: Action) -> Action:
        if action.kind == "keep":
            return action
        ports = target.stack.services[action.service].ports
        before = [held.get((port.host or 0, port.protocol)) for port in ports]
        before.append(named.get(action.target))
        names = {item.name for item in before if item and item.id != action.object_id}
        return replace(action, after=tuple(sorted(names)))

    return tuple(completed(action) for action in instances)


def _condition(dependency: Dependency) -> str:
    return f"{dependency.service} ({CONDITIONS[dependency.condition]})"
