"""Collects the steps of a plan, each with what it waits for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from devenv.orchestrate.hook_labels import pre_stop_of
from devenv.orchestrate.naming import image_tag
from devenv.orchestrate.planning.calls import (
    InstanceRef,
    RunHook,
    StartInstance,
    StopInstance,
    WaitCompleted,
    WaitReady,
)
from devenv.orchestrate.planning.graph import CONDITIONS, Gate, Step
from devenv.orchestrate.selection import one_shots, shared_network

if TYPE_CHECKING:
    from devenv.model.identity import Project
    from devenv.model.stack import Hook, Service, Stack
    from devenv.model.state import ObservedState
    from devenv.orchestrate.planning.calls import Call
    from devenv.orchestrate.planning.graph import Action, RunCondition


class GraphBuilder:
    """The steps so far. A step can only wait for earlier ones, so that the graph has no cycle.

    Attributes:
        steps: in the order in which they were added.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def add(
        self,
        call: Call,
        action: Action,
        *,
        after: Iterable[int] = (),
        follows: Iterable[int] = (),
        gates: Sequence[Gate] = (),
    ) -> int:
        """Add a step and return its ID.

        Args:
            call: what the step does.
            action: what it is part of.
            after: IDs of steps that have to succeed first.
            follows: IDs of steps that have to end first, whether they succeed or not.
            gates: conditions on services that have to be met first.
        """
        step = Step(
            id=len(self.steps) + 1,
            call=call,
            action=action,
            after=tuple(sorted(set(after))),
            follows=tuple(sorted(set(follows))),
            gates=tuple(gates),
        )
        self.steps.append(step)
        return step.id

    def add_stop(
        self,
        instance: InstanceRef,
        action: Action,
        hooks: Iterable[Hook],
        *,
        grace: float | None = None,
        after: Iterable[int] = (),
        gates: Sequence[Gate] = (),
    ) -> int:
        """Add the hooks before a stop, one after the other, and the stop, and return the ID of the stop's step.

        A hook that fails does not keep an instance from its stop.

        Args:
            instance: to stop.
            action: what the steps are part of.
            hooks: that run before.
            grace: seconds that the instance has to end; ``None``: as it was created with.
            after: IDs of steps that have to succeed first.
            gates: conditions that have to be met first.
        """
        after = tuple(after)
        follows: tuple[int, ...] = ()
        for hook in hooks:
            follows = (
                self.add(RunHook(instance, hook, "pre_stop"), action, after=after, follows=follows, gates=gates),
            )
        return self.add(StopInstance(instance, grace), action, after=after, follows=follows, gates=gates)


class ServiceSteps:
    """Adds the starts and waits of services; each service has to come after all that it depends on.

    Conditions on services that are not added are not waited for.
    """

    def __init__(self, graph: GraphBuilder, project: Project, stack: Stack, observed: ObservedState) -> None:
        self._graph = graph
        self._hooks = {instance.id: pre_stop_of(instance) for instance in observed.instances}
        self._project = project
        self._stack = stack
        self._one_shots = one_shots(stack)
        self._starts: defaultdict[str, list[int]] = defaultdict(list)
        self._waits: defaultdict[str, list[int]] = defaultdict(list)
        self._added: set[str] = set()

    def add(self, service: Service, instances: Iterable[tuple[Action, InstanceRef, Iterable[int]]]) -> None:
        """Add what brings the instances of ``service`` to running and ready.

        Args:
            service: as resolved.
            instances: for each the action, the instance, and the steps that have to succeed before its start or stop.
        """
        gates = self._gates(service)
        for action, instance, after in instances:
            self._add_instance(service, action, instance, after, gates)
        self._added.add(service.name)

    def _add_instance(
        self, service: Service, action: Action, instance: InstanceRef, after: Iterable[int], gates: tuple[Gate, ...]
    ) -> None:
        if action.completed:
            return
        before: Iterable[int] = after
        if action.kind == "restart":
            hooks = self._hooks.get(instance.id, ())
            before = [self._graph.add_stop(instance, action, hooks, after=after, gates=gates)]
            gates = ()
        if action.kind != "keep":
            before = [self._graph.add(StartInstance(instance), action, after=before, gates=gates)]
            for hook in service.post_start:
                before = [self._graph.add(RunHook(instance, hook, "post_start"), action, after=before)]
            self._starts[service.name] += before
        self._waits[service.name].append(self._graph.add(self._wait(service, instance), action, after=before))

    def _wait(self, service: Service, instance: InstanceRef) -> WaitReady | WaitCompleted:
        if service.name in self._one_shots:
            return WaitCompleted(instance, service)
        image = image_tag(self._project, service) if service.image or service.build else ""
        return WaitReady(instance, service, image)

    def _gates(self, service: Service) -> tuple[Gate, ...]:
        """The conditions of ``service``; the owner of a network that it shares has to be started as well."""
        gates = [
            self._gate(dependency.service, CONDITIONS[dependency.condition], required=dependency.required)
            for dependency in service.depends_on
            if dependency.service in self._added
        ]
        shared = shared_network(service)
        if shared in self._added and not any(gate.service == shared and gate.required for gate in gates):
            gates.append(self._gate(shared, "started"))
        return tuple(gates)

    def _gate(self, name: str, condition: RunCondition, *, required: bool = True) -> Gate:
        steps = self._starts[name] if condition == "started" else self._waits[name]
        return Gate(service=name, condition=condition, steps=tuple(steps), required=required)
