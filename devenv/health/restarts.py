"""Whether an engine keeps restarting an instance: a restart loop, which no wait outlasts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.health.exits import ExitVerdict
from devenv.model.counts import plural
from devenv.model.state import State

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.model.state import ObservedInstance

STEADY_SECONDS = 1.5
"""An instance without a probe is up when it has run this long without an exit."""

LOOP_RESTARTS = 3
LOOP_SECONDS = 5.0
"""A loop: so many restarts, so long after the wait began, and the instance does not run steadily even then."""

PACE = 0.5
"""Seconds between questions to the engine about an instance that it may restart."""

Observe = Callable[[], Awaitable["ObservedInstance | None"]]


def is_steady(seen: ObservedInstance, now: float) -> bool:
    """Return whether an instance has been running for :data:`STEADY_SECONDS`; ``now`` in seconds since the epoch."""
    return seen.state is State.RUNNING and now - (seen.started_at or 0.0) >= STEADY_SECONDS


def is_looping(seen: ObservedInstance, now: float) -> bool:
    """Return whether an instance has been restarted again and again and does not run steadily."""
    restarting = seen.state is State.RESTARTING or (seen.state is State.RUNNING and not is_steady(seen, now))
    return restarting and seen.restarts >= LOOP_RESTARTS


def as_shown(seen: ObservedInstance, now: float) -> ObservedInstance:
    """Return an instance as ``restarting`` also in the moment in which an instance in a loop runs: it is not up."""
    return replace(seen, state=State.RESTARTING) if is_looping(seen, now) else seen


def loop_reason(seen: ObservedInstance, exit_code: int | None) -> str:
    """Return the clause about an instance that is being restarted, which follows the service's name."""
    code = seen.exit_code if seen.exit_code is not None else exit_code
    last = "" if code is None else f"; the last time it exited with code {code}"
    return f"is restarting in a loop: {plural(max(seen.restarts, 1), 'restart')}{last}"


async def until_loop(observe: Observe, clock: Clock) -> ExitVerdict:
    """Return once the engine keeps restarting an instance.

    Args:
        observe: returns the instance as the engine shows it now; ``None`` if it does not exist.
        clock: paces the questions.
    """
    began = clock.monotonic()
    code: int | None = None
    while True:
        await clock.sleep(PACE)
        seen = await observe()
        if seen is None:
            continue
        code = seen.exit_code if seen.exit_code is not None else code
        if clock.monotonic() - began >= LOOP_SECONDS and is_looping(seen, clock.now()):
            return ExitVerdict(success=False, reason=loop_reason(seen, code), exit_code=code)
