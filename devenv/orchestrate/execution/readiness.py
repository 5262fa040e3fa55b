"""Waits for one instance: until it is ready, or until it has completed.

The waiter is imported when something waits, so that ``down`` does not load the probes.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from devenv.race import first

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.health.outcome import WaitOutcome
    from devenv.model.identity import Project
    from devenv.model.stack import Service
    from devenv.model.state import ObservedInstance
    from devenv.orchestrate.execution.hooks import Verdict


class Readiness:
    """Waits within one deadline for all instances of a plan."""

    def __init__(self, engine: Engine, project: Project | None, *, clock: Clock, sink: Sink, timeout: float) -> None:
        self._engine = engine
        self._project = project
        self._clock = clock
        self._sink = sink
        self._timeout = timeout
        self._deadline = clock.monotonic() + timeout

    async def completed(self, service: Service, instance_id: str, index: int) -> WaitOutcome:
        """Wait until the instance of a one-shot service has exited."""
        from devenv.health.waiter import wait_completed

        return await wait_completed(
            self._engine,
            instance_id,
            service,
            index,
            timeout=self._remaining(),
            clock=self._clock,
            observe=partial(self._observe, instance_id),
        )

    async def ready(
        self, service: Service, instance_id: str, index: int, *, image: str, started_at: float
    ) -> WaitOutcome:
        """Wait until an instance is ready.

        Args:
            service: as resolved.
            instance_id: the engine's ID.
            index: of the instance, from 1.
            image: reference that it runs; empty if it runs none.
            started_at: ``clock.monotonic()`` at its start, or now if it was running before.
        """
        from devenv.health.waiter import wait_ready

        outcome = await wait_ready(
            self._engine,
            instance_id,
            service,
            index,
            image_healthcheck=await self._image_healthcheck(service, image),
            timeout=self._remaining(),
            clock=self._clock,
            sink=self._sink,
            started_at=started_at,
            observe=partial(self._observe, instance_id),
        )
        return self._with_whole_timeout(service, outcome)

    async def within(self, hook: Coroutine[Any, Any, Verdict]) -> Verdict:
        """Await a hook within the deadline, if there is one: a plan that only stops has none."""
        if not self._timeout:
            return await hook
        return await first(hook, self._too_long())

    async def _too_long(self) -> Verdict:
        await self._clock.sleep(self._remaining())
        return f"did not end within {self._timeout:g} s after the first start", ()

    async def _observe(self, instance_id: str) -> ObservedInstance | None:
        """The instance as the engine shows it now."""
        observed = await self._engine.observe(self._project)
        return next((instance for instance in observed.instances if instance.id == instance_id), None)

    def _remaining(self) -> float:
        return max(self._deadline - self._clock.monotonic(), 0.0)

    def _with_whole_timeout(self, service: Service, outcome: WaitOutcome) -> WaitOutcome:
        """A timeout as the user set it, rather than what the waits before had left of it."""
        ready = service.x.ready
        failure = outcome.failure
        if failure is None or not failure.timed_out or (ready is not None and ready.timeout is not None):
            return outcome
        reason = f"was not ready {self._timeout:g} s after the first start"
        if failure.restarts:
            reason += f"; {failure.restarts}"
        return replace(outcome, failure=replace(failure, reason=reason))

    async def _image_healthcheck(self, service: Service, image: str) -> tuple[str, ...]:
        """The image's own test, asked for only if the stack file has nothing that takes precedence."""
        check, ready = service.healthcheck, service.x.ready
        if (
            not image
            or (ready is not None and ready.has_probe)
            or (check is not None and (check.disable or check.test))
        ):
            return ()
        config = await self._engine.image_config(image)
        return config.healthcheck if config is not None else ()
