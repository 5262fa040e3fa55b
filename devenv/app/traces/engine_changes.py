"""What the engine reports of services that changed while traces arrived: starts, exits, and lack of memory."""

from __future__ import annotations

from collections.abc import Iterator

from devenv.model.analysis.report_document import ChangePart
from devenv.model.state import RUNS, ObservedInstance, ObservedState
from devenv.traces.query import rfc3339

CREATED = "was created and started"


def engine_changes(observed: ObservedState, since: float, until: float, *, first: float) -> list[ChangePart]:
    """The changes of a time, oldest first: an engine reports the last ones of each instance.

    Args:
        observed: the instances.
        since: start of the time, seconds since the epoch.
        until: end of the time.
        first: start of the first trace; what was created before that is the start of the project, not a change.
    """
    found = sorted(
        (time, instance.service, what)
        for instance in observed.instances
        for time, what in _of_instance(instance)
        if (first if what == CREATED else since) <= time <= until
    )
    return [ChangePart(time=rfc3339(round(time * 1e9)), service=service, what=what) for time, service, what in found]


def _of_instance(instance: ObservedInstance) -> Iterator[tuple[float, str]]:
    started, finished = instance.started_at, instance.finished_at
    if finished is not None:
        if instance.oom_killed:
            yield finished, "was killed: out of memory"
        elif instance.exit_code is not None and instance.state not in RUNS:
            yield finished, f"exited with {instance.exit_code}"
        else:
            yield finished, "ended"
    if started is not None and instance.state in RUNS:
        again = instance.restarts > 0 or (finished is not None and finished <= started)
        yield started, "was restarted" if again else CREATED
