"""Takes a project down, from the engine's labels alone, and checks that nothing is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from devenv.errors import EngineRefused
from devenv.events import Notice, Sink
from devenv.immutable import immutable
from devenv.model.state import State
from devenv.orchestrate.execution.operations import run_plan
from devenv.orchestrate.planning.removal import plan_down

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.state import ObservedInstance, ObservedObject, ObservedState
    from devenv.orchestrate.planning.graph import Plan

ROUNDS = 3
"""How often objects that appear after a removal are removed again: requests of a killed ``up`` may still be running."""

SETTLE, SETTLE_AFTER_A_KILL = 0.05, 0.3
"""Seconds between a removal and the last look at what is left."""


@immutable(kw_only=True)
class DownOptions:
    """Options of ``down``.

    Attributes:
        services: remove instances of these alone; empty: everything of the project.
        volumes: also remove named volumes.
        timeout: seconds that an instance has to end; ``None``: as in the stack file that it was created from.
    """

    services: tuple[str, ...] = ()
    volumes: bool = False
    timeout: float | None = None


@immutable(kw_only=True)
class DownResult:
    """What was removed and what remains.

    Attributes:
        removed: names by kind: ``containers``, ``networks``, ``volumes``, ``processes``.
        kept_volumes: names of volumes that hold their data.
        left: names of what should have been removed and still exists.
    """

    removed: Mapping[str, tuple[str, ...]]
    kept_volumes: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


async def take_down(engine: Engine, project: Project, options: DownOptions, *, clock: Clock, sink: Sink) -> DownResult:
    """Stop and remove what has the project's labels, dependents before what they depend on.

    Raises:
        EngineUnavailable: If the engine stops responding.
        EngineRefused: If it refuses to remove something; all else that does not depend on it is removed.
    """
    observed = await engine.observe(project)
    _warn_of_unknown(observed, options.services, sink)
    settle = SETTLE_AFTER_A_KILL if _is_half_created(observed) else SETTLE
    plans: list[Plan] = []
    refusals: list[EngineRefused] = []
    for _ in range(ROUNDS):
        plans.append(_plan(observed, options))
        await run_plan(engine, plans[-1], {}, clock=clock, sink=sink, refusals=refusals)
        if refusals:
            raise all_of(refusals)
        observed = await engine.observe(project)
        if not _left(observed, options):
            # Once more: what a killed command requested a moment ago may appear only now.
            await clock.sleep(settle)
            observed = await engine.observe(project)
        if not _left(observed, options):
            break
    kept = () if options.volumes else tuple(sorted(item.name for item in observed.volumes))
    return DownResult(
        removed=_removed(plans, processes=engine.capabilities.processes),
        kept_volumes=kept,
        left=_left(observed, options),
    )


def all_of(refusals: Sequence[EngineRefused]) -> EngineRefused:
    """Return one error with the messages of all, and the hint and details of the first."""
    first = refusals[0]
    if len(refusals) == 1:
        return first
    message = "; ".join(dict.fromkeys(error.message for error in refusals))
    return EngineRefused(message, hint=first.hint, details=first.details)


def _is_half_created(observed: ObservedState) -> bool:
    """Whether an ``up`` was probably killed in the middle; its last requests may still be running."""
    return not observed.instances or any(instance.state is State.CREATED for instance in observed.instances)


def _warn_of_unknown(observed: ObservedState, services: Iterable[str], sink: Sink) -> None:
    known = {instance.service for instance in observed.instances}
    for name in services:
        if name not in known:
            sink(Notice(message=f"{name} is not running", warning=True))


def _chosen(
    observed: ObservedState, options: DownOptions
) -> tuple[tuple[ObservedInstance, ...], tuple[ObservedObject, ...], tuple[ObservedObject, ...]]:
    """The instances, networks and volumes to remove."""
    instances = tuple(i for i in observed.instances if not options.services or i.service in options.services)
    networks = () if options.services else observed.networks
    volumes = observed.volumes if options.volumes and not options.services else ()
    return instances, networks, volumes


def _plan(observed: ObservedState, options: DownOptions) -> Plan:
    return plan_down(*_chosen(observed, options), grace=options.timeout)


def _left(observed: ObservedState, options: DownOptions) -> tuple[str, ...]:
    return tuple(sorted(item.name for items in _chosen(observed, options) for item in items))


def _removed(plans: Iterable[Plan], *, processes: bool) -> dict[str, tuple[str, ...]]:
    """Names of what finished plans removed, by kind, sorted."""
    kinds = {"remove": "processes" if processes else "containers", "remove-network": "networks"}
    names: dict[str, set[str]] = {"containers": set(), "networks": set(), "volumes": set(), "processes": set()}
    for plan in plans:
        for action in plan.actions:
            names[kinds.get(action.kind, "volumes")].add(action.target)
    return {kind: tuple(sorted(found)) for kind, found in names.items()}
