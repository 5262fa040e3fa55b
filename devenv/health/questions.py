"""Repeats a probe at devenv's interval and keeps the last answer."""

from __future__ import annotations

from devenv.clock import Clock
from devenv.events import ProbeFailed, Sink
from devenv.health.choice import ChosenProbe, FailureBudget
from devenv.health.probe import Answer
from devenv.model.stack import Service

FIRST_PACE = 0.05
LATER_PACE = 0.1
"""Seconds between questions, at first and after :data:`PATIENCE` seconds."""

PATIENCE = 3.0
REST_FACTOR = 5.0
"""A costly probe rests this many times its last duration, but never longer than the interval that its file sets."""

SETTLE_SECONDS = 0.2
"""How long an instance without a probe has to run to count as started rather than as exiting at once."""

REPEAT_SECONDS = 1.0
"""Seconds after which an unchanged answer is reported again."""


class Questions:
    """The questions put to one instance.

    Attributes:
        attempts: how many were asked.
        last: the last answer; its text is empty before the first one.
    """

    def __init__(
        self, choice: ChosenProbe | None, service: Service, index: int, clock: Clock, sink: Sink, started_at: float
    ) -> None:
        self._choice = choice
        self._service = service
        self._index = index
        self._clock = clock
        self._sink = sink
        self._started_at = started_at
        self._told: tuple[str, float] = ("", 0.0)
        self.attempts = 0
        self.last = Answer(False, "")

    @property
    def description(self) -> str:
        """What is asked; empty if the service has no probe."""
        return self._choice.probe.description if self._choice is not None else ""

    async def until_ready(self) -> bool:
        """Return ``True`` once the probe succeeds, ``False`` once the healthcheck's budget is spent."""
        if self._choice is None:
            await self._clock.sleep(SETTLE_SECONDS)
            return True
        while True:
            begun = self._clock.monotonic()
            self.last = await self._choice.probe.ask()
            self.attempts += 1
            if self.last.ok:
                return True
            self._tell()
            now = self._clock.monotonic()
            if self._spent(self._choice.budget, now):
                return False
            pace = FIRST_PACE if now - self._started_at < PATIENCE else LATER_PACE
            rest = (now - begun) * REST_FACTOR if self._choice.probe.costly else 0.0
            if self._choice.interval is not None:
                rest = min(rest, self._choice.interval)
            await self._clock.sleep(max(pace, rest))

    def _spent(self, budget: FailureBudget | None, now: float) -> bool:
        return budget is not None and self.attempts >= budget.retries and now - self._started_at >= budget.seconds

    def _tell(self) -> None:
        """Emit what is new, and at least once a second that it is still so."""
        text, when = self._told
        now = self._clock.monotonic()
        if self.last.text == text and now - when < REPEAT_SECONDS:
            return
        self._told = (self.last.text, now)
        self._sink(
            ProbeFailed(
                service=self._service.name,
                instance=self._index,
                probe=self.description,
                answer=self.last.text,
                attempt=self.attempts,
            )
        )
