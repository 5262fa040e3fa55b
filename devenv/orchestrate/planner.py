"""Planning, pure: from what is there and what is wanted to the actions between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.model.plan import Action, Plan
from devenv.model.state import State
from devenv.orchestrate.naming import LABEL_PORTS, fields_of, instance_name, ports_text
from devenv.orchestrate.selection import one_shots, shared_network

if TYPE_CHECKING:
    from devenv.model.stack import Dependency, Service
    from devenv.model.state import ObservedInstance, ObservedState
    from devenv.orchestrate.target import Target

_RUNS = frozenset({State.RUNNING, State.RESTARTING})
_COMES_ANEW = frozenset({"create", "replace", "recreate"})


def make(target: Target, observed: ObservedState) -> Plan:
    """The plan from ``observed`` to ``target``: images, networks, volumes, removals, then services in their order."""
    networks = tuple(_networks(target, observed))
    changed = frozenset(action.key for action in networks if action.kind == "replace-network")
    instances = _instances(target, observed, changed)
    removals = tuple(_removals(target, observed, instances))
    instances = _after_removals(target, observed, instances, removals)
    gone = tuple(_gone_networks(target, observed))
    return Plan(actions=(*target.images, *networks, *_volumes(target, observed), *removals, *instances, *gone))


def _networks(target: Target, observed: ObservedState) -> Iterator[Action]:
    there = {item.key: item for item in observed.networks}
    for key, wanted in target.networks.items():
        found = there.get(key)
        if found is None:
            yield Action(kind="create-network", target=wanted.name, key=key)
        elif found.config_hash != wanted.digest and target.whole:
            reason = "its definition changed"
            yield Action(kind="replace-network", target=wanted.name, key=key, instance_id=found.id, reason=reason)


def _gone_networks(target: Target, observed: ObservedState) -> Iterator[Action]:
    if not target.whole:
        return
    for item in observed.networks:
        if item.key not in target.networks:
            reason = "gone from the stack file"
            yield Action(kind="remove-network", target=item.name, key=item.key, instance_id=item.id, reason=reason)


def _volumes(target: Target, observed: ObservedState) -> Iterator[Action]:
    there = {item.name for item in observed.volumes}
    for key, wanted in target.volumes.items():
        if wanted.name not in there:
            yield Action(kind="create-volume", target=wanted.name, key=key)


def _instances(target: Target, observed: ObservedState, changed: frozenset[str]) -> tuple[Action, ...]:
    """What happens to each instance that is wanted; dependencies are decided before their dependents."""
    decided: dict[str, tuple[Action, ...]] = {}
    for name in in_dependency_order(target):
        service = target.stack.services[name]
        actions = tuple(_wanted(target, service, observed, changed))
        decided[name] = tuple(_pulled_along(service, action, decided, observed) for action in actions)
    return tuple(action for name in target.services for action in decided[name])


def in_dependency_order(target: Target) -> tuple[str, ...]:
    """Services in question, each behind all that it needs; cycles have been refused when the file was read."""
    order: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in order or name in path or name not in target.services:
            return
        service = target.stack.services[name]
        shared = shared_network(service)
        for needed in [*(dependency.service for dependency in service.depends_on), *([shared] if shared else [])]:
            visit(needed, (*path, name))
        order[name] = None

    for name in target.services:
        visit(name, ())
    return tuple(order)


def _wanted(target: Target, service: Service, observed: ObservedState, changed: frozenset[str]) -> Iterator[Action]:
    ends = service.name in one_shots(target.stack)
    there = {instance.index: instance for instance in reversed(observed.of(service.name))}
    for index in range(1, service.replicas + 1):
        action = Action(
            kind="create",
            target=instance_name(target.project, service, index),
            service=service.name,
            index=index,
            waits_for=tuple(_condition(item) for item in service.depends_on if item.service in target.services),
        )
        found = there.get(index)
        if found is None:
            yield action
            continue
        judged = _judge(target, service, found, changed, ends=ends)
        yield replace(action, kind=judged.kind, reason=judged.reason, instance_id=found.id)


def _judge(target: Target, service: Service, found: ObservedInstance, changed: frozenset[str], *, ends: bool) -> Action:
    """What becomes of an instance that is there, as a bare action."""

    def judged(kind: str, reason: str = "") -> Action:
        return Action(kind=kind, target=found.name, reason=reason)  # type: ignore[arg-type] # literals below

    wanted = target.prints[service.name]
    if found.config_hash != wanted.digest:
        names = wanted.changed_since(fields_of(found.labels))
        return judged("replace", f"{', '.join(names) or 'configuration'} changed")
    if touched := sorted(changed & {attachment.network for attachment in service.networks}):
        return judged("replace", f"network {', '.join(touched)} changed")
    if found.state in _RUNS:
        return (
            judged("keep")
            if ports_text(service) == found.labels.get(LABEL_PORTS, "")
            else judged("replace", "published ports changed")
        )
    if found.state is State.EXITED and found.exit_code == 0 and ends:
        return judged("keep", "completed")
    return judged("recreate", _why_not_running(found))


def _why_not_running(found: ObservedInstance) -> str:
    match found.state:
        case State.CREATED:
            return "was created and never started"
        case State.EXITED:
            return f"had exited with code {found.exit_code}"
        case state:
            return f"was {state}"


def _pulled_along(
    service: Service, action: Action, decided: Mapping[str, tuple[Action, ...]], observed: ObservedState
) -> Action:
    """``action``, or what a dependency that comes anew makes of it."""
    if action.kind not in {"keep", "recreate"}:
        return action
    shared = shared_network(service)
    if shared and any(other.kind in _COMES_ANEW for other in decided.get(shared, ())):
        return replace(action, kind="replace", reason=f"shares the network of {shared}, which comes anew")
    if action.kind != "keep" or action.reason == "completed":
        return action
    for dependency in service.depends_on:
        others = decided.get(dependency.service, ())
        if dependency.restart and others and all(_is_newer(other, action, observed) for other in others):
            return replace(action, kind="restart", reason=f"{dependency.service} comes anew")
    return action


def _is_newer(other: Action, action: Action, observed: ObservedState) -> bool:
    """Whether the instance of ``other`` comes after that of ``action``.

    It comes anew now, or it was started on purpose since: an ``up`` was killed before it restarted the dependents.
    """
    if other.kind != "keep":
        return True
    there = {instance.id: instance for instance in observed.instances}
    mine, its = there[action.instance_id], there[other.instance_id]
    if its.restarts or its.started_at is None or mine.started_at is None:
        return False
    return its.started_at > mine.started_at


def _removals(target: Target, observed: ObservedState, instances: tuple[Action, ...]) -> Iterator[Action]:
    """Instances that nobody wants: scaled down, twice there, or of services gone from the file."""
    kept = {action.instance_id for action in instances}
    for found in sorted(observed.instances, key=lambda item: (item.service, item.index)):
        if found.id in kept:
            continue
        service = target.stack.services.get(found.service)
        if found.service in target.services and service is not None:
            reason = f"replicas is {service.replicas}" if found.index > service.replicas else "there twice"
        elif target.whole and service is None and found.service not in target.stack.inactive:
            reason = "gone from the stack file"
        else:
            continue
        yield Action(
            kind="remove",
            target=found.name,
            service=found.service,
            index=found.index,
            instance_id=found.id,
            reason=reason,
        )


def _after_removals(
    target: Target, observed: ObservedState, instances: tuple[Action, ...], removals: tuple[Action, ...]
) -> tuple[Action, ...]:
    """The same with ``after``: who takes over a host port or a name starts when its holder is gone."""
    leaving = {action.instance_id for action in (*removals, *instances) if action.removes_first}
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
        return replace(
            action, after=tuple(sorted({item.name for item in before if item and item.id != action.instance_id}))
        )

    return tuple(completed(action) for action in instances)


def _condition(dependency: Dependency) -> str:
    words = {
        "service_started": "started",
        "service_healthy": "healthy",
        "service_completed_successfully": "completed",
    }
    return f"{dependency.service} ({words[dependency.condition]})"
