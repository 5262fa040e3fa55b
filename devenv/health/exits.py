"""Whether an instance has ended for good, given its restart policy."""

from __future__ import annotations

from devenv.clock import Clock
from devenv.contract.answers import ExitStatus
from devenv.contract.engine import InstanceAccess
from devenv.health.outcome import not_started
from devenv.immutable import immutable
from devenv.model.stack import Service

PACE = 0.1
"""Seconds between checks of an instance that the engine keeps restarting."""


@immutable()
class ExitVerdict:
    """The instance has ended and will not be restarted, or is restarted again and again.

    Attributes:
        reason: a clause that follows the service's name.
        exit_code: of the last exit, if the engine has told it otherwise than by ``wait``.
    """

    success: bool
    reason: str
    exit_code: int | None = None


class Exits:
    """Waits for the exits of one instance."""

    def __init__(self, target: InstanceAccess, instance_id: str, service: Service, clock: Clock) -> None:
        self._target = target
        self._instance_id = instance_id
        self._restart = service.restart
        self._clock = clock
        self.last: ExitStatus | None = None
        self.count = 0

    @property
    def restarts_text(self) -> str:
        """How often it has ended, as a clause; empty if it never has."""
        if self.last is None:
            return ""
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"it ended {times} (the last time it {_how(self.last)})"

    async def until_final(self, *, completes: bool) -> ExitVerdict:
        """Return once the instance has ended and its restart policy does not restart it.

        Args:
            completes: exit code 0 is success (a one-shot, or a service without a probe).
        """
        while True:
            ended = await self._target.wait(self._instance_id)
            self.last = ended
            self.count += 1
            if self._is_final(ended):
                return self._verdict(ended, completes=completes)
            await self._clock.sleep(PACE)

    def _is_final(self, ended: ExitStatus) -> bool:
        if ended.error or ended.lost or self._restart.policy == "no":
            return True
        if self._restart.policy == "on-failure":
            maximum = self._restart.maximum
            return ended.exit_code == 0 or (maximum is not None and maximum > 0 and self.count > maximum)
        return False

    def _verdict(self, ended: ExitStatus, *, completes: bool) -> ExitVerdict:
        if ended.exit_code == 0 and not ended.error and not ended.lost and completes:
            return ExitVerdict(success=True, reason="")
        before = "" if completes else " before it was ready"
        if ended.error:
            return ExitVerdict(success=False, reason=not_started(ended.error))
        if ended.lost:
            return ExitVerdict(success=False, reason=ended.lost)
        again = f" ({self.count} exits)" if self.count > 1 else ""
        return ExitVerdict(success=False, reason=_how(ended) + again + before)


def _how(ended: ExitStatus) -> str:
    if ended.oom_killed:
        return f"ran out of memory and was killed (exit code {ended.exit_code})"
    return f"exited with code {ended.exit_code}"
