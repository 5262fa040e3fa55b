"""What is up at the end: services without a probe have to stay up, and each instance has to run or to have completed.

The check runs beside the canary, hence ``up`` is not slower for it: see :func:`until_steady` and :func:`checked`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.health.outcome import Failure, not_started
from devenv.health.restarts import LOOP_SECONDS, PACE, STEADY_SECONDS, is_looping, is_steady, loop_reason
from devenv.model.state import Health, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.state import ObservedInstance, ObservedState
    from devenv.orchestrate.execution.results import ServiceResult

MARGIN = 0.02
"""Seconds beyond the moment at which an instance is steady: engines round the times of starts."""


async def until_steady(
    engine: Engine, project: Project, services: Iterable[ServiceResult], observed: ObservedState, *, clock: Clock
) -> bool:
    """Wait until each instance without a probe has run for some time, has ended, or is restarted again and again.

    Args:
        engine: runs them.
        project: whose instances.
        services: their results; those that failed or have a probe are not waited for.
        observed: the state as it is known now.
        clock: paces the questions.

    Returns:
        Whether all of them are up.
    """
    unprobed = {item.service.name for item in services if item.failure is None and item.health is Health.NONE}
    ends = clock.monotonic() + LOOP_SECONDS
    while True:
        now = clock.now()
        chosen = [instance for instance in observed.instances if instance.service in unprobed]
        late = clock.monotonic() >= ends
        pending = [wait for instance in chosen if (wait := _pending(instance, now, late=late)) > 0]
        if not pending:
            return all(_is_up(instance, now) for instance in chosen)
        await clock.sleep(max(pending) + MARGIN)
        observed = await engine.observe(project)


def _pending(instance: ObservedInstance, now: float, *, late: bool) -> float:
    """Seconds until the state of an instance can be judged; 0 if it can be judged now."""
    if late and is_looping(instance, now):
        return 0.0
    if instance.state is State.RESTARTING:
        return PACE
    if instance.state is State.RUNNING and instance.started_at is not None and not is_steady(instance, now):
        return min(max(instance.started_at + STEADY_SECONDS - now, MARGIN), STEADY_SECONDS)
    return 0.0


async def checked(
    engine: Engine, services: tuple[ServiceResult, ...], observed: ObservedState, *, clock: Clock
) -> tuple[ServiceResult, ...]:
    """Return ``services`` with the instances of ``observed``, and a failure for each that is not up by now.

    Args:
        engine: has the output of those that failed.
        services: their results so far; a failure that they have is kept.
        observed: the state at the end.
        clock: tells how long an instance has run.
    """
    return tuple([await _checked(engine, item, observed, clock.now()) for item in services])


async def _checked(engine: Engine, item: ServiceResult, observed: ObservedState, now: float) -> ServiceResult:
    before = {instance.id: instance for instance in item.instances}
    item = replace(item, instances=observed.of(item.service.name))
    if item.failure is not None or item.health is Health.STARTING:
        return item
    existing = {instance.id for instance in item.instances}
    gone = [replace(instance, state=State.MISSING) for key, instance in before.items() if key not in existing]
    down = next((instance for instance in (*item.instances, *gone) if not _is_up(instance, now, item.health)), None)
    if down is None:
        ended = item.instances and all(instance.state is State.EXITED for instance in item.instances)
        return replace(item, health=Health.COMPLETED) if ended else item
    return replace(item, health=Health.UNHEALTHY, failure=await _failure(engine, down), ready_ms=None)


def _is_up(instance: ObservedInstance, now: float, health: Health = Health.NONE) -> bool:
    """Whether an instance runs, or has ended as it may: with exit code 0, unless it has a probe that succeeded."""
    match instance.state:
        case State.RUNNING:
            return health is not Health.NONE or not is_looping(instance, now)
        case State.EXITED:
            return instance.exit_code == 0 and not instance.error and health is not Health.HEALTHY
        case State.PAUSED:
            return True
        case _:
            return False


async def _failure(engine: Engine, instance: ObservedInstance) -> Failure:
    from devenv.health.waiter import log_tail

    return Failure(
        service=instance.service,
        index=instance.index,
        reason=_reason(instance),
        exit_code=instance.exit_code,
        oom_killed=instance.oom_killed,
        log_tail=() if instance.state is State.MISSING else await log_tail(engine, instance.id),
    )


def _reason(instance: ObservedInstance) -> str:
    if instance.state in {State.RESTARTING, State.RUNNING}:
        return loop_reason(instance, None)
    if instance.state is State.MISSING:
        return "was removed while `devenv up` ran"
    if instance.error:
        return not_started(instance.error)
    if instance.oom_killed:
        return f"ran out of memory and was killed (exit code {instance.exit_code})"
    if instance.state is State.EXITED:
        return f"exited with code {instance.exit_code} after it had started"
    return f"is {instance.state}"
