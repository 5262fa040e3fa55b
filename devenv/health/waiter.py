"""Waits until an instance is ready, has completed, or has failed; and probes it once for ``status``.

The probe is asked every 50 to 100 ms, independent of the engine's own health interval; an exec probe never overlaps
and rests five times as long as its last run took, at most for the healthcheck's interval. An instance that has died is
not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from devenv.clock import Clock
from devenv.contract.engine import InstanceAccess
from devenv.errors import EnvironmentFailure
from devenv.events import Sink
from devenv.health.choice import choose
from devenv.health.exits import Exits, ExitVerdict
from devenv.health.outcome import Failure, WaitOutcome
from devenv.health.questions import Questions
from devenv.health.restarts import Observe, until_loop
from devenv.model.stack import Service
from devenv.model.state import Health
from devenv.race import first

__all__ = ["Failure", "WaitOutcome", "check_once", "wait_completed", "wait_ready"]

SETTLING_SECONDS = 0.2
"""A command's success counts only if the instance still runs that long after the wait began."""

CHECK_SECONDS = 1.0
TAIL_LINES = 20
TAIL_SECONDS = 2.0


async def wait_ready(
    engine: InstanceAccess,
    instance_id: str,
    service: Service,
    index: int,
    *,
    image_healthcheck: tuple[str, ...],
    timeout: float,
    clock: Clock,
    sink: Sink,
    started_at: float,
    observe: Observe | None = None,
) -> WaitOutcome:
    """Wait until an instance is ready.

    Args:
        engine: any engine.
        instance_id: the engine's id of the instance.
        service: as resolved.
        index: of the instance, from 1, for events.
        image_healthcheck: test of the image's ``HEALTHCHECK``; empty if it has none.
        timeout: seconds from now, unless the service sets ``ready.timeout``.
        clock: paces the questions and bounds the wait.
        sink: gets ``ProbeFailed`` for each new answer, and once a second for one that stays.
        started_at: ``clock.monotonic()`` at the instance's start call.
        observe: returns the instance as the engine shows it, so that a restart loop ends the wait.

    Returns:
        The outcome; a service without probe is ready once it runs, or if it exits with code 0 by itself.

    Raises:
        EngineUnavailable: If the engine stops answering meanwhile.
    """
    begun = clock.monotonic()
    since = clock.now() - (begun - started_at)
    choice = choose(engine, instance_id, service, image_healthcheck=image_healthcheck, since=since)
    exits = Exits(engine, instance_id, service, clock)
    questions = Questions(choice, service, index, clock, sink, started_at)
    limit = _limit(service, timeout)
    try:
        verdict = await first(
            questions.until_ready(),
            exits.until_final(completes=choice is None),
            *_loops(service, observe, clock),
            clock.sleep(limit),
        )
        # A command such as `true` says nothing of the service, and can pass in an instance that is about to end.
        young = begun + SETTLING_SECONDS - clock.monotonic()
        if verdict is True and choice is not None and choice.probe.costly and young > 0:
            ended = await first(exits.until_final(completes=False), clock.sleep(young))
            verdict = ended if isinstance(ended, ExitVerdict) else True
    finally:
        if choice is not None:
            await choice.probe.close()
    elapsed = (clock.monotonic() - started_at) * 1000
    if verdict is True or (isinstance(verdict, ExitVerdict) and verdict.success):
        return WaitOutcome(ready=True, ready_ms=elapsed, completed=verdict is not True, attempts=questions.attempts)
    reason = _reason(verdict, exits, f"did not become ready within {limit:g} s", questions)
    failure = await _failure(engine, instance_id, service, index, reason, exits, questions, verdict)
    return WaitOutcome(ready=False, ready_ms=elapsed, failure=failure, attempts=questions.attempts)


async def wait_completed(
    engine: InstanceAccess,
    instance_id: str,
    service: Service,
    index: int,
    *,
    timeout: float,
    clock: Clock,
    observe: Observe | None = None,
) -> WaitOutcome:
    """Wait until a one-shot has ended; exit code 0 is success.

    ``ready_ms`` counts from this call; ``observe`` is as in :func:`wait_ready`.

    Raises:
        EngineUnavailable: If the engine stops answering meanwhile.
    """
    begun = clock.monotonic()
    exits = Exits(engine, instance_id, service, clock)
    limit = _limit(service, timeout)
    verdict = await first(exits.until_final(completes=True), *_loops(service, observe, clock), clock.sleep(limit))
    elapsed = (clock.monotonic() - begun) * 1000
    if isinstance(verdict, ExitVerdict) and verdict.success:
        return WaitOutcome(ready=True, ready_ms=elapsed, completed=True)
    reason = _reason(verdict, exits, f"did not complete within {limit:g} s", None)
    failure = await _failure(engine, instance_id, service, index, reason, exits, None, verdict)
    return WaitOutcome(ready=False, ready_ms=elapsed, failure=failure)


async def check_once(
    engine: InstanceAccess, instance_id: str, service: Service, *, image_healthcheck: tuple[str, ...]
) -> Health:
    """Ask the probe of a running instance once, within a second: a busy machine takes longer than one request does.

    Returns:
        ``NONE`` if it has no probe; ``STARTING`` if a command or a search through the output takes longer than that;
        else ``HEALTHY`` or ``UNHEALTHY``.
    """
    choice = choose(engine, instance_id, service, image_healthcheck=image_healthcheck, follow=False)
    if choice is None:
        return Health.NONE
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            answer = await choice.probe.ask()
    except TimeoutError:
        return Health.STARTING
    finally:
        await choice.probe.close()
    return Health.HEALTHY if answer.ok else Health.UNHEALTHY


def _loops(service: Service, observe: Observe | None, clock: Clock) -> list[Coroutine[Any, Any, ExitVerdict]]:
    """The wait for a restart loop, if the engine may restart the instance."""
    return [] if observe is None or service.restart.policy == "no" else [until_loop(observe, clock)]


def _limit(service: Service, timeout: float) -> float:
    ready = service.x.ready
    return ready.timeout if ready is not None and ready.timeout is not None else timeout


def _reason(verdict: object, exits: Exits, timeout_reason: str, questions: Questions | None) -> str:
    if isinstance(verdict, ExitVerdict):
        return verdict.reason
    if verdict is False and questions is not None:
        return f"is unhealthy: {questions.attempts} {'probe' if questions.attempts == 1 else 'probes'} failed"
    again = exits.restarts_text
    return timeout_reason + (f"; {again}" if again else "")


async def _failure(
    engine: InstanceAccess,
    instance_id: str,
    service: Service,
    index: int,
    reason: str,
    exits: Exits,
    questions: Questions | None,
    verdict: object,
) -> Failure:
    last = exits.last
    told = verdict.exit_code if isinstance(verdict, ExitVerdict) else None
    return Failure(
        service=service.name,
        index=index,
        reason=reason,
        probe=questions.description if questions is not None else "",
        last_answer=questions.last.text if questions is not None else "",
        exit_code=last.exit_code if last is not None else told,
        oom_killed=last.oom_killed if last is not None else False,
        log_tail=await log_tail(engine, instance_id),
        timed_out=verdict is None,
        restarts=exits.restarts_text,
    )


async def log_tail(engine: InstanceAccess, instance_id: str, *, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """The last lines of an instance's output; what was read so far if the engine is slow or refuses."""
    found: list[str] = []
    try:
        async with asyncio.timeout(TAIL_SECONDS):
            async for line in engine.logs(instance_id, tail=lines):
                found.append(line.text)  # noqa: PERF401 - a comprehension would lose what came before a timeout
    except (TimeoutError, EnvironmentFailure) as error:
        found.append(f"(cannot read the output: {str(error) or 'timed out'})")
    return tuple(found[-lines:])
