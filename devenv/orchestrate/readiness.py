"""Waiting for one instance, by what is expected of its service: to become ready, or to end well."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.health.waiter import Outcome, wait_completed, wait_ready
from devenv.orchestrate.naming import image_tag
from devenv.orchestrate.selection import one_shots

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.stack import Service
    from devenv.orchestrate.target import Target


class Readiness:
    """Waits within one deadline for all instances of a target."""

    def __init__(self, engine: Engine, target: Target, *, clock: Clock, sink: Sink, timeout: float) -> None:
        self._engine = engine
        self._project = target.project
        self._one_shots = one_shots(target.stack)
        self._clock = clock
        self._sink = sink
        self._timeout = timeout
        self._deadline = clock.monotonic() + timeout

    async def wait(self, service: Service, instance_id: str, index: int, *, started_at: float) -> Outcome:
        """Wait until an instance is ready, or has ended with 0 where it is a one-shot."""
        remaining = max(self._deadline - self._clock.monotonic(), 0.0)
        if service.name in self._one_shots:
            return await wait_completed(
                self._engine, instance_id, service, index, timeout=remaining, clock=self._clock, sink=self._sink
            )
        outcome = await wait_ready(
            self._engine,
            instance_id,
            service,
            index,
            image_healthcheck=await self._image_healthcheck(service),
            timeout=remaining,
            clock=self._clock,
            sink=self._sink,
            started_at=started_at,
        )
        return self._told_by_the_whole(service, outcome)

    def _told_by_the_whole(self, service: Service, outcome: Outcome) -> Outcome:
        """A timeout as the user gave it, rather than what the waits before had left of it."""
        ready = service.x.ready
        failure = outcome.failure
        if failure is None or not failure.timed_out or (ready is not None and ready.timeout is not None):
            return outcome
        _, separator, rest = failure.reason.partition("; ")
        reason = f"did not become ready within {self._timeout:g} s of the first start{separator}{rest}"
        return replace(outcome, failure=replace(failure, reason=reason))

    async def _image_healthcheck(self, service: Service) -> tuple[str, ...]:
        """The image's own test, asked for only where the file says nothing that goes before it."""
        check = service.healthcheck
        if service.x.ready is not None or (check is not None and (check.disable or check.test)):
            return ()
        if service.image is None and service.build is None:
            return ()
        return await self._engine.image_healthcheck(image_tag(self._project, service))
