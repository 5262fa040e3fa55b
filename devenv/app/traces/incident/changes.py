"""What the engine reports of services that changed while traces arrived: starts, exits, and lack of memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from devenv.analysis.failures.diagnosis import EngineHistory
from devenv.contract.answers import EngineEvent
from devenv.immutable import immutable
from devenv.model.analysis.report_document import ChangePart
from devenv.model.state import RUNS, ObservedInstance, ObservedState
from devenv.traces.query import rfc3339

CREATED = "was created and started"
RESTARTED = "was restarted"
OUT_OF_MEMORY = "was killed: out of memory"
SAME_S = 1.0
"""An event and the state of an instance that differ less are of the same change."""

_ASKED_FOR = frozenset({0, 130, 143})
"""Exit codes of a program that ends by itself or by the signal of a stop (SIGINT, SIGTERM)."""

_Instance = tuple[str, int]
"""Service and number."""


@immutable()
class EngineChange:
    """One change of an instance; ``time`` in seconds since the epoch."""

    time: float
    service: str
    what: str
    is_crash: bool = False
    is_start: bool = False


def engine_changes(
    observed: ObservedState, since: float, until: float, *, first: float, events: Sequence[EngineEvent] = ()
) -> list[EngineChange]:
    """The changes of a time, oldest first: the state of an instance has the last ones, events also those before.

    Args:
        observed: the instances.
        since: start of the time, seconds since the epoch.
        until: end of the time.
        first: start of the first trace; what was created before that is the start of the project, not a change.
        events: those that the engine still has, oldest first.
    """
    told = list(_of_events(events))
    known = [change for _, change in told]
    for instance in observed.instances:
        known += [change for change in _of_instance(instance) if not _is_told(instance, change, told)]
    return sorted(
        (change for change in known if (first if change.what == CREATED else since) <= change.time <= until),
        key=lambda change: (change.time, change.service, change.what),
    )


def _is_told(instance: ObservedInstance, change: EngineChange, told: Iterable[tuple[_Instance, EngineChange]]) -> bool:
    return any(
        name == (instance.service, instance.index)
        and event.is_start == change.is_start
        and abs(event.time - change.time) < SAME_S
        for name, event in told
    )


def change_parts(changes: Iterable[EngineChange]) -> list[ChangePart]:
    """The changes in the document."""
    return [
        ChangePart(time=rfc3339(round(change.time * 1e9)), service=change.service, what=change.what)
        for change in changes
    ]


def engine_history(changes: Iterable[EngineChange], names: Mapping[str, str]) -> EngineHistory:
    """The changes for the analysis.

    Args:
        changes: of the time of the traces and shortly before.
        names: of the services in traces, by service; others keep theirs.
    """
    crashes: dict[str, list[tuple[int, str]]] = {}
    starts: dict[str, list[int]] = {}
    for change in changes:
        service, time_ns = names.get(change.service, change.service), round(change.time * 1e9)
        if change.is_crash:
            crashes.setdefault(service, []).append((time_ns, change.what))
        elif change.is_start:
            starts.setdefault(service, []).append(time_ns)
    return EngineHistory(crashes=crashes, starts=starts)


def _exit(time: float, service: str, code: int | None, *, out_of_memory: bool) -> EngineChange:
    if out_of_memory:
        return EngineChange(time, service, OUT_OF_MEMORY, is_crash=True)
    if code is None:
        return EngineChange(time, service, "ended")
    return EngineChange(time, service, f"exited with {code}", is_crash=code not in _ASKED_FOR)


def _of_events(events: Sequence[EngineEvent]) -> Iterator[tuple[_Instance, EngineChange]]:
    ended: set[_Instance] = set()
    no_memory = [(event.instance_id, event.time) for event in events if event.action == "oom"]
    for event in events:
        name = event.service, event.index
        if event.action == "die":
            out_of_memory = any(
                instance == event.instance_id and abs(time - event.time) < SAME_S for instance, time in no_memory
            )
            ended.add(name)
            yield name, _exit(event.time, event.service, event.exit_code, out_of_memory=out_of_memory)
        elif event.action == "start":
            what = RESTARTED if name in ended else CREATED
            yield name, EngineChange(event.time, event.service, what, is_start=True)


def _of_instance(instance: ObservedInstance) -> Iterator[EngineChange]:
    started, finished = instance.started_at, instance.finished_at
    if finished is not None:
        code = None if instance.state in RUNS else instance.exit_code
        yield _exit(finished, instance.service, code, out_of_memory=instance.oom_killed)
    if started is not None and instance.state in RUNS:
        again = instance.restarts > 0 or (finished is not None and finished <= started)
        yield EngineChange(started, instance.service, RESTARTED if again else CREATED, is_start=True)
