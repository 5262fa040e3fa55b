"""Results of waiting for an instance."""

from __future__ import annotations

from devenv.immutable import immutable


@immutable(kw_only=True)
class Failure:
    """Why an instance did not become ready, as facts for the failure block.

    Attributes:
        reason: one clause that follows the service's name, such as ``exited with code 1 before it was ready``.
        probe: what was asked, such as ``GET /health on port 8080``; empty if the service has no probe.
        last_answer: the probe's last answer; empty if it was never asked.
        exit_code: of the last exit; ``None`` if it still runs.
        log_tail: the last lines of output, oldest first.
        timed_out: the time allowed ran out, rather than a verdict being reached.
        restarts: that the engine keeps restarting it, as a clause; empty if it has never ended.
    """

    service: str
    index: int
    reason: str
    probe: str = ""
    last_answer: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    log_tail: tuple[str, ...] = ()
    timed_out: bool = False
    restarts: str = ""


def not_started(reason: str) -> str:
    """Return :attr:`Failure.reason` for an instance that could not start; ``reason`` alone does not say that."""
    return f"could not start: {reason}"


@immutable(kw_only=True)
class WaitOutcome:
    """Of waiting for one instance.

    Attributes:
        ready: whether dependents may start.
        ready_ms: milliseconds from the instance's start call to this outcome.
        failure: set exactly if ``ready`` is false.
        completed: it is a one-shot that has exited with code 0.
        attempts: how often the probe was asked.
    """

    ready: bool
    ready_ms: float
    failure: Failure | None = None
    completed: bool = False
    attempts: int = 0
