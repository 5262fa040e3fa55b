"""The ways of spans through collectors of the stack's own: ``web → otel-collector → jaeger``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.immutable import immutable
from devenv.orchestrate.telemetry.collectors import decide
from devenv.orchestrate.telemetry.recognition import host_names
from devenv.orchestrate.telemetry.senders import senders_to

if TYPE_CHECKING:
    from devenv.model.stack import Stack


@immutable(kw_only=True)
class CollectorRoute:
    """Services, the collector that they have set as their endpoint, and the backend that it passes spans on to."""

    services: tuple[str, ...]
    collector: str
    backend: str


def routes(stack: Stack, *, containers: bool) -> tuple[CollectorRoute, ...]:
    """Return the ways that end at devenv's backend, in the stack's order.

    Args:
        stack: with the trace backend and the copies.
        containers: the engine runs containers.
    """
    backend = stack.trace_backend
    if backend is None:
        return ()
    found = []
    for decision in decide(stack, containers=containers):
        name = decision.telemetry.service
        senders = tuple(s for s in senders_to(stack, host_names(stack.services[name])) if s != name)
        if decision.passes and senders:
            found.append(CollectorRoute(services=senders, collector=name, backend=backend.name))
    return tuple(found)
