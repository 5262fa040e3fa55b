"""A component of an incident: an operation with a fault, which it has by itself or because of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from devenv.immutable import immutable

EXAMPLES = 3
EARLIER = 5
"""A component with less than this part of the most requests is listed after those with more, even if its fault was
before theirs."""

FaultKind = Literal["error", "crash", "latency", "lost context"]

_LATER: dict[FaultKind, int] = {"latency": 1, "lost context": 1}
"""Failed requests come first."""


@immutable(kw_only=True)
class Component:
    """An operation with a fault.

    Attributes:
        kind: ``crash``: the service itself ended, or does not respond at all.
        error: what most of the failed spans say, or what else is wrong.
        since_ns: end of its first failed span, or start of its first slow one or of the first call that lost its
            context, nanoseconds since the epoch.
        requests: traces or calls with the fault.
        share: of those since then, 0 to 1.
        examples: trace IDs, oldest first; of lost context, the second is that which continues the first.
        caused_by: position of the component that is the cause; ``None`` if it has none.
        seen_by: the service whose calls show the fault, if the component itself has no span in them.
        retried: failed attempts that a later attempt made good.
        before_ns, after_ns: of a slower operation: usual time, and time of the slow requests.
    """

    service: str
    operation: str
    error: str
    since_ns: int
    requests: int
    share: float
    examples: tuple[str, ...]
    kind: FaultKind = "error"
    caused_by: int | None = None
    seen_by: str = ""
    retried: int = 0
    before_ns: int = 0
    after_ns: int = 0


@dataclass(slots=True)
class Cause:
    """A component without a known cause, and what it caused.

    Attributes:
        called: services whose spans are below the failed ones: they answered, or had not yet.
    """

    component: Component
    caused: list[Component] = field(default_factory=list)
    called: tuple[str, ...] = ()


def ranked(causes: Iterable[Cause]) -> list[Component]:
    """Causes in the order of their importance, each followed by what it caused.

    The first ones are those with many requests, among them failures before other faults, and the earliest first.
    """
    known = list(causes)
    most = max((cause.component.requests for cause in known), default=0)

    def order(cause: Cause) -> tuple[bool, int, int, str, str]:
        found = cause.component
        few = found.requests * EARLIER < most and found.requests > 0
        return few, _LATER.get(found.kind, 0), found.since_ns, found.service, found.operation

    components: list[Component] = []
    for cause in sorted(known, key=order):
        position = len(components)
        components.append(cause.component)
        components += [replace(each, caused_by=position) for each in cause.caused]
    return components
