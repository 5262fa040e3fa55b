"""Results by service, from the tracks of an applied plan and what the engine then shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.health.waiter import Failure
    from devenv.model.plan import Plan
    from devenv.model.stack import Service
    from devenv.model.state import Health, ObservedInstance, ObservedState
    from devenv.orchestrate.target import Target
    from devenv.orchestrate.track import Track


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResult:
    """What became of one service.

    Attributes:
        service: as it was started, tracing variables and allotted ports included.
        instances: as observed at the end, by index.
        health: the worst of its instances'; ``STARTING`` where it is not ready or was not started.
        ready_ms: milliseconds from the start of its slowest instance until ready; ``None`` where it ran before.
        failure: why it is not ready; ``None`` where it is, or where a dependency's failure kept it from starting.
        waited_for_by: services that were not started because this one failed.
    """

    service: Service
    instances: tuple[ObservedInstance, ...]
    health: Health
    ready_ms: float | None
    failure: Failure | None
    waited_for_by: tuple[str, ...]


def results_of(
    target: Target, plan: Plan, tracks: Mapping[str, Track], observed: ObservedState
) -> tuple[ServiceResult, ...]:
    """One result a service in question, in the stack's order."""
    return tuple(
        ServiceResult(
            service=target.stack.services[name],
            instances=observed.of(name),
            health=tracks[name].health,
            ready_ms=_ready_ms(plan, name, tracks[name]),
            failure=tracks[name].failure,
            waited_for_by=_waiting_for(name, tracks),
        )
        for name in target.services
    )


def _ready_ms(plan: Plan, name: str, track: Track) -> float | None:
    fresh = {action.index for action in plan.instances(name) if action.changes}
    times = [outcome.ready_ms for index, outcome in track.outcomes.items() if index in fresh]
    return max(times) if times and track.ready else None


def _waiting_for(name: str, tracks: Mapping[str, Track]) -> tuple[str, ...]:
    """Services blocked by ``name``, directly or over others that are blocked themselves."""
    if tracks[name].failure is None:
        return ()
    blocked = {name}
    grown = True
    while grown:
        more = {other for other, track in tracks.items() if blocked.intersection(track.blocked_by)} - blocked
        grown = bool(more)
        blocked |= more
    return tuple(other for other in tracks if other in blocked and other != name)
