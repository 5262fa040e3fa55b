"""Taking a project down, from the engine's labels alone, and checking that nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.events import Notice, Removed, Sink, Stopping
from devenv.model.state import State
from devenv.orchestrate.concurrency import gather
from devenv.orchestrate.naming import dependencies_of

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.state import ObservedInstance, ObservedObject, ObservedState

ROUNDS = 3
"""How often what stands there after a removal is removed again: a killed ``up`` may have left requests under way."""

SETTLE, SETTLE_AFTER_A_KILL = 0.05, 0.3
"""Seconds between a removal and the last look at what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownOptions:
    """What is wanted of ``down``.

    Attributes:
        services: instances of these alone go; empty: everything of the project.
        volumes: named volumes go as well.
        timeout: seconds that an instance has to end; ``None``: as its stack file said.
    """

    services: tuple[str, ...] = ()
    volumes: bool = False
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DownResult:
    """What is gone and what is there.

    Attributes:
        removed: names by kind: ``containers``, ``networks``, ``volumes``, ``processes``.
        kept_volumes: names of volumes that hold their data.
        left: names of what should be gone and was seen again.
    """

    removed: Mapping[str, tuple[str, ...]]
    kept_volumes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


_PLURALS = {"container": "containers", "network": "networks", "volume": "volumes", "process": "processes"}


@dataclass(slots=True)
class _Tally:
    """Names of what was removed, by kind, in the order in which it went."""

    sink: Sink
    names: dict[str, list[str]] = field(default_factory=lambda: {plural: [] for plural in _PLURALS.values()})

    def removed(self, kind: str, name: str) -> None:
        self.names[_PLURALS[kind]].append(name)
        self.sink(Removed(kind=kind, name=name))


async def take_down(engine: Engine, project: Project, options: DownOptions, *, clock: Clock, sink: Sink) -> DownResult:
    """Stop and remove what carries the project's labels, dependents before what they depend on.

    Raises:
        EngineUnavailable: the engine went away.
        EngineRefused: it refuses to remove something; what else could be removed is gone.
    """
    tally = _Tally(sink)
    observed = await engine.observe(project)
    _tell_unknown(observed, options.services, sink)
    settle = SETTLE_AFTER_A_KILL if _is_half_made(observed) else SETTLE
    for _ in range(ROUNDS):
        await _remove_all(engine, observed, options, tally, sink)
        observed = await engine.observe(project)
        if not _left(observed, options):
            # Once more: what a killed command had asked for a moment ago may only now stand there.
            await clock.sleep(settle)
            observed = await engine.observe(project)
        if not _left(observed, options):
            break
    kept = () if options.volumes else tuple(sorted(item.name for item in observed.volumes))
    return DownResult(
        removed={kind: tuple(sorted(set(names))) for kind, names in tally.names.items()},
        kept_volumes=kept,
        left=_left(observed, options),
    )


def _is_half_made(observed: ObservedState) -> bool:
    """Whether it looks like an ``up`` was killed in the middle; its last requests may still be under way."""
    return not observed.instances or any(instance.state is State.CREATED for instance in observed.instances)


def _tell_unknown(observed: ObservedState, services: Iterable[str], sink: Sink) -> None:
    known = {instance.service for instance in observed.instances}
    for name in services:
        if name not in known:
            sink(Notice(message=f"{name} is not up", warning=True))


def _chosen(observed: ObservedState, options: DownOptions) -> tuple[ObservedInstance, ...]:
    return tuple(i for i in observed.instances if not options.services or i.service in options.services)


def _left(observed: ObservedState, options: DownOptions) -> tuple[str, ...]:
    objects: list[ObservedInstance | ObservedObject] = [*_chosen(observed, options)]
    if not options.services:
        objects += observed.networks
        objects += observed.volumes if options.volumes else ()
    return tuple(sorted(item.name for item in objects))


async def _remove_all(engine: Engine, observed: ObservedState, options: DownOptions, tally: _Tally, sink: Sink) -> None:
    instances = _chosen(observed, options)
    kind = "process" if engine.capabilities.processes else "container"
    order = removal_order(instances)
    gone = {instance.id: asyncio.Event() for instance in instances}

    async def remove(instance: ObservedInstance) -> None:
        for earlier in order[instance.id]:
            await gone[earlier].wait()
        sink(Stopping(service=instance.service, instance=instance.index))
        await engine.stop(instance.id, grace=options.timeout)
        gone[instance.id].set()
        await engine.remove(instance.id)
        tally.removed(kind, instance.name)

    async def remove_network(item: ObservedObject) -> None:
        await engine.remove_network(item.id)
        tally.removed("network", item.name)

    async def remove_volume(item: ObservedObject) -> None:
        await engine.remove_volume(item.name)
        tally.removed("volume", item.name)

    await gather(*(remove(instance) for instance in instances))
    if not options.services:
        volumes = observed.volumes if options.volumes else ()
        await gather(*(remove_network(item) for item in observed.networks), *(remove_volume(v) for v in volumes))


def removal_order(instances: tuple[ObservedInstance, ...]) -> dict[str, frozenset[str]]:
    """By instance id: the ids that have to be stopped before it, which are those of its dependents.

    Labels that contradict one another (a cycle) put nothing in order for the services concerned.
    """
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
    """Services that ``name`` depends on, directly or not; itself among them where it is in a cycle."""
    reached: set[str] = set()
    pending = list(needs.get(name, ()))
    while pending:
        other = pending.pop()
        if other not in reached:
            reached.add(other)
            pending += needs.get(other, ())
    return reached
