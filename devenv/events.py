"""Typed progress events: the core emits them, the command line shows them.

An event is an immutable dataclass; a sink is any callable that takes one. Sinks must be quick and must not raise:
they are called on the event loop, in the order of the events.
"""

from __future__ import annotations

from collections.abc import Callable

from devenv.immutable import immutable


@immutable(kw_only=True)
class Event:
    """Base of all events."""


Sink = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Sink for callers that show nothing."""


@immutable(kw_only=True)
class Notice(Event):
    """One line that the user should see, such as the choice of engine or a stated warning."""

    message: str
    warning: bool = False


@immutable(kw_only=True)
class Planned(Event):
    """The plan is ready; ``services`` in the order in which they are shown."""

    services: tuple[str, ...]
    actions: int


@immutable(kw_only=True)
class LockWaiting(Event):
    """Another command (``holder``: its name and pid) has locked the project; this one waits."""

    holder: str


@immutable(kw_only=True)
class ImagePulling(Event):
    """Progress of a pull; ``done`` and ``total`` in bytes, 0 if unknown."""

    image: str
    status: str
    done: int = 0
    total: int = 0


@immutable(kw_only=True)
class ImageBuilding(Event):
    """One line of a build's output."""

    service: str
    line: str


@immutable(kw_only=True)
class ServiceEvent(Event):
    """Base of events about one service; ``instance`` counts from 1, 0 for the service as a whole."""

    service: str
    instance: int = 0


@immutable(kw_only=True)
class ServiceWaiting(ServiceEvent):
    """The service waits for its ``dependencies``."""

    dependencies: tuple[str, ...]


@immutable(kw_only=True)
class ServiceUnchanged(ServiceEvent):
    """The service is already running as the stack file requires."""


@immutable(kw_only=True)
class ServiceStarting(ServiceEvent):
    """The service is being created and started; ``reason`` is set if it replaces an instance."""

    reason: str = ""


@immutable(kw_only=True)
class ServiceStarted(ServiceEvent):
    """The engine reports that the service is running."""


@immutable(kw_only=True)
class ProbeFailed(ServiceEvent):
    """A readiness probe got the answer ``answer``; it will be repeated."""

    probe: str
    answer: str
    attempt: int


@immutable(kw_only=True)
class ServiceReady(ServiceEvent):
    """The service became ready ``ready_ms`` after its start."""

    ready_ms: float


@immutable(kw_only=True)
class ServiceCompleted(ServiceEvent):
    """A one-shot service exited with code 0."""


@immutable(kw_only=True)
class ServiceFailed(ServiceEvent):
    """The service will not become ready; ``summary`` is the first line of its failure block."""

    summary: str


@immutable(kw_only=True)
class ServiceLog(ServiceEvent):
    """One line of output while ``up`` waits, if requested."""

    line: str


@immutable(kw_only=True)
class Stopping(ServiceEvent):
    """The service is being stopped."""


@immutable(kw_only=True)
class Removed(Event):
    """An object was removed; ``kind`` is container, network, volume or process."""

    kind: str
    name: str


@immutable(kw_only=True)
class CanarySent(Event):
    """The canary request was sent with ``trace_id``."""

    trace_id: str
    method: str
    url: str


@immutable(kw_only=True)
class CanaryWaiting(Event):
    """The backend has ``spans`` spans of ``services`` so far."""

    spans: int
    services: tuple[str, ...]


@immutable(kw_only=True)
class LoadProgress(Event):
    """State of a run, at least once per second; latencies in milliseconds of the requests completed so far."""

    elapsed_s: float
    duration_s: float
    sent: int
    completed: int
    failed: int
    in_flight: int
    rate: float
    p50_ms: float
    p99_ms: float


@immutable(kw_only=True)
class VerifyProgress(Event):
    """Of ``total`` traces to look up in the backend, ``found`` are complete."""

    found: int
    total: int
