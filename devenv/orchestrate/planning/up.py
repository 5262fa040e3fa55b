"""Plans an ``up``: from observed state to target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.contract.specification import BuildSpec
from devenv.model.build_contexts import IMAGE_CONTEXT, context_services
from devenv.model.identity import LABEL_PROJECT
from devenv.orchestrate.files import build_secrets
from devenv.orchestrate.hook_labels import pre_stop_of
from devenv.orchestrate.naming import image_tag
from devenv.orchestrate.planning.calls import (
    BuildImage,
    CreateInstance,
    CreateNetwork,
    CreateVolume,
    InstanceRef,
    PullImage,
    RemoveInstance,
    RemoveNetwork,
)
from devenv.orchestrate.planning.decisions import (
    instance_actions,
    network_actions,
    unused_network_actions,
    volume_actions,
)
from devenv.orchestrate.planning.graph import Action, Plan
from devenv.orchestrate.planning.graph_builder import GraphBuilder, ServiceSteps
from devenv.orchestrate.selection import in_dependency_order, named_services, shared_network
from devenv.orchestrate.specs import instance_spec, network_spec, volume_spec

if TYPE_CHECKING:
    from devenv.model.stack import Service
    from devenv.model.state import ObservedState
    from devenv.orchestrate.image_tasks import ImageTask
    from devenv.orchestrate.planning.calls import Call
    from devenv.orchestrate.planning.graph import ActionKind, Step
    from devenv.orchestrate.target import Target


def plan_up(target: Target, observed: ObservedState, images: Iterable[ImageTask] = ()) -> Plan:
    """Return the plan from ``observed`` to ``target``.

    The steps that do not depend on image IDs come first, hence have the same IDs if the plan is made again when the
    images are there: see :func:`preparation`.
    """
    return _UpPlanner(target, observed).plan(images)


def preparation(plan: Plan) -> Plan:
    """Return the part of ``plan`` that does not depend on image IDs: pulls, builds, new networks and volumes."""
    steps: dict[int, Step] = {}
    for step in plan.calls(PullImage, BuildImage, CreateNetwork, CreateVolume):
        if steps.keys() >= set(step.after):  # a build may need another one's image
            steps[step.id] = step
    return Plan(actions=tuple(step.action for step in steps.values()), steps=tuple(steps.values()))


def image_ids_of(plan: Plan, created: Mapping[int, str]) -> dict[str, str]:
    """Return by reference the IDs of the images that ``plan`` pulls and builds.

    Args:
        plan: as made before.
        created: the engine's IDs by the step that created the object.
    """
    return {step.action.target: created[step.id] for step in plan.calls(PullImage, BuildImage)}


class _UpPlanner:
    def __init__(self, target: Target, observed: ObservedState) -> None:
        self._target = target
        self._observed = observed
        self._graph = GraphBuilder()
        self._images: tuple[int, ...] = ()
        self._image_steps: dict[str, int] = {}
        """Steps that pull and build images, by reference."""
        self._objects: dict[tuple[str, str], int] = {}
        """Steps that create networks and volumes, by ``network`` or ``volume`` and key."""
        self._removed: dict[str, int] = {}
        """Steps that remove instances, by the engine's ID."""

    def plan(self, tasks: Iterable[ImageTask]) -> Plan:
        images = tuple(self._add_image(task) for task in tasks)
        networks = tuple(network_actions(self._target, self._observed))
        volumes = tuple(volume_actions(self._target, self._observed))
        self._add_objects(networks, volumes)
        changed = frozenset(action.key for action in networks if action.kind == "replace-network")
        removals, instances = instance_actions(self._target, self._observed, changed)
        unused = tuple(unused_network_actions(self._target, self._observed))
        self._add_removals((*removals, *(action for action in instances if action.removes_first)))
        self._replace_networks(networks)
        self._add_services(instances)
        self._remove_networks(unused)
        actions = (*images, *networks, *volumes, *removals, *instances, *unused)
        return Plan(actions=actions, steps=tuple(self._graph.steps))

    def _add(self, call: Call, action: Action, *, after: Iterable[int] = ()) -> int:
        """Add a step on instances or existing networks: what happens to them is certain when the images are there."""
        return self._graph.add(call, action, after=[*after] or self._images)

    def _add_image(self, task: ImageTask) -> Action:
        call: Call
        contexts: dict[str, str] = {}
        if task.build is None:
            call = PullImage(reference=task.reference, platform=task.platform)
        else:
            labels = {LABEL_PROJECT: self._target.project.id}
            secrets = build_secrets(self._target.stack, task.build)
            services = self._target.stack.services
            contexts = {
                key: image_tag(self._target.project, services[name])
                for key, name in context_services(task.build).items()
            }
            images = {key: f"{IMAGE_CONTEXT}{reference}" for key, reference in contexts.items()}
            build = replace(task.build, additional_contexts={**task.build.additional_contexts, **images})
            spec = BuildSpec(build=build, tag=task.reference, labels=labels, secrets=secrets)
            call = BuildImage(spec, task.services[0])
        kind: ActionKind = "pull" if task.build is None else "build"
        action = Action(kind=kind, target=task.reference, service=", ".join(task.services), reason=task.reason)
        after = [self._image_steps[reference] for reference in contexts.values() if reference in self._image_steps]
        step = self._image_steps[task.reference] = self._graph.add(call, action, after=after)
        self._images = (*self._images, step)
        return action

    def _add_objects(self, networks: Iterable[Action], volumes: Iterable[Action]) -> None:
        for action in networks:
            if action.kind == "create-network":
                call = CreateNetwork(network_spec(self._target, action.key))
                self._objects["network", action.key] = self._graph.add(call, action)
        for action in volumes:
            volume = CreateVolume(volume_spec(self._target, action.key))
            self._objects["volume", action.key] = self._graph.add(volume, action)

    def _add_removals(self, actions: Iterable[Action]) -> None:
        existing = {instance.id: instance for instance in self._observed.instances}
        for action in actions:
            instance = InstanceRef(id=action.object_id)
            hooks = pre_stop_of(existing[action.object_id])
            stopped = self._graph.add_stop(instance, action, hooks, after=self._images)
            self._removed[action.object_id] = self._add(RemoveInstance(instance), action, after=[stopped])

    def _replace_networks(self, networks: Iterable[Action]) -> None:
        """Replace networks after all removals: labels do not tell which instances are attached."""
        for action in networks:
            if action.kind == "replace-network":
                removed = self._add(RemoveNetwork(action.object_id), action, after=self._removed.values())
                call = CreateNetwork(network_spec(self._target, action.key))
                self._objects["network", action.key] = self._add(call, action, after=[removed])

    def _remove_networks(self, unused: Iterable[Action]) -> None:
        """Remove networks last: if the engine refuses it, because of a container of others, everything else is up."""
        removals = frozenset(self._removed.values())
        others = {step.id for step in self._graph.steps} - {*removals, *self._images}
        for action in unused:
            self._graph.add(RemoveNetwork(action.object_id), action, after=removals or self._images, follows=others)

    def _add_services(self, actions: Iterable[Action]) -> None:
        by_service: dict[str, list[Action]] = {}
        for action in actions:
            by_service.setdefault(action.service, []).append(action)
        services = ServiceSteps(self._graph, self._target.project, self._target.stack, self._observed)
        references: dict[str, list[InstanceRef]] = {}
        for name in in_dependency_order(self._target.stack, self._target.services):
            service = self._target.stack.services[name]
            own = by_service.get(name, [])
            references[name] = [self._reference(service, action, references) for action in own]
            before = [self._before(action, instance) for action, instance in zip(own, references[name], strict=True)]
            services.add(service, zip(own, references[name], before, strict=True))

    def _before(self, action: Action, instance: InstanceRef) -> tuple[int, ...]:
        """What the start waits for beside conditions: the creation, else the removals that free name and ports."""
        return (instance.created_by,) if instance.created_by else self._freed(action) or self._images

    def _reference(self, service: Service, action: Action, references: Mapping[str, list[InstanceRef]]) -> InstanceRef:
        """The instance of ``action``, with a step that creates it if it is new."""
        if not action.creates:
            return InstanceRef(id=action.object_id)
        owner = next(iter(references.get(shared_network(service) or "", ())), None)
        spec = instance_spec(self._target, service.name, action.index)
        needed = [
            *self._freed(action),
            *([self._removed[action.object_id]] if action.object_id else []),
            *(peer.created_by for name in named_services(service) for peer in references.get(name, ())),
            *(self._objects.get(("network", key), 0) for key in spec.networks),
            *(self._objects.get(("volume", key), 0) for key in spec.volumes),
        ]
        created = self._add(CreateInstance(spec, owner), action, after=[*filter(None, needed), *self._images])
        return InstanceRef(created_by=created)

    def _freed(self, action: Action) -> tuple[int, ...]:
        """Removals of the instances that use the name or the ports of ``action``'s instance."""
        names = {instance.id: instance.name for instance in self._observed.instances}
        return tuple(step for removed, step in self._removed.items() if names[removed] in action.after)
