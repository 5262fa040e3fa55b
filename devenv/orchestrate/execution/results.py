"""Results by service, from the results of a plan's steps and the state that the engine then shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from devenv.health.outcome import WaitOutcome
from devenv.immutable import immutable
from devenv.model.state import Health

if TYPE_CHECKING:
    from devenv.health.outcome import Failure
    from devenv.model.stack import Service, Stack
    from devenv.model.state import ObservedInstance, ObservedState
    from devenv.orchestrate.execution.executor import Results
    from devenv.orchestrate.planning.graph import Plan

_COMPLETED = WaitOutcome(ready=True, ready_ms=0.0, completed=True)


@immutable(kw_only=True)
class ServiceResult:
    """How one service ended up.

    Attributes:
        service: as it was started, tracing variables and allocated ports included.
        instances: as observed at the end, by index.
        health: the worst of its instances'; ``STARTING`` if it is not ready, was not started or was not waited for.
        ready_ms: milliseconds from the start of its slowest instance until ready; ``None`` if it was running before.
        failure: why it is not ready; ``None`` if it is, or if a dependency's failure kept it from starting.
        waited_for_by: services that were not started because this one failed.
    """

    service: Service
    instances: tuple[ObservedInstance, ...]
    health: Health
    ready_ms: float | None
    failure: Failure | None
    waited_for_by: tuple[str, ...]


def results_of(
    stack: Stack, services: tuple[str, ...], plan: Plan, results: Results, observed: ObservedState
) -> tuple[ServiceResult, ...]:
    """Return one result for each of ``services``, in this order.

    Args:
        stack: of the plan.
        services: names of those that the plan is about.
        plan: as it was carried out.
        results: of its steps.
        observed: the state afterwards.
    """
    tracks = {name: _track(name, plan, results) for name in services}
    return tuple(
        ServiceResult(
            service=stack.services[name],
            instances=observed.of(name),
            health=tracks[name].health,
            ready_ms=tracks[name].ready_ms,
            failure=tracks[name].failure,
            waited_for_by=_waiting_for(name, tracks),
        )
        for name in services
    )


def unchecked_dependencies(services: Iterable[ServiceResult]) -> Iterator[str]:
    """Yield a warning for each dependency that had to be healthy but has no check, in its files or in its image.

    One that the file disables is not meant: it is known before anything starts.
    """
    by_name = {item.service.name: item for item in services}
    for item in by_name.values():
        for dependency in item.service.depends_on:
            needed = by_name.get(dependency.service)
            if needed is None or dependency.condition != "service_healthy" or needed.health is not Health.NONE:
                continue
            check = needed.service.healthcheck
            if needed.failure is None and (check is None or not check.disable):
                yield (
                    f"{item.service.location}: {item.service.name} waits until {needed.service.name} is healthy, but "
                    f"{needed.service.name} has no healthcheck: it counts as healthy when it runs"
                )


@immutable(kw_only=True)
class _Track:
    """What the steps of one service came to.

    Attributes:
        outcomes: of its instances by index, as far as they were waited for.
        changed: indexes of the instances that the plan created, started or restarted.
        skipped: an instance was not started, or not waited for.
        blocked_by: services whose failure kept it from starting.
    """

    outcomes: Mapping[int, WaitOutcome]
    changed: frozenset[int]
    skipped: bool
    blocked_by: frozenset[str]

    @property
    def failure(self) -> Failure | None:
        """The failure of the first instance that has one."""
        return next((o.failure for _, o in sorted(self.outcomes.items()) if o.failure is not None), None)

    @property
    def health(self) -> Health:
        """The worst of its instances'; ``STARTING`` if it was not started or not ready in time."""
        outcomes = self.outcomes.values()
        if self.failure is not None:
            return Health.STARTING if self.failure.timed_out else Health.UNHEALTHY
        if self.skipped:
            return Health.STARTING
        if outcomes and all(outcome.completed for outcome in outcomes):
            return Health.COMPLETED
        return Health.HEALTHY if outcomes and all(outcome.attempts for outcome in outcomes) else Health.NONE

    @property
    def ready_ms(self) -> float | None:
        """The slowest of the changed instances'; ``None`` if there is none or the service is not ready."""
        times = [outcome.ready_ms for index, outcome in self.outcomes.items() if index in self.changed]
        ready = not self.skipped and all(outcome.ready for outcome in self.outcomes.values())
        return max(times) if times and ready else None


def _track(name: str, plan: Plan, results: Results) -> _Track:
    actions = [action for action in plan.actions if action.service == name and action.index and action.kind != "remove"]
    outcomes = {action.index: _COMPLETED for action in actions if action.completed}
    skipped = False
    blocked_by: set[str] = set()
    for step in plan.steps:
        if step.action.service != name or step.action.kind == "remove":
            continue
        result = results[step.id]
        skipped = skipped or result.skipped
        blocked_by.update(result.blocked_by)
        if result.outcome is not None:
            outcomes[step.action.index] = result.outcome
    return _Track(
        outcomes=outcomes,
        changed=frozenset(action.index for action in actions if action.changes),
        skipped=skipped or any(action.index not in outcomes for action in actions),
        blocked_by=frozenset(blocked_by),
    )


def _waiting_for(name: str, tracks: Mapping[str, _Track]) -> tuple[str, ...]:
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
