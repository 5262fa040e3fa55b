"""Moves the ports of devenv's own trace backend away from those that the stack's own telemetry publishes.

Everything else that two services publish stays an error: ports are moved for telemetry alone, and never silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.orchestrate.port_block import allot
from devenv.orchestrate.telemetry.recognition import OTLP_PORTS, own_telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.model.identity import Project
    from devenv.model.stack import Service, Stack


def is_added(service: Service) -> bool:
    """Return whether devenv has added ``service`` itself: it has no place in a file."""
    return not service.location.line


def beside_own_telemetry(project: Project, stack: Stack, *, remember: bool) -> tuple[Stack, str]:
    """Return ``stack`` without collisions between devenv's backend and the stack's telemetry, and one line about it.

    The ports are free ones of the block that the directory keeps. The line is empty if nothing had to move.

    Args:
        project: keeps the ports.
        stack: with the trace backend.
        remember: keep the ports; otherwise they are only proposed.

    Raises:
        PortTaken: If no block is free.
    """
    backend = stack.trace_backend
    if backend is None or not is_added(backend):
        return stack, ""
    taken = dict(_published(stack))
    concerned = [port for port in backend.ports if port.protocol == "tcp" and port.host in taken]
    if not concerned:
        return stack, ""
    moved = allot(project, stack, remember=remember, only={backend.name: [port.host or 0 for port in concerned]})
    hosts = {port.container: port.host for port in moved.services[backend.name].ports}
    now = ", ".join(f"{port.container} at {hosts[port.container]}" for port in concerned)
    owners = " and ".join(dict.fromkeys(taken[port.host or 0] for port in concerned))
    verb = "publishes" if " and " not in owners else "publish"
    return moved, f"the trace backend {backend.name} takes free ports, because {owners} {verb} its usual ones: {now}"


def _published(stack: Stack) -> Iterator[tuple[int, str]]:
    """Host ports that the stack's telemetry uses, each with its service."""
    for item in own_telemetry(stack):
        service = stack.services[item.service]
        for port in service.ports:
            if port.protocol == "tcp" and port.host is not None:
                yield from ((number, service.name) for number in range(port.host, (port.host_last or port.host) + 1))
        if service.network_mode == "host" and item.known:
            yield from ((number, service.name) for number in OTLP_PORTS)
