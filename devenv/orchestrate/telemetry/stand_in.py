"""On local processes: devenv's embedded backend stands in for the telemetry that only an image has.

Its services are not started. Their names lead to the backend, so that what is sent to them arrives there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.model.stack import Attachment
from devenv.orchestrate.telemetry.recognition import host_names, is_telemetry
from devenv.orchestrate.telemetry.senders import senders_to

if TYPE_CHECKING:
    from devenv.model.stack import Service, Stack


def replaced_services(stack: Stack) -> tuple[str, ...]:
    """Return the telemetry services that cannot run as processes: known by their image, without x-devenv.process."""
    backend = stack.trace_backend
    return tuple(
        service.name
        for service in stack.services.values()
        if service != backend and service.x.process is None and is_telemetry(service)
    )


def with_stand_in(stack: Stack) -> Stack:
    """Return ``stack`` without those services, and with their names at the trace backend, which it has."""
    gone = replaced_services(stack)
    backend = stack.trace_backend
    if backend is None or not gone:
        return stack
    names = frozenset[str]().union(*(host_names(stack.services[name]) for name in gone))
    services = {
        service.name: _without_dependencies(service, gone)
        for service in stack.services.values()
        if service.name not in gone
    }
    first, *others = backend.networks or (Attachment(network="default"),)
    known = replace(first, aliases=(*first.aliases, *sorted(names)))
    services[backend.name] = replace(services[backend.name], networks=(known, *others))
    return replace(stack, services=services)


def stand_in_notes(stack: Stack) -> tuple[str, ...]:
    """Return one line for each service that is not started.

    Args:
        stack: as resolved from its files.
    """
    lines = []
    for name in replaced_services(stack):
        senders = senders_to(stack, host_names(stack.services[name]))
        what = f": {', '.join(senders)} {'sends' if len(senders) == 1 else 'send'} to devenv's backend directly"
        lines.append(f"{name} is not started as a process{what if senders else ''}")
    return tuple(lines)


def _without_dependencies(service: Service, gone: tuple[str, ...]) -> Service:
    kept = tuple(dependency for dependency in service.depends_on if dependency.service not in gone)
    return replace(service, depends_on=kept)
