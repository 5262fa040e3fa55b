"""How far each service is while a plan is applied, and what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.model.state import Health

if TYPE_CHECKING:
    from devenv.health.waiter import Failure, Outcome


@dataclass(slots=True)
class Track:
    """How far a service is; each event is set in the end, whatever became of the service.

    Attributes:
        outcomes: of its instances by index, where they were waited for.
        blocked_by: the services whose failure kept it from starting.
    """

    created: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    ids: dict[int, str] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    has_started: bool = False
    blocked_by: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether every instance is ready."""
        return self.has_started and all(outcome.ready for outcome in self.outcomes.values())

    @property
    def failure(self) -> Failure | None:
        """The first instance's that has one."""
        return next((o.failure for _, o in sorted(self.outcomes.items()) if o.failure is not None), None)

    @property
    def health(self) -> Health:
        """The worst of its instances'; ``STARTING`` where it was not started or not ready in time."""
        failure = self.failure
        if failure is not None:
            return Health.STARTING if failure.timed_out else Health.UNHEALTHY
        outcomes = self.outcomes.values()
        if not self.has_started:
            return Health.STARTING
        if outcomes and all(outcome.completed for outcome in outcomes):
            return Health.COMPLETED
        return Health.HEALTHY if outcomes and all(outcome.attempts for outcome in outcomes) else Health.NONE
